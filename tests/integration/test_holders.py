# SPDX-License-Identifier: Apache-2.0
"""Who holds which device, by PodResources and the checkpoint, and what is forgotten."""

import threading
import time

import grpc
import pytest

from messages import healths, pod_resources as pb
from stage import resource
from support import holds_for, limit, wait_until

SERIAL = resource("serial")
FORGETFUL = {"forgetAfter": "1s"}


def serving(stage, count=3, start=True, args=(), top=None, **more):
    """A kudev with serial devices, a kubelet, and its PodResources."""
    ids = stage.plug_serials(count)
    kubelet = stage.kubelet()
    pods = stage.pod_resources(kubelet, start=start)
    config = stage.config(stage.serial(**more), **(top or FORGETFUL))
    kudev = stage.kudev(args=["--config", config, *args])
    kubelet.wait_allocatable(SERIAL, count)
    kudev.wait_log("registered with the kubelet")
    return kubelet, pods, kudev, ids


def allocate(kubelet, pods, name, *ids, **more):
    """A pod is admitted: Allocate, and then it holds the devices."""
    kubelet.client(SERIAL).allocate(*ids)
    return pods.hold(name, SERIAL, *ids, **more)


def asked_after(pods, moment) -> bool:
    return any(each > moment for each in pods.requests)


def assert_asked_gently(pods):
    """Not twice a second. What is heard of late seems to come soon before the next."""
    gaps = [after - before for before, after in zip(pods.requests, pods.requests[2:])]
    assert all(gap > 0.95 for gap in gaps), gaps


def test_holders_are_logged_with_their_names(stage):
    kubelet, pods, kudev, ids = serving(stage)
    assert kudev.wait_log("holders of devices", **{"from": "podresources"})["socket"]
    allocate(kubelet, pods, "one", ids[1], namespace="web")
    held = kudev.wait_log("device held", device_id=ids[1])
    assert {key: held[key] for key in ("class", "resource", "device_path", "namespace",
                                       "pod", "container")} == {
        "class": "serial", "resource": SERIAL, "device_path": "/dev/ttyUSB1",
        "namespace": "web", "pod": "one", "container": "c"}
    assert not kudev.logged("device held", device_id=ids[0])


def test_what_pods_held_before_kudev_started_is_known(stage):
    ids = stage.plug_serials(1)
    kubelet = stage.kubelet()
    pods = stage.pod_resources(kubelet)
    pods.hold("old", SERIAL, ids[0], "gone")
    kudev = stage.kudev(stage.serial())
    for each in (ids[0], "gone"):
        assert kudev.wait_log("device held", device_id=each)["pod"] == "old"
    kubelet.wait_allocatable(SERIAL, 1, capacity=2)


def test_a_release_is_logged_at_the_next_question(stage):
    """No RPC tells of it; here, what another pod gets makes kudev ask."""
    kubelet, pods, kudev, ids = serving(stage)
    first = allocate(kubelet, pods, "first", ids[0])
    kudev.wait_log("device held", device_id=ids[0])
    first.active = False
    # The checkpoint has the first one as well, until the next list.
    allocate(kubelet, pods, "second", ids[1])
    released = kudev.wait_log("device released", device_id=ids[0])
    assert (released["namespace"], released["pod"]) == ("default", "first")
    kudev.wait_log("device held", device_id=ids[1])
    assert len(kudev.logged("device held")) == 2
    assert len(kudev.logged("device released")) == 1


@pytest.mark.slow
def test_a_release_is_seen_without_any_occasion(stage):
    kubelet, pods, kudev, ids = serving(stage)
    pod = allocate(kubelet, pods, "one", ids[0])
    kudev.wait_log("device held", device_id=ids[0])
    pod.active = False
    kudev.wait_log("device released", seconds=20, device_id=ids[0], pod="one")


def test_a_device_that_goes_from_pod_to_pod_is_logged_for_both(stage):
    kubelet, pods, kudev, ids = serving(stage)
    pod = allocate(kubelet, pods, "first", ids[0])
    kudev.wait_log("device held", pod="first")
    pod.active = False
    pods.message()
    allocate(kubelet, pods, "second", ids[0])
    kudev.wait_log("device released", pod="first")
    kudev.wait_log("device held", pod="second")


@pytest.mark.slow
def test_an_idle_kudev_does_not_ask(stage):
    _kubelet, pods, kudev, _ids = serving(stage)
    kudev.wait_log("holders of devices")
    # A file that was written just before the start is read once more, which asks once more.
    # Longer than the interval while a device is held.
    holds_for(lambda: len(pods.requests) <= 1 + len(kudev.logged("configuration reloaded")),
              17, "no question")
    assert pods.requests


