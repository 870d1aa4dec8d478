"""What ships for watching Tocsin asks for figures that exist, and its alert rules do what their tests say."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from django.test import Client

from tocsin.delivery import objective

ROOT = Path(__file__).resolve().parents[2] / "deploy" / "monitoring"
METRIC = re.compile(r"\btocsin_[a-z_]+\b")


@pytest.mark.django_db
def test_every_metric_that_is_asked_for_exists(client: Client) -> None:
    objective.keep_due()
    told = set(METRIC.findall(client.get("/metrics").content.decode()))
    # told as soon as there was a page within the hour, a canary within the day
    told |= {"tocsin_page_handover_seconds", "tocsin_canary_round_trip_seconds"}
    dashboard = json.loads((ROOT / "dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = yaml.safe_load((ROOT / "tocsin.rules.yml").read_text())
    asked += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    names = {name for expr in asked for name in METRIC.findall(expr)}
    assert len(names) > 8
    assert names <= told


def test_the_alert_rules_do_what_their_tests_say() -> None:
    promtool = shutil.which("promtool")
    assert promtool, "Debian's package prometheus has it"
    for what in (["check", "rules", "tocsin.rules.yml"], ["test", "rules", "tocsin.rules.test.yml"]):
        done = subprocess.run([promtool, *what], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test() -> None:
    rules = yaml.safe_load((ROOT / "tocsin.rules.yml").read_text())
    tests = yaml.safe_load((ROOT / "tocsin.rules.test.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    tried = {one["alertname"] for test in tests["tests"] for one in test["alert_rule_test"]}
    assert alerts == tried
