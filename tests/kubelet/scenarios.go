// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A row of the matrix.
type scenario struct {
	name  string
	about string // what a reader of the matrix should know
	skip  string // why it can't be run on any minor
	run   func(*stage)

	upgrade bool // needs the kubelet of the minor before
	cdi     bool // needs CDI's library
}

var scenarios = []scenario{
	{name: "1 class registers", run: registers(1)},
	{name: "10 classes register", run: registers(10)},
	{name: "50 classes register", run: registers(50)},
	{name: "pods ask for one, several, all, too many", run: amounts},
	{name: "containers with devices of two classes", run: twoClasses},
	{name: "init containers and sidecars", run: initContainers},
	{name: "a container gets what check and try said", run: promises},
	{name: "CDI names, pods running", run: cdiNames, cdi: true,
		about: "resolved by the runtimes' library, with kudev stopped too, and their specs " +
			"checked against the JSON schema"},
	{name: "preferred: by NUMA node", run: preferredNUMA},
	{name: "preferred: with devices that must be included", run: preferredMustInclude},
	{name: "preferred: packed and spread copies", run: preferredCopies},
	{name: "NUMA alignment of the topology manager", run: aligned},
	{name: "PreStartContainer", run: preStart,
		about: "of virtual cameras, for which dummies stand here"},
	{name: "an unused device goes and comes back", run: replugUnused},
	{name: "a held device goes and comes back", run: replugHeld},
	{name: "a device goes during Allocate", run: replugDuringAllocate,
		about: "since 1.34 a device that leaves the list meanwhile is a panic of the kubelet"},
	{name: "who holds what, and what is forgotten", run: holders,
		about: "by the kubelet's PodResources and its checkpoint"},
	{name: "devices are forgotten while pods are admitted", run: forgetDuringAllocate},
	{name: "1,000 plug events while pods are admitted", run: storm},
	{name: "kubelet restarted 20 times, pods running", run: kubeletRestarts},
	{name: "node rebooted, pods come back", run: reboot},
	{name: "kubelet upgraded, pods running", run: kubeletUpgrade, upgrade: true,
		about: "from the minor before"},
	{name: "kudev restarted, pods running", run: kudevRestarts(stopped)},
	{name: "kudev killed, pods running", run: kudevRestarts(killed)},
	{name: "kudev killed and back at once, pods running", run: kudevReplaced,
		about: "before the kubelet can have seen the old one's end"},
	{name: "kudev restarted with fewer devices, pods running", run: fewer(false),
		about: "a kubelet since 1.34 that starts then panics on a held device out of the list, " +
			"if others have a NUMA node"},
	{name: "rolling update: the new kudev starts first", run: rollingUpdate},
	{name: "rolling update: the old one ends meanwhile", run: rollingUpdateMeanwhile,
		about: "while the new one registers"},
	{name: "rolling update to fewer devices, pods running", run: fewer(true)},
	{name: "of two plugins, the one that registered last ends", run: overlap,
		about: "the kubelet does not tell the one that is left"},
	{name: "a pod got its devices from another kudev", run: overlapHeld,
		about: "that were unknown to the one that is left: see above"},
	{name: "two classes of one name", run: sameName},
	{name: "10,000 devices", run: thousands},
	{name: "other plugin to kudev with its flags, pods running", run: otherPlugin(false),
		about: "generic-device-plugin's resource names and IDs, served by a stand-in, as the " +
			"real one is not to be had from the module proxy"},
	{name: "other plugin to kudev with its file, pods running", run: otherPlugin(true)},
}

func registers(count int) func(*stage) {
	return func(s *stage) {
		var classes, all []string
		for i := range count {
			name := fmt.Sprintf("class-%d", i)
			classes = append(classes, simulate(name, i%4+1, ""))
			all = append(all, fmt.Sprintf("%s=%d", name, i%4+1))
		}
		k := s.startKubelet("none", 0)
		started := time.Now()
		s.run("--config", s.config(classes...))
		k.wait(all...)
		s.note("all allocatable %d ms after kudev started", time.Since(started).Milliseconds())
		expect(len(k.capacity()) == count, "the node has %v", k.capacity())
	}
}

