// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

func serial() string {
	return fmt.Sprintf(`{name: serial, paths: ["%s/tty*"]}`, deviceDirectory)
}

// serve plugs in so many serial devices and waits until they are allocatable.
func serve(s *stage, count int) (*kubelet, *kudev) {
	for i := range count {
		plug(fmt.Sprintf("tty%d", i))
	}
	daemon := s.run("--config", s.config(serial()))
	k := s.startKubelet("none", 0)
	k.wait(fmt.Sprintf("serial=%d", count))
	return k, daemon
}

func replugUnused(s *stage) {
	k, _ := serve(s, 4)
	before := k.place("serial=4")
	ids := k.heldBy(before, "c", "serial")
	k.forget(before)
	unplug("tty2")
	s.note("noticed within %d ms", k.wait("serial=3/4").Milliseconds())
	k.refuse("Requested: 4, Available: 3", "serial=4")
	held := k.place("serial=3")
	k.forget(held)
	plug("tty2")
	k.wait("serial=4")
	after := k.place("serial=4")
	expect(slices.Equal(ids, k.heldBy(after, "c", "serial")), "other IDs: %v, then %v", ids,
		k.held())
}

func replugHeld(s *stage) {
	k, _ := serve(s, 2)
	holder := k.place("serial=2")
	before, gave := k.held(), sorted(k.options(holder, "c"))
	unplug("tty0")
	k.wait("serial=1/2")
	k.refuse("Available: 0", "serial=1")
	expect(reflect.DeepEqual(k.held(), before), "held: %v, not %v", k.held(), before)
	// A kubelet that starts now meets a pod whose device is not there.
	for _, restart := range []func(...string) time.Duration{k.restart, k.restartLate} {
		restart("serial=1/2")
		expect(reflect.DeepEqual(k.held(), before), "restarted: %v, not %v", k.held(), before)
	}
	plug("tty0")
	k.wait("serial=2")
	k.refuse("Available: 0", "serial=1")
	expect(reflect.DeepEqual(sorted(k.options(holder, "c")), gave), "the container would get %v",
		sorted(k.options(holder, "c")))
}

// The kubelet looks a device up again when the answer to Allocate comes: with topology, and
// with the topology manager looking as well. Many devices make that take its time, within
// which the device goes.
func replugDuringAllocate(s *stage) {
	const devices, rounds = 400, 100
	s.run("--config", s.config(strings.TrimSuffix(simulate("a", devices, ", numaNodes: 2"), "}")+
		", preferred: numa}"))
	k := s.startKubelet("best-effort", 2)
	simulated := func(i int) string { return fmt.Sprintf("../sim/a/%d", i) }
	all := fmt.Sprintf("a=%d", devices)
	k.wait(all)
	var longest time.Duration
	for range 3 {
		started := time.Now()
		made := k.place(all)
		longest = max(longest, time.Since(started))
		k.forget(made)
	}
	longest = min(longest, 15*time.Millisecond)

	started := time.Now()
	meanwhile, early, late := 0, 0, 0
	for range rounds {
		device := rand.IntN(devices)
		pause := rand.N(longest)
		begun, gone := make(chan struct{}), make(chan time.Time)
		go func() {
			<-begun
			time.Sleep(pause)
			unplug(simulated(device))
			gone <- time.Now()
		}()
		made := newPod(all)
		close(begun)
		refused := k.admit(made)
		answered := time.Now()
		if (<-gone).Before(answered) {
			meanwhile++
		}
		switch {
		case refused == "":
			k.forget(made)
		case strings.Contains(refused, "rpc error"):
			late++
		default:
			early++
		}
		plug(simulated(device))
		k.wait(all)
	}
	s.note("%d rounds in %.1f s: the device went during admission in %d, was gone before the "+
		"kubelet looked in %d, between that and Allocate in %d", rounds,
		time.Since(started).Seconds(), meanwhile, early, late)
	expect(meanwhile >= rounds/10 && late > 0, "the device went during admission in %d rounds, "+
		"between the kubelet's look and Allocate in %d", meanwhile, late)
	// What the kubelet has may still be the list from before the last round's.
	waitUntil(func() bool { return k.admit(newPod(all)) == "" },
		"not to be had although it is there")
	expect(k.once() == devices, "held: %v", k.held())
}

