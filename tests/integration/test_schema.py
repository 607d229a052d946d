# SPDX-License-Identifier: Apache-2.0
"""kudev schema, judged by an independent validator, against what kudev itself accepts."""

import copy
import json
import re
import shutil
import subprocess

import pytest

from daemon import run_kudev
from support import REPOSITORY

jsonschema = pytest.importorskip("jsonschema", reason="no jsonschema for Python")
yaml = pytest.importorskip("yaml", reason="no yaml for Python")

CONFIG = REPOSITORY / "conf/kudev.yaml"
SHIPPED = REPOSITORY / "conf/kudev.schema.json"
BAD = sorted((REPOSITORY / "tests/config/bad").glob("*.yaml"))
EXAMPLES = [path for path in sorted((REPOSITORY / "examples").glob("*.yaml"))
            if "apiVersion:" not in path.read_text()]
# In generic-device-plugin's grammar, which the schema leaves out.
FOREIGN = {"squat.yaml"}
# Bad samples that no schema can tell, with the reason.
BEYOND = {
    "duplicates.yaml": "to a validator a key that comes twice is there once",
    "size.yaml": "takes the size of a message",
}
# The same for single mistakes, by what kudev says of them.
ONLY_CODE = [
    r"two classes (have|would make)",
    r"is greater than",
    r"must be \d+ms to \d+s",  # a time in any unit
    r"the last of \d+ cameras",
    r"label of video\d+:|far more than a label can",
    r"the range runs backwards",
    r"is no extended regular expression|has more than \d+ characters or \d+ groups",
    r"has no port from 1 to 65535",
    r"is the root directory",  # in any of its spellings
    r"the path has \d+ bytes|the socket's path has",
    r"is no user or group ID",  # beyond 32 bits
    r'"-?\d[\d.]*"',  # a number where a text is meant: the validator sees no digits
]


class Loader(yaml.SafeLoader):
    """YAML 1.2 (core schema), which editors read; PyYAML's own is 1.1."""

    yaml_implicit_resolvers: dict = {}


for tag, regex, first in [
        ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
        ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
        ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
        ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$",
         list("-+.0123456789"))]:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(regex), first)
Loader.add_constructor("tag:yaml.org,2002:int",
                       lambda loader, node: int(loader.construct_scalar(node)))


@pytest.fixture(scope="module")
def schema() -> dict:
    done = run_kudev("schema")
    assert done.returncode == 0 and not done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def validator(schema):
    return jsonschema.Draft7Validator(schema)


def complaints(validator, value) -> list[str]:
    return [f"{list(error.absolute_path)}: {error.message[:200]}"
            for error in validator.iter_errors(value)]


def load(text):
    return yaml.load(text, Loader)


def test_the_schema_is_a_schema(schema):
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"


def patterns(node) -> set[str]:
    """Every regular expression in the schema."""
    if isinstance(node, list):
        return set().union(*map(patterns, node))
    if not isinstance(node, dict):
        return set()
    own = {node["pattern"]} if isinstance(node.get("pattern"), str) else set()
    return own.union(*map(patterns, node.values()))


def test_editors_can_compile_the_patterns(schema):
    """They are for ECMAScript, with the flag u, which is the stricter reading."""
    if not shutil.which("node"):
        pytest.skip("no node")
    script = "for (const each of JSON.parse(process.argv[1])) new RegExp(each, 'u')"
    found = patterns(schema)
    assert len(found) > 15
    done = subprocess.run(["node", "-e", script, json.dumps(sorted(found))],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_shipped_schema_is_this_one(schema):
    assert json.loads(SHIPPED.read_text()) == schema, "make schema writes it anew"


def test_the_default_configuration_names_the_shipped_schema():
    line = CONFIG.read_text().splitlines()[0]
    name = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", line)
    assert name, line
    assert (CONFIG.parent / name[1]).samefile(SHIPPED)


def mappings(schema: dict, path="", seen=()):
    """Each mapping of the schema that has keys of ours, under its path."""
    if "$ref" in schema or "properties" not in schema:
        nested = [schema.get("items"), schema.get("additionalProperties"),
                  *schema.get("anyOf", [])]
        for each in nested:
            if isinstance(each, dict):
                yield from mappings(each, path, seen)
        return
    if "additionalProperties" in schema:
        yield path, schema
        for key, value in schema["properties"].items():
            yield from mappings(value, f"{path}/{key}", seen)


def all_mappings(schema: dict):
    yield from mappings(schema)
    for name, definition in schema["definitions"].items():
        yield from mappings(definition, f"#{name}")


def test_unknown_keys_are_refused_and_known_ones_explained(schema):
    found = dict(all_mappings(schema))
    assert {"", "/classes", "/classes/groups/paths", "/classes/v4l2loopback",
            "/classes/health/attributes", "#match", "#match/usb"} <= set(found)
    for path, mapping in found.items():
        assert mapping["additionalProperties"] is False, path
        for key, value in mapping["properties"].items():
            assert len(value["description"]) > 10, f"{path}/{key}"


def uncommented(text: str, keys) -> str:
    """The default configuration with the keys and classes that are comments in it."""
    lines, in_class = [], False
    for line in text.splitlines():
        in_class = line.startswith("  # - name:") or in_class and line.startswith("  #")
        key = re.match(r"# (\w+): ", line)
        if in_class:
            line = "  " + line[4:]
        elif key and key[1] in keys:
            line = line[2:]
        lines.append(line)
    return "\n".join(lines)


@pytest.mark.parametrize("path", [CONFIG, *EXAMPLES], ids=lambda path: path.name)
def test_every_example_is_valid(validator, path):
    found = complaints(validator, load(path.read_text()))
    assert bool(found) == (path.name in FOREIGN), found


def test_what_the_default_configuration_has_in_comments_is_valid(stage, schema, validator):
    text = uncommented(CONFIG.read_text(), schema["properties"])
    value = load(text)
    assert set(value) == set(schema["properties"])
    assert {"fuse", "gps", "capture", "virtual-camera", "example"} <= {
        each["name"] for each in value["classes"]}
    assert complaints(validator, value) == []
    done = run_kudev("check", "--config", stage.write(text))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name)
