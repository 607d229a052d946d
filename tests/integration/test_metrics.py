# SPDX-License-Identifier: Apache-2.0
"""/metrics: the formats, what the documentation says of them, and that they count right."""

import json
import os
import re

import grpc
import pytest

from daemon import run_kudev
from kubelet import refusing
from messages import pb, preferred_request
from prometheus import documented, promtool
from stage import resource
from support import wait_until
from web import web_of

OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3"
SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)\Z")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def read(text: str) -> dict:
    """Values by name and labels."""
    samples = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        key = (name, frozenset(LABEL.findall(labels or "")))
        assert key not in samples, f"twice: {line}"
        samples[key] = float(value)
    return samples


class Metrics:
    """Those of a class, and what has changed since the last time."""

    def __init__(self, web, name):
        self.web = web
        self.name = name
        self.before = self.read()

    def read(self) -> dict:
        return read(self.web.get("/metrics").text)

    def value(self, metric, **labels) -> float:
        own = {"class": self.name, "resource": resource(self.name), **labels}
        found = self.read()
        return found[(metric, frozenset(own.items()))]

    def changes(self) -> dict:
        """Of counters of the class, by name and further labels.

        Without the buckets, and what goes on by itself: time, and looks in vain.
        """
        after = self.read()
        changed = {}
        for (name, labels), value in after.items():
            delta = value - self.before.get((name, labels), 0)
            mine = ("resource", resource(self.name)) in labels
            if delta and mine and name.endswith(("_total", "_count")) and \
                    name not in ("kudev_registered_seconds_total", "kudev_scans_total"):
                rest = [v for k, v in sorted(labels) if k not in ("class", "resource")]
                changed[" ".join([name, *rest])] = delta
        self.before = after
        return changed


def serve(stage, *classes, args=()):
    web = web_of(stage)
    kudev = stage.kudev(*classes, args=[*web.listen, *args])
    kudev.wait_log("listening for HTTP")
    return web, kudev


# The formats


def test_prometheus_own_tool_finds_nothing_wrong(stage):
    web, _kudev = serve(stage, stage.simulate("one"), stage.simulate("two"))
    answer = web.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    done = promtool("check", "metrics", input=answer.text)
    assert done.returncode == 0 and not done.stdout + done.stderr


def test_openmetrics_for_who_asks_for_it(stage):
    parser = pytest.importorskip(
        "prometheus_client.openmetrics.parser",
        reason="no prometheus_client (Debian: python3-prometheus-client)")
    web, _kudev = serve(stage, stage.simulate())
    answer = web.get("/metrics", Accept=OPENMETRICS)
    assert answer.headers["Content-Type"] == \
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family
                for family in parser.text_string_to_metric_families(answer.text)}
    assert families["kudev_allocations"].type == "counter"
    assert families["kudev_build"].type == "info"
    assert families["kudev_update_latency_seconds"].type == "histogram"


def test_both_formats_have_the_same_series(stage):
    web, _kudev = serve(stage, stage.simulate())
    # What one of the two requests changes for the other.
    moving = ("process_", "kudev_http_")
    plain, open_ = [{key for key in read(web.get("/metrics", Accept=accept).text)
                     if not key[0].startswith(moving)}
                    for accept in ("text/plain", OPENMETRICS)]
    assert plain == open_


def served(text: str) -> dict:
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    helps = dict(re.findall(r"^# HELP (\w+) (.*)$", text, re.M))
    assert kinds.keys() == helps.keys()
    return {name: (kind, helps[name]) for name, kind in kinds.items()}


def test_the_documentation_lists_each_metric_as_it_is(stage):
    stage.plug_serials(1)
    web, _kudev = serve(stage, stage.serial())
    text = web.get("/metrics").text
    found, expected = served(text), documented()
    assert list(found) == list(expected)
    for name, (kind, labels, meaning) in expected.items():
        own_kind = "gauge" if kind == "info" else kind
        assert found[name] == (own_kind, meaning)
        for key in read(text):
            if re.fullmatch(name + ("_(bucket|sum|count)" if kind == "histogram" else ""),
                            key[0]):
                assert {k for k, _v in key[1]} - {"le"} == set(labels), name


# That they count right


