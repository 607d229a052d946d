# SPDX-License-Identifier: Apache-2.0
"""Conformance cases 26 to 42 (kubelet.md, section 3): Allocate and the optional RPCs."""

import itertools
import random
import re
import time

import grpc
import pytest

from messages import allocate_request, pb, preferred_request
from stage import resource
from support import SANITIZED, best, holds_for, limit, wait_until

SERIAL = resource("serial")
SIM = resource("sim")
CAPTURE = resource("capture")
Code = grpc.StatusCode
PRE_START_SECONDS = 30.0  # that the kubelet gives


class Served:
    """A kubelet which has listed the one class of a kudev."""

    def __init__(self, stage, config: dict, count: int):
        self.name = config.get("resource") or resource(config["name"])
        self.kubelet = stage.kubelet()
        self.kudev = stage.kudev(config)
        self.kubelet.wait_allocatable(self.name, count)

    @property
    def client(self):
        return self.kubelet.client(self.name)

    def allocate(self, *containers):
        return self.client.call("Allocate", allocate_request(*containers))

    def refused(self, method: str, request, timeout=10.0) -> grpc.RpcError:
        with pytest.raises(grpc.RpcError) as caught:
            self.client.call(method, request, timeout)
        return caught.value

    def prefer(self, available, size: int, must=()) -> list[str]:
        answer = self.client.call("GetPreferredAllocation",
                                  preferred_request(available, size, must))
        assert len(answer.container_responses) == 1
        return list(answer.container_responses[0].deviceIDs)


@pytest.fixture
def serial(stage):
    """Three serial devices with a variable and an annotation."""
    stage.plug_serials(3)
    return Served(stage, stage.serial(
        env={"SERIAL_DEVICE": "{path}", "SERIAL_ALL": "{paths}",
             "SERIAL_COUNT": "{count}"},
        annotations={"example.com/ids": "{ids}"}, permissions="rw"), 3)


def nodes(answer) -> list[tuple[str, str, str]]:
    return [(d.host_path, d.container_path, d.permissions) for d in answer.devices]


def serial_nodes(*numbers: int) -> list[tuple[str, str, str]]:
    return [(f"/dev/ttyUSB{n}", f"/dev/ttyUSB{n}", "rw") for n in numbers]


def map_keys(data: bytes, field: int) -> list[str]:
    """The keys of a map field as written, duplicates included (lengths below 128)."""
    keys, at = [], 0
    while at < len(data):
        assert data[at] & 7 == 2 and data[at + 1] < 128
        entry = data[at + 2:at + 2 + data[at + 1]]
        if data[at] >> 3 == field:
            keys.append(entry[2:2 + entry[1]].decode())
        at += 2 + data[at + 1]
    return keys


def test_case_26_one_id_gives_its_node_with_its_permissions(serial):
    answer = serial.client.allocate("ttyusb1")
    assert nodes(answer) == serial_nodes(1)
    assert not answer.mounts and not answer.cdi_devices
    assert answer.envs["SERIAL_DEVICE"] == "/dev/ttyUSB1"
    assert answer.envs["SERIAL_ALL"] == "/dev/ttyUSB1"
    assert answer.envs["SERIAL_COUNT"] == "1"
    assert answer.annotations["example.com/ids"] == "ttyusb1"
    serial.kudev.wait_log("device allocated", resource=SERIAL, device_id="ttyusb1",
                          device_path="/dev/ttyUSB1", container_path="/dev/ttyUSB1",
                          **{"class": "serial"})


