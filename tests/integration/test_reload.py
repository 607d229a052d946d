# SPDX-License-Identifier: Apache-2.0
"""The configuration changes while kudev runs."""

import json
import signal
import threading
import time

import grpc
import pytest

from messages import healths
from stage import DOMAIN, resource
from support import SANITIZED, holds_for, wait_until
from test_list_and_watch import checkpoint

SERIAL = resource("serial")
OTHER = resource("other")
RELOADS = 200 if SANITIZED else 1000


class Running:
    """A kudev with a file that a test rewrites."""

    def __init__(self, stage, *classes, **top):
        self.stage = stage
        self.file = stage.directory / "k" / "kudev.yaml"
        self.file.parent.mkdir()
        self.write(*classes, **top)
        self.kubelet = stage.kubelet()
        self.kudev = stage.kudev(args=["--config", self.file])
        self.reloads = 0

    def text(self, *classes, **top) -> str:
        return json.dumps({"domain": DOMAIN, **top, "classes": list(classes)}, indent=1)

    def write(self, *classes, **top):
        self.replace(self.text(*classes, **top))

    def replace(self, text: str):
        temporary = self.file.with_name("new")
        temporary.write_text(text)
        temporary.rename(self.file)

    def wait_reloaded(self):
        self.reloads += 1
        self.kudev.wait_log("configuration reloaded", count=self.reloads)

    def reload(self, *classes, **top):
        self.write(*classes, **top)
        self.wait_reloaded()


def other(paths=("/dev/ttyACM*",), **more) -> dict:
    return {"name": "other", "paths": list(paths), **more}


def test_an_unchanged_class_keeps_socket_stream_and_devices(stage):
    stage.plug_serials(2)
    stage.plug("ttyACM0")
    running = Running(stage, stage.serial(), other())
    kubelet = running.kubelet
    kubelet.wait_allocatable(SERIAL, 2)
    kubelet.wait_allocatable(OTHER, 1)
    endpoint = stage.endpoint(kubelet, SERIAL)
    gone = stage.endpoint(kubelet, OTHER)
    running.reload(other(["/dev/x*"], name="new"), stage.serial())
    kubelet.wait_registered(resource("new"))
    wait_until(lambda: not gone.exists(), 3, "the end of the removed class's socket")
    wait_until(lambda: kubelet.allocatable(OTHER) == 0, 3, "none of the removed class")
    running.kudev.wait_log("class removed", **{"class": "other"})
    running.kudev.wait_log("class added", **{"class": "new"})
    assert stage.endpoint(kubelet, SERIAL) == endpoint and endpoint.exists()
    assert len(kubelet.lists(SERIAL)) == 1
    assert kubelet.allocatable(SERIAL) == 2
    assert not running.kudev.logged("stream closed", resource=SERIAL)


def _write(running, text):
    running.file.write_text(text)


def _append_in_steps(running, text):
    """Nothing is read before the writer is done."""
    with running.file.open("w") as file:
        for line in text.splitlines(keepends=True):
            file.write(line)
            file.flush()


def _rename(running, text):
    running.replace(text)


def _remove_and_create(running, text):
    running.file.unlink()
    running.file.write_text(text)


def _point_elsewhere(running, text):
    elsewhere = running.stage.directory / "elsewhere.yaml"
    elsewhere.write_text(text)
    link = running.file.with_name("link")
    link.symlink_to(elsewhere)
    link.rename(running.file)


@pytest.mark.parametrize("change", [_write, _append_in_steps, _rename, _remove_and_create,
                                    _point_elsewhere])
def test_whatever_way_the_file_changes_it_is_read_again(stage, change):
    running = Running(stage, stage.serial())
    running.kubelet.wait_registered(SERIAL)
    change(running, running.text(stage.serial(), other()))
    running.kubelet.wait_registered(OTHER)
    assert len(running.kubelet.registered(SERIAL)) == 1


def test_a_file_that_says_what_it_said_is_no_change(stage):
    running = Running(stage, stage.serial())
    running.kubelet.wait_registered(SERIAL)
    text = running.file.read_text()
    for change in (_write, _append_in_steps, _rename, _remove_and_create):
        change(running, text)
        time.sleep(0.3)
    running.file.touch()
    time.sleep(0.3)
    _write(running, running.text(stage.serial(), other()))
    running.kudev.wait_log("configuration reloaded", generation=2)
    assert len(running.kudev.logged("configuration reloaded")) == 1


