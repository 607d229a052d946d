# SPDX-License-Identifier: Apache-2.0
"""Conformance cases 43 to 55 (kubelet.md, section 3): restarts and disturbances."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from daemon import SOCKET_NAME
from kubelet import CHECKPOINT, refusing
from messages import PLUGIN_SERVICE, healths, pb
from stage import resource
from support import SANITIZED, SLOWNESS, holds_for, limit, wait_until
from toy import Toy

SERIAL = resource("serial")
SIM = resource("sim")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def serving(stage, **options):
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.simulate(), **options)
    kubelet.wait_allocatable(SIM, 2)
    kudev.wait_log("registered with the kubelet")
    return kubelet, kudev


def only_socket(kudev, kubelet) -> bool:
    return [p.name for p in kudev.sockets()] == [kubelet.registrations[-1].endpoint]


@pytest.mark.parametrize("removes_all_files", [False, True], ids=["≥ 1.33", "≤ 1.32"])
def test_case_43_a_restarted_kubelet_is_served_by_a_new_socket(stage, removes_all_files):
    kubelet, kudev = serving(stage)
    first = kubelet.registrations[0]
    kubelet.removes_all_files = removes_all_files
    kubelet.restart()
    restarted = time.monotonic()
    kubelet.wait_allocatable(SIM, 2, seconds=2)
    again = kubelet.registrations[-1]
    assert again.at - restarted < limit(2), "and not by the poll"
    assert again.endpoint != first.endpoint
    # The kubelet asks for the list before it answers Register, and kudev logs the answer.
    kudev.wait_log("registered with the kubelet", endpoint=again.endpoint)
    reasons = [e["reason"] for e in kudev.logged("registered with the kubelet")]
    assert reasons[0] == "start" and reasons[-1] in {"kubelet restarted", "stream ended",
                                                     "socket removed"}
    assert kubelet.client(SIM).allocate("sim-0").mounts
    wait_until(lambda: only_socket(kudev, kubelet), 2, "one socket")


def test_case_43_a_kubelet_that_unlinks_its_socket_when_it_stops(stage):
    kubelet, kudev = serving(stage)
    kubelet.stop(unlink=True)
    holds_for(lambda: kudev.running, 0.3)
    kubelet.start()
    kubelet.wait_allocatable(SIM, 2, seconds=2)


def test_case_44_the_plugins_deleted_socket_is_made_anew(stage):
    kubelet, kudev = serving(stage)
    stage.endpoint(kubelet, SIM).unlink()
    again = kubelet.wait_registered(SIM, more_than=1, seconds=2)
    kudev.wait_log("registered with the kubelet", reason="socket removed")
    assert again.endpoint != kubelet.registrations[0].endpoint
    wait_until(lambda: only_socket(kudev, kubelet), 2, "one socket")
    kubelet.wait_allocatable(SIM, 2)
    holds_for(lambda: kubelet.allocatable(SIM) == 2 or kubelet.displaced, 0.5,
              "and stays registered")
    kubelet.wait_allocatable(SIM, 2)
    assert len(kubelet.registrations) <= 2 + kubelet.displaced


def test_case_44_the_socket_of_one_class_concerns_only_that_class(stage):
    kubelet = stage.kubelet()
    stage.kudev(stage.simulate("a"), stage.simulate("b"))
    for name in "ab":
        kubelet.wait_allocatable(resource(name), 2)
    stage.endpoint(kubelet, resource("a")).unlink()
    kubelet.wait_registered(resource("a"), more_than=1, seconds=2)
    kubelet.wait_allocatable(resource("a"), 2)
    assert len(kubelet.registered(resource("b"))) == 1


class KilledKubelet:
    """The test kubelet as a process of its own: SIGKILL closes its streams unsaid."""

    def __init__(self, directory):
        self.events: list[dict] = []
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("kubelet.py"), directory],
            stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def wait_list(self, name: str, count: int, seconds=10.0):
        wait_until(lambda: any(e["event"] == "list" and e["resource"] == name
                               and len(e["devices"]) == count for e in self.events),
                   seconds, lambda: f"a list of {name}, have {self.events}")

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.mark.slow
def test_case_45_a_crashed_kubelet_is_awaited_quietly(stage):
    first = stage.closes(KilledKubelet(stage.plugins))
    kudev = stage.kudev(stage.simulate())
    first.wait_list(SIM, 2)
    first.close()
    assert stat.S_ISSOCK((stage.plugins / "kubelet.sock").stat().st_mode)
    kudev.wait_log("stream closed", resource=SIM)
    before, lines = kudev.cpu_seconds(), len(kudev.lines)
    holds_for(lambda: kudev.running, 4, "kudev stays up")
    assert kudev.cpu_seconds() - before < 0.02 * SLOWNESS
    assert len(kudev.lines) - lines < 30
    second = stage.closes(KilledKubelet(stage.plugins))
    wait_until(lambda: second.events, 10, "a registration")
    second.wait_list(SIM, 2, seconds=2)
    wait_until(lambda: len(kudev.sockets()) == 1, 2, "one socket")


@pytest.mark.slow
def test_case_46_twenty_restarts_leave_one_registration_and_nothing_else(stage):
    kubelet, kudev = serving(stage)
    wait_until(lambda: kudev.logged("stream opened"), 2, "the stream")
    files = kudev.open_files()
    for number in range(20):
        kubelet.restart(unlink=number % 2 == 0)
        # Some in the middle of a registration, some after it.
        time.sleep(0.05 * (number % 5))
    kubelet.wait_allocatable(SIM, 2)
    holds_for(lambda: kubelet.allocatable(SIM) == 2, 1, "it stays registered")
    assert kubelet.slot_count() == 1
    wait_until(lambda: only_socket(kudev, kubelet), 2, "one socket")
    wait_until(lambda: kudev.open_files() <= files, 5, "no file more than before")


def test_case_47_a_directory_removed_and_made_again_is_watched_again(stage):
    kubelet, kudev = serving(stage)
    for _ in range(2):
        kubelet.stop()
        shutil.rmtree(stage.plugins)
        holds_for(lambda: kudev.running, 0.3, "kudev stays up")
        kubelet.start()
        kubelet.wait_allocatable(SIM, 2, seconds=3)
        wait_until(lambda: only_socket(kudev, kubelet), 2, "one socket")


def test_case_47_a_directory_replaced_by_another_is_watched(stage):
    kubelet, kudev = serving(stage)
    kubelet.stop()
    stage.plugins.rename(stage.directory / "old")
    kubelet.start()
    kubelet.wait_allocatable(SIM, 2, seconds=3)
    wait_until(lambda: only_socket(kudev, kubelet), 2, "one socket")


@pytest.mark.slow
def test_case_47_a_directory_with_its_parents_gone_is_watched_again(stage):
    directory = stage.directory / "var/lib/plugins"
    kubelet = stage.kubelet(start=False, plugins=directory, workplace=stage.directory)
    stage.kudev(stage.simulate(), plugins=directory)
    for _ in range(3):
        kubelet.start()
        kubelet.wait_allocatable(SIM, 2, seconds=3)
        kubelet.stop()
        shutil.rmtree(stage.directory / "var")
        holds_for(lambda: stage.kudevs[0].running, 0.3, "kudev stays up")


@pytest.mark.slow
def test_case_47_a_directory_mounted_over_is_found_by_the_poll(stage):
    """inotify does not tell of a mount."""
    kubelet, _kudev = serving(stage)
    kubelet.stop()
    stage.mount_tmpfs(stage.plugins)
    inner = stage.kubelet(workplace=stage.plugins)
    inner.wait_allocatable(SIM, 2, seconds=45)


@pytest.mark.slow
def test_case_48_without_inotify_the_poll_finds_a_restarted_kubelet(stage):
    """A user namespace of its own has its own limit of inotify instances: none."""
    prefix = ["unshare", "-Ur", "sh", "-c",
              'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh"]
    probe = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"no user namespace: {probe.stderr.strip()}")
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.simulate(), prefix=prefix)
    kubelet.wait_allocatable(SIM, 2, seconds=45)
    kubelet.restart()
    kubelet.wait_allocatable(SIM, 2, seconds=45)
    before = kudev.cpu_seconds()
    holds_for(lambda: kudev.running, 2, "kudev stays up")
    assert kudev.cpu_seconds() - before < 0.01 * SLOWNESS, "a poll, no loop"


@pytest.mark.slow
def test_case_48_an_overflown_inotify_queue_does_not_hide_a_restart(stage):
    """More events than the queue holds, while kudev sleeps."""
    limit_file = Path("/proc/sys/fs/inotify/max_queued_events")
    events = int(limit_file.read_text())
    if events > 50_000:
        pytest.skip(f"{limit_file} is {events}")
    kubelet, kudev = serving(stage)
    kudev.send(signal.SIGSTOP)
    kubelet.stop()
    names = [stage.plugins / ".churn-a", stage.plugins / ".churn-b"]
    names[0].touch()
    for number in range(events // 2 + 100):  # two events each
        os.rename(names[number % 2], names[(number + 1) % 2])
    kubelet.start()
    kudev.send(signal.SIGCONT)
    kubelet.wait_allocatable(SIM, 2, seconds=5)


@pytest.mark.slow
def test_case_49_checkpoint_churn_causes_nothing(stage):
    kubelet, kudev = serving(stage)
    before = kudev.cpu_seconds()
    numbers = iter(range(1_000_000))

    def churn() -> bool:
        for _ in range(2):  # in each 20 ms: 100 a second
            temporary = stage.plugins / f".{next(numbers)}"
            temporary.write_text("{}")
            temporary.rename(stage.plugins / "kubelet_internal_checkpoint")
        return len(kubelet.registrations) == 1

    holds_for(churn, 5, "no registration")
    assert len(kubelet.lists(SIM)) == 1
    assert kudev.cpu_seconds() - before < 0.125 * SLOWNESS


@pytest.mark.slow
@pytest.mark.parametrize("jump", ["+400d", "-400d"])
def test_case_50_jumps_of_the_wall_clock_cause_nothing(stage, jump):
    """libfaketime changes CLOCK_REALTIME below a kudev that waits and one that serves."""
    if SANITIZED:
        pytest.skip("libfaketime can't be loaded before a sanitizer")
    if not os.path.exists(FAKETIME):
        pytest.skip(f"no {FAKETIME} (package libfaketime)")
    clock = stage.directory / "clock"
    clock.write_text("+0d\n")
    fake = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    kubelet, kudev = serving(stage, env=fake)
    year = kudev.logs[-1]["time"][:4]
    elsewhere = stage.directory / "waiting"
    other = stage.kubelet(start=False, plugins=elsewhere)
    other.before_register = refusing(1_000_000)
    other.start()
    waiting = stage.kudev(stage.simulate(), plugins=elsewhere, env=fake)
    wait_until(lambda: len(other.registrations) >= 6, 10, "some refusals")
    clock.write_text(f"{jump}\n")
    count = len(other.registrations)
    holds_for(lambda: len(kubelet.registrations) == 1, 4, "no registration")
    assert len(other.registrations) - count <= 8, "no storm"
    assert len(kubelet.lists(SIM)) == 1
    other.before_register = None
    other.wait_allocatable(SIM, 2, seconds=12)
    kubelet.restart()
    kubelet.wait_allocatable(SIM, 2, seconds=2)
    wait_until(lambda: kudev.logs[-1]["time"][:4] != year, 2, "the clock did jump")
    assert waiting.running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_case_51_a_signal_ends_streams_and_removes_the_socket(stage, number):
    kubelet, kudev = serving(stage)
    assert kudev.terminate(number) < limit(1)
    assert not kudev.sockets()
    kubelet.wait_allocatable(SIM, 0, capacity=2)
    assert kudev.logged("stopping") and kudev.logged("stopped")
    assert kudev.logged("stopping")[0]["signal"] in signal.Signals(number).name
    assert (stage.plugins / "kubelet.sock").exists()


def test_case_51_another_ones_socket_at_its_path_is_left_alone(stage):
    kubelet, kudev = serving(stage)
    path = stage.endpoint(kubelet, SIM)
    kudev.send(signal.SIGSTOP)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as newer:
        newer.bind(str(path))
        newer.listen()
        kudev.send(signal.SIGTERM)
        kudev.send(signal.SIGCONT)
        assert kudev.wait_exit() == 0
        assert path.exists()
    path.unlink()


def test_case_51_sockets_of_a_killed_kudev_are_removed_by_the_next(stage):
    kubelet, kudev = serving(stage)
    kudev.kill()
    stale = kudev.sockets()
    assert len(stale) == 1
    foreign = stage.plugins / "other.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(foreign))
    again = stage.kudev(stage.simulate())
    again.wait_log("registered with the kubelet")
    kubelet.wait_allocatable(SIM, 2)
    wait_until(lambda: only_socket(again, kubelet), 2, "the stale one is gone")
    assert foreign.exists(), "not a kudev's: not ours to remove"


def test_case_51_sockets_of_a_living_kudev_are_left_alone(stage):
    kubelet = stage.kubelet()
    first = stage.kudev(stage.simulate("a"))
    kubelet.wait_allocatable(resource("a"), 2)
    stage.kudev(stage.simulate("b"))
    kubelet.wait_allocatable(resource("b"), 2)
    holds_for(lambda: len(first.sockets()) == 2, 0.5, "both sockets stay")
    assert len(kubelet.registrations) == 2


@pytest.mark.slow
@pytest.mark.parametrize("per_socket", [False, True], ids=["≤ 1.36", "1.37"])
def test_case_52_of_two_instances_the_survivor_is_registered(stage, per_socket):
    """A rolling upgrade; up to 1.36 the survivor's stream is cancelled once."""
    kubelet = stage.kubelet(per_socket=per_socket)
    old = stage.kudev(stage.simulate())
    kubelet.wait_allocatable(SIM, 2)
    new = stage.kudev(stage.simulate())
    new.wait_log("registered with the kubelet")
    holds_for(lambda: len(kubelet.registrations) <= 4, 1, "they do not fight")
    old.terminate()
    new.wait_log("stream opened")
    kubelet.wait_allocatable(SIM, 2)
    holds_for(lambda: kubelet.allocatable(SIM) == 2 or len(kubelet.registrations) < 4, 1)
    kubelet.wait_allocatable(SIM, 2, seconds=2)
    assert kubelet.client(SIM).allocate("sim-0").mounts
    wait_until(lambda: only_socket(new, kubelet), 2, "one socket")


