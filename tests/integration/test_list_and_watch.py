# SPDX-License-Identifier: Apache-2.0
"""Conformance cases 13 to 25 (kubelet.md, section 3): ListAndWatch."""

import json
import os
import subprocess
import time

import pytest

from daemon import run_kudev
from messages import healths, pb
from stage import resource
from support import holds_for, limit, wait_until

SERIAL = resource("serial")
SIM = resource("sim")
MAX_MESSAGE = 4 * 1024 * 1024


def serving(stage, count=3, **more):
    """A kubelet and a kudev with so many serial devices, listed."""
    ids = stage.plug_serials(count)
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.serial(**more))
    kubelet.wait_allocatable(SERIAL, count)
    return kubelet, kudev, ids


def serving_itself(stage, *classes):
    """For a test that does the kubelet's calls by itself; the socket."""
    kubelet = stage.kubelet(start=False)
    kubelet.dial = False
    kubelet.start()
    kudev = stage.kudev(*classes)
    entry = kubelet.wait_registered(resource(classes[0]["name"]))
    return kubelet, kudev, stage.plugins / entry.endpoint


@pytest.mark.parametrize("count", [0, 1, 5])
def test_case_13_the_first_message_is_prompt_and_complete(stage, count):
    ids = stage.plug_serials(count)
    _kubelet, _kudev, path = serving_itself(stage, stage.serial())
    watcher = stage.watcher(path)
    wait_until(lambda: watcher.lists, 1, "the first list")
    assert watcher.last() == dict.fromkeys(ids, "Healthy")


def test_case_14_a_change_gives_exactly_one_full_list(stage):
    kubelet, _kudev, ids = serving(stage)
    before = len(kubelet.lists(SERIAL))
    stage.unplug("ttyUSB1")
    kubelet.wait_allocatable(SERIAL, 2, capacity=3)
    holds_for(lambda: len(kubelet.lists(SERIAL)) == before + 1, 1, "one message")
    assert healths(kubelet.lists(SERIAL)[-1]) == {
        ids[0]: "Healthy", ids[1]: "Unhealthy", ids[2]: "Healthy"}


def test_case_14_a_burst_of_changes_gives_few_messages(stage):
    count = 200
    kubelet, _kudev, ids = serving(stage, count)
    before = len(kubelet.lists(SERIAL))
    # By another process: each change has to wait for the other threads of this one.
    subprocess.run(["rm", *(stage.root / f"dev/ttyUSB{n}" for n in range(count))],
                   check=True)
    kubelet.wait_allocatable(SERIAL, 0, capacity=count)
    messages = kubelet.lists(SERIAL)[before:]
    assert len(messages) <= count / 4, len(messages)
    assert healths(messages[-1]) == dict.fromkeys(ids, "Unhealthy")


@pytest.mark.slow
def test_case_15_no_change_no_message(stage):
    """Watched for 10 s of the 60 s, with things that are no change."""
    kubelet, _kudev, _ids = serving(stage)
    count = len(kubelet.lists(SERIAL))
    others = iter(range(100000))

    def unchanged() -> bool:
        stage.plug(f"tty{next(others)}")
        os.utime(stage.root / "dev/ttyUSB0")
        (stage.root / "dev/ttyUSB0").read_bytes()
        (stage.root / "dev/ttyUSB0").chmod(0o600)
        return len(kubelet.lists(SERIAL)) == count

    holds_for(unchanged, 10, "no message")
    assert len(kubelet.registrations) == 1


