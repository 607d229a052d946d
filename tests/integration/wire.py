# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 by hand over a unix socket, for what a well-behaved gRPC library won't do.

Frames and header compression come from python3-h2 and python3-hpack.
"""

import contextlib
import socket
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from messages import PLUGIN_SERVICE
from support import limit

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (struct.pack(">I", len(payload))[1:]
            + struct.pack(">BBI", kind, flags, stream) + payload)


def grpc_message(payload: bytes, compressed=0, length=None) -> bytes:
    size = len(payload) if length is None else length
    return struct.pack(">BI", compressed, size) + payload


@dataclass
class Call:
    """What came back on one stream."""
    headers: dict = field(default_factory=dict)
    trailers: dict = field(default_factory=dict)
    data: bytes = b""
    ended: bool = False
    reset: int = None

    @property
    def status(self):
        """The grpc-status, or None while there is none."""
        text = self.trailers.get("grpc-status", self.headers.get("grpc-status"))
        return None if text is None else int(text)

    @property
    def trailers_only(self) -> bool:
        return "grpc-status" in self.headers and not self.trailers

    @property
    def message(self) -> str:
        return self.trailers.get("grpc-message", self.headers.get("grpc-message", ""))

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None

    def messages(self) -> list[bytes]:
        """The complete gRPC messages so far."""
        found, rest = [], self.data
        while len(rest) >= 5:
            size = struct.unpack(">I", rest[1:5])[0]
            if len(rest) < 5 + size:
                break
            found.append(rest[5:5 + size])
            rest = rest[5 + size:]
        return found


class Connection:
    """One HTTP/2 connection, driven by the calling thread; reads only when told to."""

    def __init__(self, sock: socket.socket, client=True):
        self.sock = sock
        self.calls: dict[int, Call] = {}
        self.events: list = []
        self.closed = False
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=client, header_encoding="utf-8", validate_inbound_headers=False,
            validate_outbound_headers=False, normalize_outbound_headers=False))
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def send_raw(self, data: bytes):
        self.flush()
        self.sock.sendall(data)

    def close(self):
        """Without a GOAWAY."""
        self.sock.close()

    def read(self, seconds: float) -> list:
        """The events of what arrives within that time; ACKs PING and SETTINGS."""
        self.sock.settimeout(max(seconds, 0.001))
        try:
            data = self.sock.recv(65536)
        except (TimeoutError, BlockingIOError):
            return []
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return []
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            if self.h2.state_machine.state is not h2.connection.ConnectionState.CLOSED:
                raise
            return []  # frames after a GOAWAY
        for event in events:
            self._note(event)
        with contextlib.suppress(ConnectionError):
            self.flush()
        self.events += events
        return events

    def _note(self, event):
        call = self.calls.setdefault(getattr(event, "stream_id", 0), Call())
        if isinstance(event, (h2.events.ResponseReceived, h2.events.RequestReceived)):
            call.headers = dict(event.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            call.trailers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            call.data += event.data
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self.h2.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            call.ended = True
        elif isinstance(event, h2.events.StreamReset):
            call.reset = event.error_code

    def read_until(self, condition, seconds=5.0, what="") -> None:
        deadline = time.monotonic() + limit(seconds)
        while not condition():
            assert not self.closed, f"connection closed before: {what}"
            left = deadline - time.monotonic()
            assert left > 0, f"not within {limit(seconds)} s: {what}"
            self.read(left)

    def read_until_closed(self, seconds: float):
        deadline = time.monotonic() + limit(seconds)
        while not self.closed:
            left = deadline - time.monotonic()
            assert left > 0, "the connection is still open"
            self.read(left)

    def seen(self, kind) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    # As a client

    def request(self, method: str, service=PLUGIN_SERVICE, headers=(), end=False) -> int:
        stream = self.h2.get_next_available_stream_id()
        self.calls[stream] = Call()
        self.h2.send_headers(stream, [
            (":method", "POST"), (":scheme", "http"), (":path", f"/{service}/{method}"),
            (":authority", "localhost"), ("content-type", "application/grpc"),
            ("user-agent", "grpc-go/1.79.3"), ("te", "trailers"), *headers],
            end_stream=end)
        self.flush()
        return stream

    def send(self, stream: int, data: bytes, end=False, seconds=10.0):
        """All of data, as the peer's windows allow."""
        while True:
            room = min(self.h2.local_flow_control_window(stream), len(data),
                       self.h2.max_outbound_frame_size)
            if room or not data:
                self.h2.send_data(stream, data[:room], end and room == len(data))
                self.flush()
                data = data[room:]
            if not data:
                return
            if self.h2.local_flow_control_window(stream) == 0:
                before = len(self.events)
                self.read_until(lambda: len(self.events) > before, seconds, "a window")
                if self.calls[stream].over:
                    return  # answered early

    def call(self, method: str, payload=b"", seconds=5.0, service=PLUGIN_SERVICE,
             **message) -> Call:
        stream = self.request(method, service)
        self.send(stream, grpc_message(payload, **message), end=True)
        return self.result(stream, seconds)

    def result(self, stream: int, seconds=5.0) -> Call:
        call = self.calls[stream]
        self.read_until(lambda: call.over, seconds, f"the end of stream {stream}: {call}")
        return call

    def watch(self) -> int:
        stream = self.request("ListAndWatch")
        self.send(stream, grpc_message(b""), end=True)
        return stream

    def wait_messages(self, stream: int, count: int, seconds=5.0) -> list[bytes]:
        call = self.calls[stream]
        self.read_until(lambda: len(call.messages()) >= count or call.over, seconds,
                        f"{count} messages, have {len(call.messages())}")
        assert len(call.messages()) >= count, call
        return call.messages()


def connect(path) -> Connection:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(limit(5))
    sock.connect(str(path))
    return Connection(sock)


class RawRegistry:
    """kubelet.sock by hand: bound at once, listening when told to."""

    def __init__(self, directory, listen=True):
        self.path = Path(directory) / "kubelet.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        if listen:
            self.listen()

    def listen(self):
        self._listener.listen(64)

    def accept(self, seconds=5.0) -> Connection:
        self._listener.settimeout(limit(seconds))
        return Connection(self._listener.accept()[0], client=False)

    def register_call(self, connection: Connection, seconds=5.0) -> int:
        """Waits for one whole Register request; its stream."""
        def whole():
            return [stream for stream, call in connection.calls.items()
                    if call.ended and call.headers.get(":path")]

        connection.read_until(whole, seconds, "a Register request")
        return whole()[0]

    def answer(self, connection: Connection, stream: int, status=0, text=""):
        connection.h2.send_headers(stream, [
            (":status", "200"), ("content-type", "application/grpc")])
        if status == 0:
            connection.h2.send_data(stream, grpc_message(b""))
        connection.h2.send_headers(stream, [
            ("grpc-status", str(status)), ("grpc-message", text)], end_stream=True)
        connection.flush()

    def close(self):
        self._listener.close()