def two_serving(stage, **options):
    """The second registered last, so that the kubelet has forgotten the first."""
    kubelet = stage.kubelet(**options)
    kudevs = []
    for _ in range(2):
        kudevs.append(stage.kudev(stage.simulate()))
        kudevs[-1].wait_log("stream opened")
    kubelet.wait_allocatable(SIM, 2)
    wait_until(lambda: len(kubelet.lists(SIM)) == 2, 2, "the list of the second")
    return kubelet, *kudevs


def wait_served_again(kubelet, kudev, seconds):
    """By a registration: the numbers alone would lie."""
    kudev.wait_log("registered with the kubelet", seconds, reason="another kudev ended")
    kubelet.wait_allocatable(SIM, 2)
    assert not kubelet.resource(SIM).stopped
    assert kubelet.client(SIM).allocate("sim-0").mounts
    holds_for(lambda: len(kudev.logged("registered with the kubelet")) == 2, 1,
              "once is enough")


@pytest.mark.slow
@pytest.mark.parametrize("per_socket", [False, True], ids=["≤ 1.36", "1.37"])
def test_case_52_the_survivor_may_be_who_registered_first(stage, per_socket):
    """The kubelet gives the resource up without a word to it."""
    kubelet, first, second = two_serving(stage, per_socket=per_socket)
    second.terminate()
    wait_served_again(kubelet, first, 3)


