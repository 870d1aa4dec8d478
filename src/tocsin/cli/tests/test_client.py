"""The command line against a live server on loopback: what others script against."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tocsin.cli.main import app
from tocsin.delivery.models import Canary
from tocsin.people import actions
from tocsin.people.models import ContactMethod, User
from tocsin.people.tests.named import Named, named_people
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[..., Result]


@pytest.fixture
def people() -> Named:
    return named_people()


@pytest.fixture
def tocsin(people: Named, live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run ``tocsin ...`` as Alice; returns what it printed."""
    _, token = actions.create_token(people.alice.pk, actor=SYSTEM)
    monkeypatch.setenv("TOCSIN_URL", live_server.url)
    monkeypatch.setenv("TOCSIN_TOKEN", token)
    monkeypatch.setenv("TOCSIN_CONFIG_DIR", str(tmp_path))
    runner = CliRunner()

    def run(*words: str, code: int = 0, stdin: str = "") -> Result:
        result = runner.invoke(app, words, input=stdin)
        assert result.exit_code == code, (words, result.stdout, result.stderr, result.exception)
        return result

    return run


@pytest.fixture
def tell(tocsin: Run) -> Callable[..., Any]:
    """Run ``tocsin ... --json``; returns what the JSON says."""

    def run(*words: str) -> Any:
        return json.loads(tocsin(*words, "--json").stdout)

    return run


def world(tell: Callable[..., Any]) -> None:
    """A schedule in which Bob and Alice take turns, a policy on it, a service with that policy."""
    tell(
        "schedule", "create", "--name", "Primary", "--member", "bob@example.org", "--member", "alice@example.org",
        "--from", "2026-01-05T09:00", "--zone", "Europe/Zurich", "--team", "core",
    )  # fmt: skip
    tell(
        "policy",
        "create",
        "--name",
        "Standard",
        "--step",
        "schedule:primary=5m",
        "--fallback",
        "user:alice@example.org",
    )
    tell("service", "create", "--name", "Web Shop", "--team", "core", "--policy", "standard", "--tier", "1")


def test_now_is_the_servers(tocsin: Run, tell: Callable[..., Any]) -> None:
    clock.shift(timedelta(days=40))
    world(tell)
    tell("change", "create", "Deployed 4711", "--service", "web-shop", "--at", "-2h")
    (kept,) = tell("change", "list")["items"]
    assert abs(clock.now() - timedelta(hours=2) - datetime.fromisoformat(kept["at"])) < timedelta(minutes=1)


def test_source_create_says_exactly_what_a_sender_needs(tocsin: Run, tell: Callable[..., Any]) -> None:
    world(tell)
    made = tell("source", "create", "--service", "WEB shop", "--kind", "pagerduty")
    assert set(made) == {"id", "kind", "key", "url"}
    assert made["kind"] == "pagerduty"
    assert made["url"].endswith("/v2/enqueue")
    named = tell(
        "source", "create", "--service", "web-shop", "--kind", "heartbeat", "--name", "Nightly", "--limit-per-minute",
        "60", "--config", '{"interval_s": 600}',
    )  # fmt: skip
    assert named["key"] in named["url"]
    listed = tell("source", "list", "--service", "web-shop")
    assert set(listed) == {"items"}
    assert "Nightly" in {item["name"] for item in listed["items"]}
    assert all("key" not in item for item in listed["items"])
    assert tell("source", "show", "Nightly")["key"] == named["key"]
    assert tell("source", "rotate-key", "Nightly", "--yes")["key"] != named["key"]
    assert tell("source", "change", "Nightly", "--disable")["enabled"] is False
    assert tell("source", "delete", "nightly") == {"count": 1}
    wrong = tocsin("source", "create", "--service", "web-shop", "--kind", "pigeon", "--json", code=1)
    assert wrong.stdout == ""
    assert "kind:" in wrong.stderr


