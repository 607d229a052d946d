# SPDX-License-Identifier: Apache-2.0
"""Waiting for things, and what the operating system knows about a process."""

import os
import socket
import time
from pathlib import Path

# How much slower than a quick machine that nobody else uses things may be: limits of time
# grow with it. They only tell what comes from what never does, or not before the next
# poll (30 s); how fast kudev is, tests/bench measures. A sanitizer build is slower still.
SLOWNESS = float(os.environ.get("KUDEV_TEST_SLOWNESS", "4"))
# With one, freed memory is kept aside and says nothing about growth.
SANITIZED = os.environ.get("KUDEV_SANITIZERS", "no") != "no"
THREAD_SANITIZED = "thread" in os.environ.get("KUDEV_SANITIZERS", "no")
REPOSITORY = Path(__file__).resolve().parents[2]


def limit(seconds: float) -> float:
    return seconds * SLOWNESS


def wait_until(condition, seconds: float = 5.0, what=""):
    """Waits until condition() is true and returns its value; what may be callable."""
    deadline = time.monotonic() + limit(seconds)
    while True:
        # What came while the machine stopped us is in time.
        is_last = time.monotonic() > deadline
        value = condition()
        if value:
            return value
        if is_last:
            text = what() if callable(what) else what
            raise AssertionError(f"not within {limit(seconds):.1f} s: {text}")
        time.sleep(0.005)


def best(measure, rounds=3):
    """The least of some measurements: the machine is shared, and may stop us in one."""
    return min(measure() for _ in range(rounds))


def holds_for(condition, seconds: float, what=""):
    """Watches that condition() stays true. The only way to see that nothing happens."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            text = what() if callable(what) else what
            raise AssertionError(f"did not hold for {seconds:.1f} s: {text}")
        time.sleep(0.02)


class Port:
    """A number that nobody else is given: bound, but not listening, as long as this lives.
    Who sets SO_REUSEADDR, as servers do, can have it all the same."""

    def __init__(self):
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.number = self._holder.getsockname()[1]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.number}"

    def close(self):
        self._holder.close()


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads, to the nanosecond (/proc/PID/stat only counts ticks)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass  # that thread is gone
    return total / 1e9


def resident_kilobytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)


def open_files(pid: int) -> list[str]:
    names = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            names.append(os.readlink(entry))
        except FileNotFoundError:
            pass
    return names
