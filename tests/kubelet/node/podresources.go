// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"reflect"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	v1 "k8s.io/api/core/v1"
	podresourcesapi "k8s.io/kubelet/pkg/apis/podresources/v1"
	apisgrpc "k8s.io/kubernetes/pkg/kubelet/apis/grpc"
	"k8s.io/kubernetes/pkg/kubelet/apis/podresources"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
)

const podResourcesSocket = "/var/lib/kubelet/pod-resources/kubelet.sock"

// What List asks of the pods of this node; the rest is nobody's.
type podsProvider struct {
	podresources.PodsProvider
	kubelet *kubelet
}

func (p podsProvider) GetActivePods() []*v1.Pod { return p.kubelet.activePods() }
func (p podsProvider) GetPods() []*v1.Pod       { return p.kubelet.activePods() }

type devicesProvider struct {
	podresources.DevicesProvider
	devices *devicemanager.ManagerImpl
}

// GetDevices is the container manager's, which is more than this node has.
func (p devicesProvider) GetDevices(uid, container string) []*podresourcesapi.ContainerDevices {
	var found []*podresourcesapi.ContainerDevices
	for resource, devices := range p.devices.GetDevices(uid, container) {
		for id, device := range devices {
			topology := device.GetTopology()
			if topology == nil {
				found = append(found, &podresourcesapi.ContainerDevices{
					ResourceName: resource, DeviceIds: []string{id},
				})
				continue
			}
			for _, node := range topology.GetNodes() {
				found = append(found, &podresourcesapi.ContainerDevices{
					ResourceName: resource, DeviceIds: []string{id},
					Topology: &podresourcesapi.TopologyInfo{
						Nodes: []*podresourcesapi.NUMANode{{ID: node.GetID()}},
					},
				})
			}
		}
	}
	return found
}

// The kubelet's own server of the API; since 1.34 it takes a context first.
func newPodResources(providers podresources.PodResourcesProviders) (
	server podresourcesapi.PodResourcesListerServer) {
	make := reflect.ValueOf(podresources.NewV1PodResourcesServer)
	arguments := []reflect.Value{reflect.ValueOf(providers)}
	if make.Type().NumIn() == 2 {
		arguments = append([]reflect.Value{reflect.ValueOf(context.Background())}, arguments...)
	}
	return make.Call(arguments)[0].Interface().(podresourcesapi.PodResourcesListerServer)
}

// servePodResources is server.ListenAndServePodResources, with its limit; its listener, too,
// moves the socket into place.
func (k *kubelet) servePodResources() error {
	server := grpc.NewServer(grpc.UnaryInterceptor(apisgrpc.LimiterUnaryServerInterceptor(
		rate.NewLimiter(podresources.DefaultQPS, podresources.DefaultBurstTokens))))
	podresourcesapi.RegisterPodResourcesListerServer(server, newPodResources(
		podresources.PodResourcesProviders{
			Pods:             podsProvider{kubelet: k},
			Devices:          devicesProvider{devices: k.devices},
			Cpus:             noCPUs{},
			Memory:           noMemory{},
			DynamicResources: noDynamicResources{},
		}))
	if err := os.MkdirAll(filepath.Dir(podResourcesSocket), 0o750); err != nil {
		return err
	}
	hidden := podResourcesSocket + ".new"
	listener, err := net.Listen("unix", hidden)
	if err != nil {
		return err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	go func() { panic(server.Serve(listener)) }()
	return os.Rename(hidden, podResourcesSocket)
}
