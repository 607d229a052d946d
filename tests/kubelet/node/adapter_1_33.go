// SPDX-License-Identifier: Apache-2.0

//go:build kubelet1.33 || kubelet1.34

package main

import (
	"encoding/json"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	podresourcesapi "k8s.io/kubelet/pkg/apis/podresources/v1"
	"k8s.io/kubernetes/pkg/kubelet/apis/podresources"
	"k8s.io/kubernetes/pkg/kubelet/cm/containermap"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
	stub "k8s.io/kubernetes/pkg/kubelet/cm/devicemanager/plugin/v1beta1"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/config"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
)

// numaNodes infers cadvisor's type, whose package moves about, from the constructor.
func numaNodes[N any](count int, _ func([]N, topologymanager.Store) (
	*devicemanager.ManagerImpl, error)) []N {
	nodes := make([]N, count)
	for i := range nodes {
		if err := json.Unmarshal(fmt.Appendf(nil, `{"node_id": %d}`, i), &nodes[i]); err != nil {
			panic(err)
		}
	}
	return nodes
}

func newManagers(policy string, numa int) (topologymanager.Manager,
	*devicemanager.ManagerImpl, error) {
	nodes := numaNodes(numa, devicemanager.NewManagerImpl)
	topology, err := topologymanager.NewManager(nodes, policy, "container", nil)
	if err != nil {
		return nil, nil, err
	}
	devices, err := devicemanager.NewManagerImpl(nodes, topology)
	if err != nil {
		return nil, nil, err
	}
	topology.AddHintProvider(devices)
	return topology, devices, nil
}

func startManager(devices *devicemanager.ManagerImpl, pods devicemanager.ActivePodsFunc,
	ready config.SourcesReady, containers containermap.ContainerMap,
	running sets.Set[string]) error {
	return devices.Start(pods, ready, containers, running)
}

func admit(topology topologymanager.Manager, pod *v1.Pod) lifecycle.PodAdmitResult {
	return topology.Admit(&lifecycle.PodAdmitAttributes{Pod: pod})
}

func capacity(devices *devicemanager.ManagerImpl) (v1.ResourceList, v1.ResourceList) {
	capacity, allocatable, _ := devices.GetCapacity()
	return capacity, allocatable
}

func runOptions(devices *devicemanager.ManagerImpl, pod *v1.Pod, container *v1.Container) (
	*devicemanager.DeviceRunContainerOptions, error) {
	return devices.GetDeviceRunContainerOptions(pod, container)
}

func startPlugin(list []*pluginapi.Device, socket, resource string) error {
	server := stub.NewDevicePluginStub(list, socket, resource, false, false)
	server.SetAllocFunc(allocate)
	if err := server.Start(); err != nil {
		return err
	}
	return server.Register(pluginapi.KubeletSocket, resource, "")
}

func (p devicesProvider) UpdateAllocatedDevices() { p.devices.UpdateAllocatedDevices() }

// What else List asks for.
type noCPUs struct{ podresources.CPUsProvider }

func (noCPUs) GetCPUs(string, string) []int64 { return nil }

type noMemory struct{ podresources.MemoryProvider }

func (noMemory) GetMemory(string, string) []*podresourcesapi.ContainerMemory { return nil }

type noDynamicResources struct{}

func (noDynamicResources) GetDynamicResources(*v1.Pod, *v1.Container) []*podresourcesapi.DynamicResource {
	return nil
}
