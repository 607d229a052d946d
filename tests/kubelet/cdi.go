// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// As much of an OCI spec as says what a container has.
type ociSpec struct {
	Process struct{} `json:"process"`
	Linux   struct {
		Devices []ociDevice `json:"devices"`
	} `json:"linux"`
	Mounts []ociMount `json:"mounts"`
}

type ociDevice struct {
	Path  string `json:"path"`
	Type  string `json:"type"`
	Major int64  `json:"major"`
	Minor int64  `json:"minor"`
}

type ociMount struct {
	Destination string   `json:"destination"`
	Source      string   `json:"source"`
	Type        string   `json:"type"`
	Options     []string `json:"options"`
}

// ociOf is what a runtime makes of the nodes and mounts that the kubelet asks for.
func ociOf(given *options) (made ociSpec) {
	for _, device := range given.Devices {
		kind, major, minor := deviceNumber(device.PathOnHost)
		made.Linux.Devices = append(made.Linux.Devices,
			ociDevice{device.PathInContainer, kind, major, minor})
	}
	for _, mount := range given.Mounts {
		mode := "rw"
		if mount.ReadOnly {
			mode = "ro"
		}
		made.Mounts = append(made.Mounts, ociMount{mount.ContainerPath, mount.HostPath, "bind",
			[]string{"rbind", "rprivate", mode}})
	}
	return made
}

// inject has the names of the container's devices put into a spec, by one of the libraries.
func inject(library string, into ociSpec, given *options) (made ociSpec) {
	arguments := []string{cdiDirectory}
	for _, device := range given.CDIDevices {
		arguments = append(arguments, device.Name)
	}
	in, err := json.Marshal(into)
	check(err)
	var said, complained bytes.Buffer
	run := command(library, arguments...)
	run.Stdin, run.Stdout, run.Stderr = bytes.NewReader(in), &said, &complained
	err = run.Run()
	expect(err == nil, "%s: %v: %s", filepath.Base(library), err, &complained)
	check(json.Unmarshal(said.Bytes(), &made))
	return made
}

func (s ociSpec) sorted() ociSpec {
	slices.SortFunc(s.Linux.Devices, func(a, b ociDevice) int {
		return strings.Compare(a.Path, b.Path)
	})
	slices.SortFunc(s.Mounts, func(a, b ociMount) int {
		return strings.Compare(a.Destination, b.Destination)
	})
	return s
}

// resolves checks that the names alone give a container what the kubelet gives without
// them, and both together no more than that.
func resolves(given *options, names ...string) {
	var got []string
	for _, device := range given.CDIDevices {
		got = append(got, device.Name)
	}
	slices.Sort(got)
	slices.Sort(names)
	expect(reflect.DeepEqual(got, names), "given the names %v, not %v", got, names)
	wanted := ociOf(given).sorted()
	for _, library := range strings.Split(*cdiPaths, ",") {
		for _, before := range []ociSpec{{}, ociOf(given)} {
			made := inject(library, before, given).sorted()
			expect(reflect.DeepEqual(made, wanted), "%s makes\n%+v\nnot\n%+v",
				filepath.Base(library), made, wanted)
		}
	}
}

// specs are the files that a runtime would read.
func specs() (found []string) {
	for _, pattern := range []string{"*.json", "*.yaml"} {
		paths, err := filepath.Glob(cdiDirectory + "/" + pattern)
		check(err)
		for _, path := range paths {
			found = append(found, filepath.Base(path))
		}
	}
	return found
}

// cdiNames: what a container has by the names of its devices, as long as it may start again.
func cdiNames(s *stage) {
	linked := deviceDirectory + "/by-id/one"
	check(os.MkdirAll(filepath.Dir(linked), 0o755))
	check(os.Symlink("/dev/full", linked))
	node := fmt.Sprintf("{name: node, paths: [/dev/null, /dev/zero, %s], permissions: rw, "+
		"mountPath: /dev/in/, mounts: [{hostPath: /usr, containerPath: /host/usr, "+
		"readOnly: true}], env: {NODE: \"{path}\"}, cdi: {write: true}}", linked)
	sim := strings.TrimSuffix(simulate("sim", 2, ""), "}") + ", cdi: {write: true}}"
	both, one := s.config(node, sim), s.config(sim)
	started := s.run("--config", both)
	k := s.startKubelet("none", 0)
	k.wait("node=3", "sim=2")
	made := k.place("node=3 sim=1")
	names := []string{"example.com/sim=" + k.heldBy(made, "c", "sim")[0]}
	for _, id := range k.heldBy(made, "c", "node") {
		names = append(names, "example.com/node="+id)
	}
	resolves(k.options(made, "c"), names...)

	// The container may start again at any time: kudev is being updated, the kubelet has
	// been restarted and answers from what it wrote down.
	started.stop()
	resolves(k.options(made, "c"), names...)
	started = s.run("--config", both)
	k.restart("node=3", "sim=2")
	resolves(k.options(made, "c"), names...)

	// The class is gone, but a pod holds its devices; then none does.
	started.stop()
	k.wait("node=0/3", "sim=0/2")
	started = s.run("--config", one)
	k.wait("sim=2")
	resolves(k.options(made, "c"), names...)
	k.forget(made)
	k.place("sim=1")
	started.stop()
	k.wait("sim=0/2")
	s.run("--config", one)
	k.wait("sim=2")
	waitUntil(func() bool {
		return reflect.DeepEqual(specs(), []string{"kudev-example.com_sim.json"})
	}, "the spec of the class that is gone stays, or that of the other one does not")
}