def test_many_allocations_make_few_questions(stage):
    kubelet, pods, _kudev, ids = serving(stage)
    wait_until(lambda: pods.requests, 5, "the first question")
    started = last = time.monotonic()
    while last - started < 3:
        last = time.monotonic()
        kubelet.client(SERIAL).allocate(ids[0])
    wait_until(lambda: asked_after(pods, last), 5, "a question")
    took = time.monotonic() - started
    assert len([each for each in pods.requests if each > started]) <= took + 2


def test_without_a_socket_the_checkpoint_tells_and_nothing_is_forgotten(stage):
    kubelet, pods, kudev, ids = serving(stage, start=False)
    entry = kudev.wait_log("holders of devices", **{"from": "checkpoint"})
    assert entry["level"] == "INFO" and "No such file" in entry["reason"]
    pods.hold("one", SERIAL, ids[0])
    assert "pod" not in kudev.wait_log("device held", device_id=ids[0])
    stage.unplug("ttyUSB1")
    kubelet.wait_allocatable(SERIAL, 2, capacity=3)
    holds_for(lambda: kubelet.capacity(SERIAL) == 3, 2.5, "the device stays listed")
    pods.pods.clear()
    pods.write()
    kudev.wait_log("device released", device_id=ids[0])
    assert len(kudev.logged("holders of devices")) == 1


def test_a_socket_that_comes_late_is_used(stage):
    kubelet, pods, kudev, ids = serving(stage, start=False)
    kudev.wait_log("holders of devices", **{"from": "checkpoint"})
    pods.hold("one", SERIAL, ids[0])
    pods.start()
    kudev.wait_log("holders of devices", **{"from": "podresources"})
    kudev.wait_log("device held", device_id=ids[0], pod="one")
    # And so is the one of a kubelet that is started anew.
    pods.stop()
    before = time.monotonic()
    pods.start()
    wait_until(lambda: asked_after(pods, before), 5, "a question to the new kubelet")
    assert not kudev.logged("device released")
    assert kubelet.capacity(SERIAL) == 3


def test_none_turns_it_off(stage):
    ids = stage.plug_serials(1)
    kubelet = stage.kubelet()
    pods = stage.pod_resources(kubelet)
    kudev = stage.kudev(stage.serial(), args=["--pod-resources", "none"])
    kubelet.wait_allocatable(SERIAL, 1)
    allocate(kubelet, pods, "one", ids[0])
    kudev.wait_log("device held", device_id=ids[0])
    assert not pods.requests and not kudev.logged("holders of devices")


def test_a_vanished_device_that_nobody_holds_is_forgotten_and_may_come_back(stage):
    kubelet, _pods, kudev, ids = serving(stage, env={"NUMBER": "{index}"})
    stage.unplug("ttyUSB0")
    stage.unplug("ttyUSB1")
    kubelet.wait_allocatable(SERIAL, 1, capacity=1)
    for each in ids[:2]:
        assert "is gone" in kudev.wait_log("device forgotten", device_id=each)["reason"]
        assert "Unhealthy" in {healths(one).get(each) for one in kubelet.lists(SERIAL)}
    with pytest.raises(grpc.RpcError) as refusal:
        kubelet.client(SERIAL).allocate(ids[0])
    assert refusal.value.code() == grpc.StatusCode.NOT_FOUND
    stage.plug("ttyUSB1")
    kubelet.wait_allocatable(SERIAL, 2)
    # A number is one device's at a time.
    stage.plug("ttyUSB7")
    stage.plug("ttyUSB0")
    kubelet.wait_allocatable(SERIAL, 4)
    wanted = healths(kubelet.lists(SERIAL)[-1])
    assert set(wanted) == {*ids, "ttyusb7"}
    numbers = {each: kubelet.client(SERIAL).allocate(each).envs["NUMBER"]
               for each in wanted}
    assert sorted(numbers.values()) == ["0", "1", "2", "3"] and numbers[ids[2]] == "2"


@pytest.mark.slow
def test_a_vanished_device_is_not_forgotten_while_a_pod_holds_it(stage):
    kubelet, pods, kudev, ids = serving(stage)
    pod = pods.hold("one", SERIAL, ids[0])
    kubelet.client(SERIAL).allocate(ids[1])  # in flight: nobody has it yet
    kudev.wait_log("device held", device_id=ids[0])
    stage.unplug("ttyUSB0")
    stage.unplug("ttyUSB1")
    stage.unplug("ttyUSB2")
    kudev.wait_log("device forgotten", device_id=ids[2])
    kubelet.wait_allocatable(SERIAL, 0, capacity=2)
    holds_for(lambda: kubelet.capacity(SERIAL) == 2, 2.5, "held and granted ones stay")
    pod.active = False
    # What it held goes by the next question, what was granted after 30 s.
    kudev.wait_log("device released", seconds=20, device_id=ids[0])
    kudev.wait_log("device forgotten", seconds=5, device_id=ids[0])
    kubelet.wait_allocatable(SERIAL, 0, capacity=0, seconds=40)