func amounts(s *stage) {
	s.run("--config", s.config(simulate("a", 8, "")))
	k := s.startKubelet("none", 0)
	k.wait("a=8")
	k.refuse("Requested: 9, Available: 8", "a=9")
	one := k.place("a=1")
	several := k.place("a=3")
	expect(len(k.heldBy(one, "c", "a")) == 1 && len(k.heldBy(several, "c", "a")) == 3,
		"held: %v", k.held())
	rest := k.place("a=4")
	expect(k.once() == 8, "held: %v", k.held())
	k.refuse("Available: 0", "a=1")
	for _, each := range []*pod{one, several, rest} {
		k.forget(each)
	}
	k.place("a=8")
	expect(k.once() == 8, "held: %v", k.held())
}

func initContainers(s *stage) {
	s.run("--config", s.config(simulate("a", 2, "")))
	k := s.startKubelet("none", 0)
	k.wait("a=2")

	reusing := newPod("a=2")
	reusing.Spec.InitContainers = []container{newContainer("init", "a=2")}
	refused := k.admit(reusing)
	expect(refused == "", "refused: %s", refused)
	expect(k.once() == 2, "held: %v", k.held())
	expect(len(k.options(reusing, "init").Mounts) == 2 &&
		len(k.options(reusing, "c").Mounts) == 2, "not two devices each")
	k.forget(reusing)

	for wants, reason := range map[string]string{"a=1": "", "a=2": "Available: 1"} {
		sidecar := newPod(wants)
		sidecar.Spec.InitContainers = []container{newContainer("sidecar", "a=1")}
		sidecar.Spec.InitContainers[0].RestartPolicy = "Always"
		refused := k.admit(sidecar)
		expect(strings.Contains(refused, reason) && (refused == "") == (reason == ""),
			"a sidecar, and a container with %s: %q", wants, refused)
		if refused == "" {
			expect(k.once() == 2, "held: %v", k.held())
			k.forget(sidecar)
		}
	}
}

// preferredNUMA needs no topology manager: kudev's advice is enough.
func preferredNUMA(s *stage) {
	path := s.config(strings.TrimSuffix(simulate("a", 8, ", numaNodes: 2"), "}") +
		", preferred: numa}")
	s.run("--config", path)
	k := s.startKubelet("none", 2)
	k.wait("a=8")
	nodes := numaNodes(path)
	for _, wants := range []string{"a=3", "a=4", "a=1"} {
		made := k.place(wants)
		on := map[int]bool{}
		for _, id := range k.heldBy(made, "c", "a") {
			on[nodes[id]] = true
		}
		expect(len(on) == 1, "a pod with %s: %v", wants, k.held())
	}
	expect(k.once() == 8, "held: %v", k.held())
}

// numaNodes is the NUMA node of each ID.
func numaNodes(path string) map[string]int {
	nodes := map[string]int{}
	for _, class := range checkJSON("--config", path).Classes {
		for _, device := range class.Devices {
			nodes[device.ID] = *device.NUMANode
		}
	}
	return nodes
}

// The device of an init container is what the container after it must include.
func preferredMustInclude(s *stage) {
	path := s.config(strings.TrimSuffix(simulate("a", 8, ", numaNodes: 2"), "}") +
		", preferred: numa}")
	s.run("--config", path)
	k := s.startKubelet("none", 2)
	k.wait("a=8")
	nodes := numaNodes(path)
	// Leaves one node 2 devices, which fit the init container most tightly, while the other
	// node could give the container all that it asks for.
	first := k.heldBy(k.place("a=2"), "c", "a")
	made := newPod("a=3")
	made.Spec.InitContainers = []container{newContainer("init", "a=1")}
	refused := k.admit(made)
	expect(refused == "", "refused: %s", refused)
	expect(slices.Contains(k.options(made, "c").Mounts, k.options(made, "init").Mounts[0]),
		"the device of the init container was not reused")
	same := 0
	for _, id := range k.heldBy(made, "c", "a") {
		if nodes[id] == nodes[first[0]] {
			same++
		}
	}
	expect(nodes[first[0]] == nodes[first[1]] && same == 2,
		"%d of the 2 left on the init container's node: %v", same, k.held())
	expect(k.once() == 5, "held: %v", k.held())
}

