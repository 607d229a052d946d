# SPDX-License-Identifier: Apache-2.0
"""What kudev writes to standard error while it runs."""

import re
from datetime import datetime, timezone

import pytest

from daemon import run_kudev
from stage import resource
from support import wait_until

SERIAL = resource("serial")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")


def busy_life(stage, **options):
    """A kudev that was registered, changed, allocated from, refused, ended."""
    stage.plug_serials(2)
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.serial(env={"D": "{path}"}), **options)
    kubelet.wait_allocatable(SERIAL, 2)
    kubelet.client(SERIAL).allocate("ttyusb0")
    stage.unplug("ttyUSB1")
    kubelet.wait_allocatable(SERIAL, 1, capacity=2)
    kubelet.restart()
    kubelet.wait_allocatable(SERIAL, 1, capacity=2)
    # It has yet to hear the answer that the kubelet gives when it has asked for the list.
    kudev.wait_log("registered with the kubelet", count=2)
    kudev.terminate()
    return kubelet, kudev


def test_every_line_is_json_with_time_level_and_msg_first(stage):
    _kubelet, kudev = busy_life(stage, args=["--log-level", "debug"])
    assert kudev.lines and not kudev.noise
    for entry in kudev.logs:
        assert list(entry)[:3] == ["time", "level", "msg"]
        assert TIME.match(entry["time"]), entry
        assert entry["level"] in {"DEBUG", "INFO", "WARN", "ERROR"}
        assert entry["msg"] and all(key.islower() for key in entry)
    times = [entry["time"] for entry in kudev.logs]
    assert times == sorted(times)
    now = datetime.now(timezone.utc)
    last = datetime.fromisoformat(times[-1].replace("Z", "+00:00"))
    assert abs((now - last).total_seconds()) < 60


def test_the_events_of_a_life_are_there_with_their_fields(stage):
    kubelet, kudev = busy_life(stage)
    order = [entry["msg"] for entry in kudev.logs]
    assert order[0] == "kudev starts" and order[-1] == "stopped"
    assert kudev.logged("kudev starts")[0]["class_count"] == 1
    assert kudev.logged("kudev starts")[0]["version"]
    found = kudev.logged("devices found", resource=SERIAL, **{"class": "serial"})[0]
    assert (found["device_count"], found["healthy_count"], found["unhealthy_count"]) \
        == (2, 2, 0)
    first, second = kudev.logged("registered with the kubelet", resource=SERIAL)
    assert first["reason"] == "start"
    assert second["reason"] in {"kubelet restarted", "stream ended", "socket removed"}
    assert [first["endpoint"], second["endpoint"]] == [
        entry.endpoint for entry in kubelet.registrations]
    assert isinstance(first["duration_ms"], int) and first["class"] == "serial"
    assert len(kudev.logged("stream opened", resource=SERIAL)) == 2
    assert kudev.logged("stream closed", resource=SERIAL)
    allocated = kudev.logged("device allocated", device_id="ttyusb0")[0]
    assert allocated["device_path"] == allocated["container_path"] == "/dev/ttyUSB0"
    assert allocated["env_var"] == "D=/dev/ttyUSB0"


def test_an_undisturbed_start_logs_no_warning(stage):
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.simulate())
    kubelet.wait_allocatable(resource("sim"), 2)
    kudev.terminate()
    assert not [e for e in kudev.logs if e["level"] in {"WARN", "ERROR"}]


@pytest.mark.parametrize("level, levels", [
    ("error", set()), ("none", set()), ("info", {"INFO"})])
def test_the_log_level_bounds_what_is_written(stage, level, levels):
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.simulate(), args=["--log-level", level])
    kubelet.wait_allocatable(resource("sim"), 2)
    kudev.terminate()
    assert {entry["level"] for entry in kudev.logs} == levels
    assert not kudev.noise


def test_the_text_format_is_for_people(stage):
    kubelet = stage.kubelet()
    kudev = stage.kudev(stage.simulate(), args=["--log-format", "text"])
    kubelet.wait_allocatable(resource("sim"), 2)
    wait_until(lambda: "registered with the kubelet" in kudev.text(), 2, "the line")
    kudev.terminate()
    assert not kudev.logs
    line = next(each for each in kudev.lines if "registered with the kubelet" in each)
    assert "INFO" in line and "example.com/sim" in line and not line.startswith("{")


def test_flags_beat_the_environment_and_that_beats_the_file(stage):
    config = stage.config(stage.simulate(), logLevel="error", domain="file.example")
    kubelet = stage.kubelet()
    stage.kudev(args=["--config", config, "--log-level", "debug"],
                env={"KUDEV_LOG_LEVEL": "none", "KUDEV_DOMAIN": "env.example"})
    kubelet.wait_allocatable("env.example/sim", 2)
    stage.kudevs[0].wait_log("kudev starts")


def test_odd_names_are_escaped(stage):
    stage.plug('a"b\\c\td')
    kubelet = stage.kubelet()
    kudev = stage.kudev({"name": "odd", "paths": ["/dev/a*"]},
                        args=["--log-level", "debug"])
    kubelet.wait_allocatable(resource("odd"), 1)
    stage.unplug('a"b\\c\td')
    change = kudev.wait_log("device health changed")
    assert change["device_path"] == '/dev/a"b\\c\td'
    assert not kudev.noise


def test_a_bad_log_level_is_bad_usage(stage):
    done = run_kudev("run", "--log-level", "loud", "--config",
                     stage.config(stage.simulate()))
    assert done.returncode == 2
    assert "loud" in done.stderr
