# SPDX-License-Identifier: Apache-2.0
"""Devices of this machine by what they are: match, list, health. What needs plugging is
tested in a virtual machine (tests/vm)."""

import json
import os
import textwrap
import time

import pytest

from daemon import run_kudev
from stage import resource
from support import wait_until

NULL = {"subsystem": "mem", "kernel": "null"}

pytestmark = pytest.mark.skipif(not os.path.exists("/sys/class/mem/null"),
                                reason="no sysfs here")


def listed(*args) -> list[dict]:
    done = run_kudev("list", "--all", "-o", "json", *args)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["devices"]


def checked(config) -> list[str]:
    done = run_kudev("check", "-o", "json", "--config", config)
    assert done.returncode == 0, done.stderr
    return [node["hostPath"] for each in json.loads(done.stdout)["classes"]
            for device in each["devices"] for node in device["nodes"]]


def some_of_each_subsystem(count) -> list[str]:
    found = {}
    for device in listed():
        found.setdefault(device["subsystem"], []).append(device["node"])
    return [node for nodes in found.values() for node in nodes[:count]
            if os.path.exists(node)]


def test_list_shows_devices_with_what_there_is_to_match_on():
    null = next(each for each in listed() if each["node"] == "/dev/null")
    assert null["subsystem"] == "mem" and null["kernel"] == "null"
    assert {"links", "properties", "tags"} <= null.keys()
    assert "class" not in null


def test_list_tells_which_class_has_a_device(stage):
    config = stage.config({"name": "zero", "match": [NULL]})
    devices = {each["node"]: each.get("class") for each in listed("--config", config)}
    assert devices["/dev/null"] == "zero"
    assert devices["/dev/zero"] is None
    table = run_kudev("list", "--config", config).stdout
    assert any(line.startswith("/dev/null ") and line.endswith(" zero")
               for line in table.splitlines())


def test_list_hides_what_has_no_hardware_unless_asked():
    short, long = run_kudev("list").stdout, run_kudev("list", "--all").stdout
    assert "/dev/zero " not in short and "--all" in short
    assert "/dev/zero " in long


def test_what_list_suggests_selects_exactly_that_device(stage):
    """For every kind of device that this machine has."""
    nodes = some_of_each_subsystem(2)
    assert nodes
    for node in nodes:
        done = run_kudev("list", "--for", node)
        assert done.returncode == 0, done.stderr
        text = "classes:\n- name: it\n" + textwrap.indent(done.stdout, "  ")
        assert checked(stage.write(text)) == [node], text


def test_list_follows_links_and_prints_json(stage):
    link = stage.root / "link"
    link.symlink_to("/dev/null")
    done = run_kudev("list", "--for", link, "-o", "json")
    assert json.loads(done.stdout) == {"match": [NULL]}


@pytest.mark.parametrize("node, why", [("/nowhere/x", "No such file"),
                                       ("/etc/passwd", "no device node")])
def test_list_says_what_is_wrong_with_a_node(node, why):
    done = run_kudev("list", "--for", node)
    assert done.returncode == 1 and why in done.stderr and node in done.stderr


def test_check_says_what_tells_of_events(stage):
    config = stage.config({"name": "zero", "match": [NULL]})
    done = run_kudev("check", "--config", config)
    assert "Events of devices: " in done.stdout
    forced = run_kudev("check", "--config", config, "--events", "inotify")
    assert "inotify (the configuration says so)" in forced.stdout


def test_match_does_not_go_with_another_root(stage):
    config = stage.config({"name": "zero", "match": [NULL]})
    done = run_kudev("check", "--config", config, "--root", stage.root)
    assert done.returncode == 2 and "--root" in done.stderr


def test_a_matched_device_is_handed_out(stage):
    kubelet = stage.kubelet()
    stage.kudev({"name": "zero", "match": [NULL], "share": 2,
                 "mountPath": "/dev/nothing", "env": {"NOTHING": "{path}"}})
    name = resource("zero")
    kubelet.wait_allocatable(name, 2)
    assert sorted(kubelet.resource(name).healthy) == ["null-0", "null-1"]
    container = kubelet.client(name).allocate("null-0")
    device, = container.devices
    assert (device.host_path, device.container_path) == ("/dev/null", "/dev/nothing")
    assert container.envs["NOTHING"] == "/dev/nothing"


def test_a_link_and_its_node_are_one_device(stage):
    links = stage.root / "links"
    links.mkdir()
    (links / "a").symlink_to("/dev/null")
    config = stage.config({"name": "zero", "paths": [f"{links}/*", "/dev/null"]})
    assert checked(config) == [f"{links}/a"]
    assert "the same device as" in run_kudev("check", "--config", config).stdout


def test_an_attribute_that_is_wrong_makes_a_device_unhealthy_with_a_reason(stage):
    number = os.stat("/dev/null").st_rdev
    wanted = f"{os.major(number)}:{os.minor(number)}"
    kubelet = stage.kubelet()
    kudev = stage.kudev(
        {"name": "good", "match": [NULL],
         "health": {"attributes": {"dev": {"equals": wanted}}, "interval": "100ms"}},
        {"name": "bad", "match": [{"subsystem": "mem", "kernel": "zero"}],
         "health": {"attributes": {"dev": {"min": 7}}, "interval": "100ms"}})
    kubelet.wait_allocatable(resource("good"), 1)
    change = kudev.wait_log("device health changed", to="Unhealthy")
    assert change["class"] == "bad" and change["reason"].startswith("dev is")
    kubelet.wait_allocatable(resource("bad"), 0, capacity=1)
    assert kubelet.allocatable(resource("good")) == 1


def voluntary_switches(pid: int) -> int:
    """Of the loop thread: each is a wake-up that was waited for."""
    for line in open(f"/proc/{pid}/task/{pid}/status", encoding="ascii"):
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)


def test_an_idle_kudev_does_not_wake_up(stage):
    """Events of this machine are none of the test's business: inotify has none of them."""
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.simulate(), args=["--events", "inotify"])
    kubelet.wait_allocatable(resource("sim"), 2)
    kudev.wait_log("registered with the kubelet")

    def sleeps() -> bool:
        before = voluntary_switches(kudev.pid)
        time.sleep(3)
        return voluntary_switches(kudev.pid) == before

    # It has to come to rest, and the machine may wake it for reasons of its own.
    wait_until(sleeps, what="it never comes to rest")