func preferredCopies(s *stage) {
	s.run("--config", s.config(
		strings.TrimSuffix(simulate("packed", 3, ""), "}")+", share: 3, preferred: packed}",
		strings.TrimSuffix(simulate("spread", 3, ""), "}")+", share: 3, preferred: spread}"))
	k := s.startKubelet("none", 0)
	k.wait("packed=9", "spread=9")
	on := map[string]map[string]int{"packed": {}, "spread": {}}
	for range 3 {
		made := k.place("packed=1", "spread=1")
		on["packed"][k.options(made, "c").Mounts[0].HostPath]++
		on["spread"][k.options(made, "c1").Mounts[0].HostPath]++
	}
	expect(len(on["packed"]) == 1 && len(on["spread"]) == 3, "pods by device: %v", on)
}

func aligned(s *stage) {
	path := s.config(simulate("a", 8, ", numaNodes: 2"), simulate("b", 2, ", numaNodes: 2"))
	s.run("--config", path)
	k := s.startKubelet("single-numa-node", 2)
	k.wait("a=8", "b=2")
	k.refuse("TopologyAffinityError", "a=5")
	nodes := numaNodes(path)
	for range 2 {
		made := k.place("a=4 b=1")
		node := nodes[k.heldBy(made, "c", "b")[0]]
		for _, id := range k.heldBy(made, "c", "a") {
			expect(nodes[id] == node, "on two NUMA nodes: %v", k.held())
		}
	}
	expect(k.once() == 10, "held: %v", k.held())
}

// preStart: the kubelet asks before each start of a container, and of no other class.
func preStart(s *stage) {
	prefix := fmt.Sprintf("/dev/kudev-test-%d-", os.Getpid())
	started := s.run("--config", s.config(simulate("a", 1, ""), "{name: camera, "+
		"v4l2loopback: {count: 2, fallbackPrefix: "+prefix+"}, "+
		"env: {VIDEO_DEVICE: \"{path}\"}}"))
	defer func() {
		// It makes again what is removed meanwhile.
		started.stop()
		for _, number := range []string{"10", "11"} {
			_ = os.Remove(prefix + number)
		}
	}()
	k := s.startKubelet("none", 0)
	k.wait("a=1", "camera=2")
	made := k.place("a=1 camera=2")
	for i := range 3 {
		given := k.options(made, "c")
		expect(len(given.Devices) == 2, "start %d: given %v", i, given)
		started.waitLogged("container starts class=camera", i+1)
	}
	k.restart("a=1", "camera=2")
	expect(len(k.options(made, "c").Devices) == 2, "the restarted kubelet gives less")
	started.waitLogged("container starts class=camera", 4)
	expect(started.logged("container starts") == 4, "another class was asked")
}

func sameName(s *stage) {
	k := s.startKubelet("none", 0)
	for _, classes := range [][]string{
		{simulate("a", 1, ""), simulate("a", 2, "")},
		{simulate("a", 1, ""), "{resource: example.com/a, " + simulate("b", 2, "")[1:]},
	} {
		path := s.config(classes...)
		for _, command := range []string{"check", "run"} {
			said := string(runCommand(2, command, "--config", path))
			expect(strings.Contains(said, "two classes have the "),
				"kudev %s does not say what is there twice: %s", command, said)
		}
	}
	expect(len(k.capacity()) == 0, "the node has %v", k.capacity())
}

func thousands(s *stage) {
	started := time.Now()
	s.run("--config", s.config(simulate("a", 10000, "")))
	k := s.startKubelet("none", 0)
	k.wait("a=10000")
	s.note("allocatable after %d ms", time.Since(started).Milliseconds())
	started = time.Now()
	all := k.place("a=10000")
	s.note("all to one pod in %d ms", time.Since(started).Milliseconds())
	expect(k.once() == 10000, "not all are held")
	expect(len(k.options(all, "c").Mounts) == 10000, "the container does not get all")
	k.refuse("Available: 0", "a=1")
	k.forget(all)
	// No more, as since 1.36 a kubelet that starts looks through all held devices for each.
	k.place("a=50")
	k.place("a=50")
	before := k.held()
	s.note("restarted: allocatable after %d ms", k.restart("a=10000").Milliseconds())
	expect(reflect.DeepEqual(k.held(), before), "other devices are held after a restart")
}
