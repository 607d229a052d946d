# SPDX-License-Identifier: Apache-2.0
"""deploy/scripts, with a kubectl that writes down what it is asked."""

import json
import os
import re
import shutil
import subprocess

import pytest

from cluster import MANIFESTS, Cluster
from support import REPOSITORY, limit

SCRIPTS = ["deploy", "update", "restart", "diagnose", "clean-up"]
# A call of each that would do its work.
WORK = {
    "deploy": ["deploy", REPOSITORY],  # kubectl has its manifests elsewhere
    "update": ["update", "--image", "registry.example.org/kudev:2"],
    "restart": ["restart"],
    "diagnose": ["diagnose"],
    "clean-up": ["clean-up", "--yes"],
}
CHANGING = [name for name in SCRIPTS if name != "diagnose"]
IMAGE = "registry.example.org/kudev:2"
PULL = "kudev-b|n2|Pending|false|0|ImagePullBackOff|Back-off pulling image\n"
CRASH = "kudev-b|n2|Running|false|4|CrashLoopBackOff|back-off 40s\n"


@pytest.fixture
def cluster(stage):
    return stage.closes(Cluster(stage.directory / "cluster"))


def fails(done, *words, code=1):
    assert done.returncode == code, done.stdout + done.stderr
    for word in words:
        assert word in done.stderr
    assert "unbound variable" not in done.stderr