def test_every_step_of_a_scenario_counts_once(stage):
    ids = stage.plug_serials(3)
    web, kudev = serve(stage, stage.serial(preferred="packed"))
    metrics = Metrics(web, "serial")
    assert metrics.value("kudev_devices", health="healthy") == 3
    assert metrics.value("kudev_class_ready") == 0

    kubelet = stage.kubelet()
    web.wait_ready()
    assert metrics.changes() == {
        "kudev_registrations_total": 1,
        "kudev_streams_opened_total": 1,
        "kudev_lists_sent_total": 1,
    }
    assert metrics.value("kudev_registered") == 1
    assert metrics.value("kudev_streams") == 1

    client = stage.client(stage.endpoint(kubelet, resource("serial")))
    client.allocate(ids[0], ids[1])
    client.allocate(ids[2])
    assert metrics.changes() == {
        "kudev_allocations_total": 2,
        "kudev_allocated_devices_total": 3,
        "kudev_allocation_duration_seconds_count": 2,
        "generic_device_plugin_allocations_total": 2,
    }

    with pytest.raises(grpc.RpcError):
        client.allocate("no-such-device")
    wait_until(lambda: metrics.value("kudev_lists_sent_total") == 2)
    assert metrics.changes() == {
        "kudev_allocation_failures_total unknown": 1,
        "kudev_allocation_duration_seconds_count": 1,
        "kudev_lists_sent_total": 1,
    }

    stage.unplug("ttyUSB1")
    kubelet.wait_allocatable(resource("serial"), 2, 3)
    assert metrics.changes() == {
        "kudev_device_state_changes_total gone unhealthy": 1,
        "kudev_lists_sent_total": 1,
        "kudev_update_latency_seconds_count": 1,
    }
    assert metrics.value("kudev_devices", health="unhealthy") == 1
    found = metrics.read()
    assert found[("generic_device_plugin_devices",
                  frozenset({("resource", resource("serial"))}))] == 2

    with pytest.raises(grpc.RpcError):
        client.allocate(ids[1])
    wait_until(lambda: metrics.value("kudev_lists_sent_total") == 4)
    changes = metrics.changes()
    assert changes["kudev_allocation_failures_total unavailable"] == 1

    stage.plug("ttyUSB1")
    kubelet.wait_allocatable(resource("serial"), 3)
    assert metrics.changes() == {
        "kudev_device_state_changes_total recovered healthy": 1,
        "kudev_lists_sent_total": 1,
        "kudev_update_latency_seconds_count": 1,
    }

    kubelet.restart()
    wait_until(lambda: metrics.value("kudev_registrations_total") == 2)
    web.wait_ready()
    changes = metrics.changes()
    assert changes["generic_device_plugin_restarts_total"] == 1
    assert changes["kudev_registrations_total"] == 1
    assert found[("kudev_kubelet_restarts_total", frozenset())] == 0
    assert metrics.read()[("kudev_kubelet_restarts_total", frozenset())] == 1
    assert metrics.value("kudev_registered_seconds_total") > 0
    assert kudev.running


def test_refusals_are_counted(stage):
    web, kudev = serve(stage, stage.simulate())
    metrics = Metrics(web, "sim")
    kubelet = stage.kubelet(start=False)
    kubelet.before_register = refusing(3)
    kubelet.start()
    web.wait_ready()
    changes = metrics.changes()
    assert changes["kudev_registration_failures_total refused"] == 3
    assert changes["kudev_registrations_total"] == 1
    assert len(kudev.logged("registered with the kubelet")) == 1


def test_preferred_allocations_are_counted(stage):
    web, _kudev = serve(stage, stage.simulate(preferred="numa", numa_nodes=2, count=4))
    metrics = Metrics(web, "sim")
    kubelet = stage.kubelet()
    web.wait_ready()
    client = stage.client(stage.endpoint(kubelet, resource("sim")))
    metrics.changes()
    client.call("GetPreferredAllocation", preferred_request(["sim-0", "sim-1"], 1))
    assert metrics.changes() == {"kudev_preferred_allocations_total": 1}


def test_dummies_and_what_becomes_of_their_resets_are_counted(stage):
    if os.geteuid() != 0 or os.path.exists("/sys/module/v4l2loopback"):
        pytest.skip("takes root, and a kernel without v4l2loopback")
    prefix = f"/dev/kudev-{os.getpid()}-"
    cameras = {"count": 2, "firstNumber": 240, "fallbackPrefix": prefix, "timeout": "1s"}
    # Simulated ones keep the stage from looking below a root of its own.
    web, _kudev = serve(stage, stage.simulate(), {"name": "cam", "v4l2loopback": cameras})
    metrics = Metrics(web, "cam")
    kubelet = stage.kubelet()
    web.wait_ready()
    assert metrics.value("kudev_class_degraded") == 1
    assert metrics.value("kudev_dummy_devices") == 2
    client = stage.client(stage.endpoint(kubelet, resource("cam")))
    metrics.changes()
    client.call("PreStartContainer",
                pb.PreStartContainerRequest(devices_ids=["video240", "video241"]))
    assert metrics.changes() == {"kudev_resets_total soft skipped": 2,
                                 "kudev_reset_duration_seconds_count soft": 2}


def test_what_the_worker_has_done_is_counted(stage):
    stage.plug("ttyUSB0")
    health = {"open": True, "interval": "1s"}
    web, _kudev = serve(stage, stage.serial(health=health))

    def done():
        return read(web.get("/metrics").text)[("kudev_worker_jobs_done_total", frozenset())]

    wait_until(lambda: done() >= 2, 5, "two checks of health")


