# SPDX-License-Identifier: Apache-2.0
"""Migration from squat/generic-device-plugin: same resources, same IDs (peers.md 2.1)."""

import json

import pytest

from daemon import run_kudev
from messages import healths

FUSE_0 = "a68db766f638034740111848aafee2d2dcd6b642"
FUSE_9 = "bd6ee27a4355ad16a10fab1ffbeb436b0d07000f"
SOUND = "8e312365c4c43caed695c0e3bad2b52cb3dd6fa4"
USB = "eface26afd7952c41e1b3baa744fb543353eedb0"

FUSE = {"name": "fuse", "groups": [{"count": 10, "paths": [{"path": "/dev/fuse"}]}]}
CAPTURE = {"name": "capture", "groups": [{"paths": [
    {"path": "/dev/snd/controlC0"}, {"path": "/dev/snd/pcmC0D0c"}]}]}
USB_DEVICE = {"name": "usb", "groups": [{"usb": [{"vendor": "1050", "product": "0407"}]}]}


@pytest.fixture
def node(stage):
    """A node with FUSE, a sound card and a USB key."""
    for name in ("fuse", "snd/controlC0", "snd/pcmC0D0c", "video0", "bus/usb/003/022"):
        stage.plug(name)
    usb = stage.root / "sys/bus/usb/devices/3-1"
    usb.mkdir(parents=True)
    for name, text in (("idVendor", "1050"), ("idProduct", "0407"), ("busnum", "3"),
                       ("devnum", "22")):
        (usb / name).write_text(text + "\n")
    return stage


def check(stage, *args, code=0) -> dict:
    done = run_kudev("check", "-o", "json", "--root", stage.root, *args)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def units(stage, *devices, args=()) -> list[dict]:
    """The devices of the only class."""
    flags = [part for device in devices for part in ("--device", json.dumps(device))]
    return check(stage, *flags, *args)["classes"][0]["devices"]


def test_the_flags_give_squats_resources_and_ids_to_the_kubelet(node):
    kubelet = node.kubelet()
    flags = [part for device in (FUSE, CAPTURE, USB_DEVICE)
             for part in ("--device", json.dumps(device))]
    node.kudev(args=flags)
    kubelet.wait_allocatable("squat.ai/fuse", 10)
    kubelet.wait_allocatable("squat.ai/capture", 1)
    kubelet.wait_allocatable("squat.ai/usb", 1)
    assert {FUSE_0, FUSE_9} <= set(healths(kubelet.lists("squat.ai/fuse")[-1]))
    assert set(healths(kubelet.lists("squat.ai/capture")[-1])) == {SOUND}
    assert set(healths(kubelet.lists("squat.ai/usb")[-1])) == {USB}

    answer = kubelet.client("squat.ai/fuse").allocate(FUSE_9)
    assert [(d.host_path, d.container_path, d.permissions) for d in answer.devices] == [
        ("/dev/fuse", "/dev/fuse", "mrw")]
    answer = kubelet.client("squat.ai/usb").allocate(USB)
    assert [(d.host_path, d.container_path, d.permissions) for d in answer.devices] == [
        ("/dev/bus/usb/003/022", "/dev/bus/usb/003/022", "rw")]


def test_yaml_flags_and_a_domain_work_too(node):
    kubelet = node.kubelet()
    node.kudev(args=["--domain", "devic.es", "--device",
                     "name: fuse\ngroups:\n- paths:\n  - path: /dev/fuse\n"])
    kubelet.wait_allocatable("devic.es/fuse", 1)
    assert set(healths(kubelet.lists("devic.es/fuse")[-1])) == {FUSE_0}


@pytest.mark.parametrize("key", ["device", "devices"])
def test_squats_file_works(node, key):
    config = node.write({"domain": "devic.es", "log-level": "info",
                         "plugin-directory": str(node.plugins), key: [FUSE, CAPTURE]})
    kubelet = node.kubelet()
    node.kudev(args=["--config", config])
    kubelet.wait_allocatable("devic.es/fuse", 10)
    kubelet.wait_allocatable("devic.es/capture", 1)
    assert set(healths(kubelet.lists("devic.es/capture")[-1])) == {SOUND}


def test_the_first_grammar_works(node):
    kubelet = node.kubelet()
    node.kudev(args=["--device",
                     '{"type":"video","count":5,"paths":["/dev/video0"]}'])
    kubelet.wait_allocatable("squat.ai/video", 5)
    ids = [f"/dev/video0-{number}" for number in range(5)]
    assert set(healths(kubelet.lists("squat.ai/video")[-1])) == set(ids)
    answer = kubelet.client("squat.ai/video").allocate(ids[3])
    assert [(d.host_path, d.container_path) for d in answer.devices] == [
        ("/dev/video0", "/dev/video0")]


@pytest.mark.parametrize("vendor, product", [
    ("1050", "0407"), (0x1050, 0x407), ("0x1050", "0x0407")],
    ids=["quoted", "see below", "prefix"])
def test_usb_ids_are_read_as_hex(node, vendor, product):
    if isinstance(vendor, int):  # digits that YAML takes for a number
        text = "{name: usb, groups: [{usb: [{vendor: 1050, product: 0407}]}]}"
    else:
        text = json.dumps({"name": "usb", "groups": [
            {"usb": [{"vendor": vendor, "product": product}]}]})
    devices = check(node, "--device", text)["classes"][0]["devices"]
    assert [device["id"] for device in devices] == [USB]


