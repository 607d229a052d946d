# SPDX-License-Identifier: Apache-2.0
"""Bad input and failures of the machine: each has a defined outcome and a message."""

import os
import shutil
import subprocess

import pytest

from daemon import BINARY, run_kudev
from messages import healths
from stage import resource
from support import SLOWNESS, holds_for, wait_until

SIM = resource("sim")
SERIAL = resource("serial")
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]


def refused(*args) -> str:
    """The message of a configuration error."""
    done = run_kudev("run", "--listen", "none", *args)
    assert done.returncode == 2, done.stderr
    return done.stderr


@pytest.fixture
def as_nobody(stage) -> dict:
    """Options of a Kudev that runs as nobody, of a copy which nobody may read."""
    if os.geteuid() != 0:
        pytest.skip("not root: can't become somebody else")
    if not shutil.which("setpriv"):
        pytest.skip("no setpriv (package util-linux)")
    stage.directory.chmod(0o755)
    copy = shutil.copy(BINARY, stage.directory / "kudev")
    probe = subprocess.run([*NOBODY, copy, "--version"], capture_output=True, text=True,
                           check=False)
    if probe.returncode != 0:
        pytest.skip(f"can't run kudev as nobody: {probe.stderr.strip()}")
    return {"prefix": NOBODY, "binary": copy}


def test_an_unreadable_file_is_named(stage, as_nobody):
    config = stage.config(stage.simulate())
    config.chmod(0)
    kudev = stage.kudev(args=["--config", config], **as_nobody)
    kudev.expected_exit = 2
    assert kudev.wait_exit() == 2
    assert str(config) in kudev.text() and "ermission denied" in kudev.text()


def test_an_empty_file_says_what_is_missing(stage):
    config = stage.write("")
    message = refused("--config", config)
    assert str(config) in message and "class" in message


def test_a_directory_as_config_is_named(stage):
    message = refused("--config", stage.directory)
    assert str(stage.directory) in message and "directory" in message


def test_a_missing_config_is_named(stage):
    message = refused("--config", stage.directory / "absent.yaml")
    assert "absent.yaml" in message


def test_an_empty_device_flag_is_refused(stage):
    assert "--device" in refused("--device", "")


def test_a_resource_name_of_300_characters_is_refused(stage):
    config = stage.config({"name": "a", "resource": "example.com/" + "a" * 300,
                           "simulate": {"count": 1, "directory": str(stage.simulated)}})
    message = refused("--config", config)
    assert "63" in message, "says how long it may be"


def test_a_template_with_an_unknown_variable_is_refused(stage):
    message = refused("--config", stage.config(stage.simulate(env={"A": "{pahts}"})))
    assert "pahts" in message and "paths" in message, "and says which there are"


def test_a_dangling_link_is_no_device(stage):
    stage.plug_serials(1)
    (stage.root / "dev/ttyUSB1").symlink_to("nothing")
    kubelet = stage.kubelet()
    stage.kudev(stage.serial(), {"name": "link", "paths": ["/dev/ttyUSB1"]})
    kubelet.wait_allocatable(SERIAL, 1)
    kubelet.wait_registered(resource("link"))
    wait_until(lambda: kubelet.lists(resource("link")), 2, "its empty list")
    assert kubelet.capacity(resource("link")) == 0
    assert set(healths(kubelet.lists(SERIAL)[-1])) == {"ttyusb0"}


def test_a_link_that_stops_to_dangle_is_a_device(stage):
    (stage.root / "dev/ttyUSB1").symlink_to("target")
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.serial())
    kubelet.wait_registered(SERIAL)
    kudev.wait_log("stream opened")
    stage.plug("target")
    kubelet.wait_allocatable(SERIAL, 1, seconds=45)


def test_ten_thousand_matches_are_served_and_followed(stage):
    ids = stage.plug_serials(10_000)
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.serial())
    kubelet.wait_allocatable(SERIAL, len(ids), seconds=20)
    stage.unplug("ttyUSB9999")
    kubelet.wait_allocatable(SERIAL, len(ids) - 1, capacity=len(ids), seconds=10)
    assert kudev.grew_less(0, 100_000)


def test_no_permission_to_bind_is_logged_and_survived(stage, as_nobody):
    config = stage.config({"name": "zero", "paths": ["/dev/zero"]})
    kubelet = stage.kubelet()
    kubelet.socket.chmod(0o666)
    stage.plugins.chmod(0o555)
    stage.plug("zero")
    kudev = stage.kudev(args=["--config", config], **as_nobody)
    failed = wait_until(
        lambda: [e for e in kudev.logs if "ermission denied" in str(e)], 5, "a message")
    assert str(stage.plugins) in str(failed[0])
    holds_for(lambda: kudev.running, 0.5, "kudev stays up")
    stage.plugins.chmod(0o777)
    kubelet.wait_allocatable(resource("zero"), 1, seconds=15)


@pytest.mark.slow
def test_a_full_disk_is_logged_and_survived(stage):
    stage.mount_tmpfs(stage.plugins, "nr_inodes=20")
    kubelet = stage.kubelet(workplace=stage.plugins)
    fill = [stage.plugins / f"fill{number}" for number in range(20)]
    with pytest.raises(OSError):
        for path in fill:
            path.touch()
    kudev = stage.kudev(stage.simulate())
    wait_until(lambda: "No space left" in kudev.text(), 5, "a message")
    holds_for(lambda: kudev.running, 0.5, "kudev stays up")
    for path in fill:
        path.unlink(missing_ok=True)
    kubelet.wait_allocatable(SIM, 2, seconds=15)


def test_simulated_devices_that_cannot_be_made_are_explained(stage):
    """A file is where the directory should be."""
    stage.simulated.rmdir()
    stage.simulated.touch()
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.simulate(), {"name": "zero", "paths": ["/dev/zero"]})
    kubelet.wait_allocatable(resource("zero"), 1)
    wait_until(lambda: [e for e in kudev.logs if str(stage.simulated) in str(e)
                        and e["level"] in {"WARN", "ERROR"}], 5, "a message")
    assert kubelet.allocatable(SIM) == 0


def test_too_many_open_files_are_logged_and_survived(stage):
    """The limit falls while kudev serves, the kubelet restarts, the limit rises."""
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.simulate())
    kubelet.wait_allocatable(SIM, 2)

    def limit_files(count: int):
        subprocess.run(["prlimit", f"--pid={kudev.pid}", f"--nofile={count}:4096"],
                       check=True)

    limit_files(4)
    kubelet.restart()
    wait_until(lambda: [e for e in kudev.logs if "open files" in str(e)], 5, "a message")
    before = kudev.cpu_seconds()
    holds_for(lambda: kudev.running, 1, "kudev stays up")
    assert kudev.cpu_seconds() - before < 0.05 * SLOWNESS, "and does not spin"
    limit_files(1024)
    kubelet.wait_allocatable(SIM, 2, seconds=15)


@pytest.mark.parametrize("count", range(4, 20))
def test_too_few_files_at_the_start_are_a_clear_failure(stage, count):
    """It ends with a message, or it serves; it never crashes."""
    kudev = stage.kudev(stage.simulate(), prefix=["prlimit", f"--nofile={count}:4096"])
    wait_until(lambda: not kudev.running or kudev.logged("waiting for the kubelet"), 5,
               "an outcome")
    if kudev.running:
        kudev.terminate()
    else:
        kudev.expected_exit = 1
        assert kudev.wait_exit() == 1
        assert "open files" in kudev.text()
