# SPDX-License-Identifier: Apache-2.0
"""Each use in examples/: its pod asks for what its configuration makes, and gets what both
of them promise. What can't be had here is simulated: nodes below --root, hardware by
umockdev. Real virtual cameras are in tests/vm."""

import fnmatch
import json
import re
import subprocess
from dataclasses import dataclass

import pytest

from daemon import run_kudev
from hardware import Hardware
from messages import preferred_request
from support import REPOSITORY, wait_until

yaml = pytest.importorskip("yaml", reason="no yaml for Python")

EXAMPLES = REPOSITORY / "examples"
OBJECTS = sorted(path.stem for path in EXAMPLES.glob("*.yaml")
                 if "apiVersion:" in path.read_text())
CONFIGS = sorted(path.stem for path in EXAMPLES.glob("*.yaml")
                 if path.stem not in OBJECTS)
# It is for "kudev try", without a cluster.
WITHOUT_POD = {"quickstart"}
# In a mount namespace of its own: no module, an own /dev for the dummies.
WITHOUT_MODULE = ["unshare", "--mount", "sh", "-ec", """
mount -t tmpfs tmpfs /dev
mknod -m 666 /dev/null c 1 3
if [ -d /lib/modules ]; then mount -t tmpfs tmpfs /lib/modules; fi
exec "$@"
""", "sh"]


def example(name: str):
    return yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())


def config_of(name: str) -> str:
    """mixed-node-pod is of mixed-node, virtual-camera-scaledjob of virtual-camera."""
    return max((each for each in CONFIGS if name.startswith(f"{each}-")), key=len)


def parts(value, key: str) -> list:
    """Whatever stands under this key, at any depth."""
    if isinstance(value, list):
        return [part for each in value for part in parts(each, key)]
    if not isinstance(value, dict):
        return []
    here = [value[key]] if key in value else []
    return here + [part for each in value.values() for part in parts(each, key)]


def requests(name: str) -> dict[str, int]:
    """The devices that a pod asks for."""
    return {resource: int(count) for limits in parts(example(name), "limits")
            for resource, count in limits.items() if "/" in resource}


def script(name: str) -> str:
    """All that the containers of a pod run."""
    return "\n".join(word for key in ("command", "args")
                     for words in parts(example(name), key) for word in words)


# What each use needs: each of these makes it, and returns how to run kudev there.

def plug(*nodes):
    def furnish(stage):
        for node in nodes:
            stage.plug(node)
        return {"args": ["--root", stage.root]}
    return furnish


def plug_mixed_node(stage):
    for node, link in (("video0", "v4l/by-id/usb-046d_C270_00A1-video-index0"),
                       ("video1", "v4l/by-id/usb-046d_C270_00A1-video-index1"),
                       ("ttyUSB0", "serial/by-id/usb-FTDI_FT232R_A50285BI-if00-port0")):
        stage.plug(node)
        place = stage.root / "dev" / link
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(f"../../{node}")
    return {"args": ["--root", stage.root]}


def plug_sound_card(stage):
    plug("snd/pcmC0D0c", "snd/controlC0")(stage)
    (stage.root / "etc").mkdir()
    (stage.root / "etc/asound.conf").touch()
    return {"args": ["--root", stage.root]}


def simulate(_stage):
    return {}


def without_module(_stage):
    may = subprocess.run([*WITHOUT_MODULE, "true"], capture_output=True, text=True,
                         check=False)
    if may.returncode != 0:
        pytest.skip(f"may not mount: {may.stderr.strip()}")
    return {"prefix": WITHOUT_MODULE}


def mocked(furnish):
    def run(stage):
        hardware = Hardware(stage.directory / "hardware")
        furnish(hardware)
        return {"env": hardware.environment}
    return run


@mocked
def webcam(hardware):
    camera = hardware.usb("1-1", "046d", "0825", "uvcvideo")
    for number in range(2):
        hardware.device(f"{camera}/video4linux/video{number}", "video4linux",
                        node=f"video{number}", index=number)
    sound = hardware.usb("1-2", "046d", "0825", "snd-usb-audio")
    hardware.device(f"{sound}/sound/card1", "sound")
    for name in ("controlC1", "pcmC1D0c", "pcmC1D0p"):
        hardware.device(f"{sound}/sound/card1/{name}", "sound", node=f"snd/{name}")


def adapter(hardware, port: str, name: str, vendor: str, product: str, **more):
    interface = hardware.usb(port, vendor, product, "ftdi_sio", **more)
    hardware.device(f"{interface}/{name}", "usb-serial", driver="ftdi_sio")
    hardware.device(f"{interface}/{name}/tty/{name}", "tty", node=name)


