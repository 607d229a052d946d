// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// The node program of one minor, running. See node/main.go for the other end.
type kubelet struct {
	stage  *stage
	pid    int
	kill   func()
	in     *json.Encoder
	out    *json.Decoder
	mutex  sync.Mutex
	stderr string
	drops  chan struct{} // closed when all of stderr was read
	pods   []*pod        // admitted
	policy string
	numa   int
}

type amount struct{ Capacity, Allocatable int64 }

type request struct {
	Do        string
	Pods      []*pod `json:",omitempty"`
	Policy    string
	NUMANodes int
	Pod       *pod `json:",omitempty"`
	Container string
	Resources map[string]amount
	Timeout   time.Duration
}

type answer struct {
	Error, Refused string
	Capacity       map[string]amount
	Held           map[string][]string
	Options        *options
	Waited         time.Duration
}

// What the kubelet would tell the container runtime.
type options struct {
	Devices           []struct{ PathOnHost, PathInContainer, Permissions string }
	Mounts            []mount
	Envs, Annotations []struct{ Name, Value string }
	CDIDevices        []struct{ Name string }
}

type mount struct {
	ContainerPath, HostPath string
	ReadOnly                bool
}

// As much of a v1.Pod as the device manager looks at.
type pod struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
		UID       string `json:"uid"`
	} `json:"metadata"`
	Spec struct {
		InitContainers []container `json:"initContainers,omitempty"`
		Containers     []container `json:"containers"`
	} `json:"spec"`
}

type container struct {
	Name          string `json:"name"`
	RestartPolicy string `json:"restartPolicy,omitempty"`
	Resources     struct {
		Limits map[string]int `json:"limits"`
	} `json:"resources"`
}

var podsMade int

// newContainer takes "class=count class=count".
func newContainer(name, wants string) container {
	made := container{Name: name}
	made.Resources.Limits = map[string]int{}
	for _, want := range strings.Fields(wants) {
		class, text, _ := strings.Cut(want, "=")
		count := 0
		_, err := fmt.Sscan(text, &count)
		check(err)
		made.Resources.Limits[resource(class)] = count
	}
	return made
}

// newPod is a pod of one container, called c, for each of wants: c, c1, c2.
func newPod(wants ...string) *pod {
	podsMade++
	made := &pod{}
	made.Metadata.Name = fmt.Sprintf("pod-%d", podsMade)
	made.Metadata.Namespace = "default"
	made.Metadata.UID = fmt.Sprintf("00000000-0000-4000-8000-%012d", podsMade)
	for i, want := range wants {
		name := "c"
		if i > 0 {
			name = fmt.Sprintf("c%d", i)
		}
		made.Spec.Containers = append(made.Spec.Containers, newContainer(name, want))
	}
	return made
}

func resource(class string) string {
	if strings.Contains(class, "/") {
		return class
	}
	return "example.com/" + class
}

// startKubelet starts the stage's minor; policy and numa are of its topology manager.
func (s *stage) startKubelet(policy string, numa int) *kubelet {
	s.kubelet = &kubelet{stage: s, policy: policy, numa: numa}
	s.kubelet.start(nil)
	s.kubelet.resume()
	return s.kubelet
}

// start tells the new kubelet that the containers of these pods run.
func (k *kubelet) start(running []*pod) {
	process := command(k.stage.node)
	in, err := process.StdinPipe()
	check(err)
	out, err := process.StdoutPipe()
	check(err)
	log, err := process.StderrPipe()
	check(err)
	check(process.Start())
	k.pid = process.Process.Pid
	k.in, k.out = json.NewEncoder(in), json.NewDecoder(out)
	drops := make(chan struct{})
	k.drops, k.stderr = drops, ""
	go func() {
		defer close(drops)
		buffer := make([]byte, 65536)
		for {
			n, err := log.Read(buffer)
			os.Stderr.Write(buffer[:n])
			k.mutex.Lock()
			k.stderr += string(buffer[:n])
			k.mutex.Unlock()
			if err != nil {
				return
			}
		}
	}()
	k.kill = func() {
		check(process.Process.Kill())
		<-drops
		_ = process.Wait() // "killed" is no news
	}
	k.ask(request{Do: "start", Pods: running, Policy: k.policy, NUMANodes: k.numa})
}

// resume is when a kubelet hears of its pods.
func (k *kubelet) resume() {
	k.ask(request{Do: "resume", Pods: k.pods})
}

// restart is a new kubelet after the old one was killed, with the pods still running. It
// hears of them at once, and then waits for kudev. It returns how long that took from the
// end of the old one, with the start of the process.
func (k *kubelet) restart(wants ...string) time.Duration {
	k.kill()
	started := time.Now()
	k.start(k.pods)
	k.resume()
	k.wait(wants...)
	return time.Since(started)
}

// restartLate is the same, but kudev comes before the pods.
func (k *kubelet) restartLate(wants ...string) time.Duration {
	k.kill()
	started := time.Now()
	k.start(k.pods)
	k.wait(wants...)
	took := time.Since(started)
	k.resume()
	return took
}