@pytest.mark.slow
def test_case_52_one_that_was_killed_is_found_by_the_poll(stage):
    kubelet, first, second = two_serving(stage)
    second.kill()
    wait_served_again(kubelet, first, 45)
    stage.kudev(stage.simulate()).wait_log("removed the socket of a dead kudev")


@pytest.mark.slow
def test_case_52_two_that_renew_their_sockets_do_not_chase_each_other(stage):
    """Each registers once more at most; twice if a busy machine makes that look like an end."""
    kubelet, *_kudevs = two_serving(stage)
    first = len(kubelet.registrations)
    for number in range(1, 5):
        before = len(kubelet.registrations)
        stage.endpoint(kubelet, SIM).unlink()
        wait_until(lambda: len(kubelet.registrations) > before, 3, "its new socket")
        holds_for(lambda: len(kubelet.registrations) <= first + 4 * number, 1,
                  "and no more")
        kubelet.wait_allocatable(SIM, 2)


@pytest.mark.slow
def test_case_52_another_plugin_that_registered_later_and_ended(stage):
    kubelet, kudev = serving(stage)
    # At once, and the second time not so soon.
    for count, seconds in (1, 3), (2, 15):
        other = Toy(stage.plugins)
        other.show(("x", "Healthy"))
        other.register(SIM)
        kubelet.wait_allocatable(SIM, 1)
        other.close()
        kudev.wait_log("registered with the kubelet", seconds, count,
                       reason="another plugin ended")
        kubelet.wait_allocatable(SIM, 2)