func storm(s *stage) {
	const devices, events = 10, 1000
	k, _ := serve(s, devices)
	var over atomic.Bool
	present := [devices]bool{}
	for i := range present {
		present[i] = true
	}
	go func() {
		defer over.Store(true)
		for range events {
			i := rand.IntN(devices)
			if present[i] {
				unplug(fmt.Sprintf("tty%d", i))
			} else {
				plug(fmt.Sprintf("tty%d", i))
			}
			present[i] = !present[i]
			time.Sleep(rand.N(4 * time.Millisecond))
		}
	}()
	started := time.Now()
	admitted, refusals := 0, 0
	for !over.Load() {
		made := newPod(fmt.Sprintf("serial=%d", rand.IntN(3)+1))
		if k.admit(made) == "" {
			admitted++
		} else {
			refusals++
		}
		k.once()
		for len(k.pods) > 3 || len(k.pods) > 0 && rand.IntN(2) == 0 {
			k.forget(k.pods[rand.IntN(len(k.pods))])
		}
	}
	s.note("%d events in %.1f s, %d pods admitted, %d refused", events,
		time.Since(started).Seconds(), admitted, refusals)
	expect(admitted > 0, "no pod was admitted")
	there := 0
	for _, is := range present {
		if is {
			there++
		}
	}
	k.wait(fmt.Sprintf("serial=%d/%d", there, devices))
	for i, is := range present {
		if !is {
			plug(fmt.Sprintf("tty%d", i))
		}
	}
	k.wait(fmt.Sprintf("serial=%d", devices))
	for _, each := range slices.Clone(k.pods) {
		k.forget(each)
	}
	waitUntil(func() bool {
		return k.admit(newPod(fmt.Sprintf("serial=%d", devices))) == ""
	}, "not to be had although all are there")
}

// crowd is three pods which hold half of everything; free are as many devices again.
func crowd(s *stage) (*kubelet, *kudev, []string) {
	for i := range 8 {
		plug(fmt.Sprintf("tty%d", i))
	}
	daemon := s.run("--config", s.config(serial(), simulate("sim", 8, ", numaNodes: 2")))
	k := s.startKubelet("best-effort", 2)
	all := []string{"serial=8", "sim=8"}
	k.wait(all...)
	k.place("serial=1")
	k.place("serial=1 sim=2", "sim=1")
	k.place("serial=2", "sim=1")
	return k, daemon, all
}

// unharmed checks that the crowd holds what it held, would be given what it was given, and
// that what is free can be had.
func unharmed(k *kubelet, before map[string][]string, gave []string) {
	expect(reflect.DeepEqual(k.held(), before), "held: %v, not %v", k.held(), before)
	expect(slices.Equal(given(k), gave), "the containers would get other things")
	rest := k.place("serial=4 sim=4")
	expect(k.once() == 16, "held: %v", k.held())
	k.refuse("Available: 0", "serial=1")
	k.forget(rest)
}

func given(k *kubelet) (all []string) {
	for _, each := range k.pods {
		for _, container := range each.Spec.Containers {
			all = append(all, sorted(k.options(each, container.Name))...)
		}
	}
	return all
}

func kubeletRestarts(s *stage) {
	k, _, all := crowd(s)
	before, gave := k.held(), given(k)
	var took []time.Duration
	for range 10 {
		took = append(took, k.restart(all...))
		unharmed(k, before, gave)
		took = append(took, k.restartLate(all...))
		unharmed(k, before, gave)
	}
	slices.Sort(took)
	s.note("allocatable after %d ms (median), %d ms (longest)", took[10].Milliseconds(),
		took[19].Milliseconds())
}

func kubeletUpgrade(s *stage) {
	this := s.node
	s.node = s.before
	k, _, all := crowd(s)
	before, gave := k.held(), given(k)
	s.node = this
	k.restart(all...)
	unharmed(k, before, gave)
}

// reboot is the end of everything but the checkpoint; the devices are found again. Pods are
// refused for good if kudev is not there in time, so that it is here.
func reboot(s *stage) {
	k, daemon, all := crowd(s)
	before, gave := k.held(), given(k)
	k.kill()
	daemon.kill()
	k.start(nil)
	s.run(daemon.arguments...)
	k.wait(all...)
	k.resume()
	unharmed(k, before, gave)
}

