"""With the network cut off, all but the mail server and the modem beside it, a page still reaches a person."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.journeys.cut_off import ADA, BEN, NUMBER
from tests.journeys.product import ROOT

pytestmark = pytest.mark.journey


def test_a_page_arrives_when_the_network_is_gone() -> None:
    assert shutil.which("unshare"), "unshare is missing: apt-get install util-linux"
    # without root a user namespace gives the right to make one for the network
    apart = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    done = subprocess.run(
        [*apart, sys.executable, "-m", "tests.journeys.cut_off"],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["cut_off"]
    assert told["number"] in told["mail"]
    number, text = told["sms"]
    assert number == NUMBER
    assert told["number"] in text
    outcomes: dict[tuple[str, str], list[str]] = {}
    for person, channel, outcome in told["attempts"]:
        outcomes.setdefault((person, channel), []).append(outcome)
    for person in (ADA, BEN):
        assert set(outcomes[person, "ntfy"]) == set(outcomes[person, "webhook"]) == {"try_later"}
    assert outcomes[ADA, "email"] == outcomes[BEN, "sms"] == ["accepted"]