@pytest.mark.slow
def test_case_52_a_plugin_of_another_resource_that_flaps_causes_no_storm(stage):
    kubelet, kudev = serving(stage)
    started = time.monotonic()
    for _ in range(8):
        other = Toy(stage.plugins)
        other.register("example.com/other")
        other.close()
        holds_for(lambda: True, 0.5)
    storm = kudev.logged("registered with the kubelet", reason="another plugin ended")
    # One at once, the next not before 10 s.
    assert len(storm) <= 1 + (time.monotonic() - started) / 10
    kubelet.wait_allocatable(SIM, 2)


def test_a_pod_that_got_its_device_from_another_kudev_is_known_when_we_register(stage):
    """The kubelet since 1.34 panics if it is not."""
    kubelet, _kudev = serving(stage)
    entry = {"PodUID": "u", "ContainerName": "c", "ResourceName": SIM,
             "DeviceIDs": {"-1": ["sim-0", "sim-7"]}, "AllocResp": ""}
    (stage.plugins / CHECKPOINT).write_text(json.dumps(
        {"Data": {"PodDeviceEntries": [entry], "RegisteredDevices": {}}, "Checksum": 1}))
    kubelet.restart()
    kubelet.wait_allocatable(SIM, 2, capacity=3, seconds=2)
    assert healths(kubelet.lists(SIM)[-1])["sim-7"] == "Unhealthy"


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o000])
def test_case_53_the_socket_is_the_owners_alone(stage, umask):
    kubelet, kudev = serving(stage, umask=umask)
    path = stage.endpoint(kubelet, SIM)
    assert SOCKET_NAME.fullmatch(path.name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_case_53_a_socket_listens_before_it_has_its_name(stage):
    """Whoever sees the name can connect: tried at 30 fresh sockets."""
    kubelet, kudev = serving(stage)
    refused, tried, over = [], set(), threading.Event()

    def try_all():
        while not over.is_set():
            for name in os.listdir(stage.plugins):
                if not SOCKET_NAME.fullmatch(name) or name in tried:
                    continue
                tried.add(name)
                with socket.socket(socket.AF_UNIX) as client:
                    try:
                        client.connect(str(stage.plugins / name))
                        mode = stat.S_IMODE((stage.plugins / name).stat().st_mode)
                        if mode != 0o600:
                            refused.append((name, oct(mode)))
                    except FileNotFoundError:
                        pass  # withdrawn already
                    except OSError as error:
                        if (stage.plugins / name).exists():  # else withdrawn just now
                            refused.append((name, error))

    thread = threading.Thread(target=try_all)
    thread.start()
    try:
        for _ in range(30):
            # An old socket, going, is refused for a moment: give it no such moment.
            tried.update(p.name for p in kudev.sockets())
            registrations = len(kubelet.registered(SIM))
            # It is gone if the kubelet has displaced it; then the next one comes unasked.
            stage.endpoint(kubelet, SIM).unlink(missing_ok=True)
            kubelet.wait_registered(SIM, more_than=registrations)
    finally:
        over.set()
        thread.join()
    assert len(tried) >= 20
    assert not refused


@pytest.fixture
def connection(stage):
    """A raw connection to a kudev which the kubelet serves meanwhile."""
    wire = pytest.importorskip("wire")
    kubelet, _kudev = serving(stage)
    return stage.closes(wire.connect(stage.endpoint(kubelet, SIM)))


ALLOCATE = pb.AllocateRequest(container_requests=[
    pb.ContainerAllocateRequest(devices_ids=["sim-0"])]).SerializeToString()


def still_works(connection) -> bool:
    return connection.call("Allocate", ALLOCATE).status == 0


def test_case_55_settings_come_first_and_unasked(stage):
    """grpc-go waits for them before it is READY."""
    kubelet, _kudev = serving(stage)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(limit(2))
        client.connect(str(stage.endpoint(kubelet, SIM)))
        header = b""
        while len(header) < 9:
            header += client.recv(9 - len(header))
        assert header[3] == 4 and header[4] & 1 == 0, "a SETTINGS frame, no ACK"


def test_case_55_every_ping_has_its_ack(connection):
    import wire
    """Between calls, as grpc-go's bandwidth estimator asks."""
    for number in range(5):
        connection.h2.ping(b"ping%04d" % number)
        assert still_works(connection)
        connection.read_until(
            lambda: connection.events and connection.seen(wire.h2.events.PingAckReceived),
            2, "PING ACK")
        connection.events.clear()


def test_case_55_settings_are_acknowledged_and_windows_opened(connection):
    import wire
    connection.read_until(lambda: connection.seen(wire.h2.events.SettingsAcknowledged), 2,
                          "SETTINGS ACK")
    big = pb.AllocateRequest(container_requests=[pb.ContainerAllocateRequest(
        devices_ids=["sim-0"] * 100_000)]).SerializeToString()
    assert len(big) > 10 * 65535
    assert connection.call("Allocate", big, seconds=10).status == 0


def test_case_55_unknown_frame_types_are_ignored(connection):
    import wire
    for kind in (0x0b, 0x42, 0xff):
        connection.send_raw(wire.frame(kind, 0xff, 0, b"whatever"))
        connection.send_raw(wire.frame(kind, 0, 1, b""))
    assert still_works(connection)


@pytest.mark.parametrize("service, method", [
    (PLUGIN_SERVICE, "NoSuchMethod"), ("v1alpha1.DevicePlugin", "Allocate"),
    ("grpc.health.v1.Health", "Check"), ("", ""), (PLUGIN_SERVICE, "Allocate/more")])
def test_case_55_unknown_paths_are_unimplemented_at_once(connection, service, method):
    result = connection.call(method, service=service, seconds=2)
    assert result.status == 12, result
    assert result.trailers_only or not result.data
    assert still_works(connection)


def test_case_55_a_goaway_is_taken_without_harm(stage):
    wire = pytest.importorskip("wire")
    kubelet, _kudev = serving(stage)
    path = stage.endpoint(kubelet, SIM)
    connection = wire.connect(path)
    assert still_works(connection)
    connection.h2.close_connection()
    connection.flush()
    connection.close()
    assert still_works(stage.closes(wire.connect(path)))
    assert kubelet.allocatable(SIM) == 2


def test_case_55_garbage_instead_of_http2_closes_only_that_connection(stage):
    wire = pytest.importorskip("wire")
    kubelet, kudev = serving(stage)
    path = stage.endpoint(kubelet, SIM)
    files = kudev.open_files()
    greeting = wire.PREFACE + wire.frame(4, 0, 0, b"")
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 1000, b"\xff" * 100_000,
                    wire.PREFACE + b"\xff" * 1000, wire.PREFACE[:7],
                    greeting + wire.frame(1, 4, 1, b"\xff" * 64)):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            try:
                client.sendall(garbage)
            except BrokenPipeError:
                pass
    assert still_works(stage.closes(wire.connect(path)))
    wait_until(lambda: kudev.open_files() <= files + 1, 5, "they are closed")
    assert kubelet.allocatable(SIM) == 2


