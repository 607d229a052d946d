# SPDX-License-Identifier: Apache-2.0
"""CDI: the spec of a class and the names in Allocate."""

import json
import os
import signal

import pytest

from daemon import run_kudev
from messages import allocate_request
from stage import resource
from support import wait_until
from test_list_and_watch import checkpoint

SERIAL = resource("serial")
NAMED = {"cdi": {"write": True}}


class Named:
    """A kubelet, and kudevs that write their specs below the stage."""

    def __init__(self, stage):
        self.stage = stage
        self.directory = stage.directory / "cdi"
        self.spec = self.directory / "kudev-example.com_serial.json"
        self.kubelet = stage.kubelet()

    def run(self, *classes, **options):
        return self.stage.kudev(*classes or [self.stage.serial(**NAMED)],
                                args=("--cdi-directory", self.directory), **options)

    def names(self, *ids) -> list[str]:
        answer = self.kubelet.client(SERIAL).call("Allocate", allocate_request(ids))
        given, = answer.container_responses
        assert len(given.devices) == len(ids)
        return [device.name for device in given.cdi_devices]

    def devices(self) -> dict:
        """By name, what a runtime would do for each."""
        spec = json.loads(self.spec.read_text())
        assert spec["kind"] == SERIAL
        return {device["name"]: device["containerEdits"] for device in spec["devices"]}


@pytest.fixture
def named(stage):
    return Named(stage)


def test_a_device_is_handed_out_as_a_name_too_that_its_spec_explains(named):
    named.stage.plug_serials(2)
    named.run(named.stage.serial(**NAMED, permissions="r", mountPath="/dev/in/"))
    named.kubelet.wait_allocatable(SERIAL, 2)
    assert named.names("ttyusb1", "ttyusb0") == [f"{SERIAL}=ttyusb0", f"{SERIAL}=ttyusb1"]
    assert named.devices() == {
        f"ttyusb{n}": {"deviceNodes": [{
            "path": f"/dev/in/ttyUSB{n}", "hostPath": f"/dev/ttyUSB{n}",
            "permissions": "r"}]} for n in range(2)}
    assert named.spec.stat().st_mode & 0o7777 == 0o644
    assert os.listdir(named.directory) == [named.spec.name]


def test_the_spec_has_a_device_before_the_kubelet_hears_of_it(named):
    named.run()
    named.kubelet.wait_allocatable(SERIAL, 0)
    for number in range(20):
        named.stage.plug(f"ttyUSB{number}")
        named.kubelet.wait_allocatable(SERIAL, number + 1)
        # What was just written is not written again at once; then there is no name.
        if named.names(f"ttyusb{number}"):
            assert f"ttyusb{number}" in named.devices()
    wait_until(lambda: named.names("ttyusb19") == [f"{SERIAL}=ttyusb19"], 5)
    assert len(named.devices()) == 20


@pytest.mark.parametrize("more", [{}, {"cdi": {"write": False}}], ids=["absent", "false"])
def test_a_class_without_cdi_writes_nothing_and_gives_no_names(named, more):
    named.stage.plug_serials(1)
    named.run(named.stage.serial(**more))
    named.kubelet.wait_allocatable(SERIAL, 1)
    assert named.names("ttyusb0") == []
    assert not named.directory.exists()


def test_the_spec_stays_when_kudev_ends_and_goes_with_the_class(named):
    named.stage.plug_serials(1)
    kudev = named.run()
    named.kubelet.wait_allocatable(SERIAL, 1)
    kudev.terminate()
    assert "ttyusb0" in named.devices()
    kudev = named.run(named.stage.simulate("sim"))
    kudev.wait_log("CDI spec removed", resource=SERIAL, path=str(named.spec))
    assert not named.spec.exists()


class Reloading(Named):
    """The same with a file that changes while kudev runs."""

    def __init__(self, stage):
        super().__init__(stage)
        self.file = stage.directory / "changing.yaml"
        self.held = stage.plugins / "kubelet_internal_checkpoint"

    def write(self, *classes):
        self.file.write_text(json.dumps({
            "domain": "example.com", "cdiDirectory": str(self.directory),
            "classes": classes}))

    def start(self, *classes):
        self.write(*classes)
        self.kudev = self.stage.kudev(args=("--config", self.file))

    def reload(self, *classes):
        self.write(*classes)
        self.kudev.send(signal.SIGHUP)


@pytest.fixture
def reloading(stage):
    return Reloading(stage)