// fewer is a change of the configuration that takes away what a pod holds, or a device that
// is gone when kudev starts. What is held stays in the list.
func fewer(rolling bool) func(*stage) {
	return func(s *stage) {
		plug("tty0")
		plug("tty1")
		old := s.run("--config", s.config(serial(), simulate("a", 4, ", numaNodes: 2")))
		k := s.startKubelet("best-effort", 2)
		k.wait("a=4", "serial=2")
		k.place("a=4 serial=2")
		before, gave := k.held(), given(k)
		less := s.config(serial(), simulate("a", 2, ", numaNodes: 2"))
		left := []string{"a=2/4", "serial=1/2"}
		if rolling {
			unplug("tty1")
			k.wait("a=4", "serial=1/2")
			next := s.run("--config", less)
			next.waitLogged("registered with the kubelet", 2)
			old.stop()
		} else {
			old.stop()
			unplug("tty1")
			s.run("--config", less)
		}
		k.settle(left...)
		expect(reflect.DeepEqual(k.held(), before), "held: %v, not %v", k.held(), before)
		for range 2 {
			k.restartLate(left...)
			expect(reflect.DeepEqual(k.held(), before), "held: %v, not %v", k.held(), before)
			expect(slices.Equal(given(k), gave), "the container would get other things")
			k.refuse("Available: 0", "a=1")
		}
		plug("tty1")
		k.wait("serial=2")
		k.refuse("Available: 0", "serial=1")
	}
}

// How a kudev ends; the kubelet has seen it before the next one starts.
type ending int

const (
	stopped ending = iota
	killed
)

func kudevRestarts(how ending) func(*stage) {
	return func(s *stage) {
		k, daemon, all := crowd(s)
		before, gave := k.held(), given(k)
		var took []time.Duration
		for range 5 {
			if how == killed {
				daemon.kill()
			} else {
				daemon.stop()
			}
			k.wait("serial=0/8", "sim=0/8")
			k.refuse("no healthy devices present", "serial=1")
			started := time.Now()
			daemon = s.run(daemon.arguments...)
			k.wait(all...)
			took = append(took, time.Since(started))
			unharmed(k, before, gave)
		}
		s.note("allocatable %d ms (longest) after the start", slices.Max(took).Milliseconds())
	}
}

// kudevReplaced kills kudev and starts another before the kubelet can have seen that: at once,
// and, as a machine may be busy, with a kubelet that stands still until both have happened.
func kudevReplaced(s *stage) {
	const rounds = 8
	k, daemon, all := crowd(s)
	before, gave := k.held(), given(k)
	var took []time.Duration
	for round := range rounds {
		old := daemon
		replace := func() {
			old.killNow()
			daemon = s.run(daemon.arguments...)
			<-old.ended
		}
		if round%2 == 0 {
			replace()
		} else {
			k.frozen(func() {
				replace()
				time.Sleep(rand.N(50 * time.Millisecond))
			})
		}
		took = append(took, k.settle(all...))
		unharmed(k, before, gave)
	}
	s.note("allocatable for good %d ms (longest of %d) after the start",
		slices.Max(took).Milliseconds(), rounds)
	// The next one takes away what a killed one left.
	daemon.stop()
	s.run(daemon.arguments...).waitLogged("registered with the kubelet", 2)
	k.wait(all...)
}

// A kubelet up to 1.36 cancels the new stream when the old one ends.
func rollingUpdate(s *stage) {
	const rounds = 5
	k, old, all := crowd(s)
	before, gave := k.held(), given(k)
	var full []time.Duration
	for round := range rounds {
		next := s.run(old.arguments...)
		next.waitLogged("registered with the kubelet", 2)
		if round%2 == 0 {
			old.stop()
		} else {
			old.kill()
		}
		full = append(full, k.settle(all...))
		unharmed(k, before, gave)
		old = next
	}
	s.note("allocatable for good %d ms (longest of %d) after the old one ended",
		slices.Max(full).Milliseconds(), rounds)
}

