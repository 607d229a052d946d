# SPDX-License-Identifier: Apache-2.0
"""The tools and documents that run.sh has fetched, as functions and fixtures."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import schemas

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = Path(os.environ["KUDEV_DEPLOY_TOOLS"])
KUDEV = os.environ["KUDEV_BINARY"]
# MINOR=OpenAPI document, each that tests/kubelet knows first and last.
OPENAPI = dict(word.split("=", 1) for word in os.environ["KUDEV_DEPLOY_OPENAPI"].split())
DEFINITIONS = Path(os.environ["KUDEV_DEPLOY_DEFINITIONS"])
# Helm's own default would be the Kubernetes that it was built with.
HELM_CAPABILITIES = ["--kube-version", f"{max(OPENAPI, key=lambda m: int(m.split('.')[1]))}.0"]


def run(*command, **more) -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=120, **more)


def output(*command, **more) -> str:
    done = run(*command, **more)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def kustomize(directory: Path) -> str:
    return output(TOOLS / "kustomize", "build", directory)


def helm_template(values: dict | None = None, release="kudev", namespace="kube-system"):
    """The process, for a test that wants it to fail."""
    return run(TOOLS / "helm", "template", release, REPOSITORY / "deploy/chart",
               "--namespace", namespace, *HELM_CAPABILITIES, "--values", "-",
               input=json.dumps(values or {}))


def helm(values: dict | None = None, **more) -> str:
    done = helm_template(values, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(text: str) -> list[dict]:
    return [document for document in yaml.safe_load_all(text) if document]


@pytest.fixture(scope="session")
def conform(tmp_path_factory):
    """conform(text): fails unless kubeconform finds all manifests valid, of each minor."""
    made: dict[str, set] = {}
    root = tmp_path_factory.mktemp("schemas")

    def directory(minor: str, kinds: set) -> Path:
        path = root / minor
        if minor not in made:
            path.mkdir()
            made[minor] = set()
            for definition in DEFINITIONS.glob("*.yaml"):
                schemas.from_definition(definition, path)
        if kinds - made[minor]:
            schemas.from_openapi(Path(OPENAPI[minor]), kinds - made[minor], path)
            made[minor] |= kinds
        return path

    def validate(text: str):
        kinds = {(document["apiVersion"], document["kind"]) for document in documents(text)}
        for minor in OPENAPI:
            place = directory(minor, kinds)
            output(TOOLS / "kubeconform", "-strict", "-summary", "-schema-location",
                   f"{place}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", "-", input=text)

    return validate


@pytest.fixture
def deploy(tmp_path) -> Path:
    """A copy of deploy/, for kustomizations beside those that are there."""
    shutil.copytree(REPOSITORY / "deploy", tmp_path / "deploy")
    return tmp_path / "deploy"
