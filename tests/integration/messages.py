# SPDX-License-Identifier: Apache-2.0
"""The messages of both APIs; generated here when the build did not do it."""

import subprocess
import sys
import tempfile

from support import REPOSITORY

try:
    from deviceplugin.v1beta1 import api_pb2 as pb
    from podresources.v1 import api_pb2 as pod_resources
except ImportError:
    with tempfile.TemporaryDirectory(prefix="kudev-pb2-") as directory:
        subprocess.run(["protoc", f"--python_out={directory}", "-I", REPOSITORY / "proto",
                        "deviceplugin/v1beta1/api.proto", "podresources/v1/api.proto"],
                       check=True)
        sys.path.insert(0, directory)
        from deviceplugin.v1beta1 import api_pb2 as pb
        from podresources.v1 import api_pb2 as pod_resources
        sys.path.remove(directory)

VERSION = "v1beta1"
PLUGIN_SERVICE = "v1beta1.DevicePlugin"
REGISTRATION_SERVICE = "v1beta1.Registration"

# The unary methods of a plugin: request, response.
PLUGIN_METHODS = {
    "GetDevicePluginOptions": (pb.Empty, pb.DevicePluginOptions),
    "GetPreferredAllocation": (pb.PreferredAllocationRequest,
                               pb.PreferredAllocationResponse),
    "Allocate": (pb.AllocateRequest, pb.AllocateResponse),
    "PreStartContainer": (pb.PreStartContainerRequest, pb.PreStartContainerResponse),
}


def allocate_request(*containers: list) -> pb.AllocateRequest:
    return pb.AllocateRequest(container_requests=[
        pb.ContainerAllocateRequest(devices_ids=ids) for ids in containers])


def preferred_request(available, size: int, must=()) -> pb.PreferredAllocationRequest:
    return pb.PreferredAllocationRequest(container_requests=[
        pb.ContainerPreferredAllocationRequest(
            available_deviceIDs=available, must_include_deviceIDs=must,
            allocation_size=size)])


def healths(message: pb.ListAndWatchResponse) -> dict[str, str]:
    return {device.ID: device.health for device in message.devices}