// try does not mind an error of the kubelet's code, but its death.
func (k *kubelet) try(what request) (got answer) {
	if k.in.Encode(what) == nil && k.out.Decode(&got) == nil {
		return got
	}
	<-k.drops
	k.mutex.Lock()
	defer k.mutex.Unlock()
	reason := "the kubelet died"
	if at := strings.Index(k.stderr, "panic: "); at >= 0 {
		reason, _, _ = strings.Cut("the kubelet's code: "+k.stderr[at:], "\n")
	}
	fail("%s, in %s", reason, what.Do)
	return got
}

func (k *kubelet) ask(what request) answer {
	got := k.try(what)
	expect(got.Error == "", "%s: %s", what.Do, got.Error)
	return got
}

// admit returns why the pod was refused.
func (k *kubelet) admit(new *pod) string {
	refused := k.ask(request{Do: "admit", Pod: new}).Refused
	if refused == "" && !slices.Contains(k.pods, new) {
		k.pods = append(k.pods, new)
	}
	return refused
}

// place admits pods that must be admitted.
func (k *kubelet) place(wants ...string) *pod {
	made := newPod(wants...)
	refused := k.admit(made)
	expect(refused == "", "a pod with %v was refused: %s", wants, refused)
	return made
}

func (k *kubelet) refuse(reason string, wants ...string) {
	refused := k.admit(newPod(wants...))
	expect(refused != "", "a pod with %v was admitted", wants)
	expect(strings.Contains(refused, reason), "a pod with %v was refused, but not for %q: %s",
		wants, reason, refused)
}

// forget is the end of a pod.
func (k *kubelet) forget(old *pod) {
	k.ask(request{Do: "forget", Pod: old})
	k.pods = slices.DeleteFunc(k.pods, func(each *pod) bool { return each == old })
}

// frozen runs a function while the kubelet stands still; what comes waits for it.
func (k *kubelet) frozen(run func()) { frozen(k.pid, run) }

// parseAmounts reads "class=allocatable", the capacity too, or "class=allocatable/capacity".
func parseAmounts(wants []string) map[string]amount {
	resources := map[string]amount{}
	for _, want := range wants {
		class, numbers, _ := strings.Cut(want, "=")
		allocatable, capacity, both := strings.Cut(numbers, "/")
		if !both {
			capacity = allocatable
		}
		var wanted amount
		_, err := fmt.Sscan(allocatable+" "+capacity, &wanted.Allocatable, &wanted.Capacity)
		check(err)
		resources[resource(class)] = wanted
	}
	return resources
}

// wait waits for amounts, and returns how long that took.
func (k *kubelet) wait(wants ...string) time.Duration {
	return k.ask(request{
		Do: "wait", Resources: parseAmounts(wants), Timeout: patience,
	}).Waited
}

// settle waits until the amounts are so and stay so for a while, as the kubelet may take its
// time to notice the end of a kudev. It returns how long they were not. A while in which the
// machine stood still is none: nobody could notice anything.
func (k *kubelet) settle(wants ...string) time.Duration {
	wanted := parseAmounts(wants)
	started, settled, quiet := time.Now(), time.Duration(0), time.Duration(0)
	for last := started; quiet < 1500*time.Millisecond; {
		got, now := k.capacity(), time.Now()
		expect(now.Sub(started) < patience, "not %v for long, at last %v", wants, got)
		quiet += min(now.Sub(last), 20*time.Millisecond)
		last = now
		for name := range wanted {
			if got[name] != wanted[name] {
				settled, quiet = now.Sub(started), 0
			}
		}
		time.Sleep(time.Millisecond)
	}
	return settled
}

func (k *kubelet) capacity() map[string]amount {
	return k.ask(request{Do: "capacity"}).Capacity
}

func (k *kubelet) options(of *pod, container string) *options {
	return k.ask(request{Do: "options", Pod: of, Container: container}).Options
}

// held is "pod/container/resource" to sorted IDs.
func (k *kubelet) held() map[string][]string {
	held := k.ask(request{Do: "held"}).Held
	for _, ids := range held {
		slices.Sort(ids)
	}
	return held
}

func (k *kubelet) heldBy(of *pod, container, class string) []string {
	return k.held()[of.Metadata.Name+"/"+container+"/"+resource(class)]
}

// once checks that no device is held twice, and returns how many are held. Only what an init
// container had, unless it is a sidecar, may be another's of the same pod.
func (k *kubelet) once() int {
	holders := map[string][]string{}
	for holder, ids := range k.held() {
		parts := strings.SplitN(holder, "/", 3)
		for _, id := range ids {
			key := parts[2] + " " + id
			for _, other := range holders[key] {
				expect(k.lends(parts[0], parts[1], other), "%s was handed out to %s/%s and %s",
					key, parts[0], parts[1], other)
			}
			holders[key] = append(holders[key], parts[0]+"/"+parts[1])
		}
	}
	return len(holders)
}

// lends is whether the container and the other, a "pod/container", may share a device.
func (k *kubelet) lends(name, container, other string) bool {
	for _, each := range k.pods {
		for _, init := range each.Spec.InitContainers {
			if each.Metadata.Name != name || init.RestartPolicy == "Always" {
				continue
			}
			if strings.HasPrefix(other, name+"/") &&
				(container == init.Name || other == name+"/"+init.Name) {
				return true
			}
		}
	}
	return false
}
