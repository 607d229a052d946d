# SPDX-License-Identifier: Apache-2.0
"""The test kubelet itself: it does what kubelet.md says of the real one."""

import os
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from kubelet import MuteKubelet, is_extended_resource_name, refusing
from messages import allocate_request, healths, pb
from support import holds_for, limit, wait_until
from toy import Toy

TOY = "example.com/toy"


@pytest.fixture
def toy(stage):
    """A new one for each endpoint."""
    return lambda endpoint="toy.sock": stage.closes(Toy(stage.plugins, endpoint))


def refusal(toy, **arguments) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        toy.register(**arguments)
    return caught.value


@pytest.mark.parametrize("name", [
    "foo", "kubernetes.io/foo", "x.kubernetes.io/foo", "requests.ex.com/foo",
    "Ex.com/foo", "ex.com/" + "a" * 64, "ex.com/foo bar", "", "ex.com/", "/foo", "a/b/c",
    "ex.com/-a"])
def test_bad_resource_names_are_refused(name):
    assert not is_extended_resource_name(name)


@pytest.mark.parametrize("name", ["ex.com/foo", "ex/Foo.bar_baz", "ex.com/" + "a" * 63])
def test_good_resource_names_are_accepted(name):
    assert is_extended_resource_name(name)


def test_register_connects_back_and_follows_the_list(stage, toy):
    kubelet = stage.kubelet()
    plugin = toy()
    plugin.show(("a", "Healthy"), ("b", "healthy"))
    plugin.register()
    kubelet.wait_allocatable(TOY, 1, capacity=2)
    assert kubelet.client(TOY).allocate("a").envs["IDS"] == "a"
    plugin.show()
    kubelet.wait_allocatable(TOY, 0)


def test_wrong_version_and_name_have_the_kubelets_texts(stage, toy):
    stage.kubelet()
    plugin = toy()
    error = refusal(plugin, version="v1")
    assert error.code() == grpc.StatusCode.UNKNOWN
    assert error.details() == ('requested API version "v1" is not supported by kubelet. '
                               'Supported version is ["v1beta1"]')
    error = refusal(plugin, resource="foo")
    assert error.details() == 'the ResourceName "foo" is invalid'


def test_failing_options_fail_the_registration(stage, toy):
    kubelet = stage.kubelet()
    plugin = toy()
    plugin.options_error = "no options today"
    error = refusal(plugin)
    assert error.details() == "failed to get device plugin options: no options today"
    assert kubelet.slot_count() == 0


@pytest.mark.slow
def test_an_unserved_endpoint_fails_after_ten_seconds(stage):
    kubelet = stage.kubelet()
    plugin = stage.closes(Toy(stage.plugins))
    plugin.endpoint = "nobody.sock"
    error = refusal(plugin)
    assert error.details() == "failed to dial device plugin: context deadline exceeded"
    entry = kubelet.registrations[0]
    assert 9.5 < entry.answered_at - entry.at


def test_a_register_given_up_aborts_the_connection(stage, toy):
    kubelet = stage.kubelet()
    plugin = toy()
    plugin.endpoint = "nobody.sock"
    timeout = 0.2
    while not kubelet.registrations:  # on a busy machine it is given up before it arrives
        refusal(plugin, timeout=timeout)
        timeout *= 2
    wait_until(lambda: all(entry.answer != "pending" for entry in kubelet.registrations),
               2, "the end")
    assert kubelet.slot_count() == 0


def test_an_ended_stream_leaves_the_devices_unhealthy(stage, toy):
    kubelet = stage.kubelet()
    plugin = toy()
    plugin.show(("a", "Healthy"))
    plugin.register()
    kubelet.wait_allocatable(TOY, 1)
    plugin.end_streams()
    kubelet.wait_allocatable(TOY, 0, capacity=1)
    holds_for(lambda: len(kubelet.registrations) == 1, 0.2, "the kubelet never retries")


@pytest.mark.parametrize("per_socket, allocatable", [(False, 0), (True, 2)])
def test_the_end_of_an_old_stream_disconnects_who_is_in_the_slot(stage, toy, per_socket,
                                                                 allocatable):
    """The race up to 1.36 ([P A]), and its absence after PR #135437."""
    kubelet = stage.kubelet(per_socket=per_socket)
    old, new = toy("a.sock"), toy("b.sock")
    for plugin in (old, new):
        plugin.show(("x", "Healthy"), ("y", "Healthy"))
        plugin.register()
        kubelet.wait_allocatable(TOY, 2)
    wait_until(lambda: len(kubelet.lists(TOY)) == 2, 2, "the list of the new one")
    old.end_streams()
    wait_until(lambda: kubelet.slot_count() == int(per_socket), 2, "the old one's end")
    kubelet.wait_allocatable(TOY, allocatable, capacity=2)
    new.show(("x", "Healthy"), ("y", "Healthy"))
    holds_for(lambda: kubelet.allocatable(TOY) == allocatable, 0.2)


