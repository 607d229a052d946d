// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"strings"

	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// The node that each ID stands for.
var paths = map[string]string{}

// plugin serves the IDs, each with its one node, until it is killed. It says so on stdout
// once it is registered. The server is the one that the kubelet's own tests use.
func plugin(resource string, devices []string) error {
	var list []*pluginapi.Device
	for _, device := range devices {
		id, path, _ := strings.Cut(device, "=")
		paths[id] = path
		list = append(list, &pluginapi.Device{ID: id, Health: pluginapi.Healthy})
	}
	socket := filepath.Join(pluginapi.DevicePluginPath, "other.sock")
	if err := startPlugin(list, socket, resource); err != nil {
		return err
	}
	fmt.Println("registered")
	select {}
}

// D is the device or, since 1.34, a pointer to it.
func allocate[D any](request *pluginapi.AllocateRequest, _ map[string]D) (
	*pluginapi.AllocateResponse, error) {
	response := &pluginapi.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		answer := &pluginapi.ContainerAllocateResponse{}
		for _, id := range idsOf(container) {
			answer.Devices = append(answer.Devices, &pluginapi.DeviceSpec{
				HostPath: paths[id], ContainerPath: paths[id], Permissions: "mrw",
			})
		}
		response.ContainerResponses = append(response.ContainerResponses, answer)
	}
	return response, nil
}

// protobuf-go, since 1.34, names the field in another way than gogo did.
func idsOf(request any) []string {
	switch request := request.(type) {
	case interface{ GetDevicesIDs() []string }:
		return request.GetDevicesIDs()
	case interface{ GetDevicesIds() []string }:
		return request.GetDevicesIds()
	}
	panic("no IDs in a request")
}
