# SPDX-License-Identifier: Apache-2.0
"""A test's own little node: a plugin directory, devices, kubelets and kudevs."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from daemon import BINARY, Kudev
from holders import PodResources
from kubelet import Kubelet, PluginClient, Watcher

DOMAIN = "example.com"


def resource(name: str) -> str:
    return f"{DOMAIN}/{name}"


class Mounted:
    def __init__(self, directory: Path):
        self.directory = directory

    def close(self):
        subprocess.run(["umount", "-l", self.directory], check=True)


class Stage:
    """Everything made here ends, and is checked, in close()."""

    def __init__(self):
        # Short: a socket's path has 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="kudev"))
        self.plugins = self.directory / "p"
        self.root = self.directory / "r"
        self.simulated = self.directory / "s"
        self.pod_resources_directory = self.directory / "pr"
        self.kudevs: list[Kudev] = []
        self._closers = []
        self.plugins.mkdir(mode=0o750)
        (self.root / "dev").mkdir(parents=True)
        self.simulated.mkdir()

    # Devices

    def plug(self, name: str) -> Path:
        """A node /dev/<name>; a regular file does below --root."""
        node = self.root / "dev" / name
        node.parent.mkdir(parents=True, exist_ok=True)
        node.touch()
        return node

    def unplug(self, name: str):
        (self.root / "dev" / name).unlink()

    def plug_serials(self, count: int) -> list[str]:
        """Their IDs."""
        for number in range(count):
            self.plug(f"ttyUSB{number}")
        return [f"ttyusb{number}" for number in range(count)]

    # Configurations

    def serial(self, **more) -> dict:
        return {"name": "serial", "paths": ["/dev/ttyUSB*"], **more}

    def simulate(self, name="sim", count=2, numa_nodes=None, **more) -> dict:
        source = {"count": count, "directory": str(self.simulated)}
        if numa_nodes is not None:
            source["numaNodes"] = numa_nodes
        return {"name": name, "simulate": source, **more}

    def write(self, text, name="kudev.yaml") -> Path:
        """JSON is YAML."""
        path = self.directory / name
        path.write_text(text if isinstance(text, str) else json.dumps(text, indent=1))
        return path

    def config(self, *classes: dict, **top) -> Path:
        return self.write({"domain": DOMAIN, **top, "classes": list(classes)},
                          f"kudev{len(list(self.directory.iterdir()))}.yaml")

    def mount_tmpfs(self, directory: Path, options="rw"):
        """Skips the test where that is not allowed."""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"may not mount: {done.stderr.strip()}")
        self.closes(Mounted(directory))

    # Processes

    def kudev(self, *classes: dict, args=(), plugins=None, by_flag=True,
              **options) -> Kudev:
        """A running one; classes with paths or groups look below the stage's root.

        by_flag=False: args say where all that is.
        """
        plugins = plugins or self.plugins
        line = ["run", "--listen", "none",
                "--pod-resources", self.pod_resources_directory / "kubelet.sock"]
        if by_flag:
            line += ["--plugin-directory", plugins]
        if classes:
            line += ["--config", self.config(*classes)]
        if by_flag and not any({"simulate", "match"} & each.keys() for each in classes):
            line += ["--root", self.root]
        assert os.access(BINARY, os.X_OK), f"no {BINARY}: build it, or set KUDEV_BINARY"
        kudev = Kudev(*line, *args, plugins=plugins, **options)
        self.kudevs.append(kudev)
        return kudev

    def kubelet(self, start=True, plugins=None, **options) -> Kubelet:
        kubelet = Kubelet(plugins or self.plugins, **options)
        self.closes(kubelet)
        return kubelet.start() if start else kubelet

    def pod_resources(self, kubelet: Kubelet, start=True) -> PodResources:
        """That of this kubelet."""
        served = PodResources(self.pod_resources_directory, kubelet.directory)
        kubelet.on_list = served.write
        self.closes(served)
        return served.start() if start else served

    def endpoint(self, kubelet: Kubelet, name: str) -> Path:
        """The socket that was registered last."""
        return kubelet.directory / kubelet.registered(name)[-1].endpoint

    def client(self, path) -> PluginClient:
        return self.closes(PluginClient(path))

    def watcher(self, path) -> Watcher:
        return self.closes(Watcher(path))

    def closes(self, thing):
        self._closers.append(thing)
        return thing

    # The end

    def stderr(self) -> str:
        return "\n".join(f"$ {' '.join(kudev.command)}\n{kudev.text()}\n"
                         for kudev in self.kudevs)

    def close(self):
        try:
            self._end_kudevs()
        finally:
            for thing in reversed(self._closers):
                thing.close()
            shutil.rmtree(self.directory, ignore_errors=True)

    def _end_kudevs(self):
        for kudev in self.kudevs:
            if kudev.running:
                kudev.send(signal.SIGTERM)
        problems = []
        for kudev in self.kudevs:
            try:
                kudev.check_end()
            except AssertionError as problem:
                problems.append(problem)
        if problems:
            raise problems[0]
        for kudev in self.kudevs:
            assert not kudev.sockets(), f"left behind: {kudev.sockets()}"
