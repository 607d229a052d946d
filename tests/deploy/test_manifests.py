# SPDX-License-Identifier: Apache-2.0
"""deploy/: the kustomizations and the chart are valid, say the same, and keep their promises."""

import json
import re
import shutil

import jsonschema
import pytest
import yaml

from manifests import (HELM_CAPABILITIES, KUDEV, REPOSITORY, TOOLS, conform, deploy, documents,
                       helm, helm_template, kustomize, output, run)

DEPLOY = REPOSITORY / "deploy"
OVERLAYS = sorted(path.name for path in (DEPLOY / "overlays").iterdir())
COMPONENTS = sorted(path.name for path in (DEPLOY / "components").iterdir())
# What is for the cluster; the others are configurations.
EXAMPLES = sorted(path for path in (REPOSITORY / "examples").glob("*.yaml")
                  if "apiVersion:" in path.read_text())
SCHEMA = json.loads((REPOSITORY / "conf/kudev.schema.json").read_text())

CAMERA = {"name": "virtual-camera", "v4l2loopback": {"count": 8, "firstNumber": 10,
                                                     "label": "Camera {index}"},
          "env": {"VIDEO_DEVICE": "{path}"}}
SIMULATED = {"name": "simulated", "simulate": {"count": 2}}
CDI = {"name": "serial", "paths": ["/dev/ttyUSB*"], "cdi": {"write": True}}
# What each component is in the chart's values.
VALUES = {
    "alerts": {"alerts": {"enabled": True}},
    "cdi": {"classes": [CDI]},
    "dashboard": {"dashboard": {"enabled": True}},
    "host-network": {"hostNetwork": True},
    "k0s": {"kubeletRoot": "/var/lib/k0s/kubelet"},
    "microk8s": {"kubeletRoot": "/var/snap/microk8s/common/var/lib/kubelet"},
    "network-policy": {"networkPolicy": {"enabled": True}},
    "pod-monitor": {"podMonitor": {"enabled": True}},
    "service-monitor": {"serviceMonitor": {"enabled": True}},
    "simulate": {"classes": [SIMULATED]},
    "v4l2loopback": {"privileged": True, "classes": [CAMERA]},
}
# Of which there can be one at a time.
ALTERNATIVES = {"k0s", "service-monitor"}
# What overlays are made of, if not of the component with their name.
MADE_OF = {"k3s": [], "monitoring": ["pod-monitor", "alerts", "dashboard"]}
CHARTS = {"default": {}, **VALUES, "all": {
    "classes": [CAMERA, SIMULATED, CDI],
    "settings": {"logLevel": "debug", "forgetAfter": "1h"},
    "privileged": True, "hostNetwork": True, "port": 9090,
    "hostPaths": [{"path": "/etc/asound.conf", "type": "File"}],
    "image": {"repository": "registry.example.com:5000/x/kudev", "tag": "1", "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "podMonitor": {"enabled": True, "interval": "15s", "labels": {"release": "prometheus"}},
    "alerts": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboard": {"enabled": True, "labels": {"grafana_dashboard": "yes"}},
    "networkPolicy": {"enabled": True, "from": []},
    "resources": {}, "maxUnavailable": 1, "priorityClassName": "", "tolerations": [],
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [
            {"key": "example.com/devices", "operator": "Exists"}]}]}}},
    "podAnnotations": {"example.com/a": "b"}, "podLabels": {"example.com/c": "d"},
}}


