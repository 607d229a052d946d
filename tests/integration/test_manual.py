# SPDX-License-Identifier: Apache-2.0
"""The manual pages say what the program's tables say, and are well-formed."""

import json
import re
import shutil
import subprocess

import pytest

from daemon import run_kudev
from support import REPOSITORY

KUDEV_8 = REPOSITORY / "conf/kudev.8"
KUDEV_YAML_5 = REPOSITORY / "conf/kudev.yaml.5"
PAGES = [KUDEV_8, KUDEV_YAML_5]
UNSIGNED_MAX = 2**32 - 1


def sections(path, macro: str) -> dict[str, list[str]]:
    """The lines below each heading that the macro makes, up to the next of its kind."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in path.read_text().splitlines():
        heading = re.match(r"\.(Sh|Ss) (.*)", line)
        if heading:
            lines = []
            if heading[1] == macro:
                found[heading[2].replace("\\&", "").strip('"')] = lines
        else:
            lines.append(line)
    return found


def entries(lines: list[str], macro: str) -> dict[str, str]:
    """The first line behind each .It with that macro, by what follows the macro."""
    found = {}
    for line, following in zip(lines, lines[1:]):
        item = re.fullmatch(rf"\.It {macro} (.*)", line)
        if item:
            assert item[1] not in found, f"{item[1]} stands there twice"
            found[item[1]] = following
    return found


# kudev.yaml(5)

@pytest.fixture(scope="module")
def schema() -> dict:
    return json.loads(run_kudev("schema").stdout)


def mappings(schema: dict, node: dict, path="", seen=()):
    """Each mapping with keys of its own, under the path that the manual heads it with."""
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        if name in seen:
            return
        seen = (*seen, name)
        node = schema["definitions"][name]
    if node.get("type") == "array":
        yield from mappings(schema, node["items"], f"{path}[]", seen)
    elif isinstance(node.get("additionalProperties"), dict):
        yield from mappings(schema, node["additionalProperties"], f"{path}.*", seen)
    elif "properties" in node:
        yield path.lstrip(".") or "Top level", node
        for key, value in node["properties"].items():
            yield from mappings(schema, value, f"{path}.{key}", seen)


def kind(node: dict, plural="") -> str:
    if "anyOf" in node and "type" not in node:
        one, several = node["anyOf"]
        return f"{kind(one)} or {kind(several)}"
    if "enum" in node:
        return ", ".join(node["enum"][:-1]) + " or " + node["enum"][-1]
    span = re.search(r"From (\S+) to (\S+)\.$", node.get("description", ""))
    if span:
        return f"time, {span[1]} to {span[2]}"
    if "$ref" in node:
        return f"mapping{plural}"
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    if types == ["array"]:
        return f"list of {kind(node['items'], 's')}"
    if types == ["integer"] and node["maximum"] < UNSIGNED_MAX:
        return f"integer{plural}, {node['minimum']} to {node['maximum']}"
    names = {"object": "mapping", "string": "text"}
    return names.get(types[0], types[0]) + plural


def facts(mapping: dict, key: str) -> str:
    node = mapping["properties"][key]
    default = node.get("default")
    text = kind(node)
    if key in mapping.get("required", []):
        text += "; required"
    if default is not None:
        shown = default if isinstance(default, str) else json.dumps(default)
        text += "; default " + (shown if re.fullmatch(r"[^\s]+", shown) else f'"{shown}"')
    return f"({text})"


def test_kudev_yaml_5_has_every_key_with_its_type_range_and_default(schema):
    documented = {heading: entries(lines, "Ic")
                  for heading, lines in sections(KUDEV_YAML_5, "Ss").items()}
    documented = {heading: keys for heading, keys in documented.items() if keys}
    expected = {path: {key: facts(mapping, key) for key in mapping["properties"]}
                for path, mapping in mappings(schema, schema)}
    assert documented == expected


def test_the_configurations_in_kudev_yaml_5_are_good(stage):
    text = KUDEV_YAML_5.read_text()
    found = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", text, re.M | re.S)
    configurations = [each for each in found if "classes:" in each]
    assert len(configurations) >= 3
    for each in configurations:
        plain = each.replace("\\&", "").replace("\\e", "\\")
        done = run_kudev("check", "--config", stage.write(plain))
        assert done.returncode == 0, done.stderr


# kudev(8)

def commands() -> list[str]:
    listed = run_kudev("--help").stdout.split("Commands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


def options() -> dict[str, list[str]]:
    """The commands of each option, which stands with its argument."""
    found: dict[str, list[str]] = {}
    for command in commands():
        for name in re.findall(r"^  --(\S+(?: [A-Z]+)?) ",
                               run_kudev(command, "--help").stdout, re.M):
            found.setdefault(name, []).append(command)
    return found


def variables() -> set[str]:
    """Those that the sources look up."""
    source = REPOSITORY / "src/config"
    own = set(re.findall(r'"(KUDEV_[A-Z_]+)"', (source / "load.c").read_text()))
    others = set(re.findall(r'\.key = "([A-Z][A-Z0-9_]+)"',
                            (source / "videoplugin.c").read_text()))
    assert {"KUDEV_CONFIG", "KUDEV_LENIENT"} <= own and {"NODE_NAME"} < others
    return own - {"KUDEV_PORT", "KUDEV_"} | others


def test_kudev_8_has_every_command():
    page = sections(KUDEV_8, "Sh")
    assert sorted(entries(page["COMMANDS"], "Ic")) == sorted(commands())
    synopsis = [line for line in page["SYNOPSIS"] if re.match(r"\.(Op )?Cm ", line)]
    assert sorted(re.findall(r"\b[a-z]+\b", " ".join(synopsis))) == sorted(commands())


def test_kudev_8_has_every_option_with_its_commands():
    documented = {}
    for item, following in entries(sections(KUDEV_8, "Sh")["OPTIONS"], "Fl").items():
        name = re.fullmatch(r"-([a-z-]+)(?: Ar ([A-Z]+))?(?: , Fl \w(?: Ar [A-Z]+)?)?", item)
        assert name, item
        documented[f"{name[1]} {name[2]}" if name[2] else name[1]] = following
    every = commands()
    expected = {name: "(all commands)" if of == every else f"({', '.join(of)})"
                for name, of in options().items()}
    assert documented == expected


def test_kudev_8_has_every_variable():
    lines = sections(KUDEV_8, "Sh")["ENVIRONMENT"]
    for each in sections(KUDEV_8, "Ss").values():
        lines = lines + each
    documented = set()
    for line in lines:
        item = re.match(r"\.It Ev (.*)", line)
        if item:
            documented |= set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", item[1]))
    assert documented == variables()


# Both

@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_groff_has_nothing_against_the_page(path):
    if not shutil.which("man"):
        pytest.skip("no man")
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path],
                          capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_mandoc_has_nothing_against_the_page(path):
    if not shutil.which("mandoc"):
        pytest.skip("no mandoc")
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout
