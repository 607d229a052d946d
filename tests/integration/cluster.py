# SPDX-License-Identifier: Apache-2.0
"""A kubectl that asks no cluster: it writes down how it was called and answers by rules.
A call that no rule knows fails, and is told at the end."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from support import REPOSITORY, limit

SCRIPTS = REPOSITORY / "deploy/scripts"
CHANGES = re.compile(r"(apply|create namespace|patch|set image|rollout (restart|undo)|delete)\b")
MANIFESTS = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: kudev
  namespace: kube-system
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: kudev
  namespace: kube-system
spec:
  template:
    spec:
      containers:
      - image: registry.example.org/kudev:1
        name: kudev
"""
# A cluster in which all is well; the first rule that matches answers.
WELL = [
    (r"version$", {"stdout": "Server Version: v1.34.0\n"}),
    (r"get namespace \S+ -o name", {"stdout": "namespace/kube-system\n"}),
    (r"auth can-i", {"stdout": "yes\n"}),
    (r"get daemonsets .*managed-by=Helm", {}),
    (r"get daemonsets .*-o name", {"stdout": "daemonset.apps/kudev\n"}),
    (r"get daemonsets .*-o wide", {"stdout": "NAME   DESIRED\nkudev  2\n"}),
    (r"get daemonsets .*jsonpath", {"stdout": "kudev|2|2\n"}),
    (r"get daemonset.apps/kudev .*jsonpath", {"stdout": "kudev"}),
    (r"kustomize ", {"stdout": MANIFESTS, "keep": True}),
    (r"create configmap .*-o yaml", {"stdout": "kind: ConfigMap\n"}),
    (r"create configmap .*jsonpath", {"stdout": '{"kudev.yaml":"classes: []\\n"}'}),
    (r"apply .*-f", {"stdout": "daemonset.apps/kudev configured\n"}),
    (r"(rollout|patch|set image|delete|create namespace|wait) ", {}),
    (r"get pods -n kube-system .*--field-selector spec.nodeName=n2 -o name",
     {"stdout": "pod/kudev-b\n"}),
    (r"get pods -n kube-system .*-o name", {}),
    (r"get pods -n kube-system .*-o wide", {"stdout": "NAME     READY\nkudev-a  1/1\n"}),
    (r"get pods -n kube-system .*jsonpath",
     {"stdout": "kudev-a|n1|Running|true|0||\nkudev-b|n2|Running|true|0||\n"}),
    (r"get pods -A ", {}),
    (r"get events ", {}),
    (r"get nodes ", {"stdout": "n1 cpu 4 4\nn1 example.com/serial 2 2\n"}),
    (r"logs ", {"stdout": '{"level":"INFO","msg":"kudev starts"}\n'}),
    (r"exec .* check -o json", {"stdout": '   "resource":"example.com/serial",\n'}),
    (r"exec .* (status|check)$", {"stdout": "example.com/serial: 2 devices\n"}),
    (r"api-resources ", {"stdout": "podmonitors.monitoring.coreos.com\n"}),
    (r"get \S*daemonsets.apps,\S* .*-o name",
     {"stdout": "daemonset.apps/kudev\nconfigmap/kudev\n"}),
]


class Cluster:
    def __init__(self, directory: Path):
        self.directory = directory
        self.kubectl = directory / "bin/kubectl"
        self.rules = list(WELL)
        self.kubectl.parent.mkdir(parents=True)

    def answer(self, call: str, stdout="", stderr="", code=0):
        """In the stead of what a cluster in which all is well says."""
        self.rules.insert(0, (call, {"stdout": stdout, "stderr": stderr, "code": code}))

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each."""
        file = self.directory / "calls"
        words = file.read_text().split("\0")[:-1] if file.exists() else []
        calls = []
        while words:
            count = int(words[0])
            calls.append(words[1:count + 1])
            words = words[count + 1:]
        return calls

    def lines(self) -> list[str]:
        """The calls, without the option that many of them have."""
        return [re.sub(r"--request-timeout=\S+ ", "", " ".join(call)) for call in self.calls]

    def changes(self) -> list[str]:
        """What would have changed something; a dry run does not."""
        return [line for line in self.lines()
                if CHANGES.match(line) and "--dry-run=server" not in line]

    def kept(self, name: str) -> str:
        """A file of the directory that kustomize was called for."""
        return (self.directory / "kept" / name).read_text()

    def write_kubectl(self):
        """In the shell, which starts in no time: each script asks some ten times."""
        here = shlex.quote(str(self.directory))
        lines = ["#!/bin/bash", f"cd {here}", 'line="$*"', 'printf "%s\\0" "$#" "$@" >>calls']
        for call, answer in self.rules:
            steps = ["cp -r \"${@: -1}/.\" kept"] if answer.get("keep") else []
            steps += [f"printf %s {shlex.quote(answer.get('stdout', ''))}",
                      f"printf %s {shlex.quote(answer.get('stderr', ''))} >&2",
                      f"exit {answer.get('code', 0)}"]
            lines += [f"pattern={shlex.quote(call)}",
                      "if [[ $line =~ $pattern ]]; then", *steps, "fi"]
        lines += ['echo "$line" >>unknown', "exit 97"]
        self.kubectl.write_text("\n".join(lines) + "\n")
        self.kubectl.chmod(0o755)

    def environment(self, **more) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if key != "KUBECTL"}
        return {**clean, "PATH": f"{self.kubectl.parent}:{os.environ['PATH']}", **more}

    def run(self, script: str, *args, **more) -> subprocess.CompletedProcess:
        self.write_kubectl()
        return self.run_as_is(script, *args, **more)

    def run_as_is(self, script: str, *args, env=None, cwd=None) -> subprocess.CompletedProcess:
        """With whatever kubectl there is."""
        return subprocess.run(
            [SCRIPTS / f"{script}.sh", *map(str, args)], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=limit(20), check=False, cwd=cwd,
            env=self.environment(**(env or {})))

    def close(self):
        unknown = self.directory / "unknown"
        assert not unknown.exists(), f"no rule for {unknown.read_text()}"
