# SPDX-License-Identifier: Apache-2.0
"""The metrics that are documented, Prometheus' tool, and a Prometheus that scrapes kudevs."""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from support import REPOSITORY, Port, limit, wait_until

SCRAPE_SECONDS = 0.5


def documented() -> dict:
    """Type, labels and meaning by name, as docs/metrics.md has them."""
    rows = {}
    text = (REPOSITORY / "docs/metrics.md").read_text()
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 4:
            name = cells[0].strip("` ")
            assert name not in rows
            rows[name] = (cells[1], re.findall(r"`(\w+)`", cells[2]), cells[3])
    return rows


def metrics_of(query: str) -> set[str]:
    """Those of kudev that a query asks for, and of Prometheus' own up."""
    return {name.removesuffix("_bucket")
            for name in re.findall(r"\b(?:kudev_\w+|process_\w+|up)(?=[{)\[ ]|$)", query)}


def need(program: str) -> str:
    if not shutil.which(program):
        pytest.skip(f"no {program} (Debian: prometheus)")
    return program


def promtool(*args, **more) -> subprocess.CompletedProcess:
    return subprocess.run([need("promtool"), *map(str, args)], text=True, check=False,
                          capture_output=True, timeout=limit(20), **more)


class Prometheus:
    """targets: labels by address. rules: a file of them."""

    def __init__(self, directory: Path, targets: dict[str, dict], rules: Path):
        config = directory / "prometheus.yaml"
        interval = f"{int(SCRAPE_SECONDS * 1000)}ms"
        # JSON is YAML.
        config.write_text(json.dumps({
            "global": {"scrape_interval": interval, "scrape_timeout": interval,
                       "evaluation_interval": interval},
            "rule_files": [str(rules)],
            "scrape_configs": [{
                "job_name": "kudev", "honor_labels": True,
                "static_configs": [{"targets": [address], "labels": labels}
                                   for address, labels in targets.items()]}]}))
        self._port = Port()
        self.address = self._port.address
        self.log = directory / "prometheus.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", "--log.level=warn",
                 f"--storage.tsdb.path={directory / 'prometheus'}",
                 f"--web.listen-address={self.address}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=limit(10)):
                return True
        except urllib.error.URLError:
            return False

    def wait_ready(self):
        wait_until(self.is_ready, 10, self.log.read_text)

    def ask(self, path: str, **parameters):
        query = urllib.parse.urlencode(
            {key.replace("match", "match[]"): value for key, value in parameters.items()})
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}?{query}",
                                        timeout=limit(10)) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def now(self, query: str) -> list[dict]:
        return [{**series, "values": [series["value"]]}
                for series in self.ask("query", query=query)["result"]]

    def range(self, query: str, start: float, end: float) -> list[dict]:
        return self.ask("query_range", query=query, start=start, end=end,
                        step=SCRAPE_SECONDS)["result"]

    def wait_for(self, query: str):
        """Until it has a result."""
        wait_until(lambda: self.now(query), 10, lambda: f"{query}\n{self.log.read_text()}")

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(limit(10))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._port.close()