// The old one ends at any time while the new one registers; in half of the rounds the kubelet
// stands still meanwhile, and then learns of both.
func rollingUpdateMeanwhile(s *stage) {
	const rounds, registered = 8, "registered with the kubelet"
	k, old, all := crowd(s)
	before, gave := k.held(), given(k)
	started := time.Now()
	next := s.run(old.arguments...)
	next.waitLogged(registered, 2)
	registering := time.Since(started)
	old.stop()
	old = next
	k.settle(all...)

	var full []time.Duration
	meanwhile := 0
	for round := range rounds {
		end := old.terminate
		if round%4 > 1 {
			end = old.killNow
		}
		replace := func() {
			next = s.run(old.arguments...)
			time.Sleep(rand.N(registering))
			end()
			if next.logged(registered) < 2 {
				meanwhile++
			}
		}
		if round%2 == 0 {
			replace()
		} else {
			k.frozen(replace)
		}
		// It may take its time to end, and until it has the numbers are its own.
		if round%4 < 2 {
			old.waitEnded()
		} else {
			<-old.ended
		}
		full = append(full, k.settle(all...))
		unharmed(k, before, gave)
		old = next
	}
	s.note("allocatable for good %d ms (longest of %d) after the old one's end, which was before "+
		"the new one had registered in %d", slices.Max(full).Milliseconds(), rounds, meanwhile)
	expect(meanwhile >= rounds/2, "the old one ended too late, but in %d rounds", meanwhile)
	// The next one takes away what a killed one left.
	old.stop()
	s.run(old.arguments...).waitLogged(registered, 2)
	k.wait(all...)
}

// The devices of a node with generic-device-plugin, each as it is configured there.
var otherDevices = []struct{ name, device string }{
	{"fuse", `{"name": "fuse", "groups": [{"count": 10, "paths": [{"path": "/dev/fuse"}]}]}`},
	{"capture", `{"name": "capture", "groups": [{"paths": [{"path": "/dev/snd/controlC0"}, ` +
		`{"path": "/dev/snd/pcmC0D0c"}]}]}`},
	{"serial", `{"name": "serial", "groups": [{"paths": [{"path": "/dev/ttyUSB*"}]}]}`},
	{"video", `{"type": "video", "count": 5, "paths": ["/dev/video0"]}`}, // its first grammar
}

// otherIDs is what generic-device-plugin calls them, and the paths of each.
func otherIDs() map[string]map[string][]string {
	ids := map[string]map[string][]string{"fuse": {}, "capture": {}, "serial": {}, "video": {}}
	add := func(name string, copy int, paths ...string) {
		// The number of the copy, then the paths, nothing between.
		sum := sha1.Sum(fmt.Appendf(nil, "%d%s", copy, strings.Join(paths, "")))
		ids[name][hex.EncodeToString(sum[:])] = paths
	}
	for i := range 10 {
		add("fuse", i, "/dev/fuse")
	}
	add("capture", 0, "/dev/snd/controlC0", "/dev/snd/pcmC0D0c")
	add("serial", 0, "/dev/ttyUSB0")
	add("serial", 0, "/dev/ttyUSB1")
	for i := range 5 {
		ids["video"][fmt.Sprintf("/dev/video0-%d", i)] = []string{"/dev/video0"}
	}
	// Computed with its code, so that we have read it right.
	for _, pinned := range []struct{ name, id string }{
		{"fuse", "a68db766f638034740111848aafee2d2dcd6b642"}, // copy 0
		{"fuse", "bd6ee27a4355ad16a10fab1ffbeb436b0d07000f"}, // copy 9
		{"capture", "8e312365c4c43caed695c0e3bad2b52cb3dd6fa4"},
	} {
		expect(ids[pinned.name][pinned.id] != nil, "%s is none of %v", pinned.id,
			ids[pinned.name])
	}
	return ids
}

// serveOthers starts stand-ins for generic-device-plugin, and returns how to end them.
func serveOthers(node string, all map[string]map[string][]string) func() {
	var others []*exec.Cmd
	for name, ids := range all {
		arguments := []string{"plugin", "squat.ai/" + name}
		for id, paths := range ids {
			arguments = append(arguments, id+"="+strings.Join(paths, ","))
		}
		other := command(node, arguments...)
		out, err := other.StdoutPipe()
		check(err)
		check(other.Start())
		_, err = io.ReadFull(out, make([]byte, len("registered")))
		check(err)
		others = append(others, other)
	}
	return func() {
		for _, other := range others {
			check(other.Process.Kill())
			_ = other.Wait() // "killed" is no news
		}
	}
}