def test_a_usb_serial_selects_one_of_two(node):
    for port, devnum, serial in (("4-3", "24", "51"), ("4-4", "25", "52")):
        usb = node.root / "sys/bus/usb/devices" / port
        usb.mkdir()
        for name, text in (("idVendor", "1234"), ("idProduct", "5678"), ("busnum", "4"),
                           ("devnum", devnum), ("serial", serial)):
            (usb / name).write_text(text + "\n")
        node.plug(f"bus/usb/004/0{devnum}")
    devices = units(node, {"name": "usb", "groups": [{"usb": [
        {"vendor": "1234", "product": "5678", "serial": "52"}]}]})
    paths = [n["hostPath"] for d in devices for n in d["nodes"]]
    assert paths == ["/dev/bus/usb/004/025"]


def test_a_usb_group_without_any_device_yields_nothing(stage):
    assert units(stage, USB_DEVICE) == []


EXPANSIONS = {
    "one path": ([{"path": "/dev/ttyUSB0"}], [["/dev/ttyUSB0"]]),
    "a glob with a fixed mountPath": (
        [{"path": "/dev/ttyUSB*", "mountPath": "/dev/tty"}],
        [["/dev/tty"]] * 3),
    "a glob with a directory as mountPath": (
        [{"path": "/dev/ttyUSB*", "mountPath": "/dev/serial/"}],
        [[f"/dev/serial/ttyUSB{n}"] for n in range(3)]),
    "a required path is missing": (
        [{"path": "/dev/ttyUSB0"}, {"path": "/dev/absent"}], []),
    "three optional, one present": (
        [{"path": "/dev/absent1", "optional": True},
         {"path": "/dev/ttyUSB0", "optional": True},
         {"path": "/dev/absent2", "optional": True}], [["/dev/ttyUSB0"]]),
    "three optional, all present": (
        [{"path": f"/dev/ttyUSB{n}", "optional": True} for n in range(3)],
        [[f"/dev/ttyUSB{n}" for n in range(3)]]),
    "optional and all missing": ([{"path": "/dev/absent", "optional": True}], []),
    "a zip, bounded by the shorter": (
        [{"path": "/dev/ttyUSB*"}, {"path": "/dev/snd"}], [["/dev/ttyUSB0", "/dev/snd"]]),
    "a limit lets one node serve many": (
        [{"path": "/dev/ttyUSB*"}, {"path": "/dev/snd", "limit": 2}],
        [["/dev/ttyUSB0", "/dev/snd"], ["/dev/ttyUSB1", "/dev/snd"]]),
}


@pytest.mark.parametrize("paths, expected", EXPANSIONS.values(), ids=EXPANSIONS.keys())
def test_groups_expand_as_squats_do(stage, paths, expected):
    stage.plug_serials(3)
    stage.plug("snd")
    devices = units(stage, {"name": "group", "groups": [{"paths": paths}]})
    assert [[n["containerPath"] for n in d["nodes"]] for d in devices] == expected


def test_a_mount_of_a_directory_is_a_mount(stage):
    (stage.root / "dev/input").mkdir()
    devices = units(stage, {"name": "input", "groups": [{"paths": [
        {"path": "/dev/input", "type": "Mount", "readOnly": True}]}]})
    assert devices[0]["nodes"] == [{"type": "mount", "hostPath": "/dev/input",
                                    "containerPath": "/dev/input", "readOnly": True}]


@pytest.mark.parametrize("device", [
    "", " ", "null", "[]", "3", "{", '{"groups":[{"paths":[{"path":"/dev/a"}]}]}',
    '{"name":"a_","groups":[{"paths":[{"path":"/dev/a"}]}]}',
    '{"name":"ab","groups":[{"paths":[{"path":"relative"}]}]}',
    '{"name":"ab","groups":[{"paths":[{"path":"/dev/a","type":"Devise"}]}]}',
    '{"name":"ab","groups":[{"paths":[{"path":"/dev/a","permissions":"rwx"}]}]}',
    '{"name":"ab","groups":[{"paths":[{"path":"/dev/a","limitt":2}]}]}',
    '{"name":"ab","groups":[{"paths":[{"path":"/dev/a"}],"usb":[{"vendor":"1"}]}]}',
    '{"name":"ab","groups":[{"count":-1,"paths":[{"path":"/dev/a"}]}]}',
    '{"name":"ab","groups":[{"paths":[{"path":"/dev/[a"}]}]}'])
def test_a_bad_device_flag_is_an_error_that_names_it(stage, device):
    done = run_kudev("check", "--root", stage.root, "--device", device)
    assert done.returncode == 2
    assert "--device" in done.stderr


@pytest.mark.parametrize("device", [
    '{"name":"ab","extra":1,"groups":[{"paths":[{"path":"/dev/a","limitt":2}]}]}',
    '{"name":"ab","groups":[{"paths":[{"path":"/dev/a","type":"Devise"}]}]}'])
def test_lenient_turns_what_squat_ignores_into_warnings(stage, device):
    stage.plug("a")
    done = run_kudev("check", "-o", "json", "--lenient", "--root", stage.root,
                     "--device", device)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["warnings"]


def test_flags_replace_the_files_list(node):
    config = node.write({"devices": [CAPTURE]})
    classes = check(node, "--config", config, "--device", json.dumps(FUSE))["classes"]
    assert [each["name"] for each in classes] == ["fuse"]