def test_case_55_a_hundred_idle_connections_starve_nobody(stage):
    wire = pytest.importorskip("wire")
    kubelet, _kudev = serving(stage)
    path = stage.endpoint(kubelet, SIM)
    for number in range(100):
        idle = stage.closes(socket.socket(socket.AF_UNIX))
        idle.settimeout(limit(5))
        idle.connect(str(path))
        if number % 2:
            idle.sendall(wire.PREFACE + wire.frame(4, 0, 0, b""))
    started = time.monotonic()
    assert still_works(stage.closes(wire.connect(path)))
    assert time.monotonic() - started < limit(1)


def test_a_kubelet_sock_that_was_hidden_for_a_while_is_found_again(stage):
    """The same socket by the same inode: nothing about it is new but that it is back."""
    ids = stage.plug_serials(1)
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.serial())
    kubelet.wait_allocatable(SERIAL, len(ids))
    hidden = stage.plugins / "hidden"
    kubelet.socket.rename(hidden)
    kubelet.cancel_stream(SERIAL)
    kudev.wait_log("waiting for the kubelet")
    hidden.rename(kubelet.socket)
    kubelet.wait_allocatable(SERIAL, len(ids), seconds=2)


def test_a_plugin_directory_that_was_moved_away_is_found_again(stage):
    ids = stage.plug_serials(1)
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.serial())
    kubelet.wait_allocatable(SERIAL, len(ids))
    away = stage.plugins.with_name("away")
    stage.plugins.rename(away)
    stage.plug("ttyUSB7")
    kubelet.wait_allocatable(SERIAL, len(ids) + 1)
    away.rename(stage.plugins)
    holds_for(lambda: len(kubelet.registrations) == 1, 0.3, "its stream is still good")
    kubelet.restart()
    kubelet.wait_allocatable(SERIAL, len(ids) + 1, seconds=2)