def test_a_mistake_that_is_taken_back_is_a_reload(stage):
    running = Running(stage, stage.serial())
    running.kubelet.wait_registered(SERIAL)
    text = running.file.read_text()
    _write(running, "classes: 3\n")
    running.kudev.wait_log("configuration not reloaded")
    _write(running, text)
    running.kudev.wait_log("configuration reloaded", generation=2)


def test_a_change_of_what_the_file_links_to_is_seen(stage):
    running = Running(stage, stage.serial())
    _point_elsewhere(running, running.text(stage.serial(), other()))
    running.kubelet.wait_registered(OTHER)
    (stage.directory / "elsewhere.yaml").write_text(
        running.text(stage.serial(), other(), other(name="third")))
    running.kubelet.wait_registered(resource("third"))


def test_a_config_map_is_swapped(stage):
    """As the kubelet's AtomicWriter does: ..data is renamed, the file's own link stays."""
    running = Running(stage, stage.serial())
    running.kubelet.wait_registered(SERIAL)
    volume = stage.directory / "v"

    def publish(number, text):
        version = volume / f"..{number}"
        version.mkdir(parents=True)
        (version / "kudev.yaml").write_text(text)
        (volume / "..data_tmp").symlink_to(version.name)
        (volume / "..data_tmp").rename(volume / "..data")

    publish(1, running.text(stage.serial()))
    (volume / "kudev.yaml").symlink_to("..data/kudev.yaml")
    kudev = stage.kudev(args=["--config", volume / "kudev.yaml"])
    kudev.wait_log("stream opened", resource=SERIAL)
    for number in range(2, 6):
        publish(number, running.text(stage.serial(), other(name=f"other{number}")))
        kudev.wait_log("registered with the kubelet", resource=resource(f"other{number}"))
        kudev.wait_log("configuration reloaded", generation=number)


def test_a_hang_up_reads_it_again(stage):
    running = Running(stage, stage.serial())
    running.kubelet.wait_registered(SERIAL)
    running.kudev.send(signal.SIGHUP)
    running.wait_reloaded()
    assert not running.kudev.logged("class changed")
    assert len(running.kubelet.registered(SERIAL)) == 1


def test_a_bad_file_changes_nothing_and_says_why(stage):
    stage.plug_serials(1)
    running = Running(stage, stage.serial())
    running.kubelet.wait_allocatable(SERIAL, 1)
    running.replace("classes:\n- name: serial\n  paths: [dev/x]\n  shere: 2\n")
    failed = running.kudev.wait_log("configuration not reloaded")
    assert failed["error_count"] == 2
    places = [(entry["line"], entry["column"], entry["file"])
              for entry in running.kudev.logged("error in the configuration")]
    assert places == [(3, 11, str(running.file)), (4, 3, str(running.file))]
    running.file.unlink()
    running.kudev.wait_log("configuration not reloaded", count=2)
    holds_for(lambda: running.kudev.running and
              running.kubelet.allocatable(SERIAL) == 1, 0.5, "as before")
    running.reload(stage.serial(), other())
    running.kubelet.wait_registered(OTHER)


def test_a_changed_selection_needs_no_registration(stage):
    ids = stage.plug_serials(1)
    stage.plug("ttyACM0")
    running = Running(stage, stage.serial())
    running.kubelet.wait_allocatable(SERIAL, 1)
    running.reload({"name": "serial", "paths": ["/dev/ttyUSB*", "/dev/ttyACM*"]})
    running.kubelet.wait_allocatable(SERIAL, 2)
    running.reload({"name": "serial", "paths": ["/dev/ttyACM*"]})
    running.kubelet.wait_allocatable(SERIAL, 1, capacity=2)
    assert healths(running.kubelet.lists(SERIAL)[-1])[ids[0]] == "Unhealthy"
    assert len(running.kubelet.registered(SERIAL)) == 1


def test_changed_templates_are_in_the_next_answer(stage):
    ids = stage.plug_serials(1)
    running = Running(stage, stage.serial(env={"A": "one {id}"}))
    running.kubelet.wait_allocatable(SERIAL, 1)
    client = running.kubelet.client(SERIAL)
    assert client.allocate(*ids).envs == {"A": f"one {ids[0]}"}
    running.reload(stage.serial(env={"A": "two"}, mountPath="/dev/mine",
                                permissions="r"))
    answer = client.allocate(*ids)
    assert answer.envs == {"A": "two"}
    assert answer.devices[0].container_path == "/dev/mine"
    assert answer.devices[0].permissions == "r"
    assert len(running.kubelet.registered(SERIAL)) == 1


