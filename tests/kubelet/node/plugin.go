// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// The nodes that each ID stands for.
var paths = map[string][]string{}

// plugin serves the IDs, each with its nodes, until it is killed. It says so on stdout
// once it is registered. The server is the one that the kubelet's own tests use.
func plugin(resource string, devices []string) error {
	var list []*pluginapi.Device
	for _, device := range devices {
		id, nodes, _ := strings.Cut(device, "=")
		paths[id] = strings.Split(nodes, ",")
		list = append(list, &pluginapi.Device{ID: id, Health: pluginapi.Healthy})
	}
	socket := filepath.Join(pluginapi.DevicePluginPath, fmt.Sprintf("other-%d.sock", os.Getpid()))
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
			for _, path := range paths[id] {
				answer.Devices = append(answer.Devices, &pluginapi.DeviceSpec{
					HostPath: path, ContainerPath: path, Permissions: "mrw",
				})
			}
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
