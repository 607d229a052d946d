// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func ttyName(i int) string {
	return fmt.Sprintf("tty%d", i)
}

// forgetful is a configuration by which devices are forgotten as soon as may be.
func (s *stage) forgetful(classes ...string) string {
	path := s.config(classes...)
	text, err := os.ReadFile(path)
	check(err)
	check(os.WriteFile(path, append([]byte("forgetAfter: 1s\n"), text...), 0o644))
	return path
}

// written is whether the checkpoint has devices of the pod.
func written(of *pod) bool {
	text, err := os.ReadFile(filepath.Join(pluginDirectory, "kubelet_internal_checkpoint"))
	check(err)
	return strings.Contains(string(text), of.Metadata.UID)
}

// unplugHeld unplugs what the container holds.
func unplugHeld(k *kubelet, of *pod, container string) {
	ids := strings.Join(k.heldBy(of, container, "serial"), " ")
	for i := range 4 {
		if strings.Contains(ids, ttyName(i)) {
			unplug(ttyName(i))
		}
	}
}

// holders: kudev knows who holds what, by the kubelet's own PodResources and checkpoint, and
// forgets what is away as soon as nobody does.
func holders(s *stage) {
	for i := range 4 {
		plug(ttyName(i))
	}
	daemon := s.run("--config", s.forgetful(serial()))
	k := s.startKubelet("best-effort", 2)
	k.wait("serial=4")
	daemon.waitLogged("holders of devices from=podresources", 1)

	holder := k.place("serial=1")
	held := " pod=" + holder.Metadata.Name + " container=c"
	daemon.waitLogged("device held class=serial resource=example.com/serial", 1)
	expect(daemon.logged(held) == 1, "the holder has no name")
	unplugHeld(k, holder, "c")
	for i := range 4 {
		if !strings.Contains(k.heldBy(holder, "c", "serial")[0], ttyName(i)) {
			unplug(ttyName(i))
			break
		}
	}
	k.wait("serial=2/3")
	// The kubelet goes by its checkpoint, and lists its pods later.
	k.restart("serial=2/3")
	k.restartLate("serial=2/3")
	k.settle("serial=2/3")
	expect(daemon.logged("device released") == 0, "a device was released while it was held")

	// An init container, of which List says nothing.
	initial := newPod("")
	initial.Spec.InitContainers = []container{newContainer("init", "serial=1")}
	refused := k.admit(initial)
	expect(refused == "", "refused: %s", refused)
	daemon.waitLogged("device held", 2)
	unplugHeld(k, initial, "init")
	k.wait("serial=1/3")
	k.settle("serial=1/3")

	started := time.Now()
	// Else it may ask, and have the checkpoint written, before we have looked.
	daemon.frozen(func() {
		k.forget(holder)
		expect(written(holder), "the checkpoint is written when a pod ends")
	})
	daemon.waitLogged("device released", 1)
	s.note("a release was seen after %.1f s", time.Since(started).Seconds())
	expect(daemon.logged(held) == 2, "another holder has released it")
	expect(!written(holder), "the checkpoint has the pod that has ended")
	k.wait("serial=1/2")

	k.forget(initial)
	last := k.place("serial=1")
	daemon.waitLogged("device released", 2)
	k.wait("serial=1/1")
	k.restart("serial=1/1")
	expect(k.once() == 1, "held: %v", k.held())
	k.forget(last)
	for i := range 4 {
		plug(ttyName(i))
	}
	k.wait("serial=4")
	k.place("serial=4")
	expect(k.once() == 4, "held: %v", k.held())
}

// forgetDuringAllocate: devices come and go, and are forgotten, while pods are admitted.
func forgetDuringAllocate(s *stage) {
	const devices = 8
	for i := range devices {
		plug(ttyName(i))
	}
	daemon := s.run("--config", s.forgetful(serial()))
	k := s.startKubelet("best-effort", 2)
	k.wait("serial=8")
	for started := time.Now(); daemon.logged("device forgotten") < devices; {
		expect(time.Since(started) < 4*patience, "only %d devices were forgotten",
			daemon.logged("device forgotten"))
		for i := range devices {
			_ = os.Remove(filepath.Join(deviceDirectory, ttyName(i)))
			made := newPod("serial=1")
			if k.admit(made) == "" {
				k.forget(made)
			}
		}
		for k.capacity()[resource("serial")].Capacity > 0 {
			made := newPod("serial=1")
			expect(k.admit(made) != "", "a pod got a device that is not there")
			expect(time.Since(started) < 4*patience, "not all are forgotten: %v",
				k.capacity())
			time.Sleep(20 * time.Millisecond)
		}
		for i := range devices {
			plug(ttyName(i))
		}
		k.wait("serial=8")
	}
	k.place("serial=8")
	expect(k.once() == devices, "held: %v", k.held())
}