// otherPlugin is the way from generic-device-plugin to kudev. The module of that one is not to
// be had from the module proxy (403), so what writes the checkpoint is a small plugin with
// its resource names, its IDs and its answers.
func otherPlugin(file bool) func(*stage) {
	return func(s *stage) {
		for _, name := range []string{"fuse", "snd/controlC0", "snd/pcmC0D0c", "ttyUSB0", "ttyUSB1",
			"video0"} {
			plug(name)
		}
		// So that they are /dev/fuse and so on, on any machine.
		arguments, text := []string{"--root", filepath.Dir(deviceDirectory)}, "devices:\n"
		for _, each := range otherDevices {
			text += "  - " + each.device + "\n"
			if !file {
				arguments = append(arguments, "--device", each.device)
			}
		}
		if file {
			path := "/var/lib/other.yaml"
			check(os.WriteFile(path, []byte(text), 0o644))
			arguments = append(arguments, "--config", path)
		}

		ids := otherIDs()
		k := s.startKubelet("none", 0)
		end := serveOthers(s.node, ids)
		all := []string{"squat.ai/fuse=10", "squat.ai/capture=1", "squat.ai/serial=2",
			"squat.ai/video=5"}
		k.wait(all...)
		k.place("squat.ai/fuse=1")
		k.place("squat.ai/fuse=2 squat.ai/serial=1", "squat.ai/video=1")
		k.place("squat.ai/fuse=3", "squat.ai/capture=1 squat.ai/video=2")
		before, gave := k.held(), given(k)
		k.kill()
		end()

		s.run(arguments...)
		k.start(k.pods)
		k.resume()
		k.wait(all...)
		expect(len(k.capacity()) == len(ids), "the node has %v", k.capacity())
		expect(reflect.DeepEqual(k.held(), before), "held: %v, not %v", k.held(), before)
		expect(slices.Equal(given(k), gave), "the containers would get other things")
		// A container that has ended meanwhile is admitted again with its old devices.
		for _, each := range k.pods {
			refused := k.admit(each)
			expect(refused == "", "refused: %s", refused)
		}
		expect(reflect.DeepEqual(k.held(), before), "held: %v, not %v", k.held(), before)
		rest := k.place("squat.ai/fuse=4 squat.ai/serial=1 squat.ai/video=2")
		k.refuse("Available: 0", "squat.ai/fuse=1")
		sameIDs(k, ids)
		serial := ids["serial"][k.heldBy(rest, "c", "squat.ai/serial")[0]][0]
		k.gives(rest, "c", []string{"device /dev/fuse /dev/fuse mrw",
			fmt.Sprintf("device %s %[1]s mrw", serial), "device /dev/video0 /dev/video0 mrw"})
		// And those that were the other plugin's are given as they were.
		for _, each := range slices.Clone(k.pods) {
			k.forget(each)
		}
		again := k.place("squat.ai/capture=1 squat.ai/serial=2")
		k.gives(again, "c", []string{"device /dev/snd/controlC0 /dev/snd/controlC0 mrw",
			"device /dev/snd/pcmC0D0c /dev/snd/pcmC0D0c mrw",
			"device /dev/ttyUSB0 /dev/ttyUSB0 mrw", "device /dev/ttyUSB1 /dev/ttyUSB1 mrw"})
	}
}

// sameIDs checks that what is held is all there is.
func sameIDs(k *kubelet, ids map[string]map[string][]string) {
	held := map[string][]string{}
	for holder, ids := range k.held() {
		name := holder[strings.LastIndex(holder, "/")+1:]
		held[name] = append(held[name], ids...)
	}
	for name := range ids {
		slices.Sort(held[name])
		expect(slices.Equal(held[name], slices.Sorted(maps.Keys(ids[name]))), "%s: %v, not %v",
			name, held[name], ids[name])
	}
}
