# SPDX-License-Identifier: Apache-2.0
"""Conformance cases 1 to 12 (kubelet.md, section 3): start-up and registration."""

import re
import socket
import stat
import time

import grpc
import pytest

from daemon import SOCKET_NAME, run_kudev
from kubelet import MuteKubelet, Refusal, refusing
from stage import resource
from support import SLOWNESS, holds_for, limit, wait_until

SIM = resource("sim")
NO_SUCH_VERSION = ('requested API version "v1beta1" is not supported by kubelet. '
                   'Supported version is ["v2"]')
INVALID_NAME = f'the ResourceName "{SIM}" is invalid'


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in zip(times, times[1:])]


def tries_gently(kudev, seconds: float):
    """Stays up, sleeps nearly always, and writes few lines."""
    before, lines = kudev.cpu_seconds(), len(kudev.lines)
    holds_for(lambda: kudev.running, seconds, "kudev stays up")
    assert kudev.cpu_seconds() - before < 0.005 * seconds * SLOWNESS
    assert len(kudev.lines) - lines < 10 * seconds


def test_case_01_waits_for_a_missing_plugin_directory(stage):
    directory = stage.directory / "later" / "device-plugins"
    kudev = stage.kudev(stage.simulate(), plugins=directory)
    kudev.wait_log("waiting for the kubelet")
    kubelet = stage.kubelet(plugins=directory)
    kubelet.wait_allocatable(SIM, 2, seconds=2)


@pytest.mark.slow
def test_case_02_waits_without_a_busy_loop_for_the_socket(stage):
    kudev = stage.kudev(stage.simulate())
    kudev.wait_log("waiting for the kubelet")
    before = kudev.cpu_seconds()
    holds_for(lambda: kudev.running, 4, "kudev stays up")
    assert kudev.cpu_seconds() - before < 0.01 * SLOWNESS
    created = time.monotonic()
    kubelet = stage.kubelet()
    entry = kubelet.wait_registered(SIM, seconds=1)
    assert entry.at - created < limit(1), "CREATE triggers it, not a poll"


@pytest.mark.slow
def test_case_03_backs_off_from_a_stale_socket_until_it_is_replaced(stage):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(stage.plugins / "kubelet.sock"))
    kudev = stage.kudev(stage.simulate())
    kudev.wait_log("devices found")
    # Until the pauses are so long that the next attempt would not be there in time.
    tries_gently(kudev, 12)
    kubelet = stage.kubelet()
    kubelet.wait_allocatable(SIM, 2, seconds=1)


def test_case_04_registers_when_the_socket_is_renamed_into_place(stage):
    kudev = stage.kudev(stage.simulate())
    kudev.wait_log("waiting for the kubelet")
    kubelet = stage.kubelet(placement="rename")
    kubelet.wait_allocatable(SIM, 2, seconds=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "directory", "dangling link"])
def test_case_05_survives_a_kubelet_sock_that_is_no_socket(stage, kind):
    path = stage.plugins / "kubelet.sock"
    {"file": path.touch, "directory": path.mkdir,
     "dangling link": lambda: path.symlink_to("nothing")}[kind]()
    kudev = stage.kudev(stage.simulate())
    kudev.wait_log("devices found")
    tries_gently(kudev, 2)
    if kind == "directory":
        path.rmdir()
    else:
        path.unlink()
    kubelet = stage.kubelet()
    kubelet.wait_allocatable(SIM, 2, seconds=2)


def test_case_06_answers_options_while_its_register_call_is_out(stage):
    kubelet = stage.kubelet()
    stage.kudev(stage.simulate())
    entry = kubelet.wait_registered(SIM)
    assert 0 <= entry.options_seconds < limit(1)


