# SPDX-License-Identifier: Apache-2.0
"""A kubelet's device manager as plugins see it: kubelet.md, section 2, in Python.

It cleans its directory, serves Registration, connects back inside Register, follows
ListAndWatch, keeps one client slot per resource (with the race that this causes up to
1.36) and loses everything when it stops. Run as a program it prints its events, so that
a test can kill it for real.
"""

import itertools
import json
import os
import re
import socket
import stat
import sys
import tempfile
import threading
import time
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from messages import (PLUGIN_METHODS, PLUGIN_SERVICE, REGISTRATION_SERVICE, VERSION,
                      allocate_request, healths, pb)
from support import limit, wait_until

CHECKPOINT = "kubelet_internal_checkpoint"
DIAL_SECONDS = 10.0

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*\Z")
_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")


def is_qualified_name(text: str) -> bool:
    prefix, slash, name = text.rpartition("/")
    if slash and (len(prefix) > 253 or not _SUBDOMAIN.match(prefix)):
        return False
    return len(name) <= 63 and bool(_NAME.match(name))


def is_extended_resource_name(name: str) -> bool:
    if "/" not in name or "kubernetes.io/" in name or name.startswith("requests."):
        return False
    return is_qualified_name("requests." + name)


class PluginClient:
    """The kubelet's connection to a plugin socket; what tests call plugins with, too."""

    def __init__(self, path):
        self.path = Path(path)
        self.stream = None
        self.connected = False
        self.channel = grpc.insecure_channel(f"unix:{path}", options=[
            ("grpc.default_authority", "localhost"),
            ("grpc.use_local_subchannel_pool", 1),  # else clients share a connection
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_http_proxy", 0),
        ])
        self._unary = {
            method: self.channel.unary_unary(
                f"/{PLUGIN_SERVICE}/{method}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString)
            for method, (request, response) in PLUGIN_METHODS.items()}
        self._watch = self.channel.unary_stream(
            f"/{PLUGIN_SERVICE}/ListAndWatch",
            request_serializer=pb.Empty.SerializeToString,
            response_deserializer=pb.ListAndWatchResponse.FromString)

    def connect(self, seconds: float, goes_on=lambda: True) -> bool:
        ready = grpc.channel_ready_future(self.channel)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and goes_on():
            try:
                ready.result(timeout=0.05)
                self.connected = True
                return True
            except grpc.FutureTimeoutError:
                pass
        ready.cancel()
        return False

    def options(self, timeout=None) -> pb.DevicePluginOptions:
        return self._unary["GetDevicePluginOptions"](pb.Empty(), timeout=timeout)

    def watch(self):
        self.stream = self._watch(pb.Empty())
        return self.stream

    def call(self, method: str, request, timeout=limit(10)):
        return self._unary[method](request, timeout=timeout)

    def start(self, method: str, request, timeout=limit(10)) -> grpc.Future:
        return self._unary[method].future(request, timeout=timeout)

    def allocate(self, *ids: str) -> pb.ContainerAllocateResponse:
        """One container, as the kubelet asks; reads only the first answer, as it does."""
        answer = self.call("Allocate", allocate_request(list(ids)))
        return answer.container_responses[0]

    def close(self):
        self.channel.close()


class Watcher:
    """One more ListAndWatch stream, followed in a thread."""

    def __init__(self, path):
        self.client = PluginClient(path)
        self.lists: list[pb.ListAndWatchResponse] = []
        self.ended = None
        self._read: tuple[int, dict] = (0, {})
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            for message in self.client.watch():
                self.lists.append(message)
            self.ended = "OK"
        except (grpc.RpcError, ValueError) as error:
            self.ended = str(error)

    def last(self) -> dict[str, str]:
        """Read once: whoever waits for a change of thousands of devices asks often."""
        count = len(self.lists)
        if count != self._read[0]:
            self._read = (count, healths(self.lists[count - 1]))
        return self._read[1]

    def wait_last(self, expected: dict[str, str], seconds=5.0):
        wait_until(lambda: self.last() == expected, seconds,
                   lambda: f"list {expected}, last was {self.last()}")

    def cancel(self):
        self.client.stream.cancel()

    def close(self):
        self.client.close()
        self._thread.join(5)


@dataclass
class Registration:
    """One Register call, as it came and as it was answered."""
    at: float
    version: str
    endpoint: str
    resource: str
    metadata: dict
    time_remaining: float
    options_seconds: float = -1.0
    answer: str = "pending"
    answered_at: float = 0.0


@dataclass
class Resource:
    """What the manager keeps of a resource."""
    healthy: set = field(default_factory=set)
    unhealthy: set = field(default_factory=set)
    client: PluginClient = None
    stopped: bool = False

    @property
    def capacity(self) -> int:
        return len(self.healthy) + len(self.unhealthy)

    @property
    def allocatable(self) -> int:
        return len(self.healthy)


class Refusal(Exception):
    """A Register that fails; the kubelet gives a plain error, thus UNKNOWN."""

    def __init__(self, text: str, code=grpc.StatusCode.UNKNOWN):
        super().__init__(text)
        self.text = text
        self.code = code


class _Life:
    """All that dies with the kubelet's process."""

    def __init__(self):
        self.slots: dict[str, PluginClient] = {}
        self.resources: dict[str, Resource] = {}
        self.clients: list[PluginClient] = []
        self.threads: list[threading.Thread] = []
        self.over = threading.Event()
        self.server = None


class Kubelet:
    """
    before_register(request, context) may raise Refusal, sleep or call context.abort().
    answer_delay is slept after the plugin was connected, before Register is answered.
    dial: connect back at all; watch: call ListAndWatch; per_socket: 1.37's client slots.
    """

    def __init__(self, directory, *, removes_all_files=False, placement="create",
                 per_socket=False, register_context=True, workplace=None):
        self.directory = Path(directory)
        self.workplace = workplace  # on the same file system; default: its parent
        self.removes_all_files = removes_all_files  # up to 1.32
        self.placement = placement  # "create", or "rename" into place
        self.per_socket = per_socket
        self.register_context = register_context  # since 1.35
        self.supported_version = VERSION
        self.before_register = None
        self.answer_delay = 0.0
        self.dial = True
        self.watch = True
        self.on_list = None  # called with each list, as the kubelet writes its checkpoint
        self.closes_ended = True  # False: a liar, whose connection outlives the stream
        # So often a stream that ended took the next client along: see _run_ended.
        self.displaced = 0
        self.registrations: list[Registration] = []
        self.messages: list[tuple[str, pb.ListAndWatchResponse]] = []
        self._lock = threading.RLock()
        self._life = _Life()
        self._life.over.set()
        self._numbers = itertools.count()
        self._hidden = None

    # The process

    @property
    def socket(self) -> Path:
        return self.directory / "kubelet.sock"

    @property
    def running(self) -> bool:
        return not self._life.over.is_set()

    def start(self):
        assert not self.running
        self.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        self.clean()
        if not self._hidden:
            self._hidden = tempfile.TemporaryDirectory(
                prefix=".kubelet-", dir=self.workplace or self.directory.parent)
        life = _Life()
        life.server = grpc.server(futures.ThreadPoolExecutor(64), options=[
            ("grpc.so_reuseport", 0)])
        life.server.add_generic_rpc_handlers((self._handlers(life),))
        # The core unlinks the name that it bound, when it ends. Under another name the
        # socket outlives it, with nobody listening: just what a dead kubelet leaves.
        hidden = Path(self._hidden.name) / f"k{next(self._numbers)}"
        life.server.add_insecure_port(f"unix:{hidden}")
        life.server.start()
        self._life = life
        if self.placement == "rename":
            moving = Path(f"{hidden}.moving")
            os.link(hidden, moving)
            os.rename(moving, self.socket)
        else:
            os.link(hidden, self.socket)
        hidden.unlink()
        return self

    def clean(self):
        """CleanupPluginDirectory."""
        for entry in self.directory.iterdir():
            if entry.name == CHECKPOINT:
                continue
            try:
                mode = entry.lstat().st_mode if self.removes_all_files \
                    else entry.stat().st_mode
            except FileNotFoundError:
                continue  # a dangling link, or just gone
            if stat.S_ISDIR(mode):
                continue
            if self.removes_all_files or stat.S_ISSOCK(mode):
                entry.unlink(missing_ok=True)

    def stop(self, unlink=False):
        """SIGTERM and SIGKILL alike leave kubelet.sock and the plugins' sockets."""
        life = self._life
        if life.over.is_set():
            return
        life.over.set()
        life.server.stop(None).wait(10)
        for client in life.clients:
            client.close()
        for thread in life.threads:
            thread.join(10)
        if unlink:
            self.socket.unlink(missing_ok=True)

    def restart(self, unlink=False):
        self.stop(unlink)
        return self.start()

    def close(self):
        self.stop()
        if self._hidden:
            self._hidden.cleanup()

    # Registration

    def _handlers(self, life: _Life):
        def register(request, context):
            return self._register(life, request, context)

        return grpc.method_handlers_generic_handler(REGISTRATION_SERVICE, {
            "Register": grpc.unary_unary_rpc_method_handler(
                register, request_deserializer=pb.RegisterRequest.FromString,
                response_serializer=pb.Empty.SerializeToString)})

    def _register(self, life: _Life, request, context) -> pb.Empty:
        entry = Registration(
            time.monotonic(), request.version, request.endpoint, request.resource_name,
            dict(context.invocation_metadata()), context.time_remaining() or 0.0)
        with self._lock:
            self.registrations.append(entry)
        try:
            if self.before_register:
                self.before_register(request, context)
            self._check(request)
            if self.dial:
                self._connect_client(life, request, context, entry)
            life.over.wait(self.answer_delay)
            entry.answer = "OK" if context.is_active() else "given up by the plugin"
        except Refusal as refusal:
            entry.answer = refusal.text
            context.abort(refusal.code, refusal.text)
        except Exception:
            entry.answer = "aborted"
            raise
        finally:
            entry.answered_at = time.monotonic()
        return pb.Empty()

    def _check(self, request):
        if request.version != self.supported_version:
            raise Refusal(
                f'requested API version "{request.version}" is not supported by kubelet. '
                f'Supported version is ["{self.supported_version}"]')
        if not is_extended_resource_name(request.resource_name):
            raise Refusal(f'the ResourceName "{request.resource_name}" is invalid')

    def _slot(self, name: str, path: Path) -> str:
        return f"{name} {path}" if self.per_socket else name

    def _connect_client(self, life: _Life, request, context, entry: Registration):
        name = request.resource_name
        path = Path(os.path.normpath(self.directory / request.endpoint))
        slot = self._slot(name, path)
        client = PluginClient(path)
        with self._lock:
            life.slots[slot] = client
            life.clients.append(client)

        def goes_on() -> bool:
            return not life.over.is_set() and (
                not self.register_context or context.is_active())

        if not client.connect(DIAL_SECONDS, goes_on):
            self._forget(life, slot)
            client.close()
            raise Refusal("failed to dial device plugin: context deadline exceeded")
        before = time.monotonic()
        try:
            client.options(timeout=context.time_remaining() if self.register_context
                           else None)
        except (grpc.RpcError, ValueError) as error:
            # The real one leaks the connection here.
            self._forget(life, slot)
            text = error.details() if isinstance(error, grpc.RpcError) else str(error)
            raise Refusal(f"failed to get device plugin options: {text}") from error
        entry.options_seconds = time.monotonic() - before
        with self._lock:
            resource = life.resources.setdefault(name, Resource())
            resource.client = client
            resource.stopped = False
        if self.watch:
            thread = threading.Thread(target=self._run_client,
                                      args=(life, name, slot, client), daemon=True)
            thread.start()
            life.threads.append(thread)

    def _forget(self, life: _Life, slot: str):
        with self._lock:
            life.slots.pop(slot, None)

    # ListAndWatch

    def _run_client(self, life: _Life, name: str, slot: str, client: PluginClient):
        try:
            for message in client.watch():
                self._update(life, name, message)
        except (grpc.RpcError, ValueError):
            pass  # the end of a stream is the same for every reason
        self._run_ended(life, name, slot, client)

    def _update(self, life: _Life, name: str, message):
        """genericDeviceUpdateCallback: a full replacement."""
        with self._lock:
            if life.over.is_set():
                return
            self.messages.append((name, message))
            resource = life.resources[name]
            resource.healthy = {d.ID for d in message.devices if d.health == "Healthy"}
            resource.unhealthy = {d.ID for d in message.devices if d.health != "Healthy"}
        if self.on_list:
            self.on_list(message)

    def _run_ended(self, life: _Life, name: str, slot: str, ended: PluginClient):
        """runClient up to 1.36: disconnects whoever is in the slot, not who ended.

        kudev leaves it time, but a busy machine may need more for it.
        """
        with self._lock:
            client = life.slots.pop(slot, None)
        if client is None or life.over.is_set():
            return
        with self._lock:
            self.displaced += client is not ended
        # Who still dials has no connection to close yet: it goes on, without a slot.
        if self.closes_ended and client.connected:
            client.close()
        with self._lock:  # PluginDisconnected
            resource = life.resources[name]
            if self.per_socket and resource.client is not client:
                return  # what 1.37 is expected to do
            resource.unhealthy |= resource.healthy
            resource.healthy = set()
            resource.stopped = True

    # What tests ask and do

    def resource(self, name: str) -> Resource:
        with self._lock:
            return self._life.resources.get(name) or Resource()

    def allocatable(self, name: str) -> int:
        return self.resource(name).allocatable

    def capacity(self, name: str) -> int:
        return self.resource(name).capacity

    def client(self, name: str) -> PluginClient:
        return self.resource(name).client

    def slot_count(self) -> int:
        with self._lock:
            return len(self._life.slots)

    def lists(self, name: str) -> list[pb.ListAndWatchResponse]:
        with self._lock:
            return [message for resource, message in self.messages if resource == name]

    def registered(self, name: str) -> list[Registration]:
        with self._lock:
            return [r for r in self.registrations if r.resource == name]

    def cancel_stream(self, name: str):
        """RST_STREAM CANCEL from the kubelet."""
        self.client(name).stream.cancel()

    def wait_registered(self, name: str, more_than=0, seconds=5.0) -> Registration:
        def answered():
            return [r for r in self.registered(name)[more_than:] if r.answer == "OK"]

        wait_until(answered, seconds, lambda: f"a registration of {name} after "
                   f"{more_than}; there are {self.registered(name)}")
        return answered()[-1]

    def wait_allocatable(self, name: str, healthy: int, capacity=None, seconds=5.0):
        wanted = (healthy, healthy if capacity is None else capacity)

        def now():
            resource = self.resource(name)
            return resource.allocatable, resource.capacity

        wait_until(lambda: now() == wanted, seconds,
                   lambda: f"{name}: allocatable, capacity {wanted}, is {now()}, "
                   f"registrations {self.registered(name)}")


def refusing(times: int, text="try later", code=grpc.StatusCode.UNAVAILABLE):
    """before_register that refuses the first so many calls."""
    left = itertools.count(times, -1)

    def refuse(_request, _context):
        if next(left) > 0:
            raise Refusal(text, code)

    return refuse


class MuteKubelet:
    """Accepts connections and never says a word, not even SETTINGS."""

    def __init__(self, directory):
        self.path = Path(directory) / "kubelet.sock"
        self.accepted: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                self.accepted.append(self._listener.accept()[0])
            except OSError:
                return

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for connection in self.accepted:
            connection.close()


def _print_events(kubelet: Kubelet):
    """One JSON line for each answered registration and each list."""
    registrations, messages = 0, 0
    while True:
        for entry in kubelet.registrations[registrations:]:
            if entry.answer == "pending":
                break
            registrations += 1
            print(json.dumps({"event": "register", "resource": entry.resource,
                              "endpoint": entry.endpoint, "answer": entry.answer}),
                  flush=True)
        for name, message in kubelet.messages[messages:]:
            messages += 1
            print(json.dumps({"event": "list", "resource": name,
                              "devices": healths(message)}), flush=True)
        time.sleep(0.01)


if __name__ == "__main__":
    _print_events(Kubelet(sys.argv[1]).start())
