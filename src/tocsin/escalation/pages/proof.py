"""The proof that somebody reachable is always paged, and what stands against it."""

from dataclasses import dataclass

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from tocsin.escalation.proving import CounterExample, prove
from tocsin.oncall import queries as oncall
from tocsin.oncall.models import Schedule
from tocsin.people.rules import Deed, may
from tocsin.web.shortcuts import Request, export, number, page, signed_in

MONTHS = (1, 3, 6, 12, 24)


@dataclass(frozen=True)
class Line:
    """A counter-example with where it can be mended."""

    one: CounterExample
    schedules: list[Schedule]

    @property
    def severity(self) -> str:
        return "nobody at all" if self.one.gap.step == 0 else f"step {self.one.gap.step}"


@require_GET
@signed_in
def proof(request: Request) -> HttpResponse:
    """For every service and priority over the coming months."""
    months = number(request, "months")
    months = months if months in MONTHS else 6
    found = prove(actor=request.actor, months=months)
    schedules = oncall.schedules(request.actor).in_bulk(
        {key for one in found.counter_examples for key in one.gap.schedule_ids}
    )
    lines = [
        Line(one, [schedules[key] for key in one.gap.schedule_ids if key in schedules])
        for one in found.counter_examples
    ]
    columns = [
        ("services", lambda line: ", ".join(line.one.services)),
        ("priorities", lambda line: ", ".join(line.one.priorities)),
        ("policy", lambda line: line.one.gap.policy),
        ("step", lambda line: line.one.gap.step),
        ("from", lambda line: line.one.gap.start.isoformat()),
        ("to", lambda line: line.one.gap.end.isoformat()),
        ("why", lambda line: line.one.gap.why),
        ("more", lambda line: line.one.gap.more),
    ]
    if answer := export(request, "proof", columns, lines):
        return answer
    return page(
        request,
        "escalation/proof.html",
        {
            "title": "Proof",
            "proof": found,
            "lines": lines,
            "months": [(count, count == months) for count in MONTHS],
            "chosen": months,
            "may_override": may(request.actor, Deed.OVERRIDE),
        },
    )