def test_case_26_a_group_gives_all_its_nodes_mounts_and_paths(stage):
    for node in ("snd/pcmC0D0c", "snd/controlC0", "ttyUSB3"):
        stage.plug(node)
    (stage.root / "etc").mkdir()
    (stage.root / "etc/asound.conf").touch()
    capture = Served(stage, {
        "name": "capture",
        "groups": [{"paths": [
            {"path": "/dev/snd/pcmC0D0c"},
            {"path": "/dev/snd/controlC0", "limit": 10, "permissions": "r"},
            {"path": "/etc/asound.conf", "type": "Mount", "readOnly": True,
             "optional": True},
            {"path": "/dev/absent", "optional": True},
            {"path": "/dev/ttyUSB*", "mountPath": "/dev/serial/"}]}],
        "mounts": [{"hostPath": "/usr/lib/a", "containerPath": "/usr/lib/b",
                    "readOnly": True}]}, 1)
    name = capture.kubelet.lists(CAPTURE)[-1].devices[0].ID
    answer = capture.client.allocate(name)
    assert nodes(answer) == [
        ("/dev/snd/pcmC0D0c", "/dev/snd/pcmC0D0c", "rw"),
        ("/dev/snd/controlC0", "/dev/snd/controlC0", "r"),
        ("/dev/ttyUSB3", "/dev/serial/ttyUSB3", "rw")]
    mounts = [(m.host_path, m.container_path, m.read_only) for m in answer.mounts]
    assert sorted(mounts) == [("/etc/asound.conf", "/etc/asound.conf", True),
                              ("/usr/lib/a", "/usr/lib/b", True)]


def test_case_26_simulated_devices_are_mounts(stage):
    sim = Served(stage, stage.simulate(count=2), 2)
    answer = sim.client.allocate("sim-1")
    assert not answer.devices
    assert [(m.host_path, m.container_path) for m in answer.mounts] == [
        (str(stage.simulated / "sim/1"), "/dev/sim1")]
    assert (stage.simulated / "sim/1").is_file()


def test_case_27_several_ids_in_any_order_give_all_devices(serial):
    answers = []
    for order in itertools.permutations(["ttyusb0", "ttyusb1", "ttyusb2"]):
        answer = serial.client.allocate(*order)
        assert sorted(nodes(answer)) == serial_nodes(0, 1, 2)
        answers.append(answer)
        assert {answer.envs[f"SERIAL_DEVICE_{n}"] for n in range(3)} == {
            f"/dev/ttyUSB{n}" for n in range(3)}
        assert answer.envs["SERIAL_DEVICE"] == answer.envs["SERIAL_DEVICE_0"]
        assert answer.envs["SERIAL_COUNT"] == "3"
    assert all(answer == answers[0] for answer in answers), \
        "the kubelet's order is random: it must not matter"


def test_case_28_an_unknown_id_is_an_error_and_nothing_else(serial):
    error = serial.refused("Allocate", allocate_request(["ttyusb0", "no-such-id"]))
    assert error.code() == Code.NOT_FOUND
    assert "no-such-id" in error.details()
    assert nodes(serial.client.allocate("ttyusb0")) == serial_nodes(0)
    serial.kudev.wait_log("allocation refused", resource=SERIAL, device_id="no-such-id")
    assert len(serial.kubelet.registrations) == 1


def test_case_28_one_bad_container_request_refuses_all(serial):
    error = serial.refused("Allocate", allocate_request(["ttyusb0"], ["no-such-id"]))
    assert error.code() == Code.NOT_FOUND


def test_case_29_an_unhealthy_device_is_refused_and_the_list_sent_again(stage, serial):
    stage.unplug("ttyUSB1")
    serial.kubelet.wait_allocatable(SERIAL, 2, capacity=3)
    before = len(serial.kubelet.lists(SERIAL))
    error = serial.refused("Allocate", allocate_request(["ttyusb1"]))
    assert error.code() == Code.FAILED_PRECONDITION
    assert "ttyusb1" in error.details()
    wait_until(lambda: len(serial.kubelet.lists(SERIAL)) > before, 2, "an updated list")
    serial.kubelet.wait_allocatable(SERIAL, 2, capacity=3)
    assert nodes(serial.client.allocate("ttyusb0")) == serial_nodes(0)


def test_case_29_an_unknown_id_has_the_list_sent_again(serial):
    before = len(serial.kubelet.lists(SERIAL))
    serial.refused("Allocate", allocate_request(["no-such-id"]))
    wait_until(lambda: len(serial.kubelet.lists(SERIAL)) > before, 2, "an updated list")
    serial.kubelet.wait_allocatable(SERIAL, 3)


