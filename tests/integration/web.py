# SPDX-License-Identifier: Apache-2.0
"""HTTP with a running kudev: decent requests, and bytes of any kind."""

import http.client
import json
import socket

from support import limit, wait_until


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("kudev", timeout=limit(10))
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    def json(self):
        return json.loads(self.text)


class Web:
    """What is served on a unix socket."""

    def __init__(self, path):
        self.path = path

    @property
    def listen(self) -> list[str]:
        return ["--listen", f"unix:{self.path}"]

    def request(self, target, method="GET", body=None, **headers) -> Answer:
        connection = _UnixConnection(self.path)
        try:
            connection.request(method, target, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, target, **headers) -> Answer:
        return self.request(target, **headers)

    def status(self) -> dict:
        return self.get("/status").json()

    def listens(self) -> bool:
        """Its name is there before it listens."""
        try:
            self.connect().close()
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def wait_ready(self, ready=True):
        wanted = 200 if ready else 503
        wait_until(lambda: self.get("/readyz").status == wanted,
                   what=lambda: self.get("/readyz").text)

    def connect(self, seconds=10.0) -> socket.socket:
        raw = socket.socket(socket.AF_UNIX)
        raw.settimeout(limit(seconds))
        raw.connect(str(self.path))
        return raw

    def exchange(self, data: bytes) -> bytes:
        """All that comes back until the other side closes."""
        with self.connect() as raw:
            raw.sendall(data)
            return read_all(raw)


def read_all(raw: socket.socket) -> bytes:
    parts = []
    try:
        while part := raw.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def web_of(stage) -> Web:
    return Web(stage.directory / "h")
