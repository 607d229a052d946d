# SPDX-License-Identifier: Apache-2.0
"""kudev check, try, --help and --version; and what a configuration error looks like."""

import json
import re

import pytest

from daemon import run_kudev
from stage import resource
from support import REPOSITORY

COMMANDS = [[], ["run"], ["check"], ["try"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_a_screen(command):
    done = run_kudev(*command, "--help")
    assert done.returncode == 0 and not done.stderr
    lines = done.stdout.splitlines()
    assert 5 <= len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert ("--config" if command else "check") in done.stdout


def test_version_is_one_line():
    done = run_kudev("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"kudev \d+\.\d+\S*\n", done.stdout)


@pytest.mark.parametrize("args", [
    ["--no-such-flag"], ["no-such-command"], ["run", "--config"], ["run", "extra"],
    ["check", "-o", "xml"], ["run", "--log-format", "xml"], ["run", "--domain", "Bad_"],
    ["run", "--plugin-directory", "relative"]],
    ids=" ".join)
def test_bad_usage_is_exit_status_2_with_a_message(stage, args):
    if args[0] == "run" and "--config" not in args:
        args = [*args, "--config", stage.config(stage.simulate())]
    done = run_kudev(*args)
    assert done.returncode == 2
    assert done.stderr.strip()


def check_json(*args, code=0) -> dict:
    done = run_kudev("check", "-o", "json", *args)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_check_shows_each_class_with_what_it_would_hand_out(stage):
    stage.plug_serials(2)
    config = stage.config(stage.serial(permissions="rw"),
                          {"name": "gone", "paths": ["/dev/absent"]})
    report = check_json("--config", config, "--root", stage.root)
    serial, gone = report["classes"]
    assert serial["name"] == "serial" and serial["resource"] == resource("serial")
    assert serial["devices"] == [
        {"id": f"ttyusb{n}", "health": "Healthy", "nodes": [
            {"type": "device", "hostPath": f"/dev/ttyUSB{n}",
             "containerPath": f"/dev/ttyUSB{n}", "permissions": "rw"}]} for n in range(2)]
    assert serial["missing"] == [] and serial["conflicts"] == []
    assert gone["devices"] == []
    assert [each["path"] for each in gone["missing"]] == ["/dev/absent"]
    assert gone["missing"][0]["reason"]


def test_check_does_not_touch_the_machine(stage):
    check_json("--config", stage.config(stage.simulate(count=3)),
               "--plugin-directory", stage.plugins)
    assert not list(stage.plugins.iterdir())


def test_check_warns_of_directories_that_run_cannot_make(stage):
    """A pod with a read-only root that lacks the hostPath; and a host that has what it needs."""
    directory = stage.directory / "mounted"
    directory.mkdir()
    config = stage.config(
        {"name": "toy", "simulate": {"count": 1, "directory": str(directory / "a/b")}},
        {"name": "null", "paths": ["/dev/null"], "cdi": {"write": True}},
        cdiDirectory=str(directory / "cdi"))
    assert check_json("--config", config)["warnings"] == []
    stage.mount_tmpfs(directory, "ro")
    for name, path in ("toy", "a/b"), ("null", "cdi"):
        assert (f"warning: class {name}: {directory / path} is on a read-only file system; in a pod "
                "it has to be a hostPath") in check_json("--config", config)["warnings"]


def test_check_shows_numa_nodes(stage):
    report = check_json("--config", stage.config(stage.simulate(count=2, numa_nodes=2)))
    assert sorted(d["numaNode"] for d in report["classes"][0]["devices"]) == [0, 1]


def test_check_reports_the_conflict_of_two_classes(stage):
    stage.plug_serials(2)
    second = {"name": "second", "paths": ["/dev/ttyUSB1", "/dev/ttyUSB0"]}
    config = stage.config(stage.serial(), second)
    first, other = check_json("--config", config, "--root", stage.root)["classes"]
    assert [d["id"] for d in first["devices"]] == ["ttyusb0", "ttyusb1"]
    assert other["devices"] == []
    conflicts = first["conflicts"] + other["conflicts"]
    assert {each["path"] for each in conflicts} == {"/dev/ttyUSB0", "/dev/ttyUSB1"}


def test_a_conflict_is_logged_and_the_first_class_keeps_the_device(stage):
    stage.plug_serials(1)
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.serial(), {"name": "second", "paths": ["/dev/ttyUSB0"]})
    kubelet.wait_allocatable(resource("serial"), 1)
    kubelet.wait_registered(resource("second"))
    conflict = kudev.wait_log("device conflict", device_path="/dev/ttyUSB0")
    assert {conflict["class"], conflict["other_class"]} == {"serial", "second"}
    assert kubelet.allocatable(resource("second")) == 0


def test_two_sharing_classes_may_have_the_same_device(stage):
    stage.plug_serials(1)
    kubelet = stage.kubelet()
    stage.kudev(stage.serial(share=2),
                {"name": "second", "paths": ["/dev/ttyUSB0"], "share": 3})
    kubelet.wait_allocatable(resource("serial"), 2)
    kubelet.wait_allocatable(resource("second"), 3)


def test_check_prints_a_table_for_people(stage):
    stage.plug_serials(2)
    done = run_kudev("check", "--config", stage.config(stage.serial()),
                     "--root", stage.root)
    assert done.returncode == 0
    for word in (resource("serial"), "ttyusb0", "/dev/ttyUSB1"):
        assert word in done.stdout


BAD_CONFIG = """\
domain: example.com
clases: []
logLevel: loud
classes:
  - name: serial
    pahts: ["/dev/ttyUSB*"]
    share: 0
  - name: serial
    paths: ["dev/relative"]
    simulate: {count: 1}
    env:
      9BAD: "{path}"
      GOOD: "{nosuchvariable}"
"""


def test_all_errors_are_reported_at_once_with_their_places(stage):
    config = stage.write(BAD_CONFIG)
    done = run_kudev("check", "--config", config)
    assert done.returncode == 2
    places = [int(line) for line in
              re.findall(rf"^{config}:(\d+):\d+: \S.*$", done.stderr, re.M)]
    assert places == sorted(places)
    assert {2, 3, 6, 7, 9, 12, 13} <= set(places), done.stderr
    assert "classes" in done.stderr.splitlines()[0], "a suggestion for 'clases'"
    assert re.search(rf"^{config}:6:5: .*paths", done.stderr, re.M)


@pytest.mark.parametrize("text, word", [
    ("", "class"), ("---\n", "class"), ("classes: []\n", "class"),
    ("classes:\n", "class"),
    ("- a\n", "mapping"), ("classes: {}\n", "list"), ("a: [\n", ""), ("\tx: 1\n", ""),
    ("classes:\n  - {name: a, simulate: {count: two}}\n", "two"),
    ("classes:\n  - {name: a}\n", "simulate"),
    ("classes:\n  - {name: a, name: b, simulate: {count: 1}}\n", "name"),
    ("a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\n"
     "c: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c, *c, *c, *c]\n", ""),
    ("[" * 10_000, ""), ("classes: \xff\xfe\n", "")],
    ids=["empty", "empty document", "no class", "null classes", "a list", "classes a map",
         "syntax", "tab", "no number", "no source", "duplicate key", "alias bomb",
         "depth", "odd bytes"])
def test_a_bad_file_is_an_error_with_its_place(stage, text, word):
    config = stage.directory / "bad.yaml"
    config.write_bytes(text.encode("latin-1"))
    for command in ("check", "run"):
        done = run_kudev(command, "--config", config)
        assert done.returncode == 2
        # A text without any content has no place in it.
        place = r"(\d+:\d+: |.*empty)" if word == "class" else r"\d+:\d+: "
        assert re.search(rf"^{config}:{place}", done.stderr, re.M), done.stderr
        assert word in done.stderr


def test_try_once_shows_resources_capacity_and_an_allocation(stage):
    stage.plug_serials(3)
    config = stage.config(stage.serial(env={"SERIAL_DEVICE": "{path}"}, permissions="rw"))
    done = run_kudev("try", "--once", "--config", config, "--root", stage.root)
    assert done.returncode == 0, done.stderr
    for word in (resource("serial"), "3", "/dev/ttyUSB0", "SERIAL_DEVICE", "rw"):
        assert word in done.stdout, done.stdout


def test_try_once_with_a_class_without_devices_says_so(stage):
    config = stage.config(stage.serial(), stage.simulate("sim"))
    done = run_kudev("try", "--once", "--config", config)
    assert done.returncode == 0, done.stderr
    assert resource("serial") in done.stdout and resource("sim") in done.stdout


EXAMPLES = [path for directory in ("conf", "examples")
            for path in sorted((REPOSITORY / directory).glob("*.yaml"))
            if "apiVersion:" not in path.read_text()]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_and_the_default_configuration_are_valid(path):
    check_json("--config", path)