@pytest.mark.slow
def test_case_29_refused_allocations_do_not_flood_the_kubelet_with_lists(stage):
    stage.plug_serials(1)
    served = Served(stage, stage.serial(), 1)
    before = len(served.kubelet.lists(SERIAL))
    for _ in range(300):
        served.refused("Allocate", allocate_request(["no-such-id"]))
    holds_for(lambda: len(served.kubelet.lists(SERIAL)) - before <= 300, 1, "coalesced")
    assert len(served.kudev.logged("allocation refused")) <= 300


def test_case_30_duplicate_ids_give_each_device_once(serial):
    answer = serial.client.allocate("ttyusb0", "ttyusb1", "ttyusb0", "ttyusb0")
    assert nodes(answer) == serial_nodes(0, 1)


def test_case_30_shares_of_one_device_give_it_once(stage):
    stage.plug_serials(1)
    shared = Served(stage, stage.serial(share=3), 3)
    answer = shared.client.allocate("ttyusb0-0", "ttyusb0-2")
    assert [path for path, _container, _permissions in nodes(answer)] == ["/dev/ttyUSB0"]


def test_case_31_no_ids_give_an_empty_container_response(serial):
    answer = serial.allocate([])
    assert len(answer.container_responses) == 1
    assert not answer.container_responses[0].devices


def test_case_32_no_container_requests_give_no_responses(serial):
    assert not serial.allocate().container_responses


def test_case_33_three_container_requests_give_three_responses_in_order(serial):
    answer = serial.allocate(["ttyusb2"], ["ttyusb0"], ["ttyusb1"])
    assert [nodes(each) for each in answer.container_responses] == [
        serial_nodes(2), serial_nodes(0), serial_nodes(1)]


def test_case_34_the_same_request_has_the_same_answer(serial):
    answers = [serial.allocate(["ttyusb1", "ttyusb0"]) for _ in range(5)]
    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1


def unknown_ids(count: int) -> list[str]:
    return [f"no-such-device-{number}" for number in range(count)]


@pytest.mark.parametrize("request_, codes", [
    (allocate_request(unknown_ids(50_000)), {Code.NOT_FOUND, Code.RESOURCE_EXHAUSTED}),
    (allocate_request(["x" * (4 << 20)]), {Code.RESOURCE_EXHAUSTED}),
    (allocate_request(["ttyusb0"] * 300_000), {Code.OK}),
    (allocate_request(*[["ttyusb0"]] * 100_000), {Code.OK, Code.RESOURCE_EXHAUSTED}),
    (allocate_request([""]), {Code.NOT_FOUND}),
    (allocate_request(["../../etc/passwd"]), {Code.NOT_FOUND}),
], ids=["50 000 unknown IDs", "over 4 MiB", "one ID 300 000 times", "100 000 containers",
        "an empty ID", "a path"])
def test_case_35_oversized_and_odd_requests_do_no_harm(serial, request_, codes):
    before = serial.kudev.resident_kilobytes()
    try:
        serial.client.call("Allocate", request_, timeout=limit(10))
        code = Code.OK
    except grpc.RpcError as error:
        code = error.code()
    assert code in codes
    assert nodes(serial.client.allocate("ttyusb0")) == serial_nodes(0)
    assert len(serial.kubelet.registrations) == 1, "the stream was not touched"
    assert serial.kudev.grew_less(before, 65536)
    if code != Code.OK:
        serial.kudev.terminate()
        assert len(serial.kudev.logged("device allocated")) == 1, "the refused isn't"


GOOD = allocate_request(["ttyusb0"]).SerializeToString()


@pytest.mark.parametrize("payload, message, statuses", [
    (GOOD, {"length": 0xFFFFFFFF}, {3, 8, 12, 13}),
    (GOOD, {"compressed": 1}, {0, 12, 13}),  # without an encoding the C core takes it
    (GOOD[:-3], {}, {3}),
    (b"\x0a\xff", {}, {3}),
    (b"\xff" * 100, {}, {3}),
    (GOOD.replace(b"usb", b"\xff\xfe\xfd"), {}, {3}),
    (GOOD + b"\x7a\x03abc\xf8\x01\x05", {}, {0}),
    (b"", {}, {0}),
], ids=["length 0xFFFFFFFF", "compressed flag", "truncated", "length past the end",
        "noise", "invalid UTF-8", "unknown fields", "empty"])
