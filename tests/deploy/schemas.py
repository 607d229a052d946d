# SPDX-License-Identifier: Apache-2.0
"""What kubeconform validates by: a schema for each kind, made of Kubernetes' own OpenAPI document
or of a CustomResourceDefinition. Strict: a key that is not in it is an error."""

import copy
import json
from pathlib import Path

import yaml

REFERENCE = "#/definitions/"
# What the API server takes besides what the document says.
LENIENT = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
}


def close(schema):
    """Allows no other keys than those that are there, at any depth."""
    if isinstance(schema, list):
        for item in schema:
            close(item)
    elif isinstance(schema, dict):
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        for item in schema.values():
            close(item)


def references(schema) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(references, schema))
    if not isinstance(schema, dict):
        return set()
    found = set().union(*map(references, schema.values()))
    if isinstance(schema.get("$ref"), str):
        found.add(schema["$ref"].removeprefix(REFERENCE))
    return found


def closure(name: str, definitions: dict) -> dict:
    """The definition and all that it refers to."""
    found, todo = {}, {name}
    while todo:
        next_name = todo.pop()
        found[next_name] = definitions[next_name]
        todo |= references(definitions[next_name]) - found.keys()
    return found


def write(directory: Path, group: str, version: str, kind: str, schema: dict):
    """Under the name that run.sh's and the tests' -schema-location makes of it."""
    name = "-".join(filter(None, [kind.lower(), group.split(".")[0], version]))
    (directory / f"{name}.json").write_text(json.dumps(schema))


def from_openapi(document: Path, kinds: set[tuple[str, str]], directory: Path):
    """kinds: of apiVersion and kind; those that Kubernetes itself does not have are left out."""
    definitions = json.loads(document.read_text())["definitions"] | LENIENT
    close(definitions)
    for name, definition in definitions.items():
        for known in definition.get("x-kubernetes-group-version-kind", []):
            api = "/".join(filter(None, [known["group"], known["version"]]))
            if (api, known["kind"]) not in kinds:
                continue
            needed = copy.deepcopy(closure(name, definitions))
            needed[name]["properties"]["apiVersion"] = {"const": api}
            needed[name]["properties"]["kind"] = {"const": known["kind"]}
            needed[name]["required"] = ["apiVersion", "kind", "metadata"]
            write(directory, known["group"], known["version"], known["kind"],
                  {"$ref": REFERENCE + name, "definitions": needed})


def from_definition(document: Path, directory: Path):
    """document: a CustomResourceDefinition."""
    spec = yaml.safe_load(document.read_text())["spec"]
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        close(schema)
        write(directory, spec["group"], version["name"], spec["names"]["kind"], schema)