def test_case_16_ids_are_unique_short_valid_and_health_is_one_of_two(stage):
    nodes = [
        "a-b", "a/b", "A-B", "a--b", "sp ace", "dot.dot", "Ünï", "-", "x" * 70,
        "z" * 70 + "/" + "y" * 70, "x" * 71, "snd/pcmC0D0c", "plus+comma,"]
    for node in nodes:
        stage.plug(node)
    invalid = os.fsencode(stage.root / "dev") + b"/b\xff\xfe"
    with open(invalid, "wb"):
        pass
    kubelet = stage.kubelet()
    stage.kudev({"name": "all", "paths": ["/dev/*", "/dev/*/*"], "share": 2})
    wait_until(lambda: kubelet.capacity(resource("all")), 5, "a list")
    message = kubelet.lists(resource("all"))[-1]
    ids = [device.ID for device in message.devices]
    assert len(set(ids)) == len(ids)
    assert len(ids) >= 2 * len(nodes)
    assert all(0 < len(name.encode()) <= 63 for name in ids)
    assert {"snd-pcmc0d0c-0", "snd-pcmc0d0c-1"} <= set(ids)
    assert {device.health for device in message.devices} <= {"Healthy", "Unhealthy"}


def checkpoint(*ids: str) -> str:
    """What the kubelet writes while a container holds these devices."""
    entry = {"PodUID": "u", "ContainerName": "c", "ResourceName": SERIAL,
             "DeviceIDs": {"-1": list(ids)}, "AllocResp": "CgA="}
    return json.dumps({"Data": {"PodDeviceEntries": [entry],
                                "RegisteredDevices": {SERIAL: list(ids)}}, "Checksum": 1})


def test_case_17_what_pods_hold_stays_listed_over_a_restart_of_kudev(stage):
    """A kubelet from 1.34 on can panic when the ID of a held device is not listed."""
    ids = stage.plug_serials(2)
    stage.unplug("ttyUSB1")
    (stage.plugins / "kubelet_internal_checkpoint").write_text(checkpoint(ids[1], "other"))
    kubelet = stage.kubelet()
    stage.kudev(stage.serial())
    kubelet.wait_allocatable(SERIAL, 1, capacity=3)
    assert healths(kubelet.lists(SERIAL)[-1]) == {
        ids[0]: "Healthy", ids[1]: "Unhealthy", "other": "Unhealthy"}
    stage.plug("ttyUSB1")
    kubelet.wait_allocatable(SERIAL, 2, capacity=3)


def test_case_17_an_unplugged_device_keeps_its_id_and_comes_back(stage):
    kubelet, kudev, ids = serving(stage)
    for _ in range(3):
        stage.unplug("ttyUSB1")
        kubelet.wait_allocatable(SERIAL, 2, capacity=3)
        stage.plug("ttyUSB1")
        kubelet.wait_allocatable(SERIAL, 3)
    assert all(set(healths(each)) == set(ids) for each in kubelet.lists(SERIAL))
    change = kudev.wait_log("device health changed", device_id="ttyusb1", to="Unhealthy")
    assert change["from"] == "Healthy" and change["reason"]
    assert change["class"] == "serial" and change["resource"] == SERIAL
    assert change["device_path"] == "/dev/ttyUSB1"
    kudev.wait_log("device health changed", device_id="ttyusb1", to="Healthy")


def test_case_17_a_new_device_is_added_and_none_is_lost(stage):
    kubelet, _kudev, ids = serving(stage)
    stage.unplug("ttyUSB0")
    stage.plug("ttyUSB7")
    kubelet.wait_allocatable(SERIAL, 3, capacity=4)
    assert healths(kubelet.lists(SERIAL)[-1]) == {
        **dict.fromkeys([*ids[1:], "ttyusb7"], "Healthy"), "ttyusb0": "Unhealthy"}


def test_case_18_two_streams_both_get_everything(stage):
    ids = stage.plug_serials(2)
    _kubelet, _kudev, path = serving_itself(stage, stage.serial())
    watchers = [stage.watcher(path) for _ in range(2)]
    for watcher in watchers:
        watcher.wait_last(dict.fromkeys(ids, "Healthy"))
    for change in (stage.unplug, stage.plug):
        change("ttyUSB1")
        health = "Healthy" if change == stage.plug else "Unhealthy"
        for watcher in watchers:
            watcher.wait_last({ids[0]: "Healthy", ids[1]: health})


