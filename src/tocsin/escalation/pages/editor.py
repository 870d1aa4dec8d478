"""The editor of policies: steps with targets and waiting times, a fallback. Without script every button is a submit."""

from dataclasses import dataclass
from dataclasses import field as made_of
from typing import Any

from django import forms
from django.http import HttpResponse, QueryDict
from django.views.decorators.http import require_http_methods

from tocsin.delivery import webhooks
from tocsin.escalation import queries
from tocsin.escalation.actions import policies as actions
from tocsin.escalation.rules import PRIORITIES, PolicySpec, StepSpec, TierSpec
from tocsin.oncall import queries as oncall
from tocsin.people import queries as people
from tocsin.people.rules import Deed, may, require
from tocsin.platform.errors import Forbidden, TocsinError
from tocsin.web.fields import Minutes, choice, set_choices
from tocsin.web.shortcuts import Request, blame, done, page, signed_in

MOST = 50
URGENCIES = (("", "as the priority says"), ("high", "loudly"), ("low", "quietly"))
TIERS = ("L1", "L2", "L3", "manager", "executive")
ACKS = (("1", "one person"), *((str(n), f"{n} people") for n in range(2, 6)), ("all", "everybody it finds"))


class PolicyForm(forms.Form):
    """What is not a step."""

    name = forms.CharField(max_length=120)
    team = forms.ChoiceField(required=False, help_text="Its managers may change the policy.")
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))
    repeats = forms.IntegerField(
        min_value=0,
        max_value=20,
        initial=1,
        label="Repeat all steps",
        help_text="How often all steps run again when nobody answers.",
    )
    ack_timeout_s = Minutes(
        required=False,
        label="Page again after, minutes",
        help_text="An acknowledged incident that nobody resolves pages again after this. Empty: never.",
    )
    confidential = forms.ChoiceField(
        required=False,
        label="Confidential incidents follow",
        help_text="Another policy, whose people alone hear of them. Otherwise this one pages, without details.",
    )
    executive_priorities = forms.MultipleChoiceField(
        required=False,
        label="Of incidents that are",
        choices=[(name, name) for name in PRIORITIES],
        widget=forms.CheckboxSelectMultiple,
    )


@dataclass
class Step:
    """A step as it stands in the form; ``wait`` and ``warn`` in minutes, as typed."""

    wait: str = "5"
    targets: list[str] = made_of(default_factory=list)
    when: str = ""
    tier: str = ""
    warn: str = ""
    urgency: str = ""
    rotate: bool = False
    acks: str = "1"
    problem: str = ""
    field: str = ""  # its selects' name

    @classmethod
    def of(cls, spec: StepSpec) -> "Step":
        """A stored step as text."""
        warn = f"{spec.warn_s / 60:g}" if spec.warn_s is not None else ""
        return cls(
            f"{spec.wait_s / 60:g}", list(spec.targets), spec.when, spec.tier, warn, spec.urgency, spec.rotate,
            str(spec.acks),
        )  # fmt: skip

    def to_spec(self) -> StepSpec:
        """As the action takes it; what is no number is -1, which no policy takes."""
        return StepSpec(
            [target for target in self.targets if target],
            _seconds(self.wait),
            self.when.strip(),
            self.tier.strip(),
            _seconds(self.warn) if self.warn.strip() else None,
            self.urgency,
            self.rotate,
            int(self.acks) if self.acks.isdecimal() else self.acks,
        )

    @property
    def all_acks(self) -> list[tuple[str, str]]:
        """How many acknowledgements it may ask for, with what it asks for now."""
        known = dict(ACKS)
        return [*ACKS] if self.acks in known else [*ACKS, (self.acks, f"{self.acks} people")]

    @property
    def more(self) -> bool:
        """Whether it says more than whom and how long."""
        return bool(self.when or self.tier or self.warn or self.urgency or self.rotate or self.acks != "1")


