// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
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
	strings.TrimSuffix(simulate("simulated", 3, ""), "}") +
		`, env: {SIM: "{index}"}, cdi: {write: true}}`,
}

// promises compares what the kubelet would give to the runtime with what "kudev check" and
// "kudev try" show and the configuration says, for each class, of one device and of several.
func promises(s *stage) {
	for _, name := range []string{"tty0", "tty1", "tty2", "snd/pcm", "snd/control", "video0",
		"asound.conf"} {
		plug(name)
	}
	path := s.config(promising...)
	s.run("--config", path)
	found, trials := checkJSON("--config", path), tryAll("--config", path)
	k := s.startKubelet("none", 0)
	k.wait("serial=3", "sound=1", "simulated=3")
	for _, class := range found.Classes {
		for count := 1; count <= len(class.Devices); count++ {
			made := k.place(fmt.Sprintf("%s=%d", class.Name, count))
			expect(len(k.heldBy(made, "c", class.Name)) == count, "%s: held %v", class.Name,
				k.held())
			k.gives(made, "c", k.promised(found, made, "c", class.Name))
			k.forget(made)
		}
		one, found := trials[class.Resource]
		expect(found, "kudev try does not show %s", class.Resource)
		k.gives(k.placeWith(class.Name, one.id), "c", one.lines)
		for len(k.pods) > 0 {
			k.forget(k.pods[0])
		}
	}
	expect(len(found.Classes) == len(promising) && len(trials) == len(promising),
		"check shows %d classes, try %d", len(found.Classes), len(trials))
}

// twoClasses: what a container gets of both is what each promises for itself.
func twoClasses(s *stage) {
	plug("tty0")
	plug("tty1")
	path := s.config(promising[0], promising[2])
	s.run("--config", path)
	found := checkJSON("--config", path)
	k := s.startKubelet("none", 0)
	k.wait("serial=2", "simulated=3")
	both := k.place("serial=1 simulated=2", "serial=1")
	expect(k.once() == 4, "held: %v", k.held())
	union := append(k.promised(found, both, "c", "serial"),
		k.promised(found, both, "c", "simulated")...)
	slices.Sort(union)
	k.gives(both, "c", union)
	k.gives(both, "c1", k.promised(found, both, "c1", "serial"))
	k.refuse("Available: 0", "serial=1 simulated=1")
}

// gives compares what the container would get with these lines.
func (k *kubelet) gives(made *pod, container string, wanted []string) {
	got := sorted(k.options(made, container))
	expect(reflect.DeepEqual(got, wanted), "%s of a pod with %v gets\n%v\nnot\n%v", container,
		made.Spec.Containers[0].Resources.Limits, strings.Join(got, "\n"),
		strings.Join(wanted, "\n"))
}

// placeWith places pods of one device until one of them has this one.
func (k *kubelet) placeWith(class, id string) *pod {
	for {
		made := k.place(class + "=1")
		if k.heldBy(made, "c", class)[0] == id {
			return made
		}
	}
}

// promised is the promise for those devices of the class that the container holds.
func (k *kubelet) promised(found checked, made *pod, container, name string) []string {
	var nodes []checkedNode
	var ids, names []string
	for _, class := range found.Classes {
		for _, device := range class.Devices {
			if class.Name == name && slices.Contains(k.heldBy(made, container, name), device.ID) {
				nodes = append(nodes, device.Nodes...)
				ids = append(ids, device.ID)
				if device.CDIName != "" {
					names = append(names, "cdi "+device.CDIName)
				}
			}
		}
	}
	expect(len(ids) == len(k.heldBy(made, container, name)), "check shows %v of %s, held: %v", ids,
		name, k.held())
	lines := append(promise(name, ids, nodes), names...)
	slices.Sort(lines)
	return lines
}

// What "kudev try" says that a container which asks for one gets.
type trial struct {
	id    string
	lines []string // as sorted makes them
}

var (
	trialBegins = regexp.MustCompile(`^A container that asks for (\S+): 1 gets device (\S+):$`)
	trialPath   = regexp.MustCompile(`^  (device|mount) +(\S+)  \((\S+) on the host, (\S+)\)$`)
	trialText   = regexp.MustCompile(`^  (variable|annotation|CDI name) +(.*)$`)
	trialKinds  = map[string]string{
		"variable": "env ", "annotation": "annotation ", "CDI name": "cdi ",
	}
)

// tryAll runs "kudev try", by resource. It has its simulated devices in a place of its own.
func tryAll(arguments ...string) map[string]*trial {
	said := string(runCommand(0, append([]string{"try", "--once"}, arguments...)...))
	first, _, _ := strings.Cut(said, "\n")
	moved, is := strings.CutPrefix(first, "kubelet stand-in in ")
	expect(is, "kudev try begins with %q", first)
	trials := map[string]*trial{}
	var one *trial
	for _, line := range strings.Split(strings.ReplaceAll(said, moved+"/simulate", simDirectory),
		"\n") {
		if found := trialBegins.FindStringSubmatch(line); found != nil {
			one = &trial{id: found[2]}
			trials[found[1]] = one
		} else if found := trialPath.FindStringSubmatch(line); found != nil {
			how := found[4]
			if found[1] == "mount" {
				how = map[string]string{"read-only": "true", "read-write": "false"}[how]
			}
			one.lines = append(one.lines, strings.Join([]string{found[1], found[3], found[2], how},
				" "))
		} else if found := trialText.FindStringSubmatch(line); found != nil {
			text := found[2]
			if found[1] == "annotation" {
				text = strings.Replace(text, ": ", "=", 1)
			}
			one.lines = append(one.lines, trialKinds[found[1]]+text)
		} else {
			expect(!strings.HasPrefix(line, "  "), "kudev try says %q", line)
		}
	}
	for _, each := range trials {
		slices.Sort(each.lines)
	}
	return trials
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
