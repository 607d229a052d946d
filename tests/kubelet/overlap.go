// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const registered = "registered with the kubelet"

// overlap is a rolling update that is undone, or in which the kubelet restarts; then another
// plugin that came later. What the survivor says still reaches the kubelet, so that the
// numbers lie: pods must be admitted.
func overlap(s *stage) {
	const rounds = 6
	k, survivor, all := crowd(s)
	before, gave := k.held(), given(k)
	var took []time.Duration
	for round := range rounds {
		last := s.run(survivor.arguments...)
		last.waitLogged("stream opened", 2)
		if round > 0 {
			restartBoth(k, survivor, last, all)
		}
		count := survivor.logged(registered)
		ended := time.Now()
		last.stop()
		survivor.waitLogged(registered, count+2)
		k.wait(all...)
		took = append(took, time.Since(ended))
		// The kubelet may yet take the other's end for the survivor's.
		k.settle(all...)
		unharmed(k, before, gave)
		unplug("tty7")
		k.wait("serial=7/8", all[1])
		plug("tty7")
		k.wait(all...)
		unharmed(k, before, gave)
	}
	told := survivor.logged("another kudev ended")
	expect(told >= 2, "the one that ended was never the last to register")
	s.note("allocatable %d ms (longest of %d) after the end of the other, of which the "+
		"kubelet did not tell %d times of %d", slices.Max(took).Milliseconds(), rounds, told,
		2*rounds)
	overlapForeign(s, k, survivor)
	unharmed(k, before, gave)
}

func restartBoth(k *kubelet, a, b *kudev, all []string) {
	opened := []int{a.logged("stream opened"), b.logged("stream opened")}
	k.restart(all...)
	a.waitLogged("stream opened", opened[0]+2)
	b.waitLogged("stream opened", opened[1]+2)
}

// overlapForeign is a plugin of the same resource and devices that does not mind kudev.
func overlapForeign(s *stage, k *kubelet, survivor *kudev) {
	other := command(s.node, "plugin", resource("serial"), "x="+deviceDirectory+"/tty0")
	out, err := other.StdoutPipe()
	check(err)
	check(other.Start())
	_, err = io.ReadFull(out, make([]byte, len("registered")))
	check(err)
	// The numbers are those of whoever spoke last.
	k.wait("serial=1")
	check(other.Process.Kill())
	_ = other.Wait() // "killed" is no news
	left, err := filepath.Glob(pluginDirectory + "/other*.sock")
	check(err)
	for _, socket := range left {
		check(os.Remove(socket))
	}
	survivor.waitLogged("another plugin ended", 2)
	k.wait("serial=8", "sim=8")
}

// overlapHeld is a rolling update to fewer devices, in which a pod gets devices that the new
// kudev does not know, before a kubelet starts that knows only that one.
func overlapHeld(s *stage) {
	old := s.run("--config", s.config(simulate("a", 4, ", numaNodes: 2")))
	k := s.startKubelet("best-effort", 2)
	k.wait("a=4")
	next := s.run("--config", s.config(simulate("a", 2, ", numaNodes: 2")))
	next.waitLogged("stream opened", 1)
	// The old one registers last.
	k.kill()
	old.frozen(func() {
		k.start(nil)
		k.wait("a=2")
	})
	k.wait("a=4")
	k.place("a=4")
	k.kill()
	old.stop()
	k.start(nil)
	k.wait("a=2/4")
	// The pod is admitted again, since its container does not run: refused, as its devices
	// are not there, and without a panic.
	k.try(request{Do: "resume", Pods: k.pods})
	k.wait("a=2/4")
}
