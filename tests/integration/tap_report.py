# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin that writes the results as TAP to file descriptor 3."""

import os

count = 0
outcomes = {}


def say(line):
    os.write(3, (line + "\n").encode())


def result(good, name, comment=""):
    global count
    count += 1
    name = name.replace("#", " ")
    say(f"{'ok' if good else 'not ok'} {count} - {name}{comment}")


def reason(report):
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return " ".join(text.removeprefix("Skipped: ").split())


def pytest_runtest_logreport(report):
    """A test is bad if any of its phases is; it is reported when the last one is over."""
    good, comment = outcomes.pop(report.nodeid, (True, ""))
    if report.failed:
        good = False
    elif hasattr(report, "wasxfail"):
        good, comment = report.passed, f" # TODO {report.wasxfail}"
    elif report.skipped:
        comment = f" # SKIP {reason(report)}"
    if report.when == "teardown":
        result(good, report.nodeid, comment if good or "TODO" in comment else "")
    else:
        outcomes[report.nodeid] = (good, comment)


def pytest_collectreport(report):
    if report.failed:
        result(False, f"{report.nodeid}: collection")


def pytest_sessionfinish(session, exitstatus):
    for name in outcomes:
        result(False, f"{name}: not finished")
    say(f"1..{count}" if count else "1..0 # SKIP no tests")