@mocked
def meters(hardware):
    adapter(hardware, "1-1", "ttyUSB0", "0403", "6001", serial="OTHER")
    adapter(hardware, "1-2", "ttyUSB1", "0403", "6001", serial="A50285BI")


@mocked
def tun(hardware):
    hardware.node("net/tun")


@mocked
def smarter_node(hardware):
    for name in ("snd/controlC0", "net/tun", "i2c-1", "gpiochip0"):
        hardware.node(name)
    for number in range(2):
        adapter(hardware, f"1-{number + 1}", f"ttyUSB{number}", "0403", "6001")


@mocked
def accel_cards(hardware):
    """The second one is broken; the others are of the NUMA nodes 0, 1, 1."""
    for number, (numa, fatal) in enumerate([(0, 0), (1, 3), (1, 0), (1, 0)]):
        card = f"pci0000:{number}0/0000:{number}0:01.0"
        hardware.device(card, "pci", driver="card", numa_node=numa, current_link_width=16,
                        aer_dev_fatal=f"DLP 0\nTLP 0\nTOTAL_ERR_FATAL {fatal}",
                        power__runtime_status="active")
        for name in (f"accel{number}", f"accel_controlD{number}"):
            hardware.device(f"{card}/accel/{name}", "accel", node=f"accel/{name}")


@mocked
def custom_accelerators(hardware):
    """The first is too hot, the second has failed too often, the third is off."""
    for number, (status, errors, degrees) in enumerate([
            ("online", 0, 86), ("online", 101, 40), ("offline", 0, 40),
            ("online", 100, 85), ("online", 0, 40)]):
        card = f"pci0000:00/0000:00:0{number + 1}.0"
        hardware.device(card, "pci", numa_node=number % 2)
        hardware.device(f"{card}/custom-accelerator/acc{number}", "custom-accelerator",
                        node=f"acc{number}", status=status, error_count=errors,
                        temperature=degrees)


@dataclass
class Use:
    furnish: object
    gets: dict[str, list[str]]  # by resource, see told()
    healthy: int = 0  # devices to choose from, if there are more than the pod asks for


