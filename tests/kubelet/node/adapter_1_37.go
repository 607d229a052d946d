// SPDX-License-Identifier: Apache-2.0

//go:build !kubelet1.33 && !kubelet1.34 && !kubelet1.35 && !kubelet1.36

package main

import (
	"context"
	"encoding/json"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
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
func numaNodes[N any](count int, _ func(klog.Logger, []N, topologymanager.Store) (
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
	topology, err := topologymanager.NewManager(klog.Background(), nodes, policy, "container", nil)
	if err != nil {
		return nil, nil, err
	}
	devices, err := devicemanager.NewManagerImpl(klog.Background(), nodes, topology)
	if err != nil {
		return nil, nil, err
	}
	topology.AddHintProvider(klog.Background(), devices)
	return topology, devices, nil
}

func startManager(devices *devicemanager.ManagerImpl, pods devicemanager.ActivePodsFunc,
	ready config.SourcesReady, containers containermap.ContainerMap,
	running sets.Set[string]) error {
	return devices.Start(klog.Background(), pods, ready, containers, running)
}

func admit(topology topologymanager.Manager, pod *v1.Pod) lifecycle.PodAdmitResult {
	return topology.Admit(context.Background(), &lifecycle.PodAdmitAttributes{
		Pod: pod, Operation: lifecycle.AddOperation,
	})
}

func capacity(devices *devicemanager.ManagerImpl) (v1.ResourceList, v1.ResourceList) {
	capacity, allocatable, _ := devices.GetCapacity(klog.Background())
	return capacity, allocatable
}

func runOptions(devices *devicemanager.ManagerImpl, pod *v1.Pod, container *v1.Container) (
	*devicemanager.DeviceRunContainerOptions, error) {
	return devices.GetDeviceRunContainerOptions(context.Background(), pod, container)
}

func startPlugin(list []*pluginapi.Device, socket, resource string) error {
	server := stub.NewDevicePluginStub(klog.Background(), list, socket, resource, false, false)
	server.SetAllocFunc(allocate)
	if err := server.Start(context.Background()); err != nil {
		return err
	}
	return server.Register(context.Background(), pluginapi.KubeletSocket, resource, "")
}

func (p devicesProvider) UpdateAllocatedDevices(logger klog.Logger) {
	p.devices.UpdateAllocatedDevices(logger)
}

// What else List asks for.
type noCPUs struct{ podresources.CPUsProvider }

func (noCPUs) GetCPUs(*v1.Pod, *v1.Container) []int64 { return nil }
func (noCPUs) GetPodCPUs(string) []int64              { return nil }

type noMemory struct{ podresources.MemoryProvider }

func (noMemory) GetMemory(klog.Logger, *v1.Pod, *v1.Container) []*podresourcesapi.ContainerMemory {
	return nil
}

func (noMemory) GetPodMemory(klog.Logger, string) []*podresourcesapi.ContainerMemory { return nil }

type noDynamicResources struct{}

func (noDynamicResources) GetDynamicResources(klog.Logger, *v1.Pod, *v1.Container) []*podresourcesapi.DynamicResource {
	return nil
}