def _steps(data: QueryDict) -> list[Step]:
    waits = data.getlist("wait")[:MOST]
    return [
        Step(
            wait[:12],
            [target for target in data.getlist(f"targets-{number}") if target][:MOST],
            data.get(f"when-{number}", "")[:4_000],
            data.get(f"tier-{number}", "")[:60],
            data.get(f"warn-{number}", "")[:12],
            data.get(f"urgency-{number}", "")[:10],
            f"rotate-{number}" in data,
            data.get(f"acks-{number}", "1")[:4],
        )
        for number, wait in enumerate(waits)
    ]


def _tiers(data: QueryDict) -> list[TierSpec]:
    found = zip(data.getlist("tier-name")[:MOST], data.getlist("tier-when")[:MOST], strict=False)
    return [TierSpec(name.strip()[:60], when.strip()[:4_000]) for name, when in found if name.strip() or when.strip()]


def _moved(steps: list[Step], fallback: list[str], executives: list[str], do: str) -> None:
    """What one of the editor's own buttons does to what was typed."""
    verb, _, raw = do.partition("-")
    number = int(raw) if raw.isdigit() and int(raw) < len(steps) else -1
    if do == "add" and len(steps) < MOST:
        steps.append(Step())
    elif verb == "remove" and number >= 0 and len(steps) > 1:
        steps.pop(number)
    elif verb == "up" and number > 0:
        steps[number - 1], steps[number] = steps[number], steps[number - 1]
    elif verb == "more" and number >= 0:
        steps[number].targets.append("")
    elif do == "fallback":
        fallback.append("")
    elif do == "executives":
        executives.append("")


def _seconds(text: str) -> int:
    """Minutes as typed, in seconds; -1 (which no policy takes) when it is no number."""
    try:
        return round(float(text.replace(",", ".")) * 60)
    except (ValueError, OverflowError):
        return -1


def _offered(request: Request) -> list[tuple[str, list[tuple[str, str]]]]:
    schedules, teams = list(oncall.schedules(request.actor)), list(people.teams(request.actor))
    users = list(people.users(request.actor, active=True).select_related("manager"))
    above = [(f"manager:schedule:{row.slug}", f"Manager of whoever is on call in {row.name}") for row in schedules]
    above += [(f"manager:team:{row.slug}", f"Managers of {row.name}") for row in teams]
    above += [(f"manager:user:{row.email}", f"Manager of {row.name}") for row in users if row.manager]
    return [
        ("Whoever is on call", [(f"schedule:{row.slug}", f"On call in {row.name}") for row in schedules]),
        (
            "Everybody in a team",
            [("owner", "The team that owns the service"), *((f"team:{row.slug}", f"Team {row.name}") for row in teams)],
        ),
        ("One person", [(f"user:{row.email}", row.name) for row in users]),
        ("Managers", above),
        ("Webhooks", [(f"webhook:{row.slug}", f"Call {row.name}") for row in webhooks.webhooks(request.actor)]),
    ]


