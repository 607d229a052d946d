// SPDX-License-Identifier: Apache-2.0

// One kubelet of one minor: its own device manager and topology manager in a process that
// can be killed, driven by a JSON request a line on stdin and answered on stdout. Built once
// for each MINOR.mod; what differs between minors is in adapter_*.go.
//
// "node plugin RESOURCE ID=PATH,PATH..." is a small device plugin instead.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/cm/containermap"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/config"
)

// Request is one line of stdin; which fields count depends on Do.
type Request struct {
	Do        string
	Pods      []*v1.Pod         // start: whose containers run already; resume: all
	Policy    string            // start: of the topology manager
	NUMANodes int               // start
	Pod       *v1.Pod           // admit, forget, options
	Container string            // options
	Resources map[string]Amount // wait
	Timeout   time.Duration     // wait
}

// Amount is what the node object says of a resource.
type Amount struct{ Capacity, Allocatable int64 }

// Answer is one line of stdout.
type Answer struct {
	Error    string `json:",omitempty"` // of the kubelet's code
	Refused  string `json:",omitempty"` // admit: the reason that the pod's status would show
	Capacity map[string]Amount
	Held     map[string][]string // held: "pod/container/resource" to IDs
	Options  *devicemanager.DeviceRunContainerOptions
	Waited   time.Duration
}

type kubelet struct {
	devices  *devicemanager.ManagerImpl
	topology topologymanager.Manager
	ready    atomic.Bool
	mutex    sync.Mutex
	pods     []*v1.Pod
}

func (k *kubelet) activePods() []*v1.Pod {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return append([]*v1.Pod(nil), k.pods...)
}

func (k *kubelet) forget(pod *v1.Pod) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for i, each := range k.pods {
		if each.UID == pod.UID {
			k.pods = append(k.pods[:i:i], k.pods[i+1:]...)
			return
		}
	}
}

// start is how a kubelet begins: the runtime tells it which containers run.
func (k *kubelet) start(request *Request) error {
	containers, running := containermap.NewContainerMap(), sets.New[string]()
	for _, pod := range request.Pods {
		for _, container := range pod.Spec.Containers {
			id := string(pod.UID) + "-" + container.Name
			containers.Add(string(pod.UID), container.Name, id)
			running.Insert(id)
		}
	}
	var err error
	k.topology, k.devices, err = newManagers(request.Policy, request.NUMANodes)
	if err != nil {
		return err
	}
	ready := config.NewSourcesReady(func(sets.Set[string]) bool { return k.ready.Load() })
	if err := startManager(k.devices, k.activePods, ready, containers, running); err != nil {
		return err
	}
	return k.servePodResources()
}

// resume is when the pods of the node come from the API server, before or after the plugins:
// they are admitted again, and only then do all sources count as ready.
func (k *kubelet) resume(request *Request) error {
	for _, pod := range request.Pods {
		if refused := k.admit(pod); refused != "" {
			return fmt.Errorf("%s: %s", pod.Name, refused)
		}
	}
	k.ready.Store(true)
	return nil
}

// admit returns why the pod was refused.
func (k *kubelet) admit(pod *v1.Pod) string {
	k.forget(pod)
	k.mutex.Lock()
	k.pods = append(k.pods, pod)
	k.mutex.Unlock()
	result := admit(k.topology, pod)
	if result.Admit {
		return ""
	}
	k.forget(pod)
	return result.Reason + ": " + result.Message
}

func (k *kubelet) capacity() map[string]Amount {
	amounts := map[string]Amount{}
	capacity, allocatable := capacity(k.devices)
	for name, quantity := range capacity {
		amounts[string(name)] = Amount{Capacity: quantity.Value()}
	}
	for name, quantity := range allocatable {
		amounts[string(name)] = Amount{amounts[string(name)].Capacity, quantity.Value()}
	}
	return amounts
}

func (k *kubelet) wait(request *Request) error {
	deadline := time.Now().Add(request.Timeout)
	for {
		amounts, differing := k.capacity(), ""
		for name, wanted := range request.Resources {
			if amounts[name] != wanted {
				differing = fmt.Sprintf("%s is %+v, not %+v", name, amounts[name], wanted)
			}
		}
		if differing == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s after %v", differing, request.Timeout)
		}
		time.Sleep(time.Millisecond)
	}
}

func (k *kubelet) held() map[string][]string {
	held := map[string][]string{}
	for _, pod := range k.activePods() {
		for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
			for name, devices := range k.devices.GetDevices(string(pod.UID), container.Name) {
				key := pod.Name + "/" + container.Name + "/" + name
				for id := range devices {
					held[key] = append(held[key], id)
				}
			}
		}
	}
	return held
}

func (k *kubelet) options(request *Request, answer *Answer) error {
	for _, list := range [][]v1.Container{
		request.Pod.Spec.InitContainers, request.Pod.Spec.Containers,
	} {
		for i := range list {
			if list[i].Name == request.Container {
				var err error
				answer.Options, err = runOptions(k.devices, request.Pod, &list[i])
				return err
			}
		}
	}
	return errors.New("no such container")
}

func (k *kubelet) do(request *Request, answer *Answer) error {
	switch request.Do {
	case "start":
		return k.start(request)
	case "resume":
		return k.resume(request)
	case "admit":
		answer.Refused = k.admit(request.Pod)
		return nil
	case "forget":
		k.forget(request.Pod)
		return nil
	case "options":
		return k.options(request, answer)
	case "capacity":
		answer.Capacity = k.capacity()
		return nil
	case "wait":
		return k.wait(request)
	case "held":
		answer.Held = k.held()
		return nil
	}
	return errors.New("what is " + request.Do)
}

func serve() error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for k := new(kubelet); ; {
		var request Request
		if err := in.Decode(&request); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		var answer Answer
		started := time.Now()
		if err := k.do(&request, &answer); err != nil {
			answer.Error = err.Error()
		}
		answer.Waited = time.Since(started)
		if err := out.Encode(&answer); err != nil {
			return err
		}
	}
}

func main() {
	klog.SetOutput(os.Stderr)
	run := serve
	if len(os.Args) > 2 && os.Args[1] == "plugin" {
		run = func() error { return plugin(os.Args[2], os.Args[3:]) }
	}
	if err := run(); err != nil {
		klog.ErrorS(err, "Node ended")
		os.Exit(1)
	}
}
