# SPDX-License-Identifier: Apache-2.0
"""Every conformance case of kubelet.md has a test here, or a reason."""

import re
from pathlib import Path

LAST = 55

# Why a case, or a part of it, has no test here.
NOT_HERE = {
    54: "plugins_registry is not offered: kudev uses Register alone",
}
PARTLY = {
    11: "no PING: watched for 10 s instead of 60 s",
    15: "no message: watched for 10 s instead of 60 s",
    17: "PodResources as holder, and the real kubelet's survival: tests/kubelet",
    42: "PreStartContainer is not offered yet: UNIMPLEMENTED before the deadline",
    45: "the real kubelet's SIGKILL: tests/kubelet; here a killed test kubelet",
    47: "a remount needs root",
    48: "max_user_instances 0 needs user namespaces",
    50: "needs libfaketime",
    52: "the real kubelet's race: tests/kubelet; here the test kubelet's",
}


def cases_with_a_test() -> set[int]:
    cases = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for name in re.findall(r"^def test_(case_\d\d\w*)", path.read_text(), re.M):
            cases |= {int(number) for number in re.findall(r"(?:case|and)_(\d\d)_", name)}
    return cases


def test_every_conformance_case_has_a_test_or_a_reason():
    assert cases_with_a_test() | NOT_HERE.keys() == set(range(1, LAST + 1))
    assert not cases_with_a_test() & NOT_HERE.keys()
    assert PARTLY.keys() <= cases_with_a_test()