def test_case_35_broken_messages_are_refused_and_the_connection_lives(
        stage, serial, payload, message, statuses):
    wire = pytest.importorskip("wire")
    path = stage.endpoint(serial.kubelet, SERIAL)
    connection = stage.closes(wire.connect(path))
    result = connection.call("Allocate", payload, **message)
    assert result.status in statuses, result
    assert connection.call("Allocate", GOOD).status == 0
    assert len(serial.kubelet.registrations) == 1


def test_case_35_a_request_without_or_with_two_messages_is_refused(stage, serial):
    wire = pytest.importorskip("wire")
    connection = stage.closes(wire.connect(stage.endpoint(serial.kubelet, SERIAL)))
    stream = connection.request("Allocate", end=True)
    assert connection.result(stream).status != 0
    stream = connection.request("Allocate")
    connection.send(stream, wire.grpc_message(GOOD) * 2, end=True)
    connection.result(stream)
    assert connection.call("Allocate", GOOD).status == 0


def test_case_36_sixteen_concurrent_allocations_beside_a_stream(serial):
    """On the connection of the stream."""
    def sixteen() -> float:
        started = time.monotonic()
        calls = [serial.client.start("Allocate", allocate_request([f"ttyusb{n % 3}"]))
                 for n in range(16)]
        for call in calls:
            assert len(call.result().container_responses) == 1
        return time.monotonic() - started

    assert best(sixteen, rounds=5) < limit(0.1)


def test_case_36_announces_enough_concurrent_streams(stage, serial):
    wire = pytest.importorskip("wire")
    connection = stage.closes(wire.connect(stage.endpoint(serial.kubelet, SERIAL)))
    changed = wire.h2.events.RemoteSettingsChanged
    connection.read_until(lambda: connection.seen(changed), 2, "SETTINGS")
    assert connection.h2.remote_settings.max_concurrent_streams >= 100


def test_case_37_aborted_allocations_leak_nothing(stage, serial):
    wire = pytest.importorskip("wire")
    path = stage.endpoint(serial.kubelet, SERIAL)

    def abort_some(count: int):
        for number in range(count):
            connection = wire.connect(path)
            stream = connection.request("Allocate")
            connection.send(stream, wire.grpc_message(GOOD)[:number % 12],
                            end=number % 5 == 4)
            if number % 3 == 0:
                connection.h2.reset_stream(stream, 8)
                connection.flush()
            connection.close()

    def grown_by(count: int) -> int:
        before = serial.kudev.resident_kilobytes()
        abort_some(count)
        wait_until(lambda: serial.kudev.open_files() <= files, 5, "closed connections")
        return serial.kudev.resident_kilobytes() - before

    files = serial.kudev.open_files()
    # A leak grows with every round; an allocator that finds its size does not.
    growths = [grown_by(200) for _ in range(4)]
    assert SANITIZED or min(growths[1:]) < 100, f"grew by {growths} kB"
    assert nodes(serial.client.allocate("ttyusb0")) == serial_nodes(0)


def test_case_38_paths_are_absolute_and_keys_unique(stage, serial):
    wire = pytest.importorskip("wire")
    connection = stage.closes(wire.connect(stage.endpoint(serial.kubelet, SERIAL)))
    request = allocate_request(["ttyusb0", "ttyusb1", "ttyusb2"]).SerializeToString()
    data = connection.call("Allocate", request).messages()[0]
    assert data[:1] == b"\x0a"
    length, at = data[1], 2
    if length >= 128:
        length, at = (length & 127) + data[2] * 128, 3
    container = data[at:at + length]
    for field in (1, 4):
        keys = map_keys(container, field)
        assert keys and len(set(keys)) == len(keys)
    answer = pb.ContainerAllocateResponse.FromString(container)
    for device in answer.devices:
        assert device.host_path.startswith("/") and device.container_path.startswith("/")
        assert re.fullmatch("[rwm]+", device.permissions)
    paths = [device.container_path for device in answer.devices]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("preferred, offered", [
    ("none", False), ("numa", True), ("packed", True), ("spread", True)])
