"""A small team to page, made over the API: each journey has its own, so that journeys do not meet."""

from dataclasses import dataclass
from typing import Any

from tests.journeys.product import Product

ANCHOR = "2026-01-05T09:00:00"  # a Monday


@dataclass(frozen=True)
class Team:
    """Who is there and what they look after; names are natural keys."""

    slug: str
    oncall: str
    second: str
    boss: str
    service: str
    schedule: str
    policy: str


def person(product: Product, email: str, name: str, *ways: tuple[str, str, int]) -> None:
    """Somebody with contact methods: (channel, address, seconds after a page), for pages of any urgency."""
    product.tell(
        "users",
        {
            "email": email,
            "name": name,
            "contact_methods": [{"channel": channel, "address": address} for channel, address, _ in ways],
            "rules": [
                {"urgency": urgency, "channel": channel, "address": address, "delay_s": delay}
                for urgency in ("high", "low")
                for channel, address, delay in ways
            ],
        },
    )


def layer(name: str, *members: str, **more: Any) -> dict[str, Any]:
    """A weekly rotation."""
    return {"name": name, "unit": "week", "length": 1, "anchor": ANCHOR, "members": list(members), **more}


def team(product: Product, slug: str, *, wait_s: int = 300) -> Team:
    """A team of three: one on call, one to follow after ``wait_s`` seconds, one as fallback. All by mail.

    A module's fixtures are made again when its tests do not run in a row: then it is another team, by a number.
    """
    product.teams[slug] += 1
    if product.teams[slug] > 1:
        slug = f"{slug}-{product.teams[slug]}"
    made = Team(
        slug=slug,
        oncall=f"ada.{slug}@example.org",
        second=f"ben.{slug}@example.org",
        boss=f"cleo.{slug}@example.org",
        service=f"{slug}-shop",
        schedule=f"{slug}-rota",
        policy=f"{slug}-policy",
    )
    for email in (made.oncall, made.second, made.boss):
        person(product, email, email.partition(".")[0].title() + f" of {slug}", ("email", email, 0))
    members = {made.oncall: "member", made.second: "member", made.boss: "manager"}
    product.tell("teams", {"name": slug.title(), "slug": slug, "members": members})
    layers = [layer("Primary", made.oncall)]
    product.tell("schedules", {"name": f"{slug} rota", "slug": made.schedule, "team": slug, "layers": layers})
    product.tell(
        "policies",
        {
            "name": f"{slug} policy",
            "slug": made.policy,
            "team": slug,
            "steps": [
                {"targets": [f"schedule:{made.schedule}"], "wait_s": wait_s},
                {"targets": [f"user:{made.second}"], "wait_s": wait_s},
            ],
            "fallback": [f"user:{made.boss}"],
        },
    )
    shop = {"name": f"{slug} shop", "slug": made.service, "team": slug, "policy": made.policy, "tier": 1}
    product.tell("services", shop)
    return made