def test_every_bad_sample_is_refused(validator, path):
    done = run_kudev("check", "--config", path)
    assert done.returncode == 2, done.stdout
    try:
        value = load(path.read_text())
    except yaml.YAMLError:
        return  # before any schema
    assert bool(complaints(validator, value)) == (path.name not in BEYOND)


# One class for each source; every key of the schema is in it, which a test below checks.
USB = {"vendor": "1546", "product": "01a8", "serial": "x"}
FULL = {
    "domain": "example.com",
    "pluginDirectory": "/var/lib/kubelet/device-plugins",
    "podResources": "/var/lib/kubelet/pod-resources/kubelet.sock",
    "forgetAfter": "10m",
    "cdiDirectory": "/var/run/cdi",
    "listen": ":8080",
    "holderMetrics": False,
    "events": "auto",
    "logLevel": "info",
    "logFormat": "json",
    "classes": [
        {"name": "a", "resource": "example.com/full", "paths": ["/dev/tty[A-Z]*"],
         "share": 4, "mountPath": "/dev/{index}", "permissions": "rw",
         "env": {"PORT": "{path} {{"}, "annotations": {"Example.com/a": "{time}"},
         "mounts": [{"hostPath": "/lib", "containerPath": "/lib", "readOnly": True}],
         "preferred": "numa", "cdi": {"write": True},
         "health": {"open": True, "interval": "30s", "timeout": "1s",
                    "failureThreshold": 3, "successThreshold": 1,
                    "attributes": {"a/b": {"equals": "x", "notEquals": ["y", "z"],
                                           "min": -2.5, "max": 4, "regex": "^a"}}}},
        {"name": "b", "groups": [
            {"count": 2, "paths": [
                {"path": "/dev/b", "type": "Device", "permissions": "r", "limit": 2,
                 "mountPath": "/dev/c/", "optional": True},
                {"path": "/etc/b", "type": "Mount", "readOnly": True}]},
            {"usb": [USB]}]},
        {"name": "c", "together": "parent", "identity": "port", "mountPath": "/dev/c/",
         "match": [{"subsystem": "tty", "kernel": ["ttyUSB*", "ttyACM*"], "driver": "d",
                    "tags": "t", "properties": {"P": "p"}, "attributes": {"a": ["b"]},
                    "usb": {**USB, "vendor": ["1546", "15*"]},
                    "not": {"driver": "e", "not": [{"kernel": "f"}]}}]},
        {"name": "d", "simulate": {"count": 2, "numaNodes": 2, "directory": "/run/d"}},
        {"name": "e", "v4l2loopback": {
            "count": 2, "firstNumber": 20, "label": "{class} {index}",
            "exclusiveCaps": True, "buffers": 2, "openers": 10, "minWidth": 2,
            "minHeight": 1, "maxWidth": 640, "maxHeight": 480, "mode": "0660",
            "owner": "root", "group": "44", "reset": "soft", "fallback": "dummy",
            "fallbackPrefix": "/dev/e", "timeout": "60s"}},
    ],
}