def works(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_fits_a_screen_and_needs_no_cluster(cluster, name):
    lines = works(cluster.run(name, "--help")).splitlines()
    assert lines[0].startswith(f"{name}.sh ") and len(lines) <= 24
    assert max(map(len, lines)) <= 100
    assert not cluster.calls


@pytest.mark.parametrize("args", [
    *([name, "--no-such-option"] for name in SCRIPTS),
    *([name, "-n"] for name in SCRIPTS), ["deploy", "--image"], ["deploy", "--image", "a b"],
    ["deploy", "no-such-overlay"], ["deploy", ""], ["deploy", "--config"], ["update"], ["update", "word"],
    ["update", "--undo", "--image", IMAGE], ["restart", "--node", "--all"],
    ["update", "--image", IMAGE, "--timeout", "60"], ["clean-up", "--timeout", "soon"],
    ["restart", "-n", "a b"], ["deploy", "-n", "x: y"]], ids=" ".join)
def test_wrong_usage_is_exit_status_2_with_a_message(cluster, args):
    fails(cluster.run(*args), "--help", code=2)
    assert not cluster.calls


@pytest.mark.parametrize("name", SCRIPTS)
def test_without_kubectl_a_script_says_so(cluster, name):
    fails(cluster.run(*WORK[name], env={"KUBECTL": "no-such-kubectl"}), "no no-such-kubectl")


@pytest.mark.parametrize("name", SCRIPTS)
def test_without_a_cluster_a_script_says_what_kubectl_said(cluster, name):
    cluster.answer("version$", code=1, stderr="E1121 memcache.go: no\nThe connection to the "
                   "server localhost:8080 was refused - is the host right?\n")
    fails(cluster.run(*WORK[name]), "cannot reach the cluster: The connection to the server")
    assert len(cluster.calls) == 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_without_the_namespace_a_script_says_so(cluster, name):
    cluster.answer("get namespace", code=1,
                   stderr='Error from server (NotFound): namespaces "kube-system" not found\n')
    fails(cluster.run(*WORK[name]), "there is no namespace kube-system")
    assert not cluster.changes()


@pytest.mark.parametrize("name", CHANGING)
def test_without_permission_a_script_says_so_and_changes_nothing(cluster, name):
    cluster.answer("auth can-i", code=1, stdout="no\n")
    fails(cluster.run(*WORK[name]), "you may not", "kube-system", "can-i --list")
    assert not cluster.changes()


def test_who_may_not_ask_for_namespaces_or_rights_is_not_held_up(cluster):
    for call in ("get namespace", "auth can-i"):
        cluster.answer(call, code=1, stderr="Error from server (Forbidden): no\n")
    works(cluster.run("restart"))
    assert cluster.changes()


@pytest.mark.parametrize("name", ["update", "restart"])
def test_where_kudev_is_not_a_script_says_so(cluster, name):
    cluster.answer("get daemonsets .*-o name")
    fails(cluster.run(*WORK[name]), "there is no kudev in namespace kube-system", "deploy.sh")
    assert not cluster.changes()


@pytest.mark.parametrize("name", ["deploy", "update", "clean-up"])
def test_what_helm_made_is_left_to_helm(cluster, name):
    cluster.answer("managed-by=Helm", stdout="daemonset.apps/kudev\n")
    fails(cluster.run(*WORK[name]), "Helm")
    assert not cluster.changes()


@pytest.mark.parametrize("name", SCRIPTS)
def test_namespace_and_context_reach_every_call(cluster, name):
    cluster.rules = [(call.replace("kube-system", "devices"), answer)
                     for call, answer in cluster.rules]
    cluster.answer("kustomize", stdout=MANIFESTS.replace("kube-system", "devices"))
    works(cluster.run(*WORK[name], "--context", "lab", "-n", "devices"))
    assert all(call[0] == "--context=lab" for call in cluster.calls)
    assert not any("kube-system" in line for line in cluster.lines())


def test_kubectl_may_be_several_words(cluster):
    works(cluster.run("restart", env={"KUBECTL": "kubectl --kubeconfig=/etc/k3s.yaml"}))
    assert all(call[0] == "--kubeconfig=/etc/k3s.yaml" for call in cluster.calls)


def test_kubectl_may_be_blank(cluster):
    works(cluster.run("restart", env={"KUBECTL": " "}))
    assert cluster.changes()


# deploy

def test_deploy_applies_what_it_rendered_and_waits(cluster):
    for _ in range(2):  # the second time as the first
        before = len(cluster.lines())
        works(cluster.run(*WORK["deploy"]))
        apply, wait = [line for line in cluster.lines()[before:]
                       if line.startswith(("apply", "rollout"))]
        assert re.fullmatch(r"apply -f \S+/all.yaml", apply), apply
        assert wait == "rollout status daemonset.apps/kudev -n kube-system --timeout=300s"


def test_deploy_takes_the_base_or_an_overlay(cluster):
    if not (REPOSITORY / "deploy/base").is_dir():
        pytest.skip("no deploy/base here")
    for args, target in ([], "base"), (["k3s"], "overlays/k3s"):
        works(cluster.run("deploy", *args))
        assert f"/deploy/{target}\"]" in cluster.kept("kustomization.yaml")


@pytest.mark.parametrize("there, word, meant", [
    ("mine", ".", "mine"), ("mine/below", "..", "mine"), ("", "mine", "mine"),
    ("", "./k3s", "k3s")], ids=["here", "above", "below", "a name that an overlay has too"])
def test_deploy_takes_a_directory_from_wherever_it_is(cluster, stage, there, word, meant):
    for name in ("mine/below", "k3s"):
        (stage.directory / name).mkdir(parents=True)
    works(cluster.run("deploy", word, cwd=stage.directory / there,
                      env={"CDPATH": f".:{stage.directory}"}))
    assert f"{stage.directory / meant}\"]" in cluster.kept("kustomization.yaml")


def test_deploy_puts_image_configuration_and_namespace_around_what_is_there(cluster, stage):
    config = stage.write("classes: []\n")
    there = stage.directory / "mine"
    there.mkdir()
    works(cluster.run("deploy", there, "--image", IMAGE, "--config", config, "-n",
                      "kube-system"))
    around = cluster.kept("kustomization.yaml")
    assert f'image: "{IMAGE}"' in around and 'namespace: "kube-system"' in around
    assert "config.yaml" in around and (cluster.directory / "kept/config.yaml").exists()
    resource = re.search(r'resources: \["(.*)"\]', around)[1]
    assert resource.startswith("../") and resource.endswith(f"{there}"[1:])


def test_a_dry_run_of_deploy_changes_nothing(cluster):
    works(cluster.run(*WORK["deploy"], "--dry-run"))
    assert not cluster.changes()
    assert [line for line in cluster.lines() if line.startswith("apply --dry-run=server")]
    assert not [line for line in cluster.lines() if line.startswith("rollout")]


def test_deploy_makes_a_namespace_when_told_to(cluster):
    cluster.answer("get namespace", code=1, stderr="Error from server (NotFound): no\n")
    works(cluster.run(*WORK["deploy"], "--create-namespace"))
    assert cluster.changes()[0] == "create namespace kube-system"


def test_deploy_makes_no_namespace_for_who_may_do_nothing_in_it(cluster):
    cluster.answer("get namespace", code=1, stderr="Error from server (NotFound): no\n")
    cluster.answer("auth can-i", code=1, stdout="no\n")
    fails(cluster.run(*WORK["deploy"], "--create-namespace"), "you may not")
    assert not cluster.changes()


def test_a_namespace_may_look_like_a_number(cluster):
    cluster.rules = [(call.replace("kube-system", "1234"), answer)
                     for call, answer in cluster.rules]
    cluster.answer("kustomize", stdout=MANIFESTS.replace("kube-system", '"1234"'))
    cluster.rules[0][1]["keep"] = True
    works(cluster.run(*WORK["deploy"], "-n", "1234"))
    assert 'namespace: "1234"' in cluster.kept("kustomization.yaml")
    assert cluster.lines()[-1].startswith("rollout status daemonset.apps/kudev -n 1234 ")


@pytest.mark.parametrize("manifests, word", [
    ("kind: ConfigMap\n", "has no DaemonSet"),
    (MANIFESTS.replace("example.org/kudev:1", "example.com/kudev:1"), "--image"),
    (MANIFESTS.replace("  namespace: kube-system\n", ""), "--namespace")],
    ids=["no DaemonSet", "no image", "no namespace"])
def test_deploy_says_what_is_wrong_with_manifests(cluster, manifests, word):
    cluster.answer("kustomize", stdout=manifests)
    fails(cluster.run(*WORK["deploy"]), word)
    assert not cluster.changes()


def test_deploy_does_not_drop_a_configuration_that_has_no_place(cluster, stage):
    cluster.answer("kustomize", stdout=MANIFESTS.replace("ConfigMap", "Secret"))
    fails(cluster.run(*WORK["deploy"], "--config", stage.write("classes: []\n")), "no ConfigMap")
    assert not cluster.changes()


def test_deploy_says_what_kustomize_has_against_a_directory(cluster):
    cluster.answer("kustomize", code=1, stderr="error: no such thing\nas a kustomization\n")
    fails(cluster.run(*WORK["deploy"]), "no such thing", "as a kustomization")
    assert not cluster.changes()


@pytest.mark.parametrize("name", ["deploy", "update", "restart"])
@pytest.mark.parametrize("pods, words", [
    (PULL, ["kudev-b on n2: ImagePullBackOff: Back-off pulling image", "pull it?"]),
    (CRASH, ["kudev-b on n2: CrashLoopBackOff", "kudev.yaml:3:3: unknown key"]),
    ("kudev-b|n2|Running|false|0||\n", ["kudev-b on n2: Running, but not ready"]),
    ("kudev-b||Pending||||\n", ["kudev-b: Pending, on no node yet"])],
    ids=["image", "crash", "not ready", "no node"])
def test_who_waits_in_vain_is_told_why(cluster, name, pods, words):
    cluster.answer("rollout status", code=1, stderr="error: timed out\n")
    cluster.answer("get pods .*jsonpath", stdout="kudev-a|n1|Running|true|0||\n" + pods)
    cluster.answer("logs .*--previous", stdout="kudev.yaml:3:3: unknown key\n")
    done = cluster.run(*WORK[name])
    fails(done, *words, "does not run everywhere", "diagnose.sh")
    assert "kudev-a" not in done.stderr


def test_pods_that_cannot_be_made_are_told_of(cluster):
    cluster.answer("rollout status", code=1)
    cluster.answer("get pods .*jsonpath")
    cluster.answer("get events .*reason=FailedCreate",
                   stdout='kudev: pods "kudev-" is forbidden: violates PodSecurity\n')
    done = cluster.run(*WORK["deploy"])
    fails(done, "violates PodSecurity")
    assert "pod :" not in done.stderr


def test_a_message_of_several_lines_is_of_one_pod(cluster):
    cluster.answer("rollout status", code=1)
    cluster.answer("get pods .*jsonpath", stdout="kudev-a|n1|Pending|false|0|CreateContainerError|"
                   "one:\ntwo|2\n\nthree\n\nkudev-b|n2|Running|false|0||\n")
    done = cluster.run("restart")
    fails(done, "kudev-a on n1: CreateContainerError: one: two|2 three", "pod kudev-b on n2")
    assert re.findall(r"^pod (\S+) on", done.stderr, re.M) == ["kudev-a", "kudev-b"]


# update, restart

def test_update_sets_the_image_and_waits(cluster):
    works(cluster.run("update", "--image", IMAGE, "--timeout", "10s"))
    assert cluster.changes() == [
        f"set image daemonset.apps/kudev -n kube-system kudev={IMAGE}"]
    assert cluster.lines()[-1] == \
        "rollout status daemonset.apps/kudev -n kube-system --timeout=10s"


def test_update_changes_the_data_of_the_config_map_alone(cluster, stage):
    works(cluster.run("update", "--config", stage.write("classes: []\n")))
    patch, = [call for call in cluster.calls if call[0] == "patch"]
    assert patch[1:3] == ["configmap", "kudev"] and "--type=merge" in patch
    assert json.loads(patch[patch.index("-p") + 1]) == {
        "data": {"kudev.yaml": "classes: []\n"}}
    assert not [line for line in cluster.lines() if line.startswith("rollout")]


def test_update_takes_no_file_that_is_not_there(cluster):
    fails(cluster.run("update", "--config", "/nowhere/kudev.yaml"), "/nowhere/kudev.yaml")
    assert not cluster.changes()


def test_a_file_with_mistakes_is_refused_where_kudev_can_tell(cluster, stage):
    kudev = cluster.directory / "bin/kudev"
    kudev.write_text("#!/bin/sh\necho kudev.yaml:1:1: unknown key >&2; exit 2\n")
    kudev.chmod(0o755)
    for name in ("update", "deploy"):
        fails(cluster.run(*WORK[name], "--config", stage.write("clases: []\n")),
              "kudev.yaml:1:1: unknown key", "has mistakes")
    assert not cluster.changes()


def test_update_takes_no_file_that_is_no_text(cluster, stage):
    """kubectl puts it where kudev would not find it."""
    cluster.answer("create configmap .*jsonpath")
    fails(cluster.run("update", "--config", stage.write("x")), "is no text")
    assert not cluster.changes()


def test_update_undoes(cluster):
    works(cluster.run("update", "--undo"))
    assert cluster.changes() == ["rollout undo daemonset.apps/kudev -n kube-system"]


def test_a_dry_run_of_update_changes_nothing(cluster, stage):
    config = stage.write("classes: []\n")
    works(cluster.run("update", "--dry-run", "--image", IMAGE, "--config", config))
    works(cluster.run("update", "--dry-run", "--undo"))
    assert not cluster.changes()
    assert len([line for line in cluster.lines() if "--dry-run=server" in line]) == 3


def test_restart_is_a_rollout(cluster):
    works(cluster.run("restart"))
    assert cluster.changes() == ["rollout restart daemonset.apps/kudev -n kube-system"]
    assert cluster.lines()[-1].startswith("rollout status ")


def test_restart_on_one_node_ends_the_pod_there(cluster):
    works(cluster.run("restart", "--node", "n2"))
    assert cluster.changes() == ["delete -n kube-system --timeout=300s pod/kudev-b"]
    fails(cluster.run("restart", "--node", "n7"), "no pod of kudev on node n7")


# clean-up

def test_clean_up_removes_nothing_unasked(cluster):
    fails(cluster.run("clean-up"), "--yes")
    assert "configmap/kudev" in works(cluster.run("clean-up", "--dry-run"))
    assert not cluster.changes()


def test_clean_up_asks_who_is_there(cluster):
    """At a terminal."""
    cluster.write_kubectl()
    leader, follower = os.openpty()
    command = [REPOSITORY / "deploy/scripts/clean-up.sh"]
    for answer, removed in (b"n\n", False), (b"y\n", True):
        with subprocess.Popen(command, stdin=follower, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=cluster.environment()) as run:
            os.write(leader, answer)
            output, _ = run.communicate(timeout=limit(20))
            assert (run.returncode == 0) == removed, output
            assert bool(cluster.changes()) == removed
    os.close(leader)
    os.close(follower)


def test_clean_up_removes_what_has_the_label(cluster):
    cluster.answer("get pods .*-o name", stdout="pod/kudev-a\n")
    told = works(cluster.run("clean-up", "--yes"))
    delete, = cluster.changes()
    kinds = delete.split()[1].split(",")
    assert {"daemonsets.apps", "configmaps", "serviceaccounts"} <= set(kinds)
    assert "podmonitors.monitoring.coreos.com" in kinds
    assert not {"namespaces", "pods", "nodes"} & set(kinds)
    assert "-l app.kubernetes.io/name=kudev" in delete and "-n kube-system" in delete
    assert cluster.lines()[-1].startswith("wait pods -n kube-system -l ")
    assert "stays on the nodes" in told


@pytest.mark.parametrize("left, code", [("", 0), ("pod/kudev-a\n", 1)], ids=["ended", "stuck"])
def test_clean_up_waits_for_pods_that_may_end_meanwhile(cluster, left, code):
    """kubectl has something against a wait for nothing."""
    cluster.answer("wait pods", code=1, stderr="error: no matching resources found\n")
    cluster.write_kubectl()
    text = cluster.kubectl.read_text()
    once = f"""if [[ $line == *'get pods -n'*'-o name' ]]; then
  [[ -e asked ]] && printf %s '{left}' || echo pod/kudev-a
  : >asked; exit
fi
"""
    cluster.kubectl.write_text(text.replace("pattern=", once + "pattern=", 1))
    done = cluster.run_as_is("clean-up", "--yes")
    assert done.returncode == code, done.stdout + done.stderr
    assert ("kudev is gone" in done.stdout) == (not left)
    assert ("do not end: pod/kudev-a" in done.stderr) == bool(left)


def test_clean_up_does_not_say_gone_where_it_cannot_tell(cluster):
    cluster.answer("get pods .*-o name", code=1, stderr="error: connection refused\n")
    done = cluster.run("clean-up", "--yes")
    fails(done, "connection refused")
    assert "kudev is gone" not in done.stdout


def test_clean_up_knows_a_cluster_without_monitoring(cluster):
    cluster.answer("api-resources", code=1, stderr="error: no such group\n")
    done = cluster.run("clean-up", "--yes")
    works(done)
    assert "monitoring" not in cluster.changes()[0]
    assert "one of kudev's would stay" in done.stderr
    cluster.answer("api-resources")
    assert not cluster.run("clean-up", "--yes").stderr


def test_to_clean_up_twice_is_no_failure(cluster):
    cluster.answer(r"get \S*daemonsets.apps,")
    assert "nothing of kudev" in works(cluster.run("clean-up", "--yes"))
    assert not cluster.changes()


# diagnose

def test_diagnose_finds_nothing_where_all_is_well(cluster):
    report = works(cluster.run("diagnose"))
    assert "kudev runs, and nobody waits" in report.split("== findings\n")[1]
    for part in ("versions", "DaemonSets", "pods of kudev", "events about kudev",
                 "n1: kudev status", "n1: kudev check", "n1: the end of the log"):
        assert f"\n== {part}\n" in report
    assert re.search(r"^n1 +example.com/serial +2 of 2$", report, re.M)
    assert "\n== n2: " not in report and "(exit status" not in report


def test_diagnose_changes_nothing_and_reads_no_secrets(cluster):
    cluster.answer("get pods .*jsonpath", stdout=CRASH + PULL)
    works(cluster.run("diagnose", "--all"))
    assert not cluster.changes()
    for line in cluster.lines():
        assert re.match(r"(version|auth can-i|logs|get (namespace|daemonsets|pods|nodes|events)"
                        r"|exec \S+ \S+ \S+ -- kudev (status|check))\b", line), line
        assert not re.search(r"-o (yaml|json)\b|secret|configmap|\.env|kubectl describe",
                             line.replace("check -o json", ""))


TROUBLES = {
    "no kudev": ("get daemonsets .*jsonpath", "", "there is no kudev in namespace kube-system"),
    "for no node": ("get daemonsets .*jsonpath", "kudev|0|0\n", "is for no node"),
    "not everywhere": ("get daemonsets .*jsonpath", "kudev|3|1\n", "ready on 1 of 3 nodes"),
    "image": ("get pods -n .*jsonpath", PULL, "ImagePullBackOff: Back-off pulling image"),
    "crash": ("get pods -n .*jsonpath", CRASH, "CrashLoopBackOff"),
    "restarts": ("get pods -n .*jsonpath", "kudev-b|n2|Running|true|2||\n", "2 times anew"),
    "no healthy device": ("get nodes", "n1 example.com/serial 0 2\n",
                          "example.com/serial on n1: 0 of 2 devices are healthy"),
    "no device at all": ("get nodes", "n1 example.com/serial 0 0\nn2 example.com/serial 0 0\n",
                         "no device of example.com/serial on any node"),
    "not known to the nodes": ("get nodes", "", "no device of example.com/serial on any node"),
    "a pod waits": ("phase=Pending", 'default/p|{"example.com/serial":"1"}|Insufficient\n',
                    "pod default/p waits: Insufficient"),
    "a pod was refused": ("phase=Failed", "default/p|n1|no healthy devices present\n",
                          "the kubelet of n1 refused pod default/p: no healthy devices"),
}


@pytest.mark.parametrize("call, answer, finding", TROUBLES.values(), ids=TROUBLES.keys())
def test_diagnose_says_what_is_wrong(cluster, call, answer, finding):
    cluster.answer(call, stdout=answer)
    assert finding in works(cluster.run("diagnose")).split("== findings\n")[1]


def test_diagnose_leaves_pods_of_other_plugins_alone(cluster):
    cluster.answer("phase=Pending", stdout='default/p|{"nvidia.com/gpu":"1"}|Insufficient\n')
    cluster.answer("get nodes", stdout="n1 nvidia.com/gpu 0 2\nn1 example.com/serial 1 1\n")
    assert "nobody waits" in works(cluster.run("diagnose"))


def test_diagnose_does_not_wonder_at_nodes_without_devices(cluster):
    cluster.answer("get nodes", stdout="n1 example.com/serial 0 0\nn2 example.com/serial 1 1\n")
    assert "nobody waits" in works(cluster.run("diagnose"))


def test_diagnose_goes_on_where_a_command_fails(cluster):
    cluster.answer("exec .* status$", code=3, stdout="not ready\nserial: no stream\n")
    cluster.answer("get nodes|get events", code=1, stderr="Error from server (Forbidden)\n")
    report = works(cluster.run("diagnose"))
    findings = report.split("== findings\n")[1]
    assert "kudev status on n1 failed: serial: no stream" in findings
    assert "what nodes offer can't be looked at" in findings
    assert "n1: kudev check" in report


def test_diagnose_shows_warnings_and_the_log_before_a_restart(cluster):
    cluster.answer("get pods -n .*jsonpath", stdout=CRASH)
    cluster.answer("logs .*--tail=10000", stdout='{"level":"INFO","msg":"a"}\n'
                   '{"level":"WARN","msg":"class is degraded"}\n')
    cluster.answer("logs .*--previous", stdout="its last words\n")
    report = works(cluster.run("diagnose"))
    assert re.search(r"warnings and errors in the log\n\{.*class is degraded.*\n\n", report)
    assert "== n2: the log of the kudev before\nits last words\n" in report
    assert not [line for line in cluster.lines() if line.startswith("exec ")]


@pytest.mark.parametrize("args, nodes", [
    ("", ["n1"]), ("--node n2", ["n2"]), ("--all", ["n1", "n2"]), ("--node n7", [])])
def test_diagnose_looks_closer_at_the_chosen_pods(cluster, args, nodes):
    report = works(cluster.run("diagnose", *args.split()))
    assert re.findall(r"^== (n\d): kudev status$", report, re.M) == nodes
    if not nodes:
        assert "there is no pod of kudev on node n7" in report
    asked, = [line for line in cluster.lines() if line.startswith("get nodes ")]
    # "get nodes NAME" is not a list, and a template for lists finds nothing in it.
    chosen = re.match(r"get nodes (?:--field-selector=metadata.name=(\S+) )?-o go-", asked)[1]
    assert chosen == (args.split()[1] if "--node" in args else None)


# The real kubectl

@pytest.fixture
def kubectl():
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl")
    return "kubectl"


def test_the_real_kubectl_knows_what_the_scripts_say(cluster, stage, kubectl):
    """There is no cluster, so that each call has to fail for that, and for nothing else."""
    config = stage.write("kind: DaemonSet\napiVersion: apps/v1\n")
    for args in ([*WORK["deploy"], "--config", config], [*WORK["deploy"], "--dry-run"],
                 ["update", "--image", IMAGE, "--config", config], ["update", "--undo"],
                 ["restart"], ["restart", "--node", "n2"], ["clean-up", "--yes"],
                 ["diagnose", "--all"]):
        works(cluster.run(*args))
    calls = {re.sub(r'[^" ]+/all.yaml', str(config), json.dumps(call)) for call in cluster.calls
             if call[0] != "kustomize" and "--dry-run=client" not in call}
    running = [subprocess.Popen(
        [kubectl, "--server=http://127.0.0.1:9", *json.loads(call)], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "KUBECONFIG": "/dev/null", "HOME": str(stage.directory)})
        for call in sorted(calls)]
    for process in running:
        _, error = process.communicate(timeout=limit(60))
        assert process.returncode != 0
        assert re.search(r"127\.0\.0\.1:9\b", error), f"{process.args}: {error}"