def test_what_an_init_container_holds_is_not_forgotten(stage):
    """List leaves it out, and the checkpoint has it, however often that is written."""
    kubelet, pods, kudev, ids = serving(stage)
    pods.hold("one", SERIAL, ids[0], init=True)
    stage.unplug("ttyUSB0")
    stage.unplug("ttyUSB1")
    kudev.wait_log("device forgotten", device_id=ids[1])
    kubelet.wait_allocatable(SERIAL, 1, capacity=2)
    holds_for(lambda: kubelet.capacity(SERIAL) == 2, 2.5, "the held one stays")
    assert not kudev.logged("device released")


@pytest.mark.slow
def test_a_kubelet_that_starts_and_lists_no_pods_yet_releases_nothing(stage):
    kubelet, pods, kudev, ids = serving(stage)
    pods.hold("one", SERIAL, ids[0])
    wait_until(lambda: kudev.logged("device held", pod="one"), 20, "the holder")
    pods.stop()
    pods.ready = False
    before = time.monotonic()
    pods.start()
    stage.unplug("ttyUSB0")
    wait_until(lambda: asked_after(pods, before), 5, "a question")
    stage.unplug("ttyUSB1")
    kudev.wait_log("device forgotten", device_id=ids[1])
    kubelet.wait_allocatable(SERIAL, 1, capacity=2)
    holds_for(lambda: kubelet.capacity(SERIAL) == 2, 2.5, "the held one stays")
    assert not kudev.logged("device released")


def _aborting(code, text):
    return lambda context: context.abort(code, text)


def _large(size):
    def answer(_context):
        pods = [pb.PodResources(name="p" * 1000, namespace="n")] * (size // 1009)
        return pb.ListPodResourcesResponse(pod_resources=pods).SerializeToString()

    return answer


@pytest.mark.parametrize("answer, reason", [
    (_aborting(grpc.StatusCode.RESOURCE_EXHAUSTED, "rejected by rate limit"),
     "rejected by rate limit"),
    (_aborting(grpc.StatusCode.UNIMPLEMENTED, "unknown method"), "unknown method"),
    (lambda _context: b"\xff\xff\xff", "not a well-formed message"),
    (lambda _context: b"\x0a\x04\x0a\x02\xff\xfe", "not a well-formed message"),
    (_large(17 * 1024 * 1024), "larger than max"),
], ids=["rate limit", "unimplemented", "garbage", "not UTF-8", "17 MiB"])
def test_by_a_useless_answer_nothing_is_forgotten(stage, answer, reason):
    kubelet, pods, kudev, ids = serving(stage, start=False)
    pods.answer = answer
    pods.start()
    entry = kudev.wait_log("holders of devices", seconds=10, level="WARN",
                           **{"from": "checkpoint"})
    assert reason in entry["reason"]
    stage.unplug("ttyUSB0")
    kubelet.wait_allocatable(SERIAL, 2, capacity=3)
    holds_for(lambda: kubelet.capacity(SERIAL) == 3, 2.5, "the device stays listed")
    # It is asked again, if ever more seldom.
    assert_asked_gently(pods)
    pods.answer = None
    kudev.wait_log("device forgotten", seconds=20, device_id=ids[0])
    kudev.wait_log("holders of devices", **{"from": "podresources"})


@pytest.mark.slow
def test_a_kubelet_that_hangs_holds_up_nothing(stage):
    kubelet, pods, kudev, ids = serving(stage, start=False)
    over = threading.Event()

    def hang(context):
        over.wait(limit(30))
        context.abort(grpc.StatusCode.CANCELLED, "over")

    pods.answer = hang
    pods.start()
    wait_until(lambda: pods.requests, 5, "a question")
    try:
        stage.unplug("ttyUSB0")
        kubelet.wait_allocatable(SERIAL, 2, capacity=3)
        assert kubelet.client(SERIAL).allocate(ids[1]).devices
        entry = kudev.wait_log("holders of devices", seconds=15, level="WARN")
        assert entry["from"] == "checkpoint" and "Deadline" in entry["reason"]
        assert kubelet.capacity(SERIAL) == 3
        # It ends at once, also in the middle of a question.
        count = len(pods.requests)
        wait_until(lambda: len(pods.requests) > count, 10, "another question")
        kudev.terminate()
    finally:
        over.set()


def test_an_answer_of_many_megabytes_is_taken(stage):
    kubelet, pods, kudev, ids = serving(stage, start=False)
    filler = _large(12 * 1024 * 1024)

    def answer(context):
        return filler(context) + pods.message().SerializeToString()

    pods.hold("one", SERIAL, ids[0])
    pods.answer = answer
    pods.start()
    kudev.wait_log("device held", seconds=10, device_id=ids[0], pod="one")
    assert kubelet.capacity(SERIAL) == 3
