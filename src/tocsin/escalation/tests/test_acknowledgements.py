"""Steps that ask for several acknowledgements, tiers with entry criteria, webhooks, on the real tables."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tocsin.delivery import actions as delivery
from tocsin.delivery import queries as messages
from tocsin.delivery.actions.links import act_on_link
from tocsin.delivery.actions.webhooks import delete_webhooks, save_webhook
from tocsin.delivery.contract import Accepted, Rejected
from tocsin.delivery.models import Delivery
from tocsin.delivery.rules import Settled, WebhookSpec
from tocsin.escalation import actions, queries
from tocsin.escalation.actions import runs
from tocsin.escalation.models import Page, Policy
from tocsin.escalation.proving import prove
from tocsin.escalation.queries import watching
from tocsin.escalation.rules import PolicySpec, StepSpec, TierSpec
from tocsin.escalation.simulator import Answer, simulate
from tocsin.escalation.tests.test_by_hand import kinds, opened, paged, service
from tocsin.escalation.tests.test_by_hand import people as people
from tocsin.incidents import actions as incidents
from tocsin.incidents.models import Acknowledgement, Incident, TimelineEntry
from tocsin.oncall.actions import save_absence
from tocsin.people.models import ContactMethod, NotificationRule, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Conflict, Invalid

pytestmark = pytest.mark.django_db
BOTH = ["user:ada@example.org", "user:ben@example.org"]


def later(seconds: float) -> None:
    clock.shift(timedelta(seconds=seconds))
    runs.run_due()


def acknowledge(incident: Incident, user: User) -> Any:
    return incidents.acknowledge([incident.pk], actor=actor_of(user))


def deliver() -> list[str]:
    """Hand out what is due; to whom it went."""
    found = []
    for one in delivery.claim():
        found.append(one.address)
        delivery.settle([Settled(one, Accepted(), 0.0, 0.0)])
    return sorted(found)


def test_two_have_to_acknowledge_and_each_is_left_alone_after(people: dict[str, User]) -> None:
    for name in ("ada", "ben"):
        method = ContactMethod.objects.create(user=people[name], channel="pocket", address=f"{name}-later")
        for position, (one, delay) in enumerate(((people[name].contact_methods.get(address=name), 0), (method, 120))):
            NotificationRule.objects.create(
                user=people[name], urgency="high", position=position, delay_s=delay, contact_method=one
            )
    incident = opened(service(StepSpec(BOTH, 300, acks=2), StepSpec(["user:cleo@example.org", *BOTH], 300)))
    assert deliver() == ["ada", "ben"]
    clock.shift(timedelta(seconds=60))
    done = acknowledge(incident, people["ada"])
    assert (done.changed, done.partly) == (
        [incident.pk],
        {incident.pk: "1 of 2 acknowledgements; 1 more is needed"},
    )
    incident.refresh_from_db()
    assert (incident.state, incident.generation, incident.acks_needed) == ("triggered", 1, 2)
    assert Page.objects.get(user=people["ada"]).answer == "acknowledged"
    again = acknowledge(incident, people["ada"])
    assert again.changed == []
    assert "you have acknowledged it already" in again.skipped[incident.pk]
    clock.shift(timedelta(seconds=60))
    assert deliver() == ["ben-later"]
    later(180)
    assert paged(incident) == ["Ada", "Ben", "Cleo", "Ben"]
    assert acknowledge(incident, people["cleo"]).partly == {}
    incident.refresh_from_db()
    assert (incident.state, incident.generation, incident.acks_needed) == ("acknowledged", 2, 1)
    assert incident.acknowledged_by == people["cleo"]
    deliver()
    assert not Delivery.objects.filter(state="pending").exists()
    assert kinds(incident) == ["opened", "paged", "partly_acknowledged", "paged", "acknowledged"]


def test_everybody_has_to_acknowledge_whoever_the_step_finds(people: dict[str, User]) -> None:
    incident = opened(service(StepSpec(["team:payments"], 300, acks="all")))
    for name in ("ada", "ben"):
        assert acknowledge(incident, people[name]).partly
    assert not acknowledge(incident, people["dora"]).partly  # anybody's counts
    incident.refresh_from_db()
    assert incident.state == "acknowledged"
    assert Acknowledgement.objects.count() == 3


def test_when_too_few_acknowledge_the_fallback_hears_how_many(people: dict[str, User]) -> None:
    incident = opened(service(StepSpec(BOTH, 60, acks=2)))
    acknowledge(incident, people["ada"])
    later(60)
    last = Page.objects.order_by("-id")[0]
    assert last.user == people["dora"]
    assert "only 1 of 2 acknowledged, so the fallback" in last.reason["text"]


def test_a_source_a_snooze_and_a_mitigation_answer_for_all(people: dict[str, User]) -> None:
    of = service(StepSpec(BOTH, 300, acks=2))
    one, two, three = opened(of), opened(of), opened(of)
    incidents.acknowledge([one.pk], actor=SYSTEM)
    incidents.mitigate([two.pk], actor=actor_of(people["ada"]))
    incidents.snooze([three.pk], until=clock.now() + timedelta(hours=1), actor=actor_of(people["ada"]))
    assert sorted(Incident.objects.values_list("state", flat=True)) == ["acknowledged", "acknowledged", "mitigated"]
    later(3700)
    three.refresh_from_db()
    assert (three.state, three.acks_needed) == ("triggered", 2)  # counted anew
    assert acknowledge(three, people["ada"]).partly


def test_acknowledgements_count_for_their_generation_only(people: dict[str, User]) -> None:
    incident = opened(service(StepSpec(BOTH, 300, acks=2)))
    acknowledge(incident, people["ada"])
    incidents.resolve([incident.pk], actor=SYSTEM)
    incidents.reopen([incident.pk], actor=SYSTEM)
    assert acknowledge(incident, people["ben"]).partly
    assert not acknowledge(incident, people["ada"]).partly


def test_escalating_by_hand_keeps_who_acknowledged(people: dict[str, User]) -> None:
    incident = opened(service(StepSpec(BOTH, 300, acks=2), StepSpec(["team:payments"], 300)))
    acknowledge(incident, people["ada"])
    actions.escalate_now(incident.pk, actor=SYSTEM, reason_code="impact")
    assert paged(incident) == ["Ada", "Ben", "Ben", "Cleo"]
    ahead = watching.ahead(SYSTEM, incident.pk, clock.now())
    assert ahead is not None
    assert [one.name for one in ahead.coming[0].users] == ["Dora"]


def test_a_link_from_a_message_says_how_many_are_still_needed(people: dict[str, User]) -> None:
    incident = opened(service(StepSpec(BOTH, 300, acks=2)))
    row = Delivery.objects.get(user=people["ada"])
    expires = clock.now() + timedelta(hours=1)
    token = messages.action_url(incident.pk, people["ada"].pk, "acknowledge", row.pk, expires).rpartition("/")[2]
    first = act_on_link(token)
    assert first.done
    assert "1 of 2 acknowledgements; 1 more is needed" in first.text
    second = act_on_link(token)
    assert not second.done
    assert second.text.startswith("You have acknowledged it already")


def test_the_room_and_the_api_show_who_acknowledged(people: dict[str, User], client: Client) -> None:
    incident = opened(service(StepSpec(BOTH, 300, acks=2)))
    client.force_login(people["ada"], backend="allauth.account.auth_backends.AuthenticationBackend")
    said = client.post("/incidents/act/acknowledge/", {"id": incident.pk, "sent": "1"}, follow=True).content.decode()
    assert "has 1 of 2 acknowledgements; 1 more is needed" in said
    room = client.get(f"/incidents/{incident.pk}/").content.decode()
    assert "You have acknowledged it; others still have to." in room
    assert "1 of 2" in room
    assert "fewer than 2 people acknowledge" in room
    told = client.get(f"/api/v1/incidents/{incident.pk}").json()
    assert (told["state"], told["acks_needed"]) == ("triggered", 2)
    assert [one["user"] for one in told["acknowledgements"]] == ["ada@example.org"]
    acknowledge(incident, people["ben"])
    told = client.get(f"/api/v1/incidents/{incident.pk}").json()
    assert (told["state"], told["acknowledged_by"]) == ("acknowledged", "ben@example.org")
    assert [one["user"] for one in told["acknowledgements"]] == ["ada@example.org", "ben@example.org"]
    assert "answer for it" in client.get(f"/incidents/{incident.pk}/").content.decode()


def test_the_simulator_counts_acknowledgements_too(people: dict[str, User]) -> None:
    of = service(StepSpec(BOTH, 300, acks=2), StepSpec(["user:cleo@example.org"], 300))
    once = simulate(of.pk, "P1", clock.now(), 3600, actor=SYSTEM, answers=[Answer(1, 60)])
    assert [page.user for page in once.pages] == ["Ada", "Ben", "Cleo", "Dora"]
    twice = simulate(of.pk, "P1", clock.now(), 3600, actor=SYSTEM, answers=[Answer(1, 60), Answer(2, 90)])
    assert [page.user for page in twice.pages] == ["Ada", "Ben"]
    assert [one.text for one in twice.happenings] == ["Ada acknowledged it, 1 of 2", "Ben acknowledged it"]


def test_the_proof_asks_for_as_many_as_have_to_acknowledge(people: dict[str, User]) -> None:
    of = service(StepSpec(BOTH, 300, acks=2))
    assert prove(actor=SYSTEM, months=1).holds
    start = clock.now() + timedelta(days=3)
    save_absence(people["ben"].pk, start, start + timedelta(days=2), kind="vacation", actor=SYSTEM)
    proof = prove(actor=SYSTEM, months=1)
    (found,) = proof.counter_examples
    assert "step 1 of Standard asks for 2 acknowledgements and finds too few who can be reached" in found.sentence
    assert "only Ada can be reached" in found.sentence
    spec = queries.export_policies()[0]
    spec.steps[0].acks = "all"
    save_policy_again(spec)
    (found,) = prove(actor=SYSTEM, months=1).counter_examples
    assert "asks for everybody's acknowledgement" in found.sentence
    assert "Ben is away (vacation)" in found.sentence
    assert found.key.endswith(":1:few")
    assert of.pk in found.service_ids


def save_policy_again(spec: PolicySpec) -> None:
    actions.save_policy(spec, actor=SYSTEM, id=Policy.objects.get().pk)


# --- tiers ----------------------------------------------------------------------------------------------------------


def test_a_tier_is_entered_only_when_its_criterion_is_met(people: dict[str, User]) -> None:
    of = service(
        StepSpec(["user:ada@example.org"], 600, tier="L1"),
        StepSpec(["user:cleo@example.org"], 600, tier="executive"),
        repeats=2,
        tiers=[TierSpec("executive", 'incident.minutes >= 15 || "security" in incident.reasons')],
    )
    incident, other = opened(of), opened(of)
    later(600)
    assert paged(incident) == ["Ada", "Ada"]  # passed over: ten minutes, and the next loop began
    entry = TimelineEntry.objects.filter(kind="step_skipped", incident=incident).get()
    assert "the entry criterion of executive is not met" in entry.data["note"]
    actions.escalate_now(other.pk, actor=SYSTEM, reason_code="security")
    assert paged(other) == ["Ada", "Ada", "Cleo"]
    later(600)
    assert paged(incident) == ["Ada", "Ada", "Cleo"]


@pytest.mark.parametrize(
    ("tiers", "field"),
    [
        ([TierSpec("L2", "true")], "tiers.0.name"),
        ([TierSpec("", "true")], "tiers.0.name"),
        ([TierSpec("L1", "true"), TierSpec("L1", "true")], "tiers.1.name"),
        ([TierSpec("L1", "nonsense(")], "tiers.0.when"),
        ([TierSpec("L1", "responder.working")], "tiers.0.when"),
        ([TierSpec("L1", "hour")], "tiers.0.when"),
        ([TierSpec("L1")] * 11, "tiers"),
    ],
)
@pytest.mark.usefixtures("people")
def test_a_criterion_that_makes_no_sense_is_refused(tiers: list[TierSpec], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        service(StepSpec(["owner"], 600, tier="L1"), tiers=tiers)
    assert field in refused.value.problems


@pytest.mark.parametrize(
    ("step", "field"),
    [
        (StepSpec(["owner"], acks=0), "acks"),
        (StepSpec(["owner"], acks="many"), "acks"),
        (StepSpec(["owner"], acks=21), "acks"),
        (StepSpec(["owner"], acks=2, rotate=True), "acks"),
        (StepSpec(["webhook:tickets"], acks=2), "acks"),
    ],
)
@pytest.mark.usefixtures("people")
def test_acknowledgements_that_make_no_sense_are_refused(step: StepSpec, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        service(step)
    assert f"steps.0.{field}" in refused.value.problems


# --- webhooks -------------------------------------------------------------------------------------------------------


def tickets(**more: Any) -> Any:
    return save_webhook(WebhookSpec("Tickets", "https://tickets.example.org/new", **more), actor=SYSTEM)


def test_a_webhook_is_called_beside_people_and_told_of_the_end(people: dict[str, User]) -> None:
    row = tickets(secret="s3cret", authorization="Bearer abc")
    incident = opened(service(StepSpec(["user:ada@example.org", "webhook:tickets"], 300)))
    claimed = delivery.claim()
    assert sorted(one.address for one in claimed) == ["Tickets", "ada"]
    composed = {message.to: (message, method) for message, method in messages.compose(claimed)}
    message, method = composed["Tickets"]
    assert (method.address, method.secret) == (row.url, "s3cret")
    assert method.config == {"authorization": "Bearer abc", "format": "pagerduty"}
    assert message.incident is not None
    assert message.others == ("Ada",)
    assert [link.verb for link in message.links] == ["view"]
    assert "calls the webhook Tickets" in message.why
    assert composed["Ada"][0].others == ()
    for one in claimed:
        delivery.settle([Settled(one, Accepted(), 0.0, 0.0)])
    page = Page.objects.get(reason__kind="webhook")
    assert watching.fate(page) == ("good", "called")
    incidents.resolve([incident.pk], actor=SYSTEM)
    ending = [one for one in delivery.claim() if one.address == "Tickets"]
    (last,) = messages.compose(ending)
    assert (last[0].kind, last[1].address) == ("resolved", row.url)


def test_a_step_of_webhooks_alone_waits_and_is_no_gap(people: dict[str, User]) -> None:
    tickets()
    incident = opened(service(StepSpec(["webhook:tickets"], 120), StepSpec(["user:ada@example.org"], 300)))
    assert kinds(incident) == ["opened", "webhook_called"]
    assert paged(incident) == ["nobody"]
    later(119)
    assert paged(incident) == ["nobody"]
    later(1)
    assert paged(incident) == ["nobody", "Ada"]
    assert prove(actor=SYSTEM, months=1).holds


def test_a_webhook_that_fails_for_good_brings_the_next_step_at_once(people: dict[str, User]) -> None:
    tickets()
    incident = opened(service(StepSpec(["webhook:tickets"], 3600), StepSpec(["user:ada@example.org"], 300)))
    (one,) = delivery.claim()
    delivery.settle([Settled(one, Rejected("410 Gone"), 0.0, 0.0)])
    runs.run_due()
    assert paged(incident) == ["nobody", "Ada"]


def test_an_acknowledgement_keeps_a_webhook_from_being_called(people: dict[str, User]) -> None:
    tickets()
    incident = opened(service(StepSpec(["user:ada@example.org", "webhook:tickets"], 300)))
    acknowledge(incident, people["ada"])
    assert delivery.claim() == []


def test_a_policy_of_webhooks_alone_is_not_proven(people: dict[str, User]) -> None:
    tickets()
    spec = PolicySpec("Machines", [StepSpec(["webhook:tickets"])])
    policy = actions.save_policy(spec, actor=SYSTEM)
    of = service(StepSpec(["owner"]))
    of.policy, of.team = policy, None
    of.save()
    ContactMethod.objects.all().delete()
    (found,) = prove(actor=SYSTEM, months=1).counter_examples
    assert found.gap.step == 0


def test_webhooks_are_kept_while_a_policy_calls_them_and_name_no_fallback(people: dict[str, User]) -> None:
    row = tickets()
    service(StepSpec(["owner", "webhook:tickets"]))
    with pytest.raises(Conflict) as refused:
        delete_webhooks([row.pk], actor=SYSTEM)
    assert refused.value.problems == {"tickets": "called by Standard"}
    with pytest.raises(Invalid) as invalid:
        actions.save_policy(PolicySpec("Other", [StepSpec(["owner"])], fallback=["webhook:tickets"]), actor=SYSTEM)
    assert "fallback.0" in invalid.value.problems
    with pytest.raises(Invalid) as unknown:
        actions.save_policy(PolicySpec("Other", [StepSpec(["webhook:nobody"])]), actor=SYSTEM)
    assert unknown.value.problems == {"steps.0.targets.0": "webhook: and the slug of a webhook"}