def kustomization(deploy, components, classes=None):
    """What a user writes: the base, some components, classes of their own."""
    own = deploy / "own"
    own.mkdir()
    content = {"resources": ["../base"],
               "components": [f"../components/{name}" for name in components]}
    if classes is not None:
        (own / "kudev.yaml").write_text(
            yaml.safe_dump({"domain": "example.com", "classes": classes}))
        content["configMapGenerator"] = [
            {"name": "kudev", "behavior": "replace", "files": ["kudev.yaml"]}]
    (own / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return kustomize(own)


def one(found: list[dict], kind: str, name=None) -> dict:
    matching = [document for document in found
                if document["kind"] == kind and name in (None, document["metadata"]["name"])]
    assert len(matching) == 1, [document["kind"] for document in found]
    return matching[0]


def pod(found: list[dict]) -> dict:
    return one(found, "DaemonSet")["spec"]["template"]["spec"]


def container(found: list[dict]) -> dict:
    (only,) = pod(found)["containers"]
    return only


def normal(text: str) -> dict:
    """The objects by kind and name, without what has no meaning: order, defaults, the labels
    of Helm."""
    found = documents(text)
    objects = {}
    for document in found:
        for label in ("helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"):
            document["metadata"].get("labels", {}).pop(label, None)
        key = (document["kind"], document["metadata"]["name"])
        assert key not in objects
        objects[key] = document
    config = one(found, "ConfigMap", "kudev")["data"]
    config["kudev.yaml"] = yaml.safe_load(config["kudev.yaml"])
    spec = pod(found)
    spec["volumes"].sort(key=lambda volume: volume["name"])
    only = container(found)
    only.setdefault("imagePullPolicy", "IfNotPresent")
    only["volumeMounts"].sort(key=lambda mount: mount["mountPath"])
    for mount in only["volumeMounts"]:
        mount.setdefault("readOnly", False)
    return objects


def check_configuration(text: str, tmp_path):
    """Its kudev.yaml, as kudev and its schema see it."""
    # Without a hash in the name: kudev reloads the file.
    config = one(documents(text), "ConfigMap", "kudev")
    path = tmp_path / "kudev.yaml"
    path.write_text(config["data"]["kudev.yaml"])
    done = run(KUDEV, "check", "--config", path)
    assert done.returncode == 0, done.stdout + done.stderr
    value = yaml.safe_load(path.read_text())
    jsonschema.Draft7Validator(SCHEMA).validate(value)
    return value


@pytest.mark.parametrize("name", ["../base", *OVERLAYS])
def test_an_overlay_is_valid(name, conform, tmp_path):
    text = kustomize(DEPLOY / "overlays" / name)
    conform(text)
    check_configuration(text, tmp_path)


@pytest.mark.parametrize("name", CHARTS)
def test_the_chart_is_valid(name, conform, tmp_path):
    text = helm(CHARTS[name])
    conform(text)
    check_configuration(text, tmp_path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid(path, conform):
    text = path.read_text()
    conform(text)
    with pytest.raises(AssertionError):
        conform(text.replace("containers:", "container:"))


def test_kubectl_makes_the_same_of_the_overlays():
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl")
    for name in OVERLAYS:
        text = output("kubectl", "kustomize", DEPLOY / "overlays" / name)
        assert documents(text) == documents(kustomize(DEPLOY / "overlays" / name)), name


def test_each_component_has_its_values():
    assert set(VALUES) == set(COMPONENTS)


def test_chart_and_base_give_the_same_objects():
    assert normal(helm()) == normal(kustomize(DEPLOY / "base"))


@pytest.mark.parametrize("name", COMPONENTS)
def test_chart_and_component_give_the_same_objects(name, deploy):
    text = kustomization(deploy, [name], VALUES[name].get("classes"))
    assert normal(helm(VALUES[name])) == normal(text)


def test_chart_and_all_components_give_the_same_objects(deploy):
    values, classes = {}, [CAMERA, SIMULATED, CDI]
    names = [name for name in COMPONENTS if name not in ALTERNATIVES]
    for name in names:
        values |= VALUES[name]
    assert normal(helm(values | {"classes": classes})) == normal(
        kustomization(deploy, names, classes))


def test_components_go_together_in_any_order(deploy):
    found = []
    for names in (COMPONENTS, COMPONENTS[::-1]):
        found.append(normal(kustomization(
            deploy, [name for name in names if name not in ALTERNATIVES])))
        shutil.rmtree(deploy / "own")
    assert found[0] == found[1]


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_is_its_components(name):
    values = {}
    for component in MADE_OF.get(name, [name]):
        values |= VALUES[component]
    assert normal(kustomize(DEPLOY / "overlays" / name)) == normal(helm(values))


def test_components_without_an_overlay_are_for_classes_of_ones_own():
    made = {component for name in OVERLAYS for component in MADE_OF.get(name, [name])}
    assert {*COMPONENTS} - made == {"cdi", "simulate", "service-monitor"}


def every_variant():
    for name in OVERLAYS:
        yield f"overlays/{name}", documents(kustomize(DEPLOY / "overlays" / name))
    for name in CHARTS:
        yield f"chart {name}", documents(helm(CHARTS[name]))


def test_only_cameras_are_privileged():
    for name, found in every_variant():
        context = container(found)["securityContext"]
        assert context["readOnlyRootFilesystem"] is True, name
        if name in ("overlays/v4l2loopback", "chart v4l2loopback", "chart all"):
            assert context["privileged"] is True, name
        else:
            assert "privileged" not in context, name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert context["seLinuxOptions"] == {"type": "container_device_plugin_t"}, name


def test_what_is_writable():
    for name, found in every_variant():
        writable = {mount["mountPath"] for mount in container(found)["volumeMounts"]
                    if not mount.get("readOnly")}
        expected = {"/var/lib/kubelet/device-plugins"}
        if name in ("overlays/v4l2loopback", "chart v4l2loopback", "chart all"):
            expected |= {"/dev"}
        if name in ("chart cdi", "chart all"):
            expected |= {"/var/run/cdi"}
        if name in ("chart simulate", "chart all"):
            expected |= {"/run/kudev"}
        assert writable == expected, name


def test_mounts_and_volumes_belong_together():
    for name, found in every_variant():
        mounts = [mount["name"] for mount in container(found)["volumeMounts"]]
        assert sorted(mounts) == sorted(volume["name"] for volume in pod(found)["volumes"]), name


# What each has of the node, and what it has only where classes want it. A node without the first of
# each is no place for kudev; the others are made, empty.
HOST_PATHS = {"/var/lib/kubelet/device-plugins": "Directory", "/dev": "Directory",
              "/var/lib/kubelet/pod-resources": "DirectoryOrCreate",
              "/run/udev": "DirectoryOrCreate"}
MORE_HOST_PATHS = {"/lib/modules": "Directory", "/var/run/cdi": "DirectoryOrCreate",
                   "/run/kudev": "DirectoryOrCreate", "/etc/asound.conf": "File"}


def test_what_is_mounted_is_the_nodes_own_at_the_same_place():
    for name, found in every_variant():
        volumes = {volume["name"]: volume for volume in pod(found)["volumes"]}
        types = {}
        for mount in container(found)["volumeMounts"]:
            source = volumes[mount["name"]].get("hostPath")
            if not source:
                assert mount["mountPath"] == "/etc/kudev", name
                continue
            place = mount["mountPath"]
            types[place] = source["type"]
            if place.endswith("/pod-resources"):
                assert source["path"].endswith("/kubelet/pod-resources"), name
            else:
                assert source["path"] == place, name
        assert HOST_PATHS.items() <= types.items() <= (HOST_PATHS | MORE_HOST_PATHS).items(), name


def test_it_has_a_place_on_every_node_and_no_token():
    for name, found in every_variant():
        if name == "chart all":
            continue
        assert pod(found)["priorityClassName"] == "system-node-critical", name
        assert pod(found)["tolerations"] == [{"operator": "Exists"}], name
        assert pod(found)["nodeSelector"] == {"kubernetes.io/os": "linux"}, name
        assert pod(found)["automountServiceAccountToken"] is False, name
        assert one(found, "ServiceAccount")["automountServiceAccountToken"] is False, name


def test_probes_ask_where_kudev_listens():
    for name, found in every_variant():
        (port,) = container(found)["ports"]
        (listen,) = [variable["value"] for variable in container(found)["env"]
                     if variable["name"] == "KUDEV_LISTEN"]
        assert listen == f":{port['containerPort']}", name
        for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
            assert container(found)[probe]["httpGet"] == {"path": path, "port": port["name"]}


def test_an_update_never_has_two_on_a_node():
    for name, found in every_variant():
        update = one(found, "DaemonSet")["spec"]["updateStrategy"]["rollingUpdate"]
        assert update["maxSurge"] == 0, name


def test_the_page_tells_what_each_right_and_mount_is_for():
    page = (REPOSITORY / "docs/rights.md").read_text()
    rows = set(re.findall(r"^\| `([^`]+)`", page, re.M))
    wanted = set()
    for _, found in every_variant():
        context = container(found)["securityContext"]
        wanted |= set(context) | {key for key in ("hostNetwork", "priorityClassName", "tolerations",
                                                  "serviceAccountName") if key in pod(found)}
        wanted |= {mount["mountPath"] for mount in container(found)["volumeMounts"]}
        wanted |= {variable["name"] for variable in container(found)["env"]}
    assert wanted == rows | {"/etc/asound.conf"}


def test_a_service_lists_the_pods_that_its_monitor_scrapes():
    found = documents(helm(VALUES["service-monitor"] | {"port": 9090}))
    service = one(found, "Service")
    monitor = one(found, "ServiceMonitor")["spec"]
    labels = one(found, "DaemonSet")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (port,), (named,) = service["spec"]["ports"], container(found)["ports"]
    assert port["targetPort"] == named["name"] and port["port"] == named["containerPort"]
    assert monitor["endpoints"][0]["port"] == port["name"]


def test_both_monitors_scrape_alike():
    """What alerts and dashboard go by: the job, and the node."""
    pod_monitor = one(documents(helm(VALUES["pod-monitor"])), "PodMonitor")["spec"]
    service_monitor = one(documents(helm(VALUES["service-monitor"])), "ServiceMonitor")["spec"]
    assert pod_monitor["podMetricsEndpoints"] == service_monitor["endpoints"]
    assert pod_monitor["jobLabel"] == service_monitor["jobLabel"] == "app.kubernetes.io/name"
    (endpoint,) = pod_monitor["podMetricsEndpoints"]
    assert endpoint["relabelings"] == [
        {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}]
    assert endpoint["honorLabels"] is True and endpoint["path"] == "/metrics"


def test_what_others_find_by_label_has_it_by_default():
    """Grafana's sidecar the dashboard, the policy Prometheus."""
    found = documents(helm(VALUES["dashboard"] | VALUES["network-policy"]))
    assert one(found, "ConfigMap", "kudev-dashboard")["metadata"]["labels"][
        "grafana_dashboard"] == "1"
    policy = one(found, "NetworkPolicy")["spec"]
    assert policy["ingress"] == [{"ports": [{"port": "http"}], "from": [{"namespaceSelector": {
        "matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]}]
    assert policy["policyTypes"] == ["Ingress", "Egress"] and policy["egress"] == []


def test_argo_cd_gets_the_same_by_both_ways(conform, tmp_path):
    paths = {path.stem: path.read_text() for path in (DEPLOY / "argocd").iterdir()}
    for text in paths.values():
        conform(text)
        with pytest.raises(AssertionError):
            conform(text.replace("repoURL:", "repoUrl:"))
    specs = {name: yaml.safe_load(text)["spec"] for name, text in paths.items()}
    sources = {name: spec.pop("source") for name, spec in specs.items()}
    assert specs["kustomize"] == specs["helm"]
    assert REPOSITORY / sources["helm"]["path"] == DEPLOY / "chart"
    made = kustomize(REPOSITORY / sources["kustomize"]["path"])
    values = sources["helm"]["helm"]
    assert normal(made) == normal(helm(values["valuesObject"], release=values["releaseName"]))
    check_configuration(made, tmp_path)
    (image,) = sources["kustomize"]["kustomize"]["images"]
    assert image.split("=")[1] == container(documents(made))["image"]


def test_helm_lint():
    output(TOOLS / "helm", "lint", "--strict", *HELM_CAPABILITIES, DEPLOY / "chart")


def test_the_values_schema_is_of_today():
    made = output("/usr/bin/python3", REPOSITORY / "scripts/chart-schema.py")
    assert (DEPLOY / "chart/values.schema.json").read_text() == made, "make schema writes it anew"


def test_the_values_schema_knows_every_value():
    schema = json.loads((DEPLOY / "chart/values.schema.json").read_text())
    values = yaml.safe_load((DEPLOY / "chart/values.yaml").read_text())
    assert set(values) == set(schema["properties"]) - {"global"}
    for key, value in values.items():
        known = schema["properties"][key]
        if known.get("additionalProperties") is False and key != "settings":
            assert set(value) == set(known["properties"]), key


BAD = {
    "an unknown value": ({"prot": 1}, "'prot' not allowed"),
    "an unknown key of a class": (
        {"classes": [{"name": "a", "paths": ["/dev/a"], "sahre": 2}]}, "'sahre' not allowed"),
    "an unknown setting": ({"settings": {"logLevle": "info"}}, "'logLevle' not allowed"),
    "a setting that the chart has": ({"settings": {"listen": "none"}}, "'listen' not allowed"),
    "a class without a source": ({"classes": [{"name": "a"}]}, "/classes/0"),
    "a number out of range": (
        {"classes": [{"name": "a", "simulate": {"count": 0}}]}, "/classes/0/simulate/count"),
    "cameras without privileges": ({"classes": [CAMERA]}, "need privileged: true"),
    "a path that is not absolute": (
        {"hostPaths": [{"path": "etc", "type": "File"}]}, "/hostPaths/0/path"),
    "a root with a slash at its end": ({"kubeletRoot": "/a/"}, "/kubeletRoot"),
    "no classes": ({"classes": None}, "classes"),
    "no port": ({"port": 0}, "/port"),
    # Null takes a default away.
    **{f"{key} null": ({key: None}, f"missing property '{key}'") for key in (
        "domain", "image", "kubeletRoot", "maxUnavailable", "networkPolicy", "podMonitor", "port",
        "serviceMonitor", "alerts", "dashboard")},
    "an image without a name": ({"image": {"repository": None}}, "missing property 'repository'"),
    "a policy for nobody knows whom": (
        {"networkPolicy": {"enabled": True, "from": None}}, "missing property 'from'"),
    "an update of no node": ({"maxUnavailable": "0%"}, "/maxUnavailable"),
    "an update of 0 nodes": ({"maxUnavailable": 0}, "/maxUnavailable"),
    "two that scrape": (VALUES["pod-monitor"] | VALUES["service-monitor"], "twice: enable one"),
}


@pytest.mark.parametrize("name", BAD)
def test_the_chart_refuses(name):
    values, reason = BAD[name]
    done = helm_template(values)
    assert done.returncode != 0
    assert reason in done.stderr


# kudev takes each as it is written, Helm as 259, 12345000, 438, 1.1, 8 and true.
@pytest.mark.parametrize("text", [
    "match: [{usb: {vendor: 0403}}]", "match: [{usb: {serial: 12345e3}}]", "v4l2loopback: {mode: 0666}",
    "paths: [/dev/null], resource: a.example/a, name: 1.10", "paths: [/dev/null], env: {A: 010}",
    "groups: [{usb: [{vendor: 0403, product: 0407}]}]", "match: [{attributes: {a: yes}}]"])
def test_the_chart_refuses_a_text_that_helm_would_change(text, tmp_path):
    path = tmp_path / "values.yaml"
    name = "" if "name:" in text else "name: a, "
    path.write_text(f"classes: [{{{name}{text}}}]\n")
    assert run(KUDEV, "check", "--config", path).returncode == 0
    path.write_text(f"privileged: true\n{path.read_text()}")
    done = run(TOOLS / "helm", "template", "kudev", DEPLOY / "chart", *HELM_CAPABILITIES,
               "--values", path)
    assert done.returncode != 0
    assert "want string" in done.stderr


def test_the_chart_takes_a_null_for_what_can_be_left_out(conform):
    left_out = ("settings", "podLabels", "podAnnotations", "resources", "affinity", "tolerations",
                "nodeSelector", "imagePullSecrets", "hostPaths", "priorityClassName", "seLinuxType",
                "privileged", "hostNetwork")
    conform(helm({key: None for key in left_out} | {
        "podMonitor": {"enabled": True, "labels": None}, "image": {"tag": None}}))
    conform(helm({key: {"enabled": True, "labels": None}
                  for key in ("serviceMonitor", "alerts", "dashboard")}))


@pytest.mark.parametrize("name", ["123", "1e3", "true", "null"])
def test_names_that_look_like_something_else_are_names(name, conform):
    other = CHARTS["all"] | VALUES["service-monitor"] | {"podMonitor": {"enabled": False}}
    text = "---\n".join(helm(values, release=name, namespace=name)
                        for values in (CHARTS["all"], other))
    conform(text)
    for document in documents(text):
        metadata = document["metadata"]
        assert metadata["name"] in (name, f"{name}-dashboard")
        assert metadata["namespace"] == name
        assert metadata["labels"]["app.kubernetes.io/instance"] == name


def test_values_stay_what_they_are_between_braces():
    values = {"kubeletRoot": "/a, b: c #d", "seLinuxType": "yes", "priorityClassName": "08"}
    found = documents(helm(values))
    (root,) = [volume["hostPath"]["path"] for volume in pod(found)["volumes"]
               if volume["name"] == "pod-resources"]
    assert root == "/a, b: c #d/pod-resources"
    assert container(found)["securityContext"]["seLinuxOptions"] == {"type": "yes"}
    assert pod(found)["priorityClassName"] == "08"


def test_the_chart_follows_release_and_namespace(conform):
    text = helm(CHARTS["all"], release="cameras", namespace="devices")
    conform(text)
    found = documents(text)
    assert one(found, "PodMonitor")["metadata"]["labels"]["release"] == "prometheus"
    assert one(found, "PrometheusRule")["metadata"]["labels"]["release"] == "prometheus"
    assert one(found, "ConfigMap", "cameras-dashboard")["metadata"]["labels"][
        "grafana_dashboard"] == "yes"
    assert {(document["metadata"]["name"], document["metadata"]["namespace"])
            for document in found} == {("cameras", "devices"), ("cameras-dashboard", "devices")}
    labels = one(found, "DaemonSet")["spec"]["template"]["metadata"]["labels"]
    selectors = [one(found, "DaemonSet")["spec"]["selector"],
                 one(found, "NetworkPolicy")["spec"]["podSelector"],
                 one(found, "PodMonitor")["spec"]["selector"]]
    for selector in selectors:
        assert selector["matchLabels"].items() <= labels.items()


def test_values_reach_kudev_as_they_are(tmp_path):
    classes = [{
        "name": "x", "match": [{"subsystem": "tty", "usb": {"vendor": "0403", "product": "6e10"}}],
        "share": 1000, "env": {"A": "{{x}} {path} yes", "B": "1e3", "C": "0x10", "D": "# : '\""},
        "health": {"attributes": {"a": {"min": -20, "max": 1234567890},
                                  "b": {"regex": "^2\\.[0-9]$"}}},
    }, {"name": "y", "v4l2loopback": {"mode": "0640", "exclusiveCaps": False}}]
    values = {"classes": classes, "domain": "a.example", "privileged": True,
              "settings": {"forgetAfter": "1h"}}
    found = check_configuration(helm(values), tmp_path)
    assert found == {"domain": "a.example", "forgetAfter": "1h", "classes": classes}


def test_versions_agree():
    version = output(KUDEV, "--version").split()[1]
    for name in ("helm", "kustomize"):
        assert re.findall(r"(?:tag: |kudev:)(\d\S*?)[}\n]",
                          (DEPLOY / f"argocd/{name}.yaml").read_text()) == [version]
    chart = yaml.safe_load((DEPLOY / "chart/Chart.yaml").read_text())
    base = yaml.safe_load((DEPLOY / "base/kustomization.yaml").read_text())
    assert chart["appVersion"] == version
    assert base["images"][0]["newTag"] == version


def test_the_image_is_built_with_the_packages_that_all_builds_need():
    library = (REPOSITORY / "scripts/lib.sh").read_text()
    listed = re.search(r"^build_packages=\((.*?)\)", library, re.M | re.S)[1].split()
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    installed = re.search(r"--no-install-recommends(.*?)&&", dockerfile, re.S)[1]
    assert sorted(installed.replace("\\", "").split()) == listed


def test_kubeconform_finds_mistakes(conform):
    """Each of these would pass by schemas that are not strict, or not there."""
    text = kustomize(DEPLOY / "overlays/monitoring")
    conform(text)
    for old, new in [("hostPath:", "hostpath:"), ("maxSurge: 0", "maxSurge: {}"),
                     ("kind: PodMonitor", "kind: PodMonitors"), ("honorLabels:", "honourLabels:"),
                     ("alert: KudevDown", "alarm: KudevDown"), ("for: 10m", "for: ten minutes"),
                     ("drop:\n            - ALL", "drop: ALL")]:
        assert old in text
        with pytest.raises(AssertionError):
            conform(text.replace(old, new))


@pytest.fixture
def page() -> dict[str, dict]:
    """The YAML of docs/deploy.md, by the name in its first line, the kind or the first key."""
    text = (REPOSITORY / "docs/deploy.md").read_text()
    found = {}
    for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S):
        content = yaml.safe_load(block)
        comment = re.match(r"# (\S+)\n", block)
        found[comment[1] if comment else content.get("kind", next(iter(content)))] = content
    return found


def test_the_page_leads_to_the_same_objects_by_both_ways(page, tmp_path, conform):
    shutil.copytree(DEPLOY, tmp_path / "kudev/deploy")
    own = tmp_path / "my-kudev"
    own.mkdir()
    for name in ("kudev.yaml", "kustomization.yaml"):
        (own / name).write_text(yaml.safe_dump(page[f"my-kudev/{name}"]))
    text = kustomize(own)
    conform(text)
    assert normal(text) == normal(helm(page["values.yaml"]))
    (own / "kustomization.yaml").write_text(
        yaml.safe_dump(page["my-kudev/kustomization.yaml"] | page["patches"]))
    mounts = container(documents(kustomize(own)))["volumeMounts"]
    assert {"name": "asound", "mountPath": "/etc/asound.conf", "readOnly": True} in mounts


def test_the_labels_of_the_page_are_on_all_that_a_prometheus_selects(page, deploy):
    own = deploy / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(yaml.safe_dump(
        {"resources": ["../overlays/monitoring"], "namespace": "devices", **page["labels"]}))
    found = documents(kustomize(own))
    for kind in ("PodMonitor", "PrometheusRule"):
        assert page["labels"]["labels"][0]["pairs"].items() <= \
            one(found, kind)["metadata"]["labels"].items()
    assert {document["metadata"]["namespace"] for document in found} == {"devices"}


def test_the_pod_of_the_page_asks_for_what_its_class_makes(page, conform):
    conform(yaml.safe_dump(page["Pod"]))
    config = page["my-kudev/kudev.yaml"]
    resources = {f"{config['domain']}/{entry['name']}" for entry in config["classes"]}
    (only,) = page["Pod"]["spec"]["containers"]
    assert set(only["resources"]["limits"]) == resources


def test_names_of_components_and_overlays_are_on_the_page():
    page = (REPOSITORY / "docs/deploy.md").read_text()
    missing = [name for name in {*COMPONENTS, *OVERLAYS} if f"`{name}`" not in page]
    assert not missing