def test_token_create(tell: Callable[..., Any], tocsin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tell("token", "create", "--user", "bob@example.org", "--scope", "read", "--days", "3")
    assert set(made) == {"token"}
    assert {row["user"] for row in tell("token", "list")["items"]} == {"alice@example.org", "bob@example.org"}
    monkeypatch.setenv("TOCSIN_TOKEN", made["token"])
    assert tell("user", "me")["may"] == ["read"]
    refused = tocsin("team", "create", "--name", "X", "--json", code=4)
    assert refused.stdout == ""
    assert "may not" in refused.stderr


def test_who_is_on_call(tell: Callable[..., Any], tocsin: Run) -> None:
    world(tell)
    found = tell("oncall", "who", "--schedule", "Primary", "--at", "2026-01-06T12:00:00+01:00")
    assert set(found) == {"at", "schedule", "oncall"}
    assert found["schedule"] == "Primary"
    assert [set(shift) for shift in found["oncall"]] == [{"email", "name", "layer", "from", "to"}]
    assert found["oncall"][0]["email"] == "bob@example.org"
    second = tell("oncall", "who", "--schedule", "primary", "--at", "2026-01-13T12:00:00+01:00")
    assert second["oncall"][0]["email"] == "alice@example.org"
    empty = tell("oncall", "who", "--schedule", "primary", "--at", "2025-01-13T12:00:00+01:00")
    assert empty["oncall"] == []
    made = tell(
        "oncall", "override", "--schedule", "primary", "--user", "charlie@example.org", "--from", "now", "--to", "+8h"
    )
    assert tell("oncall", "who", "--schedule", "primary")["oncall"][0]["email"] == "charlie@example.org"
    assert [row["id"] for row in tell("override", "list", "--schedule", "primary")["items"]] == [made["id"]]
    assert tell("override", "delete", str(made["id"])) == {"count": 1}
    assert "Bob" in tocsin("oncall", "who", "--schedule", "primary", "--at", "2026-01-06T12:00:00+01:00").stdout
    assert "Nobody" in tocsin("oncall", "who", "--schedule", "primary", "--at", "2025-01-06T12:00:00+01:00").stdout
    assert len(tell("oncall", "list")["items"]) == 1
    assert tell("schedule", "shifts", "primary")["gaps"] == []


def test_simulate_tells_who_when_how_and_why(tell: Callable[..., Any], tocsin: Run) -> None:
    world(tell)
    words = (
        "simulate",
        "--service",
        "Web Shop",
        "--priority",
        "P1",
        "--at",
        "2026-01-06T12:00:00+01:00",
        "--for",
        "4h",
    )
    found = tell(*words)
    first = found["items"][0]
    assert first["user"] == "Bob"
    assert first["email"] == "bob@example.org"
    assert first["channel"] == "email"
    assert first["at"].startswith("2026-01-06T")
    assert "Primary" in first["why"]
    assert "Bob" in tocsin(*words).stdout
    assert tell("simulate", "--policy", "standard", "--at", "2026-01-06T12:00:00+01:00")["items"]


def test_an_incident_from_its_declaration_to_its_end(tell: Callable[..., Any], tocsin: Run) -> None:
    world(tell)
    made = tell("incident", "declare", "--title", "Shop is down", "--service", "Web Shop", "--impact", "high")
    number = made["number"]
    assert (made["state"], made["priority"]) == ("triggered", "P1")
    assert [row["id"] for row in tell("incident", "list", "--state", "open")["items"]] == [made["id"]]
    assert tell("incident", "show", number)["title"] == "Shop is down"
    assert tell("incident", "show", str(made["id"]))["id"] == made["id"]
    assert tell("incident", "ack", number)["state"] == "acknowledged"
    assert tell("incident", "unack", number, "--reason", "not me")["state"] == "triggered"
    assert tell("incident", "snooze", number, "--for", "30m")["snoozed_until"]
    assert tell("incident", "reassign", number, "--to", "bob@example.org")["assignees"] == ["bob@example.org"]
    assert tell("incident", "note", number, "looking")["id"] == made["id"]
    assert tell("incident", "retitle", number, "Shop is slow")["title"] == "Shop is slow"
    assert tell("incident", "priority", number, "P3", "--reason", "few customers")["priority"] == "P3"
    tell("incident", "escalate", number, "--reason", "no_answer", "--note", "phone is off")
    tell("incident", "page", number, "--user", "charlie@example.org", "--message", "please look")
    assert tell("incident", "mitigate", number)["state"] == "mitigated"
    other = tell("incident", "declare", "--title", "Also down", "--service", "web-shop")
    assert tell("incident", "merge", number, other["number"])["id"] == made["id"]
    assert tell("incident", "resolve", number, "--note", "restarted")["state"] == "resolved"
    assert tell("incident", "reopen", number, "--reason", "again")["state"] == "triggered"
    both = tell("incident", "resolve", number, other["number"])
    assert both["changed"] == [made["id"]]
    assert str(other["id"]) in both["skipped"]
    assert tell("incident", "close", number)["state"] == "closed"
    kinds = [row["kind"] for row in tell("incident", "timeline", number)["items"]]
    assert {"acknowledged", "note", "resolved", "escalated"} <= set(kinds)
    assert tell("incident", "pages", number)["items"]
    assert tell("incident", "runs", number)["items"]
    assert set(tell("incident", "deliveries", number)) == {"items"}
    why = tell("why", "incident", number)
    assert "Primary" in json.dumps(why)
    page = tell("incident", "pages", number)["items"][0]
    assert tell("why", "page", str(page["id"]))["summary"]
    refused = tocsin("incident", "ack", number, code=1)
    assert number in refused.stderr
    for words in (("list",), ("show", number), ("timeline", number), ("pages", number)):
        assert tocsin("incident", *words).stdout
    assert tocsin("why", "incident", number).stdout


def test_a_provider_from_its_beginning_to_its_end(tell: Callable[..., Any], tocsin: Run) -> None:
    tell(
        "provider", "create", "twilio", "--name", "Phones", "--set", "account_sid=AC1", "--set", "sender=+41798071234",
        "--country", "+41", "--secret", "t0ken",
    )  # fmt: skip
    assert tell("provider", "show", "phones")["carries"] == ["sms"]
    assert "t0ken" not in tocsin("provider", "show", "phones").stdout
    assert "add SMS with your number" in tocsin("provider", "test", "phones", code=1).stderr
    assert "phones" in tocsin("provider", "list").stdout
    tocsin("provider", "delete", "phones", "--yes")


def test_a_policy_with_all_that_a_step_can_say(tell: Callable[..., Any], tocsin: Run) -> None:
    world(tell)
    tell("webhook", "create", "--name", "Tickets", "--url", "https://tickets.example.org/new", "--secret", "s3cret")
    made = tell(
        "policy", "create", "--name", "All", "--fallback", "owner", "--executive", "manager:team:core",
        "--executive-priority", "P1", "--executive-priority", "P2", "--tier", "boss=incident.minutes >= 30", "--step",
        'schedule:primary,owner=10m;tier=L1;warn=30m;when=priority == "P1" && hour >= 0;urgency=low;rotate',
        "--step", "manager:schedule:primary,webhook:tickets=5m;tier=boss;acks=all",
    )  # fmt: skip
    assert made["tiers"] == [{"name": "boss", "when": "incident.minutes >= 30"}]
    assert "webhook Tickets" in made["sentences"][1]
    assert made["steps"][0] == {
        "targets": ["schedule:primary", "owner"], "wait_s": 600, "when": 'priority == "P1" && hour >= 0', "tier": "L1",
        "warn_s": 1800, "urgency": "low", "rotate": True, "acks": 1,
    }  # fmt: skip
    assert made["steps"][1]["targets"] == ["manager:schedule:primary", "webhook:tickets"]
    assert made["steps"][1]["acks"] == "all"
    assert "executive_priorities" in made
    assert "steps.0.acks" in tocsin("policy", "create", "--name", "B", "--step", "owner;acks=many", code=1).stderr
    assert "L2=" in tocsin("policy", "create", "--name", "B", "--step", "owner", "--tier", "L2", code=2).stderr
    refused = tocsin("webhook", "delete", "tickets", "--yes", code=1)
    assert "called by All" in refused.stderr
    assert tell("webhook", "show", "tickets")["called_by"] == ["All"]
    assert tell("webhook", "test", "tickets")["channel"] == "webhook"
    assert "Tickets" in tocsin("webhook", "list").stdout
    assert made["executives"] == ["manager:team:core"]
    assert made["executive_priorities"] == ["P1", "P2"]
    assert "none of tier=" in tocsin("policy", "create", "--name", "B", "--step", "owner;loud", code=2).stderr
    wrong = tocsin("policy", "create", "--name", "B", "--step", "owner;when=hours > 1", code=1)
    assert "steps.0.when" in wrong.stderr
    shop = tell(
        "service", "create", "--name", "Kiosk", "--zone", "Europe/Berlin", "--hours", "Mon-Fri 08:00-18:00",
        "--hours", "Sat 10:00-14:00 except holidays DE-BY",
    )  # fmt: skip
    assert shop["zone"] == "Europe/Berlin"
    assert [(one["days"], one["start"], one["holidays"]) for one in shop["hours"]] == [
        ([1, 2, 3, 4, 5], "08:00", ""), ([6], "10:00", "except"),
    ]  # fmt: skip
    assert "line 1" in tocsin("service", "create", "--name", "X", "--hours", "always", code=2).stderr


def test_escalations_by_hand_are_counted_by_their_reasons(tell: Callable[..., Any], tocsin: Run) -> None:
    world(tell)
    number = tell("incident", "declare", "--title", "Shop is down", "--service", "Web Shop")["number"]
    User.objects.filter(name="Bob").update(manager=User.objects.get(name="Alice"))
    User.objects.filter(name="Alice").update(manager=None)
    tell("incident", "escalate", number, "--up", "--reason", "impact")
    assert "has a manager" in tocsin("incident", "escalate", number, "--up", "--reason", "impact", code=1).stderr
    tell("incident", "escalate", number, "--reason", "other", "--note", "because")
    tell("incident", "team", number, "core", "--reason", "departments")
    assert "reason" in tocsin("incident", "escalate", number, "--reason", "other", code=1).stderr
    assert [row["name"] for row in tell("incident", "pages", number)["items"]][:2] == ["Bob", "Alice"]
    found = tell("policy", "escalations", "--since", "1d")
    assert {"by": "reason", "key": "departments", "count": 1} in found["items"]
    assert "departments" in tocsin("policy", "escalations").stdout


def test_every_noun_is_listed_saved_shown_and_deleted(tell: Callable[..., Any], tocsin: Run, tmp_path: Path) -> None:
    world(tell)
    for noun in (
        "service",
        "team",
        "user",
        "schedule",
        "policy",
        "source",
        "alert",
        "rule",
        "window",
        "token",
        "incident",
    ):
        assert set(tell(noun, "list")) == {"items"}, noun
        assert tocsin(noun, "list").stdout, noun
    team = tmp_path / "team.yaml"
    team.write_text("name: Payments\nmembers:\n  bob@example.org: manager\n")
    assert tell("team", "save", str(team))["members"] == {"bob@example.org": "manager"}
    team.write_text('{"name": "Payments", "description": "money"}')
    changed = tell("team", "save", str(team))
    assert (changed["slug"], changed["members"]) == ("payments", {"bob@example.org": "manager"})
    assert tell("team", "delete", "payments") == {"count": 1}
    assert tell("user", "create", "--email", "dan@example.org", "--name", "Dan")["role"] == "responder"
    assert tell(
        "user", "add-contact", "dan@example.org", "--channel", "ntfy", "--address", "https://ntfy.example/dans-phone"
    )["id"]
    rules = tell("user", "add-rule", "dan@example.org", "--channel", "ntfy", "--urgency", "low", "--after", "5m")
    assert (rules["items"][-1]["channel"], rules["items"][-1]["delay_s"]) == ("ntfy", 300)
    assert tell("user", "delete", "dan@example.org") == {"count": 1}
    made = tell("rule", "create", "--name", "Quiet", "--kind", "suppress", "--condition", 'signal.severity == "info"')
    assert tell("rule", "show", "quiet")["id"] == made["id"]
    assert tell("rule", "delete", "Quiet") == {"count": 1}
    window = tell("window", "create", "--name", "Upgrade", "--service", "web-shop", "--from", "now", "--for", "2h")
    assert window["duration_s"] == 7200
    assert tell("window", "end", "upgrade")["ended_at"]
    assert tell("window", "delete", str(window["id"])) == {"count": 1}
    assert tell("service", "show", "Web Shop")["policy"] == "standard"
    tell("change", "create", "Deploy 7", "--service", "web shop")
    assert tell("change", "list")["items"][0]["summary"] == "Deploy 7"
    assert tell("service", "delete", "web-shop") == {"count": 1}
    assert tell("policy", "delete", "standard") == {"count": 1}
    assert tell("schedule", "delete", "primary") == {"count": 1}


def test_exit_codes_tell_what_kind_of_failure_it_was(
    tocsin: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, people: Named
) -> None:
    assert "no incident" in tocsin("incident", "show", "INC-99999", "--json", code=3).stderr
    tocsin("service", "show", "nothing", code=3)
    tocsin("simulate", "--service", "x", "--for", "forever", code=2)
    tocsin("incident", "snooze", "1", code=2)
    tocsin("no-such-noun", code=2)
    invalid = tocsin("user", "create", "--email", "nowhere", "--name", "N", "--json", code=1)
    assert "email:" in invalid.stderr
    monkeypatch.setenv("TOCSIN_TOKEN", "tocsin_wrong")
    tocsin("incident", "list", code=4)
    monkeypatch.setenv("TOCSIN_URL", "http://127.0.0.1:9")
    assert "127.0.0.1:9" in tocsin("incident", "list", "--json", code=5).stderr
    monkeypatch.delenv("TOCSIN_URL")
    assert "profile" in tocsin("incident", "list", code=2).stderr


def test_profiles(
    tocsin: Run, people: Named, live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, token = actions.create_token(people.bob.pk, actor=SYSTEM)
    (tmp_path / "config.toml").write_text(
        f'default = "local"\n[profiles.local]\nurl = "{live_server.url}/"\ntoken = "{token}"\n'
        '[profiles."gone"]\nurl = "http://127.0.0.1:9"\n'
    )
    # a profile that is asked for goes before TOCSIN_URL
    tocsin("user", "me", "--profile", "gone", code=5)
    tocsin("user", "me", "--profile", "unheard-of", code=2)
    monkeypatch.delenv("TOCSIN_URL")
    monkeypatch.delenv("TOCSIN_TOKEN")
    assert json.loads(tocsin("user", "me", "--json").stdout)["email"] == "bob@example.org"
    monkeypatch.setenv("TOCSIN_PROFILE", "gone")
    tocsin("user", "me", code=5)


def test_plan_apply_and_export(tell: Callable[..., Any], tocsin: Run, tmp_path: Path) -> None:
    world(tell)
    exported = tmp_path / "all.yaml"
    tocsin("export", "--output", str(exported))
    assert "web-shop" in tocsin("export", "--section", "services").stdout
    assert tell("plan", str(exported))["changes"] == []
    assert tell("apply", str(exported), "--yes")["changes"] == []
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "a.yaml").write_text("teams:\n  - name: Payments\n")
    (folder / "b.yml").write_text("services:\n  - name: Ledger\n    team: payments\n    tier: 2\n")
    planned = tocsin("plan", str(folder)).stdout
    assert "+ service ledger" in planned
    assert "2 to create" in planned
    tocsin("apply", str(folder), stdin="n\n", code=1)
    assert tell("plan", str(folder))["counts"]["create"] == 2
    assert "done" in tocsin("apply", str(folder), stdin="y\n").stdout
    (folder / "b.yml").write_text("services:\n  - name: Ledger\n    team: nobody\n    tier: 9\n")
    refused = tocsin("apply", str(folder), "--yes", "--json", code=1)
    assert refused.stdout == ""
    assert f"{folder}/b.yml:3 services[ledger].team" in refused.stderr
    assert f"{folder}/b.yml:4 services[ledger].tier" in refused.stderr
    from_stdin = json.loads(tocsin("plan", "-", "--json", stdin="teams: [{name: Payments, description: money}]").stdout)
    assert from_stdin["changes"][0]["fields"] == {"description": {"from": "", "to": "money"}}
    tocsin("apply", "-", "--json", stdin="teams: []", code=2)
    assert tell("schema")["title"] == "Tocsin configuration"


def test_the_matrix_and_the_audit(tell: Callable[..., Any], tocsin: Run) -> None:
    assert tell("matrix", "show")["matrix"]["high"]["high"] == "P1"
    assert "urgency low" in tocsin("matrix", "show").stdout
    assert tell("matrix", "set", "high/low=p5", "low/low=P4")["matrix"]["high"]["low"] == "P5"
    assert "high.low" in tocsin("matrix", "set", "high/low=P0", code=1).stderr
    assert "IMPACT/URGENCY" in tocsin("matrix", "set", "high", code=2).stderr
    (change,) = tell("audit", "list", "--kind", "priority matrix")["items"]
    assert change["actor"] == "Alice"


def test_contact_methods_are_tested(tell: Callable[..., Any], tocsin: Run) -> None:
    tell("user", "add-contact", "alice@example.org", "--channel", "pocket", "--address", "phone")
    (sent,) = tell("user", "test-contact", "alice@example.org", "--channel", "pocket")["items"]
    assert (sent["kind"], sent["channel"]) == ("test", "pocket")
    assert "no contact method" in tocsin("user", "test-contact", "bob@example.org", "--channel", "ntfy", code=3).stderr


def test_prove_says_what_holds_and_ends_with_one_when_it_does_not(
    tocsin: Run, tell: Callable[..., Any], tmp_path: Path
) -> None:
    world(tell)
    told = tocsin("prove", code=1).stdout
    assert "Web Shop, P1 to P5: " in told
    assert "has no verified contact method" in told
    ContactMethod.objects.update(verified_at=clock.now())
    assert "Proven: somebody reachable is paged at every step. 1 services" in tocsin("prove").stdout
    assert tell("prove", "--service", "web-shop", "--months", "1")["holds"]

    nights = tmp_path / "nights.yaml"
    nights.write_text(
        "schedules:\n"
        "  - name: Primary\n"
        "    team: core\n"
        "    zone: Europe/Zurich\n"
        "    layers:\n"
        "      - name: Days\n"
        "        anchor: 2026-01-05T09:00:00\n"
        "        members: [bob@example.org]\n"
        "        restrictions: [{start: '06:00', end: '05:00'}]\n"
    )
    found = json.loads(tocsin("prove", str(nights), "--json", code=1).stdout)
    assert [(one["step"], one["why"]) for one in found["items"]] == [(1, "nobody is on call in Primary")]
    assert found["items"][0]["more"] > 170
    planned = tocsin("plan", str(nights)).stdout
    assert "! Web Shop" in planned
    assert "nobody is on call in Primary" in " ".join(planned.split())
    assert tell("prove")["holds"]  # neither changed anything
    assert tocsin("prove", str(nights), "--service", "web-shop", code=2)


def test_confidential_incidents(
    tell: Callable[..., Any], tocsin: Run, monkeypatch: pytest.MonkeyPatch, people: Named
) -> None:
    world(tell)
    words = ("incident", "declare", "--title", "Payroll was copied", "--service", "web-shop", "--confidential")
    made = tell(*words)
    assert made["confidential"] is True
    number = made["number"]
    assert "Alice" in tocsin("incident", "readers", number).stdout
    _, alices = actions.create_token(people.alice.pk, actor=SYSTEM)
    _, charlies = actions.create_token(people.charlie.pk, actor=SYSTEM)
    monkeypatch.setenv("TOCSIN_TOKEN", charlies)
    refused = tocsin("incident", "show", number, code=3)
    assert "There is no incident" in refused.stderr
    assert tell("incident", "list")["items"] == []
    monkeypatch.setenv("TOCSIN_TOKEN", alices)
    tell("incident", "let-in", number, "--user", "charlie@example.org", "--reason", "helps")
    monkeypatch.setenv("TOCSIN_TOKEN", charlies)
    assert tell("incident", "show", number)["title"] == "Payroll was copied"
    monkeypatch.setenv("TOCSIN_TOKEN", alices)
    assert tell("incident", "lift", number, "--reason", "over")["confidential"] is False
    assert tell("incident", "confidential", number)["confidential"] is True
    assert tell("service", "create", "--name", "Vault", "--confidential")["confidential"] is True


def test_the_canary_is_set_and_shown(tocsin: Run, tell: Callable[..., Any]) -> None:
    tell("webhook", "create", "--name", "Mirror", "--url", "https://m.example.org/in", "--format", "cloudevents")
    assert tell("webhook", "show", "mirror")["format"] == "cloudevents"
    assert tell("canary", "show")["state"] == "off"
    told = tell("canary", "set", "--on", "--every", "7", "--late-after", "30", "--webhook", "mirror", "--door")
    wanted = {"enabled": True, "every_minutes": 7, "late_after_s": 30, "webhook": "mirror", "door": True}
    assert {name: told[name] for name in wanted} == wanted
    assert tell("canary", "set", "--webhook", "", "--inbox")["webhook"] == ""
    assert tell("canary", "show")["every_minutes"] == 7
    tocsin("canary", "set", "--every", "0", code=1)
    Canary.objects.create(sent_at=clock.now() - timedelta(minutes=2))
    assert "One has been missing for" in tocsin("canary", "show", code=1).stdout
    Canary.objects.update(arrived_at=clock.now())
    assert "Last day: 1 of 1 arrived" in tocsin("canary", "show").stdout