@require_http_methods(["GET", "POST"])
@signed_in
def edit(request: Request, policy_id: int = 0) -> HttpResponse:
    """Make a policy, or change one. Runs that are under way keep the policy they began with."""
    row = queries.policy(request.actor, policy_id) if policy_id else None
    if row is not None:
        require(request.actor, Deed.CONFIGURE, row.team_id)
    elif not (may(request.actor, Deed.CONFIGURE) or request.actor.managed):
        raise Forbidden("Only managers and administrators may make a policy.")
    spec = queries.export_policies([row.pk])[0] if row else None
    initial: dict[str, Any] = {"repeats": 1, "executive_priorities": ["P1"]}
    if spec:
        initial = {
            "name": spec.name,
            "team": spec.team,
            "description": spec.description,
            "repeats": spec.repeats,
            "ack_timeout_s": spec.ack_timeout_s,
            "executive_priorities": spec.executive_priorities,
            "confidential": spec.confidential,
        }
    posted = request.method == "POST"
    form = PolicyForm(request.POST if posted else None, initial=initial)
    teams = [one for one in people.teams(request.actor) if may(request.actor, Deed.CONFIGURE, one.pk)]
    others = queries.policies(request.actor).exclude(pk=policy_id)
    offered = {
        "team": choice(((one.slug, one.name) for one in teams), "no team"),
        "confidential": choice(((one.slug, one.name) for one in others), "this policy"),
    }
    for name, choices in offered.items():
        set_choices(form, name, choices)
    if posted:
        tiers = _tiers(request.POST)
        steps, fallback = _steps(request.POST), [text for text in request.POST.getlist("fallback") if text]
        executives = [text for text in request.POST.getlist("executives") if text]
    elif spec:
        steps, fallback, executives = list(map(Step.of, spec.steps)), list(spec.fallback), list(spec.executives)
        tiers = list(spec.tiers)
    else:
        steps, fallback, executives, tiers = [Step()], [], [], []
    do = request.POST.get("do", "save") if posted else ""
    status = 200
    if posted and do != "save":
        _moved(steps, fallback, executives, do)
        form = PolicyForm(initial={name: request.POST.get(name, "") for name in form.fields})
        form.initial["executive_priorities"] = request.POST.getlist("executive_priorities")
        for name, choices in offered.items():
            set_choices(form, name, choices)
        form.initial["ack_timeout_s"] = request.POST.get("ack_timeout_s", "")
    elif posted:
        if form.is_valid():
            data = form.cleaned_data
            wanted = PolicySpec(
                name=data["name"],
                slug=spec.slug if spec else "",
                team=data["team"],
                description=data["description"],
                repeats=data["repeats"],
                ack_timeout_s=data["ack_timeout_s"],
                fallback=fallback,
                steps=[step.to_spec() for step in steps],
                executives=executives,
                tiers=tiers,
                confidential=data["confidential"],
                # unchecked to the last: nobody is told, and the usual priority is there when somebody will be
                executive_priorities=data["executive_priorities"] or ([] if executives else ["P1"]),
            )
            try:
                kept = actions.save_policy(wanted, actor=request.actor, id=row.pk if row else None)
                return done(request, f"/policies/{kept.pk}/", f"{kept.name} is kept.")
            except TocsinError as error:
                for name, text in list(error.problems.items()):
                    parts = name.split(".")
                    if parts[0] == "steps" and len(parts) > 1 and parts[1].isdigit() and int(parts[1]) < len(steps):
                        steps[int(parts[1])].problem = f"{parts[2]}: {text}" if len(parts) > 2 else text
                        form.add_error(None, f"Step {int(parts[1]) + 1}: {text}")
                        del error.problems[name]
                    elif parts[0] == "tiers" and len(parts) > 2 and parts[1].isdigit():
                        form.add_error(None, f"Tier {tiers[int(parts[1])].name or int(parts[1]) + 1}: {text}")
                        del error.problems[name]
                if error.problems or not form.errors:
                    blame(form, error)
        status = 422
    for number, step in enumerate(steps):
        step.field = f"targets-{number}"
    return page(
        request,
        "escalation/edit.html",
        {
            "title": f"Edit {row.name}" if row else "New policy",
            "form": form,
            "policy": row,
            "steps": [(number, step, [*[t for t in step.targets if t], ""]) for number, step in enumerate(steps)],
            "fallback": [*[t for t in fallback if t], ""],
            "executives": [*[t for t in executives if t], ""],
            "urgencies": URGENCIES,
            "tiers": TIERS,
            "entries": [*tiers, TierSpec("")],
            "offered": _offered(request),
            "cancel": f"/policies/{row.pk}/" if row else "/policies/",
        },
        status,
    )


@require_http_methods(["GET", "POST"])
@signed_in
def delete(request: Request, policy_id: int) -> HttpResponse:
    """Remove a policy that no service uses."""
    row = queries.policy(request.actor, policy_id)
    require(request.actor, Deed.CONFIGURE, row.team_id)
    if request.method == "POST":
        actions.delete_policies([row.pk], actor=request.actor)
        return done(request, "/policies/", f"{row.name} is removed.")
    return page(
        request,
        "web/confirm.html",
        {
            "title": f"Remove {row.name}?",
            "text": "Pages that are under way go on with the policy they began with.",
            "button": "Remove the policy",
            "cancel": f"/policies/{row.pk}/",
        },
    )