def test_a_plugin_directory_emptied_under_a_living_kubelet_costs_nothing(stage):
    stage.plug_serials(1)
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.serial())
    kubelet.wait_allocatable(SERIAL, 1)
    stage.endpoint(kubelet, SERIAL).unlink()
    for path in stage.plugins.iterdir():
        path.unlink()
    holds_for(lambda: kubelet.allocatable(SERIAL) == 1, 0.5, "the stream goes on")
    stage.plug("ttyUSB7")
    kubelet.wait_allocatable(SERIAL, 2)
    assert not kudev.logged("stream closed")
    kubelet.restart()
    kubelet.wait_allocatable(SERIAL, 2, seconds=2)


def test_a_second_reader_does_not_hide_that_the_kubelet_has_left(stage):
    ids = stage.plug_serials(1)
    kubelet = stage.kubelet()
    stage.kudev(stage.serial())
    kubelet.wait_allocatable(SERIAL, len(ids))
    reader = stage.watcher(stage.endpoint(kubelet, SERIAL))
    wait_until(lambda: reader.lists, 1, "the reader's list")
    registrations = len(kubelet.registered(SERIAL))
    kubelet.cancel_stream(SERIAL)
    kubelet.wait_registered(SERIAL, more_than=registrations, seconds=2)
    kubelet.wait_allocatable(SERIAL, len(ids), seconds=2)


def test_a_hang_up_does_not_end_it(stage):
    stage.plug_serials(1)
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.serial())
    kubelet.wait_allocatable(SERIAL, 1)
    kudev.send(signal.SIGHUP)
    stage.plug("ttyUSB7")
    kubelet.wait_allocatable(SERIAL, 2)
