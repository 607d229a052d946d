# SPDX-License-Identifier: Apache-2.0
"""A tiny device plugin, to test the test kubelet with."""

import queue
from concurrent import futures

import grpc

from messages import PLUGIN_METHODS, PLUGIN_SERVICE, REGISTRATION_SERVICE, VERSION, pb


class Toy:
    def __init__(self, directory, endpoint="toy.sock"):
        self.directory = directory
        self.endpoint = endpoint
        self.options_error = None
        self._streams: list[queue.Queue] = []
        self._devices: list = []
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            PLUGIN_SERVICE, {
                "GetDevicePluginOptions": self._unary("GetDevicePluginOptions",
                                                      self._options),
                "Allocate": self._unary("Allocate", self._allocate),
                "ListAndWatch": grpc.unary_stream_rpc_method_handler(
                    self._watch, request_deserializer=pb.Empty.FromString,
                    response_serializer=pb.ListAndWatchResponse.SerializeToString),
            }),))
        self.path = directory / endpoint
        self._server.add_insecure_port(f"unix:{self.path}")
        self._server.start()

    @staticmethod
    def _unary(method, function):
        request, response = PLUGIN_METHODS[method]
        return grpc.unary_unary_rpc_method_handler(
            function, request_deserializer=request.FromString,
            response_serializer=response.SerializeToString)

    def _options(self, _request, context):
        if self.options_error:
            context.abort(grpc.StatusCode.INTERNAL, self.options_error)
        return pb.DevicePluginOptions()

    def _allocate(self, request, _context):
        return pb.AllocateResponse(container_responses=[
            pb.ContainerAllocateResponse(envs={"IDS": ",".join(each.devices_ids)})
            for each in request.container_requests])

    def _watch(self, _request, context):
        changes = queue.Queue()
        context.add_callback(lambda: changes.put(None))
        changes.put(self._devices)
        self._streams.append(changes)
        while (devices := changes.get()) is not None:
            yield pb.ListAndWatchResponse(devices=devices)

    def show(self, *devices: tuple[str, str]):
        self._devices = [pb.Device(ID=name, health=health) for name, health in devices]
        for changes in self._streams:
            changes.put(self._devices)

    def end_streams(self):
        for changes in self._streams:
            changes.put(None)
        self._streams.clear()

    def register(self, resource="example.com/toy", version=VERSION, timeout=15.0):
        with grpc.insecure_channel(f"unix:{self.directory / 'kubelet.sock'}", options=[
                ("grpc.use_local_subchannel_pool", 1)]) as channel:
            return channel.unary_unary(
                f"/{REGISTRATION_SERVICE}/Register",
                request_serializer=pb.RegisterRequest.SerializeToString,
                response_deserializer=pb.Empty.FromString)(
                    pb.RegisterRequest(version=version, endpoint=self.endpoint,
                                       resource_name=resource), timeout=timeout)

    def close(self):
        self.end_streams()
        self._server.stop(None).wait(5)
