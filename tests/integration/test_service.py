# SPDX-License-Identifier: Apache-2.0
"""The systemd unit: sound, and kudev works with the rights that it leaves."""

import os
import re
import shutil
import subprocess

import pytest

from daemon import BINARY, run_kudev
from stage import resource
from support import REPOSITORY

UNIT = REPOSITORY / "conf/kudev.service.in"
# What "systemd-analyze security" may come to, in tenths. Without the module, devices and the
# network that kudev is there for it would be less.
EXPOSURE_MAX = 50


@pytest.fixture
def unit(stage):
    """The unit with this kudev in it."""
    path = stage.directory / "kudev.service"
    path.write_text(UNIT.read_text().replace("@bindir@/kudev", BINARY))
    return path


def analyze(*args) -> subprocess.CompletedProcess:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    done = subprocess.run(["systemd-analyze", *map(str, args)], capture_output=True, text=True,
                          check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    if "unrecognized option" in done.stderr or "Unknown command" in done.stderr:
        pytest.skip(f"this systemd-analyze is too old: {done.stderr.strip()}")
    return done


def settings(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.M)


def test_systemd_has_nothing_against_the_unit(unit):
    done = analyze("verify", "--man=no", unit)
    # It also speaks of other units of this machine.
    told = [line for line in done.stderr.splitlines() if "kudev" in line]
    assert done.returncode == 0 and not told, done.stderr


def test_the_unit_leaves_few_rights(unit):
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager",
                   unit)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level for kudev.service" in done.stdout + done.stderr


def test_a_bad_configuration_ends_with_the_status_that_is_not_tried_again(stage):
    done = run_kudev("run", "--config", stage.write("clases: []\n"))
    assert done.returncode == 2
    assert settings("RestartPreventExitStatus") == [str(done.returncode)]
    assert settings("Restart") == ["on-failure"]


def test_the_unit_reloads_by_a_command_that_kudev_understands(stage):
    command, = settings("ExecReload")
    if not os.path.exists(command.split()[0]):
        pytest.skip(f"no {command.split()[0]} (package procps)")
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.simulate())
    kubelet.wait_allocatable(resource("sim"), 2)
    subprocess.run([word.replace("$MAINPID", str(kudev.pid)) for word in command.split()],
                   check=True)
    kudev.wait_log("configuration reloaded")


def test_kudev_works_with_the_capabilities_that_the_unit_leaves(stage):
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("takes root and setpriv")
    names = " ".join(settings("CapabilityBoundingSet")).split()
    kept = ",".join("+" + name.removeprefix("CAP_").lower() for name in names)
    assert names and settings("NoNewPrivileges") == ["yes"]
    kubelet = stage.kubelet()
    directory = stage.directory / "run/kudev/simulate"
    sim = {"name": "sim", "simulate": {"count": 2, "directory": str(directory)},
           "health": {"open": True}}
    kudev = stage.kudev(sim, prefix=["setpriv", "--no-new-privs", f"--bounding-set=-all,{kept}"])
    kubelet.wait_allocatable(resource("sim"), 2)
    status = dict(line.split(":\t") for line in
                  open(f"/proc/{kudev.pid}/status", encoding="utf-8").read().splitlines()
                  if line.startswith(("CapEff", "NoNewPrivs")))
    assert status["NoNewPrivs"] == "1"
    assert bin(int(status["CapEff"], 16)).count("1") <= len(names)
    (directory / "sim/0").unlink()
    kubelet.wait_allocatable(resource("sim"), 1, 2)