def test_a_device_that_is_away_is_as_its_class_is_now(stage):
    ids = stage.plug_serials(1)
    running = Running(stage, stage.serial(env={"A": "one"}))
    running.kubelet.wait_allocatable(SERIAL, 1)
    stage.unplug("ttyUSB0")
    running.kubelet.wait_allocatable(SERIAL, 0, capacity=1)
    for number in range(3):
        running.reload(stage.serial(env={"A": f"{number}"}, mountPath="/dev/mine"))
    stage.plug("ttyUSB0")
    running.kubelet.wait_allocatable(SERIAL, 1)
    answer = running.kubelet.client(SERIAL).allocate(*ids)
    assert (answer.envs["A"], answer.devices[0].container_path) == ("2", "/dev/mine")


def test_changed_options_are_registered(stage):
    stage.plug_serials(1)
    running = Running(stage, stage.serial())
    kubelet = running.kubelet
    kubelet.wait_allocatable(SERIAL, 1)
    assert not kubelet.client(SERIAL).options().get_preferred_allocation_available
    running.reload(stage.serial(preferred="packed"))
    kubelet.wait_registered(SERIAL, more_than=1)
    kubelet.wait_allocatable(SERIAL, 1)
    assert kubelet.client(SERIAL).options().get_preferred_allocation_available


def test_what_takes_effect_at_the_start_alone_is_said(stage):
    running = Running(stage, stage.serial())
    running.kubelet.wait_registered(SERIAL)
    running.reload(stage.serial(), other(), events="inotify", logLevel="debug")
    ignored = running.kudev.wait_log("settings that take effect at the next start alone")
    assert ignored["keys"] == "events"
    running.kubelet.wait_registered(OTHER)
    running.kudev.wait_log("list sent")


def test_a_device_goes_from_class_to_class_and_is_never_in_both(stage):
    stage.plug_serials(3)
    taken = ["/dev/ttyUSB1", "/dev/ttyUSB2"]
    running = Running(stage, stage.serial())
    kubelet = running.kubelet
    kubelet.wait_allocatable(SERIAL, 3)
    for _ in range(5):
        # The first class gets what both match.
        running.reload(other(taken), stage.serial())
        kubelet.wait_allocatable(OTHER, 2)
        kubelet.wait_allocatable(SERIAL, 1, capacity=3)
        running.reload(stage.serial(), other(taken))
        kubelet.wait_allocatable(SERIAL, 3)
        kubelet.wait_allocatable(OTHER, 0, capacity=2)
    assert len(kubelet.registered(SERIAL)) == 1


def test_a_held_device_stays_where_it_is(stage):
    ids = stage.plug_serials(2)
    held = stage.plugins / "kubelet_internal_checkpoint"
    held.write_text(checkpoint(ids[0]))
    running = Running(stage, stage.serial())
    kubelet = running.kubelet
    kubelet.wait_allocatable(SERIAL, 2)
    running.reload(other(["/dev/ttyUSB*"]))
    kubelet.wait_allocatable(OTHER, 1)
    assert healths(kubelet.lists(OTHER)[-1]) == {ids[1]: "Healthy"}
    running.kudev.wait_log("device conflict", other_class="serial")
    running.reload(other(["/dev/ttyUSB*"]), stage.serial())
    kubelet.wait_allocatable(SERIAL, 1, capacity=2)
    assert healths(kubelet.lists(SERIAL)[-1])[ids[0]] == "Healthy"
    held.write_text(checkpoint())
    running.reload(other(["/dev/ttyUSB*"]))
    kubelet.wait_allocatable(OTHER, 2)


def test_a_held_device_stays_where_it_is_over_a_restart(stage):
    ids = stage.plug_serials(2)
    held = stage.plugins / "kubelet_internal_checkpoint"
    held.write_text(checkpoint(ids[0]))
    running = Running(stage, other(["/dev/ttyUSB*"]), stage.serial())
    kubelet = running.kubelet
    kubelet.wait_allocatable(SERIAL, 1)
    kubelet.wait_allocatable(OTHER, 1, capacity=2)
    for name, device in ((SERIAL, ids[0]), (OTHER, ids[1])):
        for each in kubelet.lists(name):
            assert [one for one, health in healths(each).items()
                    if health == "Healthy"] == [device]
    held.write_text(checkpoint())
    kubelet.wait_allocatable(OTHER, 2)
    kubelet.wait_allocatable(SERIAL, 0, capacity=1)