@pytest.mark.parametrize("removes_all_files, left", [
    (False, {"sub", "file", "dangling", "kubelet.sock", "kubelet_internal_checkpoint"}),
    (True, {"sub", "kubelet.sock", "kubelet_internal_checkpoint"})])
def test_the_start_cleans_the_directory(stage, removes_all_files, left):
    directory = stage.plugins
    for name in ("a.sock", "kubelet.sock", "sub/b.sock"):
        (directory / name).parent.mkdir(exist_ok=True)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(directory / name))
    (directory / "link").symlink_to("a.sock")
    (directory / "dangling").symlink_to("nothing")
    (directory / "file").touch()
    (directory / "kubelet_internal_checkpoint").touch()
    os.rename(directory / "link", directory / "0link")  # met before its target is gone
    stage.kubelet(removes_all_files=removes_all_files)
    names = {p.name for p in directory.iterdir()}
    assert names - {"0link"} == left
    assert (directory / "sub/b.sock").exists()


def test_a_stopped_kubelet_leaves_its_socket_refused(stage):
    kubelet = stage.kubelet()
    kubelet.stop()
    assert stat.S_ISSOCK(kubelet.socket.stat().st_mode)
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(str(kubelet.socket))
    kubelet.restart(unlink=True)


def test_a_restarted_kubelet_knows_nothing(stage, toy):
    kubelet = stage.kubelet()
    plugin = toy()
    plugin.show(("a", "Healthy"))
    plugin.register()
    kubelet.wait_allocatable(TOY, 1)
    kubelet.restart()
    assert kubelet.capacity(TOY) == 0
    assert [p.name for p in stage.plugins.iterdir()] == ["kubelet.sock"]


def test_a_refusing_kubelet_refuses_so_many_times(stage, toy):
    kubelet = stage.kubelet()
    kubelet.before_register = refusing(2)
    plugin = toy()
    for _ in range(2):
        assert refusal(plugin).code() == grpc.StatusCode.UNAVAILABLE
    plugin.register()


def test_a_mute_kubelet_never_answers(stage, toy):
    stage.closes(MuteKubelet(stage.plugins))
    assert refusal(toy(), timeout=0.3).code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_the_raw_client_speaks_to_a_plugin(stage, toy):
    wire = pytest.importorskip("wire")
    plugin = toy()
    plugin.show(("a", "Healthy"))
    connection = stage.closes(wire.connect(plugin.path))
    watch = connection.watch()
    message = connection.wait_messages(watch, 1)[0]
    assert healths(pb.ListAndWatchResponse.FromString(message)) == {"a": "Healthy"}
    request = allocate_request(["x" * 200_000]).SerializeToString()
    answer = connection.call("Allocate", request)
    assert answer.status == 0 and len(answer.messages()[0]) > 200_000
    assert connection.call("NoSuchMethod").status == 12
    assert not connection.calls[watch].over


def test_the_raw_registry_takes_and_refuses_registrations(stage, toy):
    wire = pytest.importorskip("wire")
    registry = stage.closes(wire.RawRegistry(stage.plugins))
    plugin = toy()
    with ThreadPoolExecutor(1) as pool:
        for status, text in ((0, ""), (2, "no")):
            call = pool.submit(plugin.register)
            connection = registry.accept()
            stream = registry.register_call(connection)
            assert connection.calls[stream].headers[":authority"]
            registry.answer(connection, stream, status, text)
            if status == 0:
                call.result(limit(5))
            else:
                assert call.exception(limit(5)).details() == text
            connection.close()


def test_it_runs_as_a_program(stage):
    program = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("kubelet.py"), stage.plugins],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent)
    try:
        wait_until(lambda: (stage.plugins / "kubelet.sock").exists(), 10, "its socket")
        plugin = stage.closes(Toy(stage.plugins))
        plugin.show(("a", "Healthy"))
        plugin.register()
        # The list may come before Register has been answered.
        events = "".join(program.stdout.readline() for _ in range(2))
        assert '"answer": "OK"' in events
        assert '"devices": {"a": "Healthy"}' in events
    finally:
        program.kill()
        program.wait()
        program.stdout.close()
