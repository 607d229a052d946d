# SPDX-License-Identifier: Apache-2.0
"""The alerts and the dashboard of deploy/: they are complete, each alert fires when it should,
and all that they ask for is answered by a Prometheus that scrapes two kudevs."""

import json
import math
import os
import re
import time

import grpc
import pytest

from kubelet import refusing
from messages import pb, preferred_request
from prometheus import (SCRAPE_SECONDS, Prometheus, documented, metrics_of, need,
                        promtool)
from stage import Stage, resource
from support import REPOSITORY, Port, wait_until

yaml = pytest.importorskip("yaml", reason="no yaml for Python")

RULES = yaml.safe_load(
    (REPOSITORY / "deploy/chart/alerts/prometheusrule.yaml").read_text())["spec"]
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
DASHBOARD = json.loads((REPOSITORY / "deploy/chart/dashboard/kudev.json").read_text())
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
CASES = yaml.safe_load((REPOSITORY / "tests/integration/alerts.yaml").read_text())

# Alerts that are not about one node, and the labels that they lack for that.
OF_ALL_NODES = {"KudevAbsent": {"node"}, "KudevNoDevices": {"node", "class"}}
# Virtual cameras have dummies here, which only root can make.
HAS_CAMERAS = os.geteuid() == 0 and not os.path.exists("/sys/module/v4l2loopback")
OF_CAMERAS = {"Resets a minute", "Time to reset", "KudevResetsFail"}


def skip_without_cameras(name: str):
    if name in OF_CAMERAS and not HAS_CAMERAS:
        pytest.skip("takes root, and a kernel without v4l2loopback")


# The alerts


def without_threshold(query: str) -> str:
    """What is compared with a number, or has to be there."""
    absent = re.fullmatch(r"absent\((.*)\)", query)
    return absent[1] if absent else re.split(r" (?:==|>=?) [\d.]+", query)[0]


