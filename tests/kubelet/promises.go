// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// One class of each kind, with all that a class can say.
var promising = []string{
	fmt.Sprintf(`{name: serial, paths: ["%[1]s/tty*"], mountPath: /dev/serial/,
     permissions: rw, env: {PORT: "{path}", IDS: "{ids}", PATHS: "{paths}", COUNT: "{count}"},
     annotations: {example.com/ids: "{ids}", example.com/class: "{class}"},
     mounts: [{hostPath: /usr/lib/a, containerPath: /usr/lib/b, readOnly: true},
              {hostPath: /run/a, containerPath: /run/b}]}`, deviceDirectory),
	fmt.Sprintf(`{name: sound, env: {CARD: "{id} {resource}"},
     groups: [{paths: [{path: %[1]s/snd/pcm}, {path: %[1]s/snd/control, permissions: r},
                       {path: %[1]s/snd/absent, optional: true},
                       {path: %[1]s/video*, mountPath: /dev/cam/, permissions: mrw},
                       {path: %[1]s/asound.conf, type: Mount, readOnly: true,
                        mountPath: /etc/asound.conf}]}]}`, deviceDirectory),
	strings.TrimSuffix(simulate("simulated", 3, ""), "}") + `, env: {SIM: "{index}"}}`,
}

// promises compares what the kubelet would give to the runtime with what "kudev check" shows
// and the configuration says, for each class, of one device and of several.
func promises(s *stage) {
	for _, name := range []string{"tty0", "tty1", "tty2", "snd/pcm", "snd/control", "video0",
		"asound.conf"} {
		plug(name)
	}
	path := s.config(promising...)
	s.run("--config", path)
	found := checkJSON("--config", path)
	k := s.startKubelet("none", 0)
	k.wait("serial=3", "sound=1", "simulated=3")
	for _, class := range found.Classes {
		for count := 1; count <= len(class.Devices); count++ {
			made := k.place(fmt.Sprintf("%s=%d", class.Name, count))
			var nodes []checkedNode
			var ids []string
			for _, device := range class.Devices {
				if slices.Contains(k.heldBy(made, "c", class.Name), device.ID) {
					nodes = append(nodes, device.Nodes...)
					ids = append(ids, device.ID)
				}
			}
			expect(len(ids) == count, "%s: held %v", class.Name, k.held())
			wanted := promise(class.Name, ids, nodes)
			got := sorted(k.options(made, "c"))
			expect(reflect.DeepEqual(got, wanted), "%s=%d: the container gets\n%v\nnot\n%v",
				class.Name, count, got, wanted)
			k.forget(made)
		}
	}
}

// promise is what a container must get, each as a line, sorted.
func promise(class string, ids []string, nodes []checkedNode) []string {
	var lines, paths []string
	variables := map[string]string{}
	for _, node := range nodes {
		paths = append(paths, node.ContainerPath)
		if node.Type == "mount" {
			lines = append(lines, fmt.Sprintf("mount %s %s %v", node.HostPath,
				node.ContainerPath, node.ReadOnly))
		} else {
			lines = append(lines, fmt.Sprintf("device %s %s %s", node.HostPath,
				node.ContainerPath, node.Permissions))
		}
	}
	// A variable of one device, and if there are several, one for each as well.
	each := func(name string, value func(int) string) {
		variables[name] = value(0)
		for i := range ids {
			if len(ids) > 1 {
				variables[fmt.Sprintf("%s_%d", name, i)] = value(i)
			}
		}
	}
	switch class {
	case "serial":
		each("PORT", func(i int) string { return paths[i] })
		variables["IDS"] = strings.Join(ids, ",")
		variables["PATHS"] = strings.Join(paths, ",")
		variables["COUNT"] = fmt.Sprint(len(ids))
		lines = append(lines, "annotation example.com/ids="+strings.Join(ids, ","),
			"annotation example.com/class=serial", "mount /usr/lib/a /usr/lib/b true",
			"mount /run/a /run/b false")
	case "sound":
		each("CARD", func(i int) string { return ids[i] + " example.com/sound" })
	case "simulated":
		each("SIM", func(i int) string { return strings.TrimPrefix(ids[i], "simulated-") })
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		lines = append(lines, "env "+name+"="+variables[name])
	}
	slices.Sort(lines)
	return lines
}

// sorted is the same of what the kubelet says.
func sorted(got *options) []string {
	var lines []string
	for _, device := range got.Devices {
		lines = append(lines, fmt.Sprintf("device %s %s %s", device.PathOnHost,
			device.PathInContainer, device.Permissions))
	}
	for _, mount := range got.Mounts {
		lines = append(lines, fmt.Sprintf("mount %s %s %v", mount.HostPath,
			mount.ContainerPath, mount.ReadOnly))
	}
	for _, variable := range got.Envs {
		lines = append(lines, "env "+variable.Name+"="+variable.Value)
	}
	for _, annotation := range got.Annotations {
		lines = append(lines, "annotation "+annotation.Name+"="+annotation.Value)
	}
	for _, device := range got.CDIDevices {
		lines = append(lines, "cdi "+device.Name)
	}
	slices.Sort(lines)
	return lines
}