def test_the_process_is_described_as_the_system_sees_it(stage):
    web, kudev = serve(stage, stage.simulate())
    found = {name: value for (name, labels), value in
             read(web.get("/metrics").text).items() if not labels}
    # The connection of the request itself was one of them, and may still be.
    assert found["process_open_fds"] - kudev.open_files() in (0, 1)
    assert abs(found["process_resident_memory_bytes"] / 1024
               - kudev.resident_kilobytes()) < 4096
    assert 0 < found["process_cpu_seconds_total"] <= kudev.cpu_seconds() + 0.1
    assert found["process_threads"] >= 1
    assert found["process_max_fds"] >= found["process_open_fds"]


@pytest.mark.parametrize("how", ["file", "flag", "variable"])
def test_holders_can_be_left_out(stage, how):
    config = stage.config(stage.simulate(),
                          **({"holderMetrics": False} if how == "file" else {}))
    flag = ["--holder-metrics", "false"] if how == "flag" else []
    env = {"KUDEV_HOLDER_METRICS": "false"} if how == "variable" else {}
    done = run_kudev("check", "--config", config, *flag, env=env)
    assert done.returncode == 0, done.stderr


def test_a_word_that_is_no_boolean_is_refused(stage):
    done = run_kudev("check", "--config", stage.config(stage.simulate()),
                     "--holder-metrics", "maybe")
    assert done.returncode == 2
    assert "--holder-metrics" in done.stderr and "true" in done.stderr


# With what else goes on


def test_who_holds_a_device_is_told_until_it_is_released(stage):
    ids = stage.plug_serials(2)
    web = web_of(stage)
    kubelet = stage.kubelet()
    pods = stage.pod_resources(kubelet)
    kudev = stage.kudev(stage.serial(), args=web.listen)
    kudev.wait_log("listening for HTTP")
    kubelet.wait_allocatable(resource("serial"), 2)
    kubelet.client(resource("serial")).allocate(ids[1])
    pod = pods.hold("one", resource("serial"), ids[1], namespace="web")
    holder = {"namespace": "web", "pod": "one", "container": "c"}
    wait_until(lambda: web.status()["classes"][0]["devices"][1]["holders"] == [holder])
    labels = {"class": "serial", "resource": resource("serial"), "device": ids[1],
              **holder}
    key = ("kudev_device_holder_info", frozenset(labels.items()))
    assert read(web.get("/metrics").text)[key] == 1
    assert "web/one" in web.get("/").text
    assert "web/one/c" in run_kudev("status", *web.listen).stdout
    # Whoever looks makes kudev ask.
    pod.active = False
    wait_until(lambda: not web.status()["classes"][0]["devices"][1]["holders"])
    assert key not in read(web.get("/metrics").text)
    assert kudev.running


def test_a_change_of_the_configuration_shows(stage):
    web = web_of(stage)
    file = stage.config(stage.simulate("one"), stage.simulate("two"))
    kudev = stage.kudev(args=["--config", file, *web.listen])
    kudev.wait_log("listening for HTTP")
    stage.kubelet()
    web.wait_ready()
    good = file.read_text()

    stage.write("classes: [\n", file.name)
    wait_until(lambda: web.status()["config"]["lastReloadOk"] is False)
    status = web.status()
    assert f"{file}:2:1: " in status["config"]["error"]
    assert status["config"]["generation"] == 1 and status["ready"] is True
    assert web.get("/readyz").status == 200
    found = read(web.get("/metrics").text)
    assert found[("kudev_config_last_reload_successful", frozenset())] == 0
    assert "has an error" in web.get("/").text
    done = run_kudev("status", *web.listen)
    assert done.returncode == 0
    assert "the changed configuration is not used: " in done.stdout

    stage.write(good.replace('"two"', '"three"'), file.name)
    wait_until(lambda: web.status()["config"]["generation"] == 2)
    web.wait_ready()
    status = web.status()
    assert status["config"]["lastReloadOk"] is True and "error" not in status["config"]
    assert [each["name"] for each in status["classes"]] == ["one", "three"]
    text = web.get("/metrics").text
    assert 'class="three"' in text and 'class="two"' not in text
    assert read(text)[("kudev_config_generation", frozenset())] == 2
    assert kudev.running


def test_scrapes_while_the_configuration_changes(stage):
    """Classes come and go between any two requests."""
    web = web_of(stage)
    sets = [[stage.simulate(f"c{n}", 5) for n in numbers]
            for numbers in ((0, 1, 2), (2, 3), (4, 0, 3), (1,))]
    file = stage.config(*sets[0])
    texts = [json.dumps({"domain": "example.com", "classes": each}) for each in sets]
    kudev = stage.kudev(args=["--config", file, *web.listen])
    kudev.wait_log("listening for HTTP")
    stage.kubelet()
    web.wait_ready()
    for number in range(1, 25):
        stage.write(texts[number % 4], file.name)
        while len(kudev.logged("configuration reloaded")) < number:
            for path in ("/metrics", "/status", "/readyz", "/"):
                assert web.get(path).status in (200, 503)
    web.wait_ready()
    names = [each["name"] for each in web.status()["classes"]]
    assert names == [each["name"] for each in sets[0]]