@pytest.mark.slow
def test_case_07_register_survives_a_slow_kubelet(stage):
    kubelet = stage.kubelet(start=False)
    kubelet.answer_delay = 9
    kubelet.start()
    kudev = stage.kudev(stage.simulate())
    entry = kubelet.wait_registered(SIM, seconds=15)
    assert entry.time_remaining >= 15, "≥ 1.35 dials within Register's deadline"
    kudev.wait_log("registered with the kubelet", resource=SIM)
    assert len(kubelet.registrations) == 1
    assert len(kudev.sockets()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN"])
def test_case_08_retries_a_refused_register_ever_more_slowly(stage, code):
    refusals = 10  # the last pause is about 10 ms × 2⁹
    kubelet = stage.kubelet(start=False)
    kubelet.before_register = refusing(refusals, code=grpc.StatusCode[code])
    kubelet.start()
    kudev = stage.kudev(stage.simulate())
    kubelet.wait_registered(SIM, seconds=20)
    kubelet.wait_allocatable(SIM, 2)

    pauses = gaps([entry.at for entry in kubelet.registrations])
    assert len(pauses) == refusals
    assert max(pauses) <= 10 * 1.5
    # The least of the early ones: a busy machine can make any of them longer.
    assert sum(pauses[-2:]) > 8 * min(pauses[:3]), pauses
    failures = kudev.logged("registration failed", resource=SIM)
    assert failures and all("try later" in failure["error"] for failure in failures)
    assert len(kudev.sockets()) == 1, "no socket of a failed attempt is left"


@pytest.mark.slow
def test_case_08_retry_pauses_are_jittered(stage):
    """Daemons refused alike must not go on in step: their last pauses (to 0.6 s) differ."""
    kubelets = []
    for name in "abcd":
        kubelet = stage.kubelet(start=False, plugins=stage.directory / name)
        kubelet.before_register = refusing(7)
        kubelets.append(kubelet.start())
        stage.kudev(stage.simulate(), plugins=kubelet.directory)
    pauses = []
    for kubelet in kubelets:
        kubelet.wait_registered(SIM, seconds=15)
        pauses.append(gaps([entry.at for entry in kubelet.registrations])[-3:])
    # Chance makes four of them alike once in a thousand times, and not thrice.
    assert any(max(alike) - min(alike) > 0.02 for alike in zip(*pauses)), pauses


@pytest.mark.slow
def test_case_08_retries_when_the_connection_drops_in_the_middle(stage):
    wire = pytest.importorskip("wire")
    registry = stage.closes(wire.RawRegistry(stage.plugins))
    kudev = stage.kudev(stage.simulate())
    for _ in range(5):
        connection = registry.accept()
        registry.register_call(connection)
        connection.close()
    connection = registry.accept()
    stream = registry.register_call(connection)
    assert len(kudev.sockets()) <= 2, "at most the one offered, and one being withdrawn"
    registry.answer(connection, stream)
    kudev.wait_log("registered with the kubelet")
    wait_until(lambda: len(kudev.sockets()) == 1, 2, "one socket")
    connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("text", [NO_SUCH_VERSION, INVALID_NAME],
                         ids=["case 9 version", "case 10 name"])
def test_case_09_and_10_a_permanent_refusal_is_one_clear_error(stage, text):
    """One error, a slow retry, and a new kubelet is tried at once."""
    def refuse(_request, _context):
        raise Refusal(text)

    kubelet = stage.kubelet(start=False)
    kubelet.before_register = refuse
    kubelet.start()
    kudev = stage.kudev(stage.simulate())
    error = kudev.wait_log("registration refused by the kubelet")
    assert error["level"] == "ERROR"
    assert error["resource"] == SIM
    assert text in error["error"]
    holds_for(lambda: len(kubelet.registrations) <= 2 and kudev.running, 3, "slow retry")
    assert len(kudev.logged("registration refused by the kubelet")) == 1
    kubelet.before_register = None
    kubelet.restart()
    kubelet.wait_allocatable(SIM, 2, seconds=2)


def test_case_09_asks_for_v1beta1(stage):
    kubelet = stage.kubelet()
    stage.kudev(stage.simulate())
    assert kubelet.wait_registered(SIM).version == "v1beta1"


@pytest.mark.parametrize("name", [
    "foo", "kubernetes.io/foo", "x.kubernetes.io/foo", "requests.ex.com/foo",
    "Ex.com/foo", "ex.com/" + "a" * 64, "ex.com/foo bar", ""])
def test_case_10_refuses_invalid_resource_names_in_its_configuration(stage, name):
    config = stage.config({"name": "sim", "resource": name, "simulate": {
        "count": 1, "directory": str(stage.simulated)}})
    done = run_kudev("run", "--listen", "none", "--config", config,
                     "--plugin-directory", stage.plugins)
    assert done.returncode == 2
    assert re.search(rf"^{config}:\d+:\d+: .*", done.stderr, re.M), done.stderr


@pytest.mark.slow
def test_case_11_the_register_request_on_the_wire(stage):
    """No PING: watched for 10 s of the 60 s."""
    wire = pytest.importorskip("wire")
    registry = stage.closes(wire.RawRegistry(stage.plugins))
    kudev = stage.kudev(stage.simulate())
    connection = registry.accept()
    stream = registry.register_call(connection)
    headers = connection.calls[stream].headers
    assert headers[":method"] == "POST"
    assert headers[":path"] == "/v1beta1.Registration/Register"
    assert headers["content-type"].startswith("application/grpc")
    assert headers["te"] == "trailers"
    assert "connection" not in headers and "host" not in headers
    requests = connection.seen(wire.h2.events.RequestReceived)
    assert len(requests) == 1 and stream % 2 == 1
    assert [name for name, _value in requests[0].headers].count(":authority") == 1

    from messages import pb
    messages = connection.calls[stream].messages()
    assert len(messages) == 1
    request = pb.RegisterRequest.FromString(messages[0])
    assert request.version == "v1beta1"
    assert request.resource_name == SIM
    assert SOCKET_NAME.fullmatch(request.endpoint), "a base name"
    assert stat.S_ISSOCK((stage.plugins / request.endpoint).stat().st_mode)

    end = time.monotonic() + 10
    while time.monotonic() < end:
        connection.read(end - time.monotonic())
        assert not connection.closed, "kudev waits for the answer"
    registry.answer(connection, stream)
    kudev.wait_log("registered with the kubelet")
    connection.read_until_closed(2)
    assert not connection.seen(wire.h2.events.PingReceived)


def test_case_12_several_resources_register_each_on_its_own(stage):
    def refuse_b(request, _context):
        if request.resource_name == resource("b"):
            raise Refusal("not you")

    kubelet = stage.kubelet(start=False)
    kubelet.before_register = refuse_b
    kubelet.start()
    stage.kudev(*(stage.simulate(name) for name in "abc"))
    for name in "ac":
        kubelet.wait_allocatable(resource(name), 2)
    wait_until(lambda: len(kubelet.registered(resource("b"))) >= 3, 5, "b goes on trying")
    endpoints = {kubelet.wait_registered(resource(name)).endpoint for name in "ac"}
    assert len(endpoints) == 2
    assert len(kubelet.registered(resource("a"))) == 1
    kubelet.before_register = None
    kubelet.wait_allocatable(resource("b"), 2)


# Faulty kubelets beyond the numbered cases

def test_registers_with_a_socket_that_listens_only_after_it_was_seen(stage):
    """bind() makes the file before listen(): no second event tells of the listening."""
    wire = pytest.importorskip("wire")
    kudev = stage.kudev(stage.simulate())
    kudev.wait_log("waiting for the kubelet")
    registry = stage.closes(wire.RawRegistry(stage.plugins, listen=False))
    kudev.wait_log("registration failed")
    registry.listen()
    connection = registry.accept(seconds=2)
    registry.answer(connection, registry.register_call(connection))
    kudev.wait_log("registered with the kubelet")
    connection.close()


@pytest.mark.slow
def test_a_mute_kubelet_is_given_up_and_its_successor_served(stage):
    """The kubelet that accepts and says nothing; Register's deadline is 20 s."""
    mute = MuteKubelet(stage.plugins)
    kudev = stage.kudev(stage.simulate())
    wait_until(lambda: mute.accepted, 5, "a connection")
    kudev.wait_log("registration failed", seconds=30)
    assert len(kudev.sockets()) <= 1
    mute.close()
    stage.kubelet().wait_allocatable(SIM, 2, seconds=2)


def test_a_new_kubelet_is_served_while_a_mute_one_holds_the_call(stage):
    mute = stage.closes(MuteKubelet(stage.plugins))
    stage.kudev(stage.simulate())
    wait_until(lambda: mute.accepted, 5, "a connection")
    stage.kubelet().wait_allocatable(SIM, 2, seconds=2)


def test_ends_promptly_while_a_mute_kubelet_holds_the_call(stage):
    mute = stage.closes(MuteKubelet(stage.plugins))
    kudev = stage.kudev(stage.simulate())
    wait_until(lambda: mute.accepted, 5, "a connection")
    assert kudev.terminate() < limit(1)


def test_a_kubelet_that_dies_during_register_is_replaced(stage):
    kubelet = stage.kubelet(start=False)
    kubelet.answer_delay = 60
    kubelet.start()
    kudev = stage.kudev(stage.simulate())
    wait_until(lambda: kubelet.registrations, 5, "Register")
    kubelet.answer_delay = 0
    kubelet.restart()
    kubelet.wait_allocatable(SIM, 2, seconds=2)
    wait_until(lambda: len(kudev.sockets()) == 1, 2, "one socket")


@pytest.mark.slow
def test_a_kubelet_that_never_calls_list_and_watch_is_asked_again(stage):
    """Register succeeded but nobody reads: after 10 s kudev registers once more."""
    kubelet = stage.kubelet(start=False)
    kubelet.watch = False
    kubelet.start()
    kudev = stage.kudev(stage.simulate())
    first = kubelet.wait_registered(SIM)
    kubelet.watch = True
    again = kubelet.wait_registered(SIM, more_than=1, seconds=20)
    assert 5 < again.at - first.at
    assert again.endpoint != first.endpoint
    kubelet.wait_allocatable(SIM, 2)
    wait_until(lambda: len(kudev.sockets()) == 1, 2, "one socket")