def test_case_19_one_of_two_streams_cancelled_does_not_stop_the_other(stage):
    kubelet, _kudev, ids = serving(stage)
    extra = stage.watcher(stage.endpoint(kubelet, SERIAL))
    extra.wait_last(dict.fromkeys(ids, "Healthy"))
    extra.cancel()
    wait_until(lambda: extra.ended, 2, "the end of the extra stream")
    stage.unplug("ttyUSB2")
    kubelet.wait_allocatable(SERIAL, 2, capacity=3)
    stage.plug("ttyUSB2")
    kubelet.wait_allocatable(SERIAL, 3)
    registrations = len(kubelet.registrations)
    holds_for(lambda: kubelet.allocatable(SERIAL) == 3, 1, "it stays so")
    assert len(kubelet.registrations) == registrations <= 2


@pytest.mark.parametrize("closes_ended", [True, False], ids=["closed", "connection kept"])
def test_case_20_a_cancelled_stream_is_registered_again(stage, closes_ended):
    kubelet, kudev, _ids = serving(stage)
    kubelet.closes_ended = closes_ended
    # Whom the kubelet displaces without closing its connection would never hear of it.
    kubelet.per_socket = not closes_ended
    first = kubelet.registrations[0]
    kubelet.cancel_stream(SERIAL)
    again = kubelet.wait_registered(SERIAL, more_than=1, seconds=2)
    assert again.endpoint != first.endpoint
    kubelet.wait_allocatable(SERIAL, 3)
    kudev.wait_log("registered with the kubelet", reason="stream ended")
    wait_until(lambda: [p.name for p in kudev.sockets()] == [again.endpoint]
               or kubelet.displaced, 2, "the old socket is gone")
    holds_for(lambda: len(kubelet.registrations) <= 2 + kubelet.displaced, 0.5,
              "and that was all")


@pytest.mark.slow
def test_case_20_a_kubelet_that_always_cancels_is_not_stormed(stage):
    kubelet, kudev, _ids = serving(stage)
    seen = 0

    def cancel() -> bool:
        """Not before its list: kudev is never told of a call that is given up earlier."""
        nonlocal seen
        lists = len(kubelet.lists(SERIAL))
        if lists > seen and kubelet.client(SERIAL).stream:
            kubelet.cancel_stream(SERIAL)
            seen = lists
        return kudev.running

    before = len(kubelet.registrations)
    holds_for(cancel, 5, "it goes on")
    assert 3 <= len(kubelet.registrations) - before <= 60
    kubelet.wait_allocatable(SERIAL, 3, seconds=12)


def test_case_21_a_connection_closed_without_goaway_is_registered_again(stage):
    wire = pytest.importorskip("wire")
    stage.plug_serials(1)
    kubelet, _kudev, path = serving_itself(stage, stage.serial())
    connection = wire.connect(path)
    assert connection.call("GetDevicePluginOptions").status == 0
    connection.wait_messages(connection.watch(), 1)
    connection.close()
    again = kubelet.wait_registered(SERIAL, more_than=1, seconds=2)
    assert again.endpoint != path.name