def test_case_39_options_say_what_is_implemented(stage, preferred, offered):
    served = Served(stage, stage.simulate(preferred=preferred), 2)
    options = served.client.options()
    assert options.get_preferred_allocation_available == offered
    assert not options.pre_start_required
    if not offered:
        error = served.refused("GetPreferredAllocation", preferred_request(["sim-0"], 1))
        assert error.code() == Code.UNIMPLEMENTED
    error = served.refused("PreStartContainer", pb.PreStartContainerRequest())
    assert error.code() == Code.UNIMPLEMENTED


@pytest.fixture(params=["numa", "packed", "spread"])
def preferring(stage, request):
    return Served(stage, stage.simulate(count=8, numa_nodes=2, preferred=request.param),
                  8)


IDS = [f"sim-{number}" for number in range(8)]


@pytest.mark.parametrize("available, size, must", [
    (IDS, 1, []), (IDS, 3, []), (IDS, 3, ["sim-7"]), (IDS, 2, ["sim-7", "sim-0"]),
    (IDS, 8, []), (["sim-5", "sim-2"], 1, []), (["sim-5", "sim-2"], 2, ["sim-2"]),
    (IDS * 2, 3, ["sim-1", "sim-1"])],
    ids=["one", "three", "must", "all must", "all", "one of two", "two of two",
         "duplicates"])
def test_case_40_a_feasible_preference_has_a_valid_answer(preferring, available, size,
                                                          must):
    answer = preferring.prefer(available, size, must)
    assert len(answer) == len(set(answer)) == size
    assert set(must) <= set(answer) <= set(available)
    shuffled = random.Random(1).sample(available, len(available))
    assert set(preferring.prefer(shuffled, size, must)) == set(answer), "deterministic"


@pytest.mark.parametrize("available, size, must", [
    (IDS, 0, []), (IDS, 9, []), (IDS, -1, []), (["sim-0"], 1, ["sim-7"]), ([], 1, []),
    (IDS, 1, ["sim-0", "sim-1"]), (["gone", "sim-0"], 1, []), (["gone"], 1, []),
    (IDS, 2**31 - 1, [])],
    ids=["size 0", "size > available", "negative size", "must not available",
         "nothing available", "more must than size", "one unknown", "only unknown",
         "huge"])
def test_case_40_an_odd_preference_has_a_valid_or_an_empty_answer(preferring, available,
                                                                  size, must):
    answer = preferring.prefer(available, size, must)
    assert len(set(answer)) == len(answer) <= max(size, 0)
    assert set(answer) <= set(available)


def test_case_40_three_container_requests_have_three_answers(preferring):
    request = pb.PreferredAllocationRequest()
    for size in (1, 2, 3):
        request.container_requests.extend(preferred_request(IDS, size).container_requests)
    answer = preferring.client.call("GetPreferredAllocation", request)
    assert [len(each.deviceIDs) for each in answer.container_responses] == [1, 2, 3]


def test_case_40_numa_keeps_a_container_on_one_node(stage):
    served = Served(stage, stage.simulate(count=8, numa_nodes=2, preferred="numa"), 8)
    node = {device.ID: [n.ID for n in device.topology.nodes]
            for device in served.kubelet.lists(SIM)[-1].devices}
    assert sorted(map(tuple, node.values())) == [(0,)] * 4 + [(1,)] * 4
    assert len({node[name][0] for name in served.prefer(IDS, 4)}) == 1
    on_one = [name for name in IDS if node[name] == [1]]
    assert set(served.prefer(IDS, 2, must=on_one[:1])) <= set(on_one)


@pytest.mark.parametrize("size", [1, 2, 8])
def test_case_41_all_available_are_exactly_those(preferring, size):
    assert sorted(preferring.prefer(IDS[:size], size)) == IDS[:size]


@pytest.mark.parametrize("ids", [[], ["sim-0"], ["no-such-id"]])
def test_case_42_pre_start_container_answers_before_its_deadline(stage, ids):
    """Not offered yet, so UNIMPLEMENTED for every ID; the rest comes with the reset."""
    served = Served(stage, stage.simulate(), 2)
    request = pb.PreStartContainerRequest(devices_ids=ids)
    error = served.refused("PreStartContainer", request, timeout=PRE_START_SECONDS)
    assert error.code() == Code.UNIMPLEMENTED
