# SPDX-License-Identifier: Apache-2.0
"""The status page: what is on it, without scripts and with them, and what never gets in."""

import json
import shutil
import socket
import subprocess
from html.parser import HTMLParser

import pytest

from stage import resource
from support import Port, limit, wait_until
from test_metrics import read
from web import read_all, web_of

VOID = {"meta", "link", "br", "img"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no chromium (Debian: chromium)")


class Document(HTMLParser):
    """Text and attributes by element; every element must be closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.elements = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def count(self, tag, **attributes) -> int:
        return sum(1 for name, attrs in self.elements if name == tag and
                   all(attrs.get(k) == v for k, v in attributes.items()))


def serve(stage, *classes, **options):
    web = web_of(stage)
    kudev = stage.kudev(*classes, args=web.listen, **options)
    kudev.wait_log("listening for HTTP")
    return web, kudev


def test_everything_is_there_without_a_script(stage):
    stage.plug_serials(3)
    web, _kudev = serve(stage, stage.serial(),
                        {"name": "other", "paths": ["/dev/ttyUSB0"]},
                        env={"NODE_NAME": "worker-1"})
    kubelet = stage.kubelet()
    web.wait_ready()
    kubelet.wait_allocatable(resource("serial"), 3)
    stage.unplug("ttyUSB2")
    kubelet.wait_allocatable(resource("serial"), 2, 3)
    answer = web.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    page = Document(answer.text)
    for text in ("worker-1", "✓ Ready", resource("serial"), "2 of 3 devices healthy",
                 "1 registration", "✗ Unhealthy", "/dev/ttyUSB2 is gone", "ttyusb0",
                 "Conflict:", "class serial has", "Last events", "device health changed",
                 "kernel" if "kernel" in answer.text else "inotify"):
        assert text in page.text, text
    assert page.count("caption") == page.count("table") == 2
    assert page.count("th", scope="row") == 3
    assert page.count("meta", **{"http-equiv": "refresh"}) == 1
    assert page.count("html", lang="en") == 1 and page.count("main") == 1


def test_what_is_not_ready_says_why(stage):
    web, _kudev = serve(stage, stage.simulate())
    page = Document(web.get("/").text)
    assert "✗ Not ready" in page.text and "waits for the kubelet" in page.text


def test_a_part_of_the_page_is_the_page(stage):
    web, _kudev = serve(stage, stage.simulate())
    whole, part = web.get("/").text, web.get("/?part=main").text
    cut = whole[whole.index("<main>") + len("<main>"):whole.index("</main>")].strip()
    # But for the time.
    assert cut[:cut.index("<footer>")] == part[:part.index("<footer>")]


def test_style_and_script_come_from_here(stage):
    web, _kudev = serve(stage, stage.simulate())
    page = Document(web.get("/").text)
    assert page.count("link", rel="stylesheet", href="/page.css") == 1
    assert page.count("script", src="/page.js") == 1
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert tag != "style"
        for name in ("src", "href"):
            assert attributes.get(name, "/").startswith(("/", "data:,"))
    for path, kind in (("/page.css", "text/css"), ("/page.js", "text/javascript")):
        answer = web.get(path)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        assert "http" not in answer.text


HOSTILE = "ttyUSB<img src=x onerror=alert(1)>&\"'`"


def test_hostile_names_are_text(stage):
    stage.plug(HOSTILE)
    web, _kudev = serve(stage, stage.serial())
    text = web.get("/").text
    page = Document(text)
    assert page.count("img") == 0 and "<img" not in text
    assert f"/dev/{HOSTILE}" in page.text
    # And the other answers stay what they are.
    paths = [node for device in web.status()["classes"][0]["devices"]
             for node in device["nodes"]]
    assert f"/dev/{HOSTILE}" in paths
    assert read(web.get("/metrics").text)


@pytest.mark.parametrize("query", ["?class=%3Cscript%3E", "?class=serial&from=-1",
                                   "?class=serial&from=999999", "?from=x", "?class=",
                                   "?class=serial&from=18446744073709551616", "?%%%=%"])
def test_a_strange_query_gives_a_page(stage, query):
    stage.plug_serials(1)
    web, _kudev = serve(stage, stage.serial())
    answer = web.get("/" + query)
    assert answer.status == 200
    assert "<script>" not in answer.text
    Document(answer.text)


def test_of_many_devices_those_with_trouble_come_first(stage):
    web, _kudev = serve(stage, stage.simulate(count=10000))
    (stage.simulated / "sim" / "9000").unlink()
    wait_until(lambda: web.status()["classes"][0]["healthyCount"] == 9999)
    answer = web.get("/")
    assert len(answer.text) < 100_000
    page = Document(answer.text)
    assert page.count("th", scope="row") == 50
    assert "50 of 10000 devices are shown" in page.text
    assert page.text.index("sim-9000") < page.text.index("sim-0")


def test_a_class_of_many_devices_has_pages(stage):
    web, _kudev = serve(stage, stage.simulate(count=450), stage.simulate("more", 3))
    seen = []
    for start, rows in ((0, 200), (200, 200), (400, 50)):
        page = Document(web.get(f"/?class=sim&from={start}").text)
        assert page.count("th", scope="row") == rows
        assert f"{start + 1} to {start + rows} of 450" in page.text
        assert "more-0" not in page.text
        seen.append(page.count("a", href="/?class=sim&from=200"))
    assert seen == [1, 0, 1]


def test_very_many_classes_stay_within_bounds(stage):
    web, _kudev = serve(stage, *[stage.simulate(f"c{n}", 40) for n in range(300)])
    answer = web.get("/")
    assert len(answer.text) < 1_000_000
    page = Document(answer.text)
    assert "100 more classes" in page.text
    assert page.count("th", scope="row") == 500


# In a browser


def browse(stage, port, *args) -> str:
    """The document as the browser has it after some seconds."""
    done = subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu",
         f"--user-data-dir={stage.directory}/chromium", "--virtual-time-budget=9000",
         "--dump-dom", *args, f"http://127.0.0.1:{port}/"],
        capture_output=True, text=True, timeout=limit(60), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def serve_port(stage):
    port = stage.closes(Port()).number
    stage.plug_serials(2)
    stage.plug(HOSTILE)
    kudev = stage.kudev(stage.serial(), args=["--listen", f"127.0.0.1:{port}"])
    kudev.wait_log("listening for HTTP")
    return port


def counts(port) -> dict:
    """Answers by their status, up to now."""
    with socket.create_connection(("127.0.0.1", port), limit(5)) as raw:
        raw.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = read_all(raw).decode()
    found = read(answer.split("\r\n\r\n", 1)[1])
    return {dict(labels)["status"]: value for (name, labels), value in found.items()
            if name == "kudev_http_answers_total"}


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_the_page_and_keeps_it_up_to_date(stage, width):
    port = serve_port(stage)
    text = browse(stage, port, f"--window-size={width},900")
    assert "ttyusb0" in text and "Not ready" in text and "Last events" in text
    assert '<p id="stale"' in text and "<img" not in text
    # The page, its style and its script, and then the page anew.
    assert counts(port)["2xx"] > 4
    assert counts(port)["4xx"] == 0


@needs_chromium
def test_a_browser_without_scripts_shows_the_same(stage):
    port = serve_port(stage)
    profile = stage.directory / "chromium/Default"
    profile.mkdir(parents=True)
    (profile / "Preferences").write_text(json.dumps(
        {"profile": {"default_content_setting_values": {"javascript": 2}}}))
    text = browse(stage, port)
    assert "ttyusb0" in text and "Not ready" in text and "Last events" in text
    assert "<img" not in text
    # The page and its style, and nothing anew.
    assert counts(port)["2xx"] <= 3