def test_case_22_a_reader_that_stalls_costs_nothing_and_gets_the_newest(stage):
    """Its window and its socket buffer are full, and 40 changes happen."""
    wire = pytest.importorskip("wire")
    count = 4000
    ids = stage.plug_serials(count)
    _kubelet, kudev, path = serving_itself(stage, stage.serial())
    connection = stage.closes(wire.connect(path))
    stream = connection.watch()
    reader = stage.watcher(path)
    reader.wait_last(dict.fromkeys(ids, "Healthy"), seconds=10)

    def change_and_wait(turns: int):
        for turn in range(turns):
            change, health = ((stage.plug, "Healthy") if turn % 2 else
                              (stage.unplug, "Unhealthy"))
            change("ttyUSB7")
            wait_until(lambda: reader.last()["ttyusb7"] == health, 5, "the other reader")

    change_and_wait(6)
    before = kudev.resident_kilobytes()
    change_and_wait(41)
    assert kudev.grew_less(before, 2048)
    assert reader.last()["ttyusb7"] == "Unhealthy"
    assert reader.client.allocate(ids[0]).devices, "other calls are answered"

    def newest() -> bool:
        messages = connection.calls[stream].messages()
        return bool(messages) and healths(
            pb.ListAndWatchResponse.FromString(messages[-1]))["ttyusb7"] == "Unhealthy"

    connection.read_until(newest, 10, "the newest list")
    assert len(connection.calls[stream].messages()) <= 3


def test_case_23_ten_thousand_devices_fit(stage):
    kubelet = stage.kubelet()
    stage.kudev(stage.simulate(count=10_000))
    kubelet.wait_allocatable(SIM, 10_000, seconds=20)
    assert kubelet.lists(SIM)[-1].ByteSize() <= MAX_MESSAGE


def test_case_23_a_list_that_cannot_fit_is_refused_in_the_configuration(stage):
    config = stage.config(stage.simulate(count=10_000, share=100))
    done = run_kudev("run", "--listen", "none", "--config", config,
                     "--plugin-directory", stage.plugins)
    assert done.returncode == 2
    assert f"{config}:" in done.stderr
    assert "4 MiB" in done.stderr or str(MAX_MESSAGE) in done.stderr


def test_case_23_a_discovered_list_that_cannot_fit_is_a_clear_error(stage):
    """The class that grew too large fails; the other one is served."""
    stage.plug_serials(1000)
    kubelet = stage.kubelet()
    one = {"name": "one", "paths": ["/dev/ttyUSB0"], "share": 2}
    kudev = stage.kudev(stage.serial(share=200), one)
    kubelet.wait_allocatable(resource("one"), 2, seconds=10)
    error = wait_until(lambda: [e for e in kudev.logs if e["level"] == "ERROR"], 10,
                       "an error")[0]
    assert "4 MiB" in str(error) or str(MAX_MESSAGE) in str(error)
    assert all(each.ByteSize() <= MAX_MESSAGE for each in kubelet.lists(SERIAL))


@pytest.mark.slow
def test_case_24_a_stream_never_ends_by_itself(stage):
    """Idle, over changes, and over a list without any healthy device."""
    stage.plug_serials(1)
    _kubelet, _kudev, path = serving_itself(stage, stage.serial())
    watcher = stage.watcher(path)
    watcher.wait_last({"ttyusb0": "Healthy"})
    stage.unplug("ttyUSB0")
    watcher.wait_last({"ttyusb0": "Unhealthy"})
    holds_for(lambda: watcher.ended is None, 8, lambda: watcher.ended)


def test_case_25_a_late_half_close_and_split_data_are_accepted(stage):
    wire = pytest.importorskip("wire")
    stage.plug_serials(1)
    _kubelet, _kudev, path = serving_itself(stage, stage.serial())
    connection = stage.closes(wire.connect(path))
    unknown = pb.Empty.FromString(b"")
    stream = connection.request("GetDevicePluginOptions")
    for byte in wire.grpc_message(unknown.SerializeToString()):
        connection.send(stream, bytes([byte]))
    connection.send(stream, b"", end=True)
    assert connection.result(stream).status == 0

    stream = connection.request("ListAndWatch")
    connection.send(stream, wire.grpc_message(b""))
    deadline = time.monotonic() + limit(0.3)
    while time.monotonic() < deadline:
        connection.read(0.05)
    connection.send(stream, b"", end=True)
    message = connection.wait_messages(stream, 1)[0]
    assert healths(pb.ListAndWatchResponse.FromString(message)) == {"ttyusb0": "Healthy"}
