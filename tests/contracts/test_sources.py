"""One suite for every source that is installed, built in or not: samples, malformed bodies, hostile values.

``BODIES`` (environment) sets how many malformed bodies are tried over all sources together (10,000 for a long run). The
mutations are seeded, so that a failure can be repeated.
"""

import os

import pytest

from tocsin.intake.kinds import all_kinds
from tocsin.testing.sources import Check, checks

BODIES = int(os.environ.get("BODIES", "2400"))
CHECKS = [
    pytest.param(check, id=f"{kind.kind} {check}")
    for kind in all_kinds().values()
    for check in checks(kind, BODIES // (2 * len(all_kinds())))
]


@pytest.mark.parametrize("check", CHECKS)
def test_source(check: Check) -> None:
    check()