def keys_of(value) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(keys_of(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(keys_of(each) for each in value))
    return set()


def test_the_full_configuration_has_every_key_and_is_valid(stage, schema, validator):
    known = {key for _, mapping in all_mappings(schema) for key in mapping["properties"]}
    assert known - keys_of(FULL) == set(), "put new keys into FULL"
    assert complaints(validator, FULL) == []
    done = run_kudev("check", "--config", stage.write(FULL))
    assert done.returncode == 0, done.stderr


SCALARS = [0, 1, 256, -1, 2.5, 10**10, "", "X y", "7", "-1", "none", "0666", "rwm", "rr",
           "30s", "99h", "5 s", "/", "/.", "/x", "/x/", "x/y", "../x", "/dev/../x",
           "/" + "x" * 300, "{id}", "{ids}", "{", "}}", "[", "/dev/[!a]", "/dev/[b-a]",
           "/dev/[^a-z\\]]", "/dev/**", ":80", ":0", "[::1]:80", "1ST", "a.b", "a/b/c",
           "kubernetes.io/x", "x" * 64]
KINDS = [None, True, 7, "x", [], ["x"], ["/x", "/x"], [None], [[]], [{}], {}, {"x": "y"},
         {"name": "x"}]


def places(value, path=()):
    """Each value in a tree with its path, and the tree itself."""
    yield path, value
    items = value.items() if isinstance(value, dict) else (
        enumerate(value) if isinstance(value, list) else ())
    for key, each in items:
        yield from places(each, (*path, key))


def changed(document, path, change):
    """A copy of the document in which change(container, key) was done at the place."""
    tree = {"root": copy.deepcopy(document)}
    container, key = tree, "root"
    for step in path:
        container, key = container[key], step
    change(container, key)
    return tree["root"]


def mutations(document):
    """The document with one thing done to it: a value replaced, a key gone or renamed."""
    for path, old in places(document):
        for value in KINDS if isinstance(old, (dict, list)) else KINDS + SCALARS:
            def replace(container, key, value=value):
                container[key] = copy.deepcopy(value)
            yield f"{path} = {value!r}", changed(document, path, replace)
        if path and isinstance(path[-1], str):
            yield f"{path} gone", changed(document, path,
                                          lambda container, key: container.pop(key))
            for name in "x", "9X", "a b", "A/b", "..", "share", "mountPath", "identity":
                def rename(container, key, name=name):
                    container[name] = container.pop(key)
                yield f"{path} named {name}", changed(document, path, rename)


def verdicts(stage, text: str) -> dict[int, list[str]]:
    """What kudev has against the configuration, by line; errors without a line at 0."""
    done = run_kudev("check", "--config", stage.write(text, "mistakes.json"))
    # 1 is a good configuration that this machine can't have.
    assert done.returncode in (0, 1, 2), done
    found: dict[int, list[str]] = {}
    for line in done.stderr.splitlines():
        place = re.match(r"\S+mistakes\.json:(\d+):\d+: (.*)", line)
        found.setdefault(int(place[1]) if place else 0, []).append(
            place[2] if place else line)
    assert bool(found) == (done.returncode == 2), done
    return found


def compare(name: str, by_schema: list[str], by_kudev: list[str]) -> str:
    if by_schema and not by_kudev:
        return f"{name}: refused by the schema alone: {by_schema}"
    # It is a single mistake: if it is known, the other errors follow from it.
    known = any(re.search(regex, text) for regex in ONLY_CODE for text in by_kudev)
    if by_kudev and not by_schema and not known:
        return f"{name}: refused by kudev alone: {by_kudev}"
    return ""


def test_what_the_schema_says_of_a_mistake_is_what_kudev_says(stage, validator):
    differences, count = [], 0
    document = {**FULL, "classes": [{"name": "z", "paths": ["/z"]}]}
    for name, value in mutations(document):
        found = verdicts(stage, json.dumps(value))
        differences.append(compare(name, complaints(validator, value),
                                   sum(found.values(), [])))
        count += 1
    differences = [each for each in differences if each]
    assert not differences, "\n".join(differences[:30])
    assert count > 300


# So few that kudev tells all of their errors: it stops at a hundred.
BATCH = 12


@pytest.mark.parametrize("number", range(len(FULL["classes"])))
def test_what_the_schema_says_of_a_class_is_what_kudev_says(stage, schema, number):
    """Many classes in a file, one in a line, are quicker than a file for each."""
    items = {**schema["properties"]["classes"]["items"],
             "definitions": schema["definitions"]}
    validator = jsonschema.Draft7Validator(items)
    differences, every = [], list(mutations(FULL["classes"][number]))
    for start in range(0, len(every), BATCH):
        batch = every[start:start + BATCH]
        for index, (_, value) in enumerate(batch):
            if isinstance(value, dict) and value.get("name") == FULL["classes"][number]["name"]:
                value["name"] += str(index)
            if isinstance(value, dict) and "resource" in value and value[
                    "resource"] == "example.com/full":
                value["resource"] += str(index)
        lines = ",\n".join(json.dumps(value) for _, value in batch)
        found = verdicts(stage, '{"classes": [\n' + lines + "\n]}")
        assert sum(map(len, found.values())) < 100, "make BATCH smaller"
        assert not found.get(0)
        for index, (name, value) in enumerate(batch):
            by_kudev = found.get(index + 2, [])
            # What is wrong between two classes says nothing about one.
            if not by_kudev or any(not text.startswith("two classes") for text in by_kudev):
                differences.append(compare(name, complaints(validator, value), by_kudev))
    differences = [each for each in differences if each]
    assert not differences, f"{len(differences)}:\n" + "\n".join(differences[:60])
    assert len(every) > 100