SERIAL_ID = "usb-FTDI_FT232R_A50285BI-if00-port0"
CAMERA_ID = "usb-046d_C270_00A1-video-index0"
DUMMY = ["/dev/dummy-video10 (rw)", "VIDEO_DEVICE=/dev/dummy-video10"]
USES = {
    "audio": Use(plug_sound_card, {"example.com/capture": [
        "/dev/snd/pcmC0D0c (rw)", "/dev/snd/controlC0 (rw)",
        "/etc/asound.conf (mount, ro)"]}),
    "camera": Use(webcam, {
        "example.com/camera": ["/dev/video0 (rw)", "/dev/video1 (rw)",
                               "VIDEO_DEVICE=/dev/video0"],
        "example.com/microphone": ["/dev/snd/controlC1 (rw)", "/dev/snd/pcmC1D0c (rw)"]}),
    "cdi": Use(tun, {"example.com/tun": [
        "/dev/net/tun (rw)", "cdi example.com/tun=net-tun-0"]}),
    "fuse": Use(plug("fuse"), {"example.com/fuse": ["/dev/fuse (rw)"]}),
    "gpio": Use(plug("gpiochip0", "gpiochip1"), {"example.com/gpio": [
        "/dev/gpiochip0 (rw)", "GPIO_CHIP=/dev/gpiochip0"]}),
    "hashfoundry": Use(simulate, {"hashfoundry.com/custom-device": [
        "SIMULATED/device/0 as /dev/hashfoundry-device-device-0 (mount, rw)",
        "SIMULATED/device/1 as /dev/hashfoundry-device-device-1 (mount, rw)",
        "HASHFOUNDRY_DEVICE_ID=device-0", "HASHFOUNDRY_DEVICE_ID_0=device-0",
        "HASHFOUNDRY_DEVICE_ID_1=device-1",
        "HASHFOUNDRY_DEVICE_PATH=/dev/hashfoundry-device-device-0",
        "HASHFOUNDRY_DEVICE_PATH_0=/dev/hashfoundry-device-device-0",
        "HASHFOUNDRY_DEVICE_PATH_1=/dev/hashfoundry-device-device-1",
        "HASHFOUNDRY_DEVICE_COUNT=2",
        "hashfoundry.com/device-allocated: device-0,device-1",
        "hashfoundry.com/allocation-time: NOW"]}),
    "mixed-node": Use(plug_mixed_node, {
        "example.com/camera": [f"/dev/v4l/by-id/{CAMERA_ID} as /dev/video0 (rw)",
                               "VIDEO_DEVICE=/dev/video0"],
        "example.com/serial": [f"/dev/serial/by-id/{SERIAL_ID} as /dev/serial0 (rw)",
                               "SERIAL_PORT=/dev/serial0"]}),
    "mjpeg-camera": Use(webcam, {"example.com/camera": [
        "/dev/video0 (rw)", "VIDEO_DEVICE=/dev/video0"]}),
    "numa-accelerator": Use(accel_cards, {"example.com/accelerator": [
        "/dev/accel/accel2 (rw)", "/dev/accel/accel_controlD2 (rw)",
        "/dev/accel/accel3 (rw)", "/dev/accel/accel_controlD3 (rw)",
        "ACCELERATOR_IDS=ID,ID", "ACCELERATOR_COUNT=2",
        "ACCELERATOR_PATH=/dev/accel/accel2", "ACCELERATOR_PATH_0=/dev/accel/accel2",
        "ACCELERATOR_PATH_1=/dev/accel/accel3"]}, healthy=3),
    "oneuptime": Use(custom_accelerators, {"example.com/custom-accelerator": [
        "/dev/acc3 as /dev/accelerator3 (rw)", "/dev/acc4 as /dev/accelerator4 (rw)",
        "/usr/lib/accelerator (mount, ro)",
        "ACCELERATOR_VISIBLE_DEVICES=acc3,acc4", "ACCELERATOR_DRIVER_VERSION=1.0.0",
        "ACCELERATOR_PATHS=/dev/accelerator3,/dev/accelerator4"]}),
    "serial": Use(meters, {"example.com/meter": [
        "/dev/ttyUSB1 as /dev/meter (rw)", "METER=/dev/meter"]}),
    "smarter-device-manager": Use(smarter_node, {
        "smarter-devices/snd": ["/dev/snd (rw)"],
        "smarter-devices/net_tun": ["/dev/net/tun (rw)"],
        "smarter-devices/i2c-1": ["/dev/i2c-1 (rw)"],
        "smarter-devices/ttyUSB0": ["/dev/ttyUSB0 (rw)"],
        "smarter-devices/ttyUSB": ["/dev/ttyUSB1 (rw)"]}),
    "squat": Use(plug("ttyUSB0", "fuse"), {"squat.ai/serial": ["/dev/ttyUSB0 (mrw)"],
                                           "squat.ai/fuse": ["/dev/fuse (mrw)"]}),
    "video-device-plugin": Use(without_module, {"meeting-baas.io/video-devices": DUMMY}),
    "virtual-camera": Use(without_module, {"example.com/virtual-camera": DUMMY}),
}


def told(stage, container) -> list[str]:
    """A container's part of an answer, one line each."""
    def place(node):
        host = node.host_path.replace(str(stage.simulated), "SIMULATED")
        return host if host == node.container_path else f"{host} as {node.container_path}"

    lines = [f"{place(node)} ({node.permissions})" for node in container.devices]
    lines += [f"{place(node)} (mount, {'ro' if node.read_only else 'rw'})"
              for node in container.mounts]
    lines += [f"{key}={value}" for key, value in container.envs.items()]
    lines += [f"{key}: {value}" for key, value in container.annotations.items()]
    lines += [f"cdi {each.name}" for each in container.cdi_devices]
    return [re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z$", "NOW",
                   re.sub(r"pci-[-0-9a-z]+", "ID", line)) for line in lines]


def write_config(stage, name: str):
    """The example; what it makes on the host goes below the stage."""
    config = example(name)
    for each in config.get("classes", []):
        if "simulate" in each:
            each["simulate"]["directory"] = str(stage.simulated)
    if parts(config, "cdi"):
        config["cdiDirectory"] = str(stage.directory / "cdi")
    return stage.write(config)


def choose(kubelet, resource: str, count: int) -> list[str]:
    """Devices, as a kubelet does."""
    ids = sorted(kubelet.resource(resource).healthy)
    client = kubelet.client(resource)
    if not client.options().get_preferred_allocation_available:
        return ids[:count]
    answer = client.call("GetPreferredAllocation", preferred_request(ids, count))
    return list(answer.container_responses[0].deviceIDs)


