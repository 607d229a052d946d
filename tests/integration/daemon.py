# SPDX-License-Identifier: Apache-2.0
"""A running kudev: its process, its log, its sockets."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from support import (REPOSITORY, SANITIZED, cpu_seconds, limit, open_files,
                     resident_kilobytes, wait_until)

BINARY = os.environ.get("KUDEV_BINARY", str(REPOSITORY / "build/dev/kudev"))
_SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|runtime error:|"
                        r"panic|[Aa]ssertion .* failed|Segmentation fault|\*\*\* ")
SOCKET_NAME = re.compile(r"kudev-[0-9a-f]{8}-[0-9a-f]{6}-[0-9a-f]{8}\.sock\Z")


def environment(**more) -> dict:
    """Ours without what would configure kudev behind a test's back."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("KUDEV_")}
    # A second of waiting at each exit would be measured as kudev's.
    thread = f"{os.environ.get('TSAN_OPTIONS', '')}:atexit_sleep_ms=0"
    return {**clean, "TSAN_OPTIONS": thread, **more}


def run_kudev(*args, timeout=20.0, **options) -> subprocess.CompletedProcess:
    """For the commands that end by themselves."""
    done = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True,
                          env=environment(**options.pop("env", {})),
                          timeout=limit(timeout), **options)
    assert not _SANITIZER.search(done.stderr), done.stderr
    return done


class Kudev:
    """prefix is a command to run kudev under, env more variables."""

    def __init__(self, *args, plugins: Path, prefix=(), binary=BINARY, env=None,
                 umask=-1):
        self.plugins = Path(plugins)
        self.expected_exit = 0
        self.lines: list[str] = []
        self.logs: list[dict] = []
        self.noise: list[str] = []
        self.command = [*map(str, prefix), str(binary), *map(str, args)]
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, errors="replace", umask=umask,
            env=environment(**(env or {})))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            try:
                self.logs.append(json.loads(line))
            except ValueError:
                self.noise.append(line)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    # The log

    def logged(self, msg: str, **fields) -> list[dict]:
        return [entry for entry in list(self.logs) if entry.get("msg") == msg
                and all(entry.get(key) == value for key, value in fields.items())]

    def wait_log(self, msg: str, seconds=5.0, count=1, **fields) -> dict:
        found = wait_until(
            lambda: len(entries := self.logged(msg, **fields)) >= count and entries,
            seconds, lambda: f"log {msg!r} {fields} ×{count}; log is\n{self.text()}")
        return found[-1]

    def text(self) -> str:
        return "\n".join(line[:1000] for line in self.lines[-60:])

    # The process

    def sockets(self) -> list[Path]:
        """Those of every kudev in the directory, temporary names included."""
        if not self.plugins.is_dir():
            return []
        return sorted(p for p in self.plugins.iterdir()
                      if p.name.startswith(("kudev-", ".kudev-")))

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def resident_kilobytes(self) -> int:
        return resident_kilobytes(self.pid)

    def grew_less(self, before_kilobytes: int, kilobytes: int) -> bool:
        return SANITIZED or self.resident_kilobytes() - before_kilobytes < kilobytes

    def open_files(self) -> int:
        return len(open_files(self.pid))

    def send(self, number: int):
        self.process.send_signal(number)

    def kill(self):
        self.expected_exit = -signal.SIGKILL
        self.send(signal.SIGKILL)
        self.wait_exit()

    def wait_exit(self, seconds=10.0) -> int:
        try:
            code = self.process.wait(limit(seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"kudev did not end\n{self.text()}") from None
        self._reader.join(5)
        return code

    def terminate(self, number=signal.SIGTERM) -> float:
        """Asks it to end and returns how long it took."""
        before = time.monotonic()
        self.send(number)
        assert self.wait_exit() == 0, self.text()
        return time.monotonic() - before

    def check_end(self):
        code = self.wait_exit()
        report = "\n".join(self.lines)
        assert not _SANITIZER.search(report), report
        assert code == self.expected_exit, f"exit status {code}\n{report}"
