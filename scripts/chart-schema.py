#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints deploy/chart/values.schema.json: the chart's own values, and the classes and settings
of conf/kudev.schema.json. "make schema" writes both anew, and a test tells if that is due.

Helm's regular expressions are those of Go, without lookaround and back references. What needs
one is left out here; "kudev check" knows it all.

A text has to be a string. kudev takes 0403 as it is written; Helm reads a number, and an octal
one at that, and hands on 259."""

import json
import re
import sys
from pathlib import Path

SCHEMA = Path(__file__).resolve().parent.parent / "conf/kudev.schema.json"
# The chart places these itself.
PLACED = ("listen", "pluginDirectory", "podResources", "cdiDirectory")
NOT_IN_GO = re.compile(r"\(\?[=!<]|\\[1-9]")


def text(description, **more):
    return {"type": "string", "description": description, **more}


def switch(description):
    return {"type": "boolean", "description": description}


def mapping(description, **more):
    return {"type": "object", "description": description, **more}


def entries(description, **items):
    return {"type": "array", "description": description, "items": items or {"type": "object"}}


def record(description, *, needs=(), **properties):
    return mapping(description, properties=properties, additionalProperties=False,
                   **({"required": list(needs)} if needs else {}))


def labels(description):
    return mapping(description, additionalProperties={"type": "string"})


def monitor(description):
    return record(
        description, needs=["interval"],
        enabled=switch("Whether there is one."),
        interval=text("Time between two scrapes.", pattern="^[0-9]+(ms|s|m)$"),
        labels=labels("By which a Prometheus selects it."),
    )


ABSOLUTE = {"pattern": "^/[^\\x01-\\x1f\\x7f]*$"}
# A null takes a default away. These can't be done without.
NEEDED = ("domain", "image", "kubeletRoot", "maxUnavailable", "networkPolicy", "podMonitor", "port",
          "serviceMonitor", "alerts", "dashboard")
OWN = {
    "global": mapping("Values of a chart that has this one in it; not used."),
    "image": record(
        "The image.", needs=["repository"],
        repository=text("Where it is, without the tag.", minLength=1),
        tag=text("The default is the chart's appVersion."),
        pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
    ),
    "imagePullSecrets": entries("As in a pod."),
    "kubeletRoot": text("The kubelet's root directory, for PodResources.",
                        pattern="^/([^\\x01-\\x1f\\x7f]*[^/\\x01-\\x1f\\x7f])$"),
    "privileged": switch("For classes with v4l2loopback, and health checks with open."),
    "hostNetwork": switch("For udev's own messages."),
    "port": {"type": "integer", "minimum": 1024, "maximum": 65535,
             "description": "For health, metrics and status; a lower one wants a capability."},
    "hostPaths": entries(
        "Files and directories of the node that classes name, outside of /dev.",
        type="object",
        properties={
            "path": text("On the node, and in the container.", **ABSOLUTE),
            "type": {"enum": ["Directory", "File", "Socket", "CharDevice", "BlockDevice"]},
        },
        required=["path", "type"],
        additionalProperties=False,
    ),
    "seLinuxType": text("The type of the process on nodes with SELinux."),
    "podMonitor": monitor("Scrapes each pod."),
    "serviceMonitor": monitor("Scrapes each pod, by way of a Service."),
    "alerts": record(
        "A PrometheusRule.",
        enabled=switch("Whether there is one."),
        labels=labels("By which a Prometheus selects it."),
    ),
    "dashboard": record(
        "A ConfigMap with a dashboard for Grafana.",
        enabled=switch("Whether there is one."),
        labels=labels("By which Grafana's sidecar finds it."),
    ),
    "networkPolicy": record(
        "Who may ask kudev over HTTP.", needs=["from"],
        enabled=switch("Whether there is one."),
        **{"from": entries("Peers, as in a NetworkPolicy; none are everybody.")},
    ),
    "resources": mapping("As in a container."),
    "maxUnavailable": {"type": ["integer", "string"], "minimum": 1,
                       "pattern": "^([1-9][0-9]?|100)%$",
                       "description": "Nodes without a ready kudev during an update."},
    "priorityClassName": text("As in a pod."),
    "nodeSelector": mapping("As in a pod.", additionalProperties={"type": "string"}),
    "tolerations": entries("As in a pod."),
    "affinity": mapping("As in a pod."),
    "podAnnotations": mapping("As in a pod.", additionalProperties={"type": "string"}),
    "podLabels": mapping("As in a pod.", additionalProperties={"type": "string"}),
}


def for_helm(value, where=()):
    """The schema without the patterns that Go can't compile, and with strings for texts."""
    if isinstance(value, list):
        return [for_helm(item, where) for item in value]
    if not isinstance(value, dict):
        return value
    if NOT_IN_GO.search(value["pattern"] if isinstance(value.get("pattern"), str) else ""):
        # There it would turn the meaning round.
        if {"not", "if", "oneOf"} & set(where):
            sys.exit(f"chart-schema.py: a pattern that Go lacks, in {'/'.join(where)}")
        value = {key: value[key] for key in value if not key.startswith("pattern")}
    if isinstance(value.get("type"), list) and "string" in value["type"]:
        value = value | {"type": "string"}
    return {key: for_helm(item, (*where, key)) for key, item in value.items()}


def main():
    schema = for_helm(json.loads(SCHEMA.read_text()))
    keys = schema["properties"]
    settings = {key: keys[key] for key in keys
                if key not in PLACED and key not in ("domain", "classes")}
    values = {
        "$schema": schema["$schema"],
        "title": "Values of kudev's chart",
        "description": "Made by scripts/chart-schema.py.",
        "type": "object",
        "properties": {
            "domain": keys["domain"],
            "classes": keys["classes"],
            "settings": record("Other keys of kudev.yaml.", **settings),
            **OWN,
        },
        "additionalProperties": False,
        "required": [*schema["required"], *NEEDED],
        "definitions": schema["definitions"],
    }
    print(json.dumps(values, indent=2, ensure_ascii=False))


main()