def check_script(pod: str, containers: list):
    """It uses no variable and no device that the container does not have."""
    own = {each["name"] for each in parts(example(pod), "env")[0]} \
        if parts(example(pod), "env") else set()
    given = own | {key for container in containers for key in container.envs}
    wanted = set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", script(pod)))
    assert wanted <= given, f"{pod} uses {wanted - given}"
    paths = [node.container_path for container in containers
             for node in [*container.devices, *container.mounts]]
    paths.append("/dev/null")  # every container has it
    for path in re.findall(r"(?<![\w/])/dev/[\w/*-]+", script(pod)):
        assert any(fnmatch.fnmatch(each, path) for each in paths), f"{pod} uses {path}"


@pytest.mark.parametrize("name", sorted(set(CONFIGS) - WITHOUT_POD))
def test_a_pod_gets_what_its_example_promises(stage, name):
    use = USES[name]
    pods = [each for each in OBJECTS if config_of(each) == name]
    config = write_config(stage, name)
    (stage.directory / "cdi").mkdir()
    options = use.furnish(stage)
    kubelet = stage.kubelet()
    stage.kudev(args=["--config", config, "--plugin-directory", stage.plugins,
                      *options.pop("args", [])], by_flag=False, **options)
    asked = {resource: count for pod in pods for resource, count in requests(pod).items()}
    assert asked.keys() == use.gets.keys()
    containers = []
    for resource, count in asked.items():
        kubelet.wait_registered(resource)
        wait_until(lambda: kubelet.allocatable(resource) >= max(count, use.healthy),
                   what=lambda: f"devices of {resource}")
        client = kubelet.client(resource)
        containers.append(client.allocate(*choose(kubelet, resource, count)))
        assert sorted(told(stage, containers[-1])) == sorted(use.gets[resource])
    for pod in pods:
        check_script(pod, containers)


def test_the_log_tells_what_stands_for_virtual_cameras(stage):
    kubelet = stage.kubelet()
    kudev = stage.kudev(args=["--config", EXAMPLES / "virtual-camera.yaml",
                              "--plugin-directory", stage.plugins], by_flag=False,
                        **without_module(stage))
    resource = "example.com/virtual-camera"
    kubelet.wait_allocatable(resource, 8)
    degraded = kudev.wait_log("class is degraded", resource=resource)
    assert (degraded["dummy_devices"], degraded["fallback_prefix"]) == (8, "/dev/dummy-video")
    assert "v4l2loopback" in degraded["reason"] and degraded["level"] == "WARN"


def test_the_log_tells_which_devices_were_preferred(stage):
    kubelet = stage.kubelet()
    kudev = stage.kudev(args=["--config", write_config(stage, "hashfoundry"), "--log-level",
                              "debug", "--plugin-directory", stage.plugins], by_flag=False)
    resource = "hashfoundry.com/custom-device"
    kubelet.wait_allocatable(resource, 4)
    assert choose(kubelet, resource, 2) == ["device-0", "device-1"]
    kudev.wait_log("devices preferred", resource=resource, device_ids="device-0,device-1")


@pytest.mark.parametrize("name", OBJECTS)
def test_a_pod_asks_for_resources_of_its_example(name):
    done = run_kudev("check", "-o", "json", "--config",
                     EXAMPLES / f"{config_of(name)}.yaml")
    assert done.returncode == 0, done.stderr
    made = {each["resource"] for each in json.loads(done.stdout)["classes"]}
    assert requests(name) and requests(name).keys() <= made


def test_every_example_has_a_pod_and_a_row_in_the_index():
    assert {f"{name}-pod" for name in CONFIGS if name not in WITHOUT_POD} <= set(OBJECTS)
    index = (EXAMPLES / "README.md").read_text()
    rows = re.findall(r"^\| \[([\w-]+)\.yaml\]\((.*?)\) \|(.*)\|$", index, re.M)
    assert [name for name, _, _ in rows] == CONFIGS
    for name, target, cells in rows:
        assert target == f"{name}.yaml"
        linked = re.findall(r"\[[\w-]+\]\(([\w-]+)\.yaml\)", cells)
        assert linked == [each for each in OBJECTS if config_of(each) == name]


def test_video_device_plugins_variables_and_its_example_make_the_same(stage):
    """Above all the IDs, which pods hold."""
    by_variables = run_kudev("check", "-o", "json", env={
        "MAX_DEVICES": "8", "NODE_NAME": "node"})
    by_file = run_kudev("check", "-o", "json", "--config",
                        EXAMPLES / "video-device-plugin.yaml")
    classes = [json.loads(done.stdout)["classes"] for done in (by_variables, by_file)]
    assert classes[0] == classes[1] and len(classes[0][0]["devices"]) == 8