def test_the_real_kustomize_renders_what_deploy_writes(cluster, stage, kubectl):
    mine = stage.directory / "mine"
    mine.mkdir()
    labels = "\n  labels: {app.kubernetes.io/name: kudev}"
    (mine / "all.yaml").write_text(MANIFESTS.replace("metadata:", f"metadata:{labels}"))
    (mine / "kustomization.yaml").write_text("resources: [all.yaml]\n")
    applied = stage.directory / "applied.yaml"
    cluster.kubectl.write_text(f"""#!/bin/sh
case "$*" in
*kustomize*|*"create configmap"*) exec {shutil.which(kubectl)} "$@" ;;
*Helm*) ;;
*apply*) for last; do :; done; cp "$last" {applied} ;;
*-o\\ name) echo daemonset.apps/kudev ;;
esac
""")
    cluster.kubectl.chmod(0o755)
    config = stage.write("classes: [] # mine\n")
    for target in (mine, mine / "all.yaml"):
        applied.unlink(missing_ok=True)
        works(cluster.run_as_is("deploy", target, "--image", IMAGE, "--config", config,
                                "-n", "devices"))
        text = applied.read_text()
        assert f"image: {IMAGE}" in text and "classes: [] # mine" in text
        assert "kube-system" not in text and text.count("namespace: devices") == 2