def verdict(directory, rule: dict):
    """promtool on this rule, by the cases with its name."""
    (directory / "rules.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "one", "rules": [rule]}]}))
    cases = [case for case in CASES["tests"] if case["name"] == rule["alert"]]
    (directory / "cases.yaml").write_text(yaml.safe_dump(CASES | {"tests": cases}))
    return promtool("test", "rules", directory / "cases.yaml")


def test_the_rules_are_rules(tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(RULES))
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_fires_when_it_should_and_not_before(name, tmp_path):
    rule = ALERTS[name]
    done = verdict(tmp_path, rule)
    assert done.returncode == 0, done.stdout + done.stderr
    # Its cases would see each of these mistakes.
    for mistake in ({"for": "0s"}, {"for": "3h"}, {"labels": {"severity": "none"}},
                    {"annotations": rule["annotations"] | {"description": "?"}},
                    {"expr": without_threshold(rule["expr"])}):
        assert verdict(tmp_path, rule | mistake).returncode != 0, mistake


def test_each_case_is_of_an_alert():
    assert [*dict.fromkeys(case["name"] for case in CASES["tests"])] == [*ALERTS]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_tells_what_is_wrong_and_where(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["for"]
    told = rule["annotations"]
    assert set(told) == {"summary", "description", "runbook"}
    assert told["runbook"] == f"docs/alerts.md#{name.lower()}"
    labels = {label for metric in metrics_of(rule["expr"]) - {"up"}
              for label in documented()[metric][1]} & {"class", "resource"} | {"node"}
    for label in labels - OF_ALL_NODES.get(name, set()):
        assert f"$labels.{label} " in told["description"], label
    if name not in OF_ALL_NODES:
        assert "$labels.node " in told["summary"]


def test_each_alert_has_its_chapter():
    page = (REPOSITORY / "docs/alerts.md").read_text()
    assert re.findall(r"^## (Kudev\w+)$", page, re.M) == [*ALERTS]


# The dashboard


def queries(panel: dict) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def test_panels_have_ids_and_titles_of_their_own():
    panels = DASHBOARD["panels"]
    for key in ("id", "title"):
        assert len({panel[key] for panel in panels}) == len(panels), key


def test_panels_lie_side_by_side():
    taken = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_is_complete(title):
    panel = PANELS[title]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["description"].endswith(".")
    letters = [target["refId"] for target in panel["targets"]]
    assert len(set(letters)) == len(letters)
    for each in (panel, *panel["targets"]):
        assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert set(re.findall(r"Kudev\w+", panel["description"])) <= set(ALERTS)


def test_what_is_asked_for_is_documented_and_the_other_way_round():
    known = documented()
    asked = set().union(*(metrics_of(rule["expr"]) for rule in ALERTS.values()),
                        *(metrics_of(query) for panel in PANELS.values()
                          for query in queries(panel)))
    assert asked - {"up"} <= set(known)
    assert {name for name in known if name.startswith("kudev_")} <= asked


# Both, with a Prometheus


def as_grafana(query: str, **chosen) -> str:
    """With variables replaced; chosen: values by name, all of those that are not there."""
    values = {name: ".*" for name in VARIABLES} | {
        name: one_or_several(value) for name, value in chosen.items()}
    # Four scrapes are its least; on a busy machine some fail.
    values["__rate_interval"] = f"{int(SCRAPE_SECONDS * 40000)}ms"
    return re.sub(r"\$(\w+)", lambda match: values[match[1]], query)


def one_or_several(values: list[str]) -> str:
    escaped = [re.sub(r"[\\$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


class Scene:
    """Two nodes on which much has happened, and a Prometheus that saw it."""

    def __init__(self, directory):
        self.stages = {"node-1": Stage(), "node-2": Stage()}
        self.addresses = {node: stage.closes(Port()).address
                          for node, stage in self.stages.items()}
        self.start = time.time()
        rules = directory / "rules.yaml"
        rules.write_text(yaml.safe_dump(RULES))
        # What the monitors of deploy/ make of pods.
        targets = {address: {"node": node, "namespace": "kube-system", "pod": f"kudev-{node}"}
                   for node, address in self.addresses.items()}
        self.prometheus = Prometheus(directory, targets, rules)
        self.resources = {resource("serial"), resource("sim")}

    def listen(self, node: str) -> list[str]:
        return ["--listen", self.addresses[node]]

    def play(self):
        self.prometheus.wait_ready()
        self.play_serials(self.stages["node-1"])
        self.play_cameras(self.stages["node-2"])
        # The last change, too, lies between two scrapes by then.
        self.prometheus.wait_for(
            f"min(timestamp(up)) > {time.time() + SCRAPE_SECONDS}")
        self.end = time.time()

    def play_serials(self, stage: Stage):
        """Plugged, held, refused, unplugged; the kubelet starts anew, the file changes."""
        ids = stage.plug_serials(3)
        kubelet = stage.kubelet(start=False)
        kubelet.before_register = refusing(2)
        kubelet.start()
        pods = stage.pod_resources(kubelet)
        file = stage.config(stage.serial(preferred="packed"))
        stage.kudev(args=["--config", file, "--root", stage.root, *self.listen("node-1")])
        kubelet.wait_allocatable(resource("serial"), 3)
        # From here on Prometheus sees changes, and not only what has come of them.
        self.prometheus.wait_for('kudev_class_ready{node="node-1"} == 1')
        client = stage.client(stage.endpoint(kubelet, resource("serial")))
        client.call("GetPreferredAllocation", preferred_request(ids, 1))
        client.allocate(ids[0])
        pods.hold("reader", resource("serial"), ids[0], namespace="web")
        with pytest.raises(grpc.RpcError):
            client.allocate("no-such-device")
        stage.unplug("ttyUSB1")
        kubelet.wait_allocatable(resource("serial"), 2, 3)
        self.prometheus.wait_for('kudev_update_latency_seconds_count{node="node-1"} > 0')
        self.prometheus.wait_for('kudev_device_holder_info{pod="reader"}')
        kubelet.restart()
        self.prometheus.wait_for('kudev_registrations_total{node="node-1"} >= 2')
        file.write_text(file.read_text().replace('"packed"', '"spread"'))
        self.prometheus.wait_for('kudev_config_generation{node="node-1"} == 2')

    def play_cameras(self, stage: Stage):
        """Simulated devices, and cameras that the kernel can't have."""
        classes = [stage.simulate()]
        if HAS_CAMERAS:
            prefix = f"/dev/kudev-{os.getpid()}-"
            classes.append({"name": "cam", "v4l2loopback": {
                "count": 2, "firstNumber": 240, "fallbackPrefix": prefix, "timeout": "1s"}})
            self.resources.add(resource("cam"))
        kubelet = stage.kubelet()
        stage.kudev(*classes, args=self.listen("node-2"))
        self.prometheus.wait_for('count(kudev_class_ready{node="node-2"} == 1) == '
                                 f"{len(classes)}")
        if HAS_CAMERAS:
            client = stage.client(stage.endpoint(kubelet, resource("cam")))
            client.call("PreStartContainer",
                        pb.PreStartContainerRequest(devices_ids=["video240"]))
            self.prometheus.wait_for("kudev_reset_duration_seconds_count > 0")

    def answer(self, target: dict, **chosen) -> list[dict]:
        """The series that a panel would show."""
        query = as_grafana(target["expr"], **chosen)
        found = self.prometheus.now(query) if target.get("instant") else \
            self.prometheus.range(query, self.start, self.end)
        return [series for series in found
                if any(not math.isnan(float(value)) for _, value in series["values"])]

    def close(self):
        for thing in (self.prometheus, *self.stages.values()):
            thing.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    need("prometheus")
    made = Scene(tmp_path_factory.mktemp("prometheus"))
    try:
        made.play()
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_shows_something(title, scene):
    skip_without_cameras(title)
    for target in PANELS[title]["targets"]:
        found = scene.answer(target)
        assert found, target["expr"]
        several = scene.answer(target, namespace=["kube-system", "else.where"],
                               node=[*scene.stages], resource=sorted(scene.resources))
        assert len(several) == len(found), target["expr"]
        names = re.findall(r"{{(\w+)}}", target["legendFormat"])
        for transformation in PANELS[title].get("transformations", []):
            names += transformation["options"]["include"]["names"]
        for series in found:
            assert set(names) <= set(series["metric"]), target["expr"]


def test_panels_show_only_what_was_chosen(scene):
    for target in (target for panel in PANELS.values() for target in panel["targets"]):
        assert not scene.answer(target, node=["node-3"]), target["expr"]
        if "$resource" in target["expr"]:
            assert not scene.answer(target, resource=["example.com/none"]), target["expr"]


@pytest.mark.parametrize("name", sorted({*VARIABLES} - {"datasource"}))
def test_a_variable_offers_what_there_is(name, scene):
    query = VARIABLES[name]["query"]["query"]
    selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
    found = scene.prometheus.ask(f"label/{label}/values", match=as_grafana(selector))
    assert {*found} == {"namespace": {"kube-system"}, "node": {*scene.stages},
                        "resource": scene.resources}[name]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_looks_at_what_there_is(name, scene):
    skip_without_cameras(name)
    scene.prometheus.now(ALERTS[name]["expr"])
    found = scene.prometheus.now(without_threshold(ALERTS[name]["expr"]))
    assert any(not math.isnan(float(series["value"][1])) for series in found)
    if name != "KudevNoDevices":
        assert all("node" in series["metric"] for series in found)


def test_what_the_page_of_metrics_proposes_is_answered(scene):
    (query,) = re.findall(r"^```promql\n(.*?)^```", (REPOSITORY / "docs/metrics.md").read_text(),
                          re.M | re.S)
    found = scene.prometheus.now(without_threshold(query.strip()))
    assert {series["metric"]["resource"] for series in found} == scene.resources


def test_prometheus_can_evaluate_all_rules(scene):
    def states():
        return {rule["name"]: rule["health"] for group in scene.prometheus.ask("rules")["groups"]
                for rule in group["rules"]}

    wait_until(lambda: set(states().values()) == {"ok"}, 10, states)
    assert set(states()) == set(ALERTS)
