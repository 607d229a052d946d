# SPDX-License-Identifier: Apache-2.0
"""Who holds what, as a kubelet keeps, says and writes it: kubelet.md, sections 2.6 and 6.

Answers List of PodResources v1 within the kubelet's rate limit, for active pods and
without init containers. What ended pods had is freed by the next List, and the checkpoint
written at an Allocate and at each list of a plugin alone.
"""

import json
import threading
import time
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from kubelet import CHECKPOINT
from messages import pod_resources as pb

QPS = 100
BURST = 10
SOCKET = "kubelet.sock"


@dataclass
class Pod:
    name: str
    namespace: str = "default"
    active: bool = True
    # container → resource → IDs, and the same of init containers
    containers: dict = field(default_factory=dict)
    init_containers: dict = field(default_factory=dict)

    @property
    def devices(self) -> dict:
        return {**self.init_containers, **self.containers}


class PodResources:
    """
    answer is called instead of a List: it gives bytes, or aborts the context it is given.
    ready: the kubelet has heard of its pods; before, it lists and frees none.
    """

    def __init__(self, directory, plugins):
        self.path = Path(directory) / SOCKET
        self.plugins = Path(plugins)
        self.pods: list[Pod] = []
        self.requests: list[float] = []
        self.answer = None
        self.ready = True
        self._tokens = float(BURST)
        self._filled = time.monotonic()
        self._lock = threading.RLock()
        self._server = None
        self._starts = 0

    # The socket

    def start(self):
        """The kubelet, too, moves its socket into place."""
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._starts += 1
        hidden = self.path.parent / f".{self._starts}"
        self._server = grpc.server(futures.ThreadPoolExecutor(8), options=[
            ("grpc.so_reuseport", 0), ("grpc.max_send_message_length", -1)])
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            "v1.PodResourcesLister", {"List": grpc.unary_unary_rpc_method_handler(
                self._list, request_deserializer=pb.ListPodResourcesRequest.FromString,
                response_serializer=lambda message: message)}),))
        self._server.add_insecure_port(f"unix:{hidden}")
        self._server.start()
        hidden.rename(self.path)
        return self

    def stop(self):
        """Its socket stays, with nobody listening."""
        if self._server:
            self._server.stop(None).wait(10)
        self._server = None

    close = stop

    # The service

    def _take_token(self) -> bool:
        now = time.monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._filled) * QPS)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _list(self, _request, context) -> bytes:
        with self._lock:
            self.requests.append(time.monotonic())
            if not self._take_token():
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED,
                              "rejected by rate limit")
            answer = self.answer
        if answer:
            return answer(context)
        with self._lock:
            return self.message().SerializeToString()

    def message(self):
        """UpdateAllocatedDevices, then the active pods."""
        if not self.ready:
            return pb.ListPodResourcesResponse()
        self.pods = [pod for pod in self.pods if pod.active]
        return pb.ListPodResourcesResponse(pod_resources=[
            pb.PodResources(name=pod.name, namespace=pod.namespace, containers=[
                pb.ContainerResources(name=container, devices=[
                    pb.ContainerDevices(resource_name=resource, device_ids=[each])
                    for resource, ids in resources.items() for each in ids])
                for container, resources in pod.containers.items()])
            for pod in self.pods])

    # The kubelet's own doing

    def hold(self, name: str, resource: str, *ids: str, init=False, **more) -> Pod:
        """A pod whose container c got these devices."""
        pod = Pod(name, **more)
        (pod.init_containers if init else pod.containers)["c"] = {resource: list(ids)}
        with self._lock:
            self.pods.append(pod)
            self.write()
        return pod

    def write(self, *_):
        """The checkpoint."""
        with self._lock:
            entries = [{"PodUID": f"uid-{pod.name}", "ContainerName": container,
                        "ResourceName": resource, "DeviceIDs": {"-1": ids},
                        "AllocResp": "CgA="}
                       for pod in self.pods for container, resources in pod.devices.items()
                       for resource, ids in resources.items()]
            temporary = self.plugins / ".checkpoint"
            temporary.write_text(json.dumps({
                "Data": {"PodDeviceEntries": entries, "RegisteredDevices": {}},
                "Checksum": 1}))
            temporary.rename(self.plugins / CHECKPOINT)
