"""A translation into what is there: nothing is deleted, and what people changed here stays as they made it.

Each thing that was imported is linked to ours by the other product's id, with both sides as they were. So a later
import knows what changed there since (that is taken over), and what changed here (that stays).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from pydantic import ValidationError

from tocsin.intake import actions as intake
from tocsin.oncall import actions as oncall
from tocsin.people.actions import crowd as people
from tocsin.people.actions.contact_methods import check_method, kept_address
from tocsin.people.rules import ContactMethodSpec, UserSpec
from tocsin.platform.actor import Actor
from tocsin.platform.errors import TocsinError
from tocsin.project.config.kinds import BY_SECTION, KINDS, Kind
from tocsin.project.config.planning import dumped
from tocsin.project.importing.models import Link
from tocsin.project.importing.naming import Taken, tidied
from tocsin.project.importing.shapes import PRODUCTS, Finding, Progress, Thing, Translation, clean, resolved

STAYS = {"name", "slug", "email"}  # what a thing is called is the matter of whoever named it here
OVERRIDES = "overrides"
KEY_LENGTH = intake.KEY_LENGTH


@dataclass
class Touched:
    """What was done to one thing of ours; ``before`` None: it was made."""

    section: str
    external_id: str
    object_id: int
    name: str
    before: dict[str, Any] | None
    theirs: dict[str, Any]
    link_before: dict[str, Any] | None
    after: dict[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """What an import does or did. ``digest`` names exactly this."""

    changes: list[dict[str, Any]]
    findings: list[Finding]
    counts: dict[str, int]
    touched: list[Touched]
    digest: str


class Merge:
    """One import in the transaction of its caller."""

    def __init__(self, translation: Translation, actor: Actor, progress: Progress) -> None:
        self.translation, self.actor, self.progress = translation, actor, progress
        self.product = translation.product
        self.sections = [kind.section for kind in KINDS if any(t.section == kind.section for t in translation.things)]
        self.stored = {section: BY_SECTION[section].stored() for section in self.sections}
        self.by_id = {s: {pk: (name, spec) for name, (pk, spec) in of.items()} for s, of in self.stored.items()}
        self.taken = {s: Taken([spec for _, spec in of.values()]) for s, of in self.stored.items() if s != "people"}
        self.links = {
            (link.section, link.external_id): link for link in Link.objects.filter(product=self.product).iterator()
        }
        self.names: dict[tuple[str, str], str] = {}
        self.ids: dict[tuple[str, str], int] = {}
        self.touched: list[Touched] = []
        self.unchanged = 0
        self.crowd: dict[str, tuple[Thing, UserSpec, dict[str, Any]]] = {}
        for (section, external), link in self.links.items():
            if section in self.by_id and link.object_id in self.by_id[section]:
                self._known(section, external, link.object_id, self.by_id[section][link.object_id][1])

    def run(self) -> Outcome:
        """Save everything. What an action refuses becomes a finding; the rest goes on."""
        total = len(self.translation.things)
        done = 0
        for section in self.sections:
            kind = BY_SECTION[section]
            for thing in (one for one in self.translation.things if one.section == section):
                self.progress(f"{kind.word} {thing.name}", done, total)
                done += 1
                if self._unchanged(thing):
                    self.unchanged += 1
                    continue
                try:
                    with transaction.atomic():
                        self._thing(kind, thing)
                except TocsinError as error:
                    words = "; ".join(f"{name}: {text}" for name, text in error.problems.items()) or error.message
                    self._note("impossible", thing, f"it was refused: {words}")
            if section == "people":
                self._crowd()
        self.progress("comparing", total, total)
        return self._outcome()

    def _unchanged(self, thing: Thing) -> bool:
        """Whether it was imported before, is here, and is there as it was then."""
        link = self.links.get((thing.section, thing.id))
        return (
            link is not None
            and link.object_id in self.by_id[thing.section]
            and link.theirs == thing.spec
            and all((OVERRIDES, one.id) in self.links for one in thing.overrides)
        )

    def _note(self, verdict: Any, thing: Thing, reason: str) -> None:
        self.translation.note(verdict, thing.kind, thing.name, thing.id, clean(reason, 400))

    def _known(self, section: str, external: str, pk: int, spec: Any) -> None:
        self.ids[section, external] = pk
        self.names[section, external] = spec.email if section == "people" else getattr(spec, "slug", "") or spec.name

    def _thing(self, kind: Kind, thing: Thing) -> None:
        link = self.links.get((thing.section, thing.id))
        if link is None:
            self._new(kind, thing)
        elif link.object_id not in self.by_id[thing.section]:
            self._note("approximated", thing, "it was imported before and removed here since: it stays away")
            return
        elif link.theirs == thing.spec:
            self.unchanged += 1  # but for an override
        else:
            self._again(kind, thing, link)
        for override in thing.overrides:
            self._override(thing, override)

    def _resolved(self, thing: Thing, spec: dict[str, Any]) -> dict[str, Any] | None:
        """The spec with names of ours, or None when nothing is left of it."""
        missing: set[str] = set()
        found = resolved(spec, self.names, missing)
        for one in sorted(missing):
            self._note("approximated", thing, f"it refers to the {clean(one)}, which is not here")
        kept, reasons = tidied(thing.section, found)
        for reason in reasons:
            self._note("approximated" if kept is not None else "impossible", thing, reason)
        if kept is not None and thing.section == "people":
            kept = self._reachable(thing, kept)
        return kept

    def _reachable(self, thing: Thing, spec: dict[str, Any]) -> dict[str, Any]:
        """A person with the contact methods that the channels here take, as they write them."""
        methods, same = [], {}
        for one in spec["contact_methods"]:
            method = ContactMethodSpec(one["channel"], one["address"])
            if problems := check_method(method):
                words = "; ".join(problems.values())
                self._note("approximated", thing, f"the contact method {one['channel']} is left out: {words}")
                continue
            address = kept_address(method)
            if {"channel": one["channel"], "address": address} not in methods:
                methods.append({"channel": one["channel"], "address": address})
            same[one["channel"], one["address"]] = address
        rules = [
            rule | {"address": same[rule["channel"], rule["address"]]}
            for rule in spec.get("rules", ())
            if (rule["channel"], rule["address"]) in same
        ]
        kept = spec | {"contact_methods": methods}
        kept.pop("rules", None)
        return kept | ({"rules": rules} if rules else {})

    # -- what was not imported before ----------------------------------------------------------------------------------

    def _new(self, kind: Kind, thing: Thing) -> None:
        spec = self._resolved(thing, thing.spec)
        if spec is None:
            return
        there = self._there(kind, thing, spec)
        if there is not None:
            self._adopt(kind, thing, spec, *there)
            return
        if thing.section in ("teams", "schedules", "policies", "services"):
            spec["name"], spec["slug"] = self.taken[thing.section].free(
                thing.section, str(spec["name"]), thing.id, self.product
            )
            if spec["name"] != thing.spec["name"]:
                self._note(
                    "approximated", thing,
                    f"another {kind.word} is called {thing.spec['name']!r} here: this one is called {spec['name']!r}",
                )  # fmt: skip
        elif thing.section == "maintenance_windows" and spec["name"] in self.stored["maintenance_windows"]:
            self._note("impossible", thing, "another maintenance window of this name is here")
            return
        self._save(kind, thing, spec, None)

    def _there(self, kind: Kind, thing: Thing, spec: dict[str, Any]) -> tuple[int, Any] | None:
        """A person or a team that is here already: they are merged. Anything else of one name stays as it is."""
        if thing.section == "people":
            return self.stored["people"].get(spec["email"].lower())
        if thing.section == "teams":
            wanted = str(spec["name"]).lower()
            return next((one for one in self.stored["teams"].values() if one[1].name.lower() == wanted), None)
        return None

    def _adopt(self, kind: Kind, thing: Thing, spec: dict[str, Any], pk: int, stored: Any) -> None:
        mine = dumped(kind, stored)
        if thing.section == "people":
            wanted = self._united(mine, spec, rules=not mine.get("rules"))
            reason = "somebody with this address is here already: contact methods are added, all else stays"
        else:
            members = dict(mine["members"] or {})
            wanted = mine | {"members": {**spec["members"], **members}}
            reason = "a team of this name is here already: its people are added, all else stays"
        self._note("approximated", thing, reason)
        self._save(kind, thing, wanted, (pk, stored, mine))

    def _united(self, mine: Mapping[str, Any], spec: Mapping[str, Any], *, rules: bool) -> dict[str, Any]:
        have = [dict(method) for method in mine["contact_methods"] or ()]
        known = {(method["channel"], method["address"]) for method in have}
        have += [one for one in spec["contact_methods"] if (one["channel"], one["address"]) not in known]
        return dict(mine) | {"contact_methods": have} | ({"rules": spec["rules"]} if rules and "rules" in spec else {})

    # -- what was imported before --------------------------------------------------------------------------------------

    def _again(self, kind: Kind, thing: Thing, link: Link) -> None:
        """Take over what changed there since, unless the same changed here too."""
        pk = link.object_id
        stored = self.by_id[thing.section][pk][1]
        mine = dumped(kind, stored)
        changed = {
            name
            for name in thing.spec.keys() | link.theirs.keys()
            if thing.spec.get(name) != link.theirs.get(name) and name not in STAYS
        }
        if thing.spec.get("name") != link.theirs.get("name"):
            self._note("approximated", thing, "it is called otherwise there since the last import; the name here stays")
        clash = {name for name in changed if mine.get(name) != link.ours.get(name)} - {"contact_methods"}
        for name in sorted(clash):
            self._note("approximated", thing, f"{name} was changed there and here since: what is here stays")
        spec = self._resolved(thing, thing.spec)
        if spec is None:
            return
        wanted = dict(mine)
        for name in changed - clash:
            if name == "contact_methods":
                wanted = self._united(wanted, spec, rules=False)
            elif name == "members":
                wanted["members"] = {**spec["members"], **(mine["members"] or {})}
            elif name in spec:
                wanted[name] = spec[name]
        self._save(kind, thing, wanted, (pk, stored, mine))

    # -- saving --------------------------------------------------------------------------------------------------------

    def _save(
        self, kind: Kind, thing: Thing, wanted: dict[str, Any], there: tuple[int, Any, dict[str, Any]] | None
    ) -> None:
        try:
            spec = kind.adapter.validate_python(wanted)
        except ValidationError as error:
            words = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
            self._note("impossible", thing, f"it does not fit: {words}")
            return
        pk = there[0] if there else 0
        link = self.links.get((thing.section, thing.id))
        if there is None and thing.section == "people":
            self._newcomer(thing, spec, wanted)
            return
        if there is not None and dumped(kind, spec) == there[2]:
            self.unchanged += 1
        elif thing.section == "sources" and not pk:
            pk = self._source(thing, spec)
        else:
            pk = kind.save(spec, actor=self.actor, id=pk or None).pk
        self.touched.append(
            Touched(
                thing.section,
                thing.id,
                pk,
                there[1].email if there and thing.section == "people" else str(wanted.get("name", "")),
                there[2] if there else None,
                thing.spec,
                {"theirs": link.theirs, "ours": link.ours} if link else None,
            )
        )
        self._known(thing.section, thing.id, pk, spec)

    def _newcomer(self, thing: Thing, spec: UserSpec, wanted: dict[str, Any]) -> None:
        """Somebody new: kept back until all of them are known, because they are added together."""
        if problems := people.problems_of(spec):
            words = "; ".join(f"{name}: {text}" for name, text in problems.items())
            self._note("impossible", thing, f"it was refused: {words}")
        elif spec.email.lower() in self.crowd:
            first = self.crowd[spec.email.lower()][0]
            self._note("impossible", thing, f"has the same e-mail address as {first.id}")
        else:
            self.crowd[spec.email.lower()] = (thing, spec, wanted)

    def _crowd(self) -> None:
        """Add everybody who is new."""
        found = list(self.crowd.values())
        self.progress(f"{len(found)} people", 0, 0)
        added = people.add_users([spec for _, spec, _ in found], actor=self.actor) if found else []
        for (thing, spec, wanted), user in zip(found, added, strict=True):
            self.touched.append(Touched("people", thing.id, user.pk, wanted["email"], None, thing.spec, None))
            self._known("people", thing.id, user.pk, spec)

    def _source(self, thing: Thing, spec: Any) -> int:
        """A source with the key that its senders have, if it can be kept."""
        key = thing.key
        if key and (len(key) != KEY_LENGTH or not (key.isascii() and key.isalnum())):
            self._note("approximated", thing, f"its key has not {KEY_LENGTH} letters and digits: it gets a new one")
            key = ""
        if key:
            try:
                with transaction.atomic():
                    return int(intake.save_source(spec, actor=self.actor, key=key).pk)
            except TocsinError as error:
                if "key" not in error.problems:
                    raise
                self._note("approximated", thing, "another source has its key already: it gets a new one")
        return int(intake.save_source(spec, actor=self.actor).pk)

    def _override(self, thing: Thing, override: Any) -> None:
        if (OVERRIDES, override.id) in self.links:
            return
        person = override.user.strip("\x1f").partition(":")[2]
        schedule, user = self.ids.get(("schedules", thing.id)), self.ids.get(("people", person))
        if schedule is None:
            return
        if override.user and user is None:
            self._note("approximated", thing, f"an override is left out: the person {clean(person)} is not here")
            return
        reason = f"imported from {PRODUCTS[self.product]}"
        try:
            with transaction.atomic():
                row = oncall.add_override(schedule, user, override.start, override.end, reason, actor=self.actor)
        except TocsinError as error:
            words = "; ".join(error.problems.values()) or error.message
            self._note("approximated", thing, f"an override from {override.start:%Y-%m-%d} is left out: {words}")
            return
        name = f"{thing.name} {override.start:%Y-%m-%d %H:%M}"
        self.touched.append(Touched(OVERRIDES, override.id, row.pk, name, None, {"schedule": thing.id}, None))

    # -- what came of it -----------------------------------------------------------------------------------------------

    def _outcome(self) -> Outcome:
        after: dict[str, dict[int, Any]] = {}
        for section in {one.section for one in self.touched} - {OVERRIDES}:
            after[section] = dict(BY_SECTION[section].stored().values())
        changes = []
        counts = {"create": 0, "update": 0, "unchanged": self.unchanged}
        for one in self.touched:
            if one.section == OVERRIDES:
                changes.append({"kind": "override", "name": one.name, "change": "create", "fields": {}})
                counts["create"] += 1
                continue
            kind = BY_SECTION[one.section]
            one.after = dumped(kind, after[one.section][one.object_id])
            if one.before is None:
                changes.append({"kind": kind.word, "name": one.name, "change": "create", "fields": {}})
                counts["create"] += 1
            elif one.before != one.after:
                fields = {
                    name: {"from": one.before.get(name), "to": value}
                    for name, value in one.after.items()
                    if value != one.before.get(name)
                }
                changes.append({"kind": kind.word, "name": one.name, "change": "update", "fields": fields})
                counts["update"] += 1
        noted = {(one.kind, one.id) for one in self.translation.findings}
        exact = [
            Finding("exact", thing.kind, thing.name, thing.id, "as it was there")
            for thing in self.translation.things
            if (thing.kind, thing.id) not in noted
        ]
        findings = [*self.translation.findings, *exact]
        counts |= {
            verdict: sum(one.verdict == verdict for one in findings)
            for verdict in ("exact", "approximated", "impossible")
        }
        told = json.dumps([changes, [one.to_json() for one in findings]], sort_keys=True)
        return Outcome(changes, findings, counts, self.touched, hashlib.sha256(told.encode()).hexdigest())
