# SPDX-License-Identifier: Apache-2.0
"""Fixtures, and the early start of slow tests.

A test marked slow spends its time waiting. All of them start together, in threads, before
the first test; their turn, at the end, only collects what came out. Such a test takes the
stage and its parameters, nothing else.
"""

import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # children exec at once

from stage import Stage  # noqa: E402

_early: dict[str, tuple[Stage, Future]] = {}


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: mostly waits, so it is started early")


def _is_slow(item) -> bool:
    return item.get_closest_marker("slow") is not None


def pytest_collection_modifyitems(items):
    items.sort(key=_is_slow)


def _run_early(item, stage: Stage):
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    try:
        item.obj(stage, **parameters)
    finally:
        stage.close()


def pytest_runtestloop(session):
    if session.config.option.collectonly:
        return
    slow = [item for item in session.items if _is_slow(item)]
    pool = ThreadPoolExecutor(max(len(slow), 1), thread_name_prefix="slow")
    for item in slow:
        stage = Stage()
        _early[item.nodeid] = (stage, pool.submit(_run_early, item, stage))
    pool.shutdown(wait=False)


@pytest.fixture
def stage(request):
    early = _early.pop(request.node.nodeid, None)
    own = early[0] if early else Stage()
    request.node.stage = own
    request.node.early = early[1] if early else None
    yield own
    if not early:
        own.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    early = getattr(pyfuncitem, "early", None)
    if early is None:
        return None
    early.result()
    return True


def pytest_sessionfinish():
    """What was interrupted before its turn."""
    for stage, _future in _early.values():
        for kudev in stage.kudevs:
            kudev.process.kill()
        shutil.rmtree(stage.directory, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed and hasattr(item, "stage"):
        report.sections.append(("kudev", item.stage.stderr()))
