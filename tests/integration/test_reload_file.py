# SPDX-License-Identifier: Apache-2.0
"""Where the configuration lies, and what may happen to it there."""

import os
import signal
import subprocess
import threading

import pytest

from support import wait_until
from test_reload import OTHER, SERIAL, Running, other

WITHOUT_INOTIFY = ["unshare", "--user", "--map-root-user", "sh", "-c",
                   'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh"]


class Lying(Running):
    """A kudev that gets its file by this name, from the directory above its own."""

    def __init__(self, stage, name, *classes, prefix=()):
        self.stage = stage
        self.file = stage.directory / "k" / "kudev.yaml"
        self.file.parent.mkdir()
        self.write(*classes)
        self.kubelet = stage.kubelet()
        self.kudev = stage.kudev(args=["--config", name],
                                 prefix=["env", "-C", stage.directory, *prefix])
        self.reloads = 0


@pytest.mark.parametrize("name", ["k/kudev.yaml", "./k/../k//kudev.yaml"])
def test_a_relative_path_is_followed_while_its_directory_is_away(stage, name):
    running = Lying(stage, name, stage.serial())
    running.kubelet.wait_registered(SERIAL)
    away = stage.directory / "away"
    running.file.parent.rename(away)
    running.kudev.wait_log("configuration not reloaded")
    running.file.parent.mkdir()
    running.reload(stage.serial(), other())
    running.kubelet.wait_registered(OTHER)


def test_a_name_without_a_directory_is_followed(stage):
    running = Lying(stage, "link.yaml", stage.serial(),
                    prefix=["sh", "-c", 'ln -s k/kudev.yaml link.yaml; exec "$@"', "sh"])
    running.kubelet.wait_registered(SERIAL)
    running.reload(stage.serial(), other())
    running.kubelet.wait_registered(OTHER)


def test_a_file_that_a_link_will_have_is_waited_for(stage):
    running = Running(stage, stage.serial())
    running.kubelet.wait_registered(SERIAL)
    elsewhere = stage.directory / "e" / "kudev.yaml"
    link = running.file.with_name("link")
    link.symlink_to(elsewhere)
    link.rename(running.file)
    running.kudev.wait_log("configuration not reloaded")
    elsewhere.parent.mkdir()
    elsewhere.write_text(running.text(stage.serial(), other()))
    running.kubelet.wait_registered(OTHER)
    elsewhere.unlink()
    running.kudev.wait_log("configuration not reloaded", count=2)
    elsewhere.write_text(running.text(stage.serial(), other(name="third")))
    running.kudev.wait_log("class added", **{"class": "third"})


def test_a_directory_on_the_way_may_be_a_link(stage):
    """As a ConfigMap's ..data, or the current one of several releases."""
    current = stage.directory / "current"
    current.symlink_to("k")
    running = Lying(stage, current / "kudev.yaml", stage.serial())
    running.kubelet.wait_registered(SERIAL)
    for name in ["one", "two", "three"]:
        release = stage.directory / name
        release.mkdir()
        (release / "kudev.yaml").write_text(
            running.text(stage.serial(), other(name=name)))
        current.with_name("next").symlink_to(name)
        current.with_name("next").rename(current)
        running.kudev.wait_log("class added", **{"class": name})
    (release / "kudev.yaml").write_text(running.text(stage.serial(), other()))
    running.kubelet.wait_registered(OTHER)


def test_links_in_a_circle_are_an_error_like_any_other(stage):
    running = Running(stage, stage.serial())
    running.kubelet.wait_registered(SERIAL)
    running.file.with_name("circle").symlink_to("kudev.yaml")
    link = running.file.with_name("link")
    link.symlink_to("circle")
    link.rename(running.file)
    running.kudev.wait_log("configuration not reloaded")
    running.reload(stage.serial(), other())
    running.kubelet.wait_registered(OTHER)


def test_without_inotify_a_change_is_seen(stage):
    possible = subprocess.run([*WITHOUT_INOTIFY, "true"], capture_output=True, text=True,
                              check=False)
    if possible.returncode != 0:
        pytest.skip(f"no user namespaces: {possible.stderr.strip()}")
    running = Lying(stage, "k/kudev.yaml", stage.serial(), prefix=WITHOUT_INOTIFY)
    running.kudev.wait_log("inotify is not available, looking around periodically instead")
    running.kubelet.wait_registered(SERIAL)
    # The first may be seen by the look that follows the start.
    for name in ["one", "two", "three"]:
        running.reload(stage.serial(), other(name=name))
        running.kudev.wait_log("class added", **{"class": name})


def test_others_that_write_beside_it_without_end_hide_nothing(stage):
    running = Running(stage, stage.serial())
    running.kubelet.wait_registered(SERIAL)
    ended = threading.Event()

    def write():
        while not ended.wait(0.01):
            running.file.with_name("busy").write_text("x")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        running.reload(stage.serial(), other())
        running.kubelet.wait_registered(OTHER)
    finally:
        ended.set()
        thread.join()


def _is_nothing(file):
    file.unlink()


def _is_a_directory(file):
    file.unlink()
    file.mkdir()


def _is_a_fifo(file):
    file.unlink()
    os.mkfifo(file)


def _is_a_device(file):
    file.unlink()
    file.symlink_to("/dev/zero")


def _is_huge(file):
    file.write_text("# " + "x" * (10 << 20))


def _is_binary(file):
    file.write_bytes(bytes(range(256)) * 16)


def _is_half_written(file):
    text = file.read_text()
    file.write_text(text[:len(text) // 2])


@pytest.mark.parametrize("spoil", [_is_nothing, _is_a_directory, _is_a_fifo, _is_a_device,
                                   _is_huge, _is_binary, _is_half_written])
def test_what_is_no_configuration_changes_nothing(stage, spoil):
    stage.plug_serials(1)
    running = Running(stage, stage.serial())
    running.kubelet.wait_allocatable(SERIAL, 1)
    spoil(running.file)
    running.kudev.wait_log("configuration not reloaded")
    running.kudev.send(signal.SIGHUP)
    running.kudev.wait_log("configuration not reloaded", count=2)
    assert running.kudev.logged("error in the configuration", file=str(running.file))
    assert running.kubelet.allocatable(SERIAL) == 1
    if running.file.is_dir():
        running.file.rmdir()
    running.reload(stage.serial(), other())
    running.kubelet.wait_registered(OTHER)


def test_hang_ups_without_end_hold_nothing_up_and_end_with_kudev(stage):
    ids = stage.plug_serials(1)
    running = Running(stage, stage.serial())
    running.kubelet.wait_allocatable(SERIAL, 1)
    client = running.kubelet.client(SERIAL)
    ended = threading.Event()

    def hang_up():
        while not ended.is_set() and running.kudev.running:
            running.kudev.send(signal.SIGHUP)

    thread = threading.Thread(target=hang_up)
    thread.start()
    try:
        for _ in range(20):
            client.allocate(*ids)
        wait_until(lambda: len(running.kudev.logged("configuration reloaded")) > 20)
        running.kudev.terminate()
    finally:
        ended.set()
        thread.join()


def test_a_hang_up_while_kudev_ends_does_not_kill_it(stage):
    for _ in range(10):
        kudev = stage.kudev(stage.serial())
        kudev.wait_log("kudev starts")
        kudev.send(signal.SIGHUP)
        kudev.wait_log("configuration reloaded")
        kudev.send(signal.SIGTERM)
        kudev.send(signal.SIGHUP)
        assert kudev.wait_exit() == 0, kudev.text()