def test_a_reload_begins_and_ends_names_and_changes_what_they_stand_for(reloading):
    stage = reloading.stage
    stage.plug_serials(2)
    reloading.start(stage.serial())
    reloading.kubelet.wait_allocatable(SERIAL, 2)
    assert reloading.names("ttyusb0") == []
    reloading.reload(stage.serial(**NAMED))
    wait_until(lambda: reloading.names("ttyusb0") == [f"{SERIAL}=ttyusb0"], 5)
    assert reloading.devices()["ttyusb0"]["deviceNodes"][0]["path"] == "/dev/ttyUSB0"
    reloading.reload(stage.serial(**NAMED, mountPath="/dev/in/", mounts=[
        {"hostPath": "/a", "containerPath": "/b", "readOnly": True}]))
    wait_until(lambda: reloading.devices()["ttyusb1"]["deviceNodes"][0] == {
        "path": "/dev/in/ttyUSB1", "hostPath": "/dev/ttyUSB1", "permissions": "rw"}, 5)
    mount, = json.loads(reloading.spec.read_text())["containerEdits"]["mounts"]
    assert mount == {"hostPath": "/a", "containerPath": "/b", "type": "bind",
                     "options": ["rbind", "rprivate", "ro"]}
    wait_until(lambda: reloading.names("ttyusb1") == [f"{SERIAL}=ttyusb1"], 5)
    reloading.reload(stage.serial(**NAMED, permissions="r"))
    wait_until(lambda: reloading.devices()["ttyusb1"]["deviceNodes"][0] == {
        "path": "/dev/ttyUSB1", "permissions": "r"}, 5)
    reloading.reload(stage.serial())
    wait_until(lambda: not reloading.spec.exists(), 5)
    assert reloading.names("ttyusb0") == []


def test_the_spec_of_a_class_that_is_gone_goes_once_no_pod_holds_its_devices(reloading):
    stage = reloading.stage
    ids = stage.plug_serials(1)
    stage.plug("ttyACM0")
    other = {"name": "other", "paths": ["/dev/ttyACM*"], **NAMED}
    reloading.start(stage.serial(**NAMED), other)
    reloading.kubelet.wait_allocatable(SERIAL, 1)
    reloading.kubelet.wait_allocatable(resource("other"), 1)
    reloading.held.write_text(checkpoint(*ids))
    reloading.reload(other)
    reloading.kudev.wait_log("class removed", **{"class": "serial"})
    reloading.reload(other)
    reloading.kudev.wait_log("configuration reloaded", count=2)
    assert "ttyusb0" in reloading.devices()
    reloading.held.write_text(checkpoint())
    reloading.reload(other)
    reloading.kudev.wait_log("CDI spec removed", resource=SERIAL)
    assert os.listdir(reloading.directory) == ["kudev-example.com_other.json"]


def test_a_spec_that_another_kudev_keeps_is_left_alone(named):
    named.stage.plug_serials(1)
    named.run()
    named.kubelet.wait_allocatable(SERIAL, 1)
    named.run(named.stage.simulate("sim", **NAMED))
    named.kubelet.wait_allocatable(resource("sim"), 2)
    assert "ttyusb0" in named.devices()
    assert named.names("ttyusb0") == [f"{SERIAL}=ttyusb0"]


def test_without_a_spec_devices_are_handed_out_without_names(named):
    named.stage.plug_serials(1)
    named.directory.write_text("no directory")
    kudev = named.run()
    named.kubelet.wait_allocatable(SERIAL, 1)
    entry = kudev.wait_log("cannot write the CDI spec", resource=SERIAL)
    assert str(named.spec) in entry["error"] and "without CDI names" in entry["hint"]
    assert named.names("ttyusb0") == []
    named.directory.unlink()
    wait_until(lambda: named.names("ttyusb0") == [f"{SERIAL}=ttyusb0"], 10)
    assert len(kudev.logged("cannot write the CDI spec")) == 1


def test_in_a_pod_a_directory_that_is_not_mounted_is_told(named):
    named.stage.plug_serials(1)
    kudev = named.run(env={"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    named.kubelet.wait_allocatable(SERIAL, 1)
    assert "hostPath" in kudev.wait_log("cannot write the CDI spec")["error"]
    assert named.names("ttyusb0") == []
    assert not named.directory.exists()


def test_check_and_try_show_names_and_write_none(named):
    config = named.stage.config(named.stage.simulate(**NAMED),
                                cdiDirectory=str(named.directory))
    checked = run_kudev("check", "-o", "json", "--config", config)
    devices = json.loads(checked.stdout)["classes"][0]["devices"]
    assert [device["cdiName"] for device in devices] == [
        "example.com/sim=sim-0", "example.com/sim=sim-1"]
    assert "CDI name example.com/sim=sim-1" in run_kudev("check", "--config", config).stdout
    # In a pod as well, where somebody looks for what is wrong.
    for env in ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}):
        tried = run_kudev("try", "--once", "--config", config, env=env)
        assert "CDI name    example.com/sim=sim-0" in tried.stdout, tried.stderr
    assert not named.directory.exists()


def test_check_says_what_has_no_name_and_why(named):
    config = named.stage.config({"name": "pts", "paths": ["/dev/pts"], **NAMED})
    checked = run_kudev("check", "--config", config)
    assert "pts has no CDI name, because it is a directory" in checked.stdout
    assert "CDI name example.com" not in checked.stdout