@pytest.mark.slow
def test_what_a_pod_of_a_removed_class_held_is_free_when_it_ends(stage):
    ids = stage.plug_serials(1)
    held = stage.plugins / "kubelet_internal_checkpoint"
    held.write_text(checkpoint(ids[0]))
    running = Running(stage, stage.serial())
    running.kubelet.wait_allocatable(SERIAL, 1)
    running.reload(other(["/dev/ttyUSB*"]))
    running.kubelet.wait_registered(OTHER)
    holds_for(lambda: running.kubelet.capacity(OTHER) == 0, 1, "a pod has it")
    held.write_text(checkpoint())
    running.kubelet.wait_allocatable(OTHER, 1, seconds=15)


def test_many_reloads_under_load(stage):
    """Of ever other configurations, while pods come and devices come and go."""
    count = 20
    ids = stage.plug_serials(count)
    running = Running(stage, stage.serial())
    kubelet, kudev = running.kubelet, running.kudev
    kubelet.wait_allocatable(SERIAL, count)
    client = kubelet.client(SERIAL)
    ended = threading.Event()
    allocations, failures = [], []

    def allocate():
        while not ended.is_set():
            try:
                allocations.append(client.allocate(ids[0]))
            except grpc.RpcError as error:
                failures.append(error)

    def plug():
        while not ended.is_set():
            stage.unplug("ttyUSB1")
            ended.wait(0.002)
            stage.plug("ttyUSB1")
            ended.wait(0.002)

    def reload(number):
        running.write(
            stage.serial(env={"NUMBER": str(number)}),
            other(["/dev/ttyACM*"], env={"NUMBER": str(number % 7)}),
            *([other(["/dev/x"], name="sometimes", share=1 + number % 3)]
              if number % 2 else []),
            stage.simulate(f"s{number % 3}", count=3 + number % 5))
        kudev.send(signal.SIGHUP)

    threads = [threading.Thread(target=allocate), threading.Thread(target=plug)]
    for thread in threads:
        thread.start()
    sizes = {}
    try:
        for number in range(1, RELOADS + 1):
            reload(number)
            # The file's own change may be read besides.
            wait_until(lambda: client.allocate(ids[0]).envs["NUMBER"] == str(number), 5,
                       lambda: f"reload {number}")
            if number in (RELOADS // 2, RELOADS):
                sizes[number] = (kudev.resident_kilobytes(), kudev.open_files())
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not failures, failures[0]
    assert len(allocations) > RELOADS
    assert len(kubelet.registered(SERIAL)) == 1
    kubelet.wait_allocatable(SERIAL, count)
    last = f"s{RELOADS % 3}"
    wait_until(lambda: kubelet.allocatable(resource(last)) == 3 + RELOADS % 5, 5, last)
    stage.unplug("ttyUSB2")
    kubelet.wait_allocatable(SERIAL, count - 1, capacity=count)
    print(f"{RELOADS} reloads, {len(allocations)} allocations, "
          f"{[size for size, _ in sizes.values()]} kB, "
          f"{[files for _, files in sizes.values()]} files")
    assert kudev.grew_less(sizes[RELOADS // 2][0], 512)
    wait_until(lambda: kudev.open_files() <= sizes[RELOADS // 2][1] + 8, 5, "no leaks")


def test_a_class_that_comes_back_at_once_does_not_meet_its_own_end(stage):
    """Up to 1.36 a kubelet drops whoever is in the slot when the old stream ends."""
    stage.plug_serials(2)
    stage.plug("ttyACM0")
    running = Running(stage, stage.serial(), other())
    kubelet = running.kubelet
    kubelet.wait_allocatable(OTHER, 1)
    for turn in range(1, 11):
        for classes in [[stage.serial()], [stage.serial(), other()]]:
            running.write(*classes)
            running.kudev.send(signal.SIGHUP)
            running.kudev.wait_log("class removed" if len(classes) == 1 else "class added",
                                   count=turn, **{"class": "other"})
        # Before, it may not have heard of the end yet.
        kubelet.wait_registered(OTHER, more_than=turn)
        kubelet.wait_allocatable(OTHER, 1)
    holds_for(lambda: kubelet.allocatable(OTHER) == 1 or kubelet.displaced, 0.5, "it stays")
    kubelet.wait_allocatable(OTHER, 1)
    # Else each time; a kubelet that the machine stops hears of some ends late.
    assert kubelet.displaced < 5
    assert len(kubelet.registered(SERIAL)) == 1


@pytest.mark.parametrize("before, after", [(2, 1), (1, 3)])
def test_a_held_device_is_not_had_by_another_pod_under_another_name(stage, before, after):
    """What it is shared by, or not, is a part of its ID."""
    stage.plug_serials(2)
    held = stage.plugins / "kubelet_internal_checkpoint"
    running = Running(stage, stage.serial(share=before))
    kubelet = running.kubelet
    kubelet.wait_allocatable(SERIAL, 2 * before)
    held.write_text(checkpoint(min(healths(kubelet.lists(SERIAL)[-1]))))
    running.reload(stage.serial(share=after))
    total = 2 * before + 2 * after
    kubelet.wait_allocatable(SERIAL, after, capacity=total)
    held.write_text(checkpoint())
    running.kudev.send(signal.SIGHUP)
    running.wait_reloaded()
    kubelet.wait_allocatable(SERIAL, 2 * after, capacity=total)


def test_another_plugin_directory_in_the_file_frees_nothing(stage):
    ids = stage.plug_serials(1)
    held = stage.plugins / "kubelet_internal_checkpoint"
    held.write_text(checkpoint(ids[0]))
    kubelet = stage.kubelet()
    file = stage.config(stage.serial(), pluginDirectory=str(stage.plugins))
    kudev = stage.kudev(args=["--config", file, "--root", stage.root], by_flag=False)
    kubelet.wait_allocatable(SERIAL, 1)
    file.write_text(json.dumps({
        "domain": DOMAIN, "pluginDirectory": str(stage.directory),
        "classes": [other(["/dev/ttyUSB*"]), stage.serial()]}))
    said = kudev.wait_log("settings that take effect at the next start alone")
    assert said["keys"] == "pluginDirectory"
    kubelet.wait_registered(OTHER)
    assert kubelet.capacity(OTHER) == 0
    assert kubelet.allocatable(SERIAL) == 1


def test_a_class_may_change_its_kind(stage):
    stage.plug_serials(2)
    running = Running(stage, stage.serial())
    kubelet = running.kubelet
    kinds = [stage.simulate("serial", count=3), stage.serial(),
             stage.simulate("serial", count=1, health={"open": True, "interval": "1s"}),
             stage.serial(health={"open": True})]
    counts = [3, 2, 1, 2]
    kubelet.wait_allocatable(SERIAL, 2)
    for _ in range(3):
        for kind, count in zip(kinds, counts):
            running.write(kind)
            wait_until(lambda count=count: kubelet.allocatable(SERIAL) == count, 5,
                       lambda kind=kind: f"{kind}")
    assert len(kubelet.registered(SERIAL)) == 1


def test_many_classes_come_and_go_at_once(stage):
    count = 100
    stage.plug_serials(count)
    running = Running(stage, stage.serial())
    kubelet = running.kubelet
    kubelet.wait_allocatable(SERIAL, count)
    running.reload(*(other([f"/dev/ttyUSB{number}"], name=f"c{number}")
                     for number in range(count)), stage.serial())
    for number in range(count):
        kubelet.wait_allocatable(resource(f"c{number}"), 1, seconds=20)
    kubelet.wait_allocatable(SERIAL, 0, capacity=count)
    running.reload(stage.serial())
    kubelet.wait_allocatable(SERIAL, count)
    wait_until(lambda: len(running.kudev.sockets()) == 1, 10, "their sockets are gone")


def test_a_kubelet_that_starts_anew_amid_reloads_gets_the_last_classes(stage):
    stage.plug_serials(2)
    running = Running(stage, stage.serial(), other())
    kubelet = running.kubelet
    kubelet.wait_allocatable(SERIAL, 2)
    for turn in range(6):
        running.write(stage.serial(), *([other()] if turn % 2 else []),
                      other(name=f"n{turn}"))
        running.kudev.send(signal.SIGHUP)
        kubelet.restart()
        running.write(stage.serial(preferred="packed" if turn % 2 else "none"),
                      other(name=f"n{turn}"))
        running.kudev.send(signal.SIGHUP)
    kubelet.wait_allocatable(SERIAL, 2)
    kubelet.wait_registered(resource("n5"))
    wait_until(lambda: len(running.kudev.sockets()) == 2, 10, "those of two classes")
    holds_for(lambda: kubelet.allocatable(SERIAL) == 2, 0.5, "it stays")


@pytest.mark.parametrize("classes", [[], ["other"], ["serial"]])
def test_a_reload_may_be_under_way_when_kudev_ends(stage, classes):
    stage.plug_serials(2)
    running = Running(stage, stage.serial(), other())
    running.kubelet.wait_allocatable(SERIAL, 2)
    given = {"other": other(preferred="spread"), "serial": stage.serial(share=2)}
    running.write(stage.simulate("n"), *(given[name] for name in classes))
    running.kudev.send(signal.SIGHUP)
    running.kudev.wait_log("configuration reloaded")
    running.kudev.terminate()
    assert not running.kudev.sockets()
