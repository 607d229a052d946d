# SPDX-License-Identifier: Apache-2.0
"""The image, and a container of it with the rights and mounts that the DaemonSet gives."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from kubelet import Kubelet
from support import REPOSITORY, limit, wait_until

IMAGE = json.loads(Path(os.environ["KUDEV_IMAGE"]).read_text())["Docker"]
ROOT = Path(os.environ["KUDEV_IMAGE_ROOT"])
SECCOMP = Path("/usr/share/containers/seccomp.json")
CONFIG = IMAGE["config"]
POD = yaml.safe_load((REPOSITORY / "deploy/base/daemonset.yaml").read_text())[
    "spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
# Not the host's, but the test's.
PRIVATE = ("/var/lib/kubelet/device-plugins", "/var/lib/kubelet/pod-resources")
CLASSES = """
domain: example.com
classes:
  - {name: bucket, paths: [/dev/null]}
  - {name: more, paths: [/dev/full, /dev/zero], share: 3}
"""
NODE_NAME = "node-1"
MEBIBYTE = 1 << 20


def runtime_default() -> dict:
    """What runtimes make of their profile for a container without capabilities."""
    profile = json.loads(SECCOMP.read_text())
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]

    def holds(rule):
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        return not includes.get("caps") and \
            machine in includes.get("arches", [machine]) and \
            machine not in excludes.get("arches", [])

    rules = []
    for rule in filter(holds, profile["syscalls"]):
        names = rule.get("names") or [rule["name"]]
        made = {"names": names, "action": rule["action"], "args": rule.get("args") or []}
        if "errnoRet" in rule:
            made["errnoRet"] = rule["errnoRet"]
        rules.append(made)
    return {"defaultAction": profile["defaultAction"],
            "defaultErrnoRet": profile.get("defaultErrnoRet", 1), "syscalls": rules}


def of_the_node(host: Path) -> list[dict]:
    """What kubelet and runtime mount besides, into whatever is there by then."""
    made = []
    for destination in (CONTAINER.get("terminationMessagePath", "/dev/termination-log"),
                        "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/shm"):
        source = Path(f"{host}/of-the-node{destination}")
        source.parent.mkdir(parents=True, exist_ok=True)
        source.mkdir() if destination == "/dev/shm" else source.touch()
        made.append({"destination": destination, "type": "bind", "source": str(source),
                     "options": ["rbind", "rw"]})
    return made


def bundle(host: Path) -> dict:
    """The container of the DaemonSet for an OCI runtime."""
    context = CONTAINER["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    # These two are in every container.
    mounts = [{"destination": "/proc", "type": "proc", "source": "proc"},
              {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}]
    for mount in CONTAINER["volumeMounts"]:
        volume = volumes[mount["name"]]
        path = volume["hostPath"]["path"] if "hostPath" in volume else mount["mountPath"]
        if path in PRIVATE or "configMap" in volume:
            path = f"{host}{path}"
        elif not Path(path).is_dir():
            assert path == "/run/udev", path  # no udevd here
            continue
        options = ["rbind", "ro" if mount.get("readOnly") else "rw"]
        mounts.append({"destination": mount["mountPath"], "type": "bind", "source": path,
                       "options": options})
    mounts += of_the_node(host)
    env = CONFIG["Env"] + [f"{variable['name']}={variable.get('value', NODE_NAME)}"
                           for variable in CONTAINER["env"]]
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(ROOT), "readonly": context["readOnlyRootFilesystem"]},
        "process": {
            "terminal": False, "cwd": "/", "env": env,
            "args": CONFIG["Entrypoint"] + CONFIG["Cmd"],
            "user": {"uid": context["runAsUser"], "gid": 0},
            "capabilities": {kind: [] for kind in (
                "bounding", "effective", "inheritable", "permitted", "ambient")},
            "noNewPrivileges": not context["allowPrivilegeEscalation"],
        },
        "mounts": mounts,
        "linux": {
            "cgroupsPath": f"/kudev-test-{os.getpid()}",
            "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
            "seccomp": runtime_default(),
        },
    }


class Container:
    def __init__(self, stage: Path):
        self.stage = stage
        self.name = f"kudev-test-{os.getpid()}"
        self.host = stage / "host"
        for path in ("/etc/kudev", *PRIVATE):
            (Path(f"{self.host}{path}")).mkdir(parents=True)
        (self.host / "etc/kudev/kudev.yaml").write_text(CLASSES)
        self.plugins = Path(f"{self.host}{PRIVATE[0]}")
        (stage / "config.json").write_text(json.dumps(bundle(self.host)))
        self.runc = ["runc", "--root", str(stage / "runc")]
        self.log = stage / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*self.runc, "run", "--bundle", str(stage), self.name], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)

    def text(self) -> str:
        return self.log.read_text()

    def execute(self, *command) -> subprocess.CompletedProcess:
        return subprocess.run([*self.runc, "exec", self.name, *command], capture_output=True,
                              text=True, timeout=limit(10), stdin=subprocess.DEVNULL)

    @property
    def pid(self) -> int:
        done = subprocess.run([*self.runc, "state", self.name], capture_output=True, text=True,
                              timeout=limit(10))
        return json.loads(done.stdout)["pid"] if done.returncode == 0 else 0

    def get(self, path: str) -> int:
        """The status of an HTTP request, as a probe makes it."""
        url = f"http://127.0.0.1:{CONTAINER['ports'][0]['containerPort']}{path}"
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self.pid}/ns/net", "/usr/bin/python3", "-c",
             "import sys, urllib.error, urllib.request as r\n"
             "try: print(r.urlopen(sys.argv[1], timeout=5).status)\n"
             "except urllib.error.HTTPError as error: print(error.code)\n"
             "except OSError: print(0)", url],
            capture_output=True, text=True, timeout=limit(10), check=True)
        return int(done.stdout)

    def status(self) -> dict[str, str]:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def close(self):
        if self.process.poll() is None:
            subprocess.run([*self.runc, "kill", self.name, "KILL"], capture_output=True,
                           timeout=limit(10))
            self.process.wait(limit(10))
        subprocess.run([*self.runc, "delete", "-f", self.name], capture_output=True,
                       timeout=limit(10))


@pytest.fixture
def stage():
    path = Path(tempfile.mkdtemp(prefix="kudev-"))  # short, for the names of sockets
    yield path
    shutil.rmtree(path)


@pytest.fixture
def container(stage):
    made = Container(stage)
    yield made
    made.close()
    print(made.text())


@pytest.fixture
def kubelet(container):
    made = Kubelet(container.plugins)
    yield made
    made.close()


def files() -> dict[str, os.stat_result]:
    return {str(path.relative_to(ROOT)): path.lstat() for path in ROOT.rglob("*")}


def test_it_is_small():
    size = sum(entry.st_size for entry in files().values())
    print(f"{size / MEBIBYTE:.1f} MiB")
    assert size < 20 * MEBIBYTE


def test_it_has_the_program_and_libraries_alone():
    programs = {name for name, entry in files().items()
                if entry.st_mode & 0o111 and entry.st_mode & 0o170000 == 0o100000
                and ".so" not in name}
    assert programs == {"usr/bin/kudev"}


def test_nothing_in_it_gives_rights():
    assert not [name for name, entry in files().items() if entry.st_mode & 0o6000]
    assert not [name for name in files() if "security.capability" in
                os.listxattr(ROOT / name, follow_symlinks=False)]


def test_what_it_says_of_itself():
    labels = CONFIG["Labels"]
    assert labels["org.opencontainers.image.title"] == "kudev"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.revision"] == "test"
    done = subprocess.run(["chroot", ROOT, "/usr/bin/kudev", "--version"], capture_output=True,
                          text=True, timeout=limit(10), check=True)
    assert done.stdout.split()[1] == labels["org.opencontainers.image.version"]
    assert CONFIG["User"] == "0:0"
    assert list(CONFIG["ExposedPorts"]) == [f"{CONTAINER['ports'][0]['containerPort']}/tcp"]


def test_it_serves_devices_with_what_the_daemonset_gives(container, kubelet):
    kubelet.start()
    kubelet.wait_registered("example.com/bucket", seconds=10)
    kubelet.wait_allocatable("example.com/bucket", 1)
    response = kubelet.client("example.com/bucket").allocate("null")
    assert [device.host_path for device in response.devices] == ["/dev/null"]


def test_it_has_no_rights(container, kubelet):
    kubelet.start()
    kubelet.wait_registered("example.com/bucket", seconds=10)
    status = container.status()
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    root = next(line for line in Path(f"/proc/{container.pid}/mountinfo").read_text().splitlines()
                if line.split()[4] == "/")
    assert root.split()[5].startswith("ro")


def test_health_check_and_probes_follow_the_kubelet(container, kubelet):
    kind, *command = CONFIG["Healthcheck"]["Test"]
    assert kind == "CMD"
    probe = {name: CONTAINER[name]["httpGet"]["path"]
             for name in ("livenessProbe", "readinessProbe")}
    wait_until(lambda: container.pid and container.get(probe["livenessProbe"]) == 200, 10,
               container.text)
    assert container.get(probe["readinessProbe"]) == 503
    assert container.execute(*command).returncode == 3
    kubelet.start()
    wait_until(lambda: container.get(probe["readinessProbe"]) == 200, 10, container.text)
    done = container.execute(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "example.com/bucket" in done.stdout


def test_commands_for_a_person_work_in_it(container, kubelet):
    kubelet.start()
    for name in ("bucket", "more"):
        kubelet.wait_allocatable(f"example.com/{name}", {"bucket": 1, "more": 6}[name], seconds=10)
    for command in ("check", "list", "status"):
        done = container.execute("kudev", command)
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_ends_in_time_and_takes_its_sockets_along(container, kubelet):
    kubelet.start()
    kubelet.wait_registered("example.com/more", seconds=10)
    os.kill(container.pid, signal.SIGTERM)
    assert container.process.wait(POD["terminationGracePeriodSeconds"]) == 0, container.text()
    assert [path.name for path in container.plugins.iterdir()] == ["kubelet.sock"]
