"""What a translated thing is called here, and what is left of it when something it refers to is not here."""

from typing import Any

from django.utils.text import slugify

from tocsin.project.importing.shapes import PRODUCTS

LIMITS = {"teams": (100, 100), "schedules": (120, 120), "policies": (120, 120), "services": (120, 120)}


class Taken:
    """Names and slugs that a section has already, whatever their case."""

    def __init__(self, specs: list[Any]) -> None:
        self.names = {spec.name.strip().lower() for spec in specs}
        self.slugs = {getattr(spec, "slug", "") for spec in specs}

    def free(self, section: str, name: str, id: str, product: str) -> tuple[str, str]:
        """(name, slug) not yet in use, as like ``name`` as can be; they count as taken from now on."""
        most, most_slug = LIMITS[section]
        base = name.strip()[:most] or f"{section.removesuffix('s')} {id}"[:most]
        tries = [base, f"{base[: most - 20]} ({PRODUCTS[product]})"]
        number = 1
        while tries[0].lower() in self.names or self._slug(section, tries[0], id, most_slug) in self.slugs:
            tries.pop(0)
            if not tries:
                number += 1
                tries = [f"{base[: most - 26]} ({PRODUCTS[product]} {number})"]
        found, slug = tries[0], self._slug(section, tries[0], id, most_slug)
        self.names.add(found.lower())
        self.slugs.add(slug)
        return found, slug

    def _slug(self, section: str, name: str, id: str, most: int) -> str:
        slug = slugify(name)[:most].strip("-_")
        if any(char.isalpha() for char in slug):
            return slug
        # a slug of digits would look like a number of ours, and other scripts leave nothing
        return f"{section.removesuffix('s')}-{slugify(id)}"[:most].strip("-_")


def tidied(section: str, spec: dict[str, Any]) -> tuple[dict[str, Any] | None, list[str]]:
    """A spec without the parts that name nobody any more, and a reason for each; None: nothing is left of it."""
    reasons: list[str] = []
    if section == "schedules":
        layers = [layer for layer in spec["layers"] if layer["members"]]
        if len(layers) < len(spec["layers"]):
            reasons.append("a layer names nobody who is here and is left out")
        if layers and layers[0].get("beside"):
            layers[0] = layers[0] | {"beside": False}
        if len(layers) > 50:
            reasons.append("it has more than 50 layers: the lowest are left out")
            layers = layers[-50:]
        return spec | {"layers": layers}, reasons
    if section == "policies":
        steps = [step | {"targets": step["targets"][:50]} for step in spec["steps"] if step["targets"]][:50]
        if len(steps) < len(spec["steps"]):
            reasons.append("a step pages nobody who is here and is left out")
        return (spec | {"steps": steps}, reasons) if steps else (None, ["none of its steps pages anybody who is here"])
    if section == "maintenance_windows" and not spec["services"]:
        return None, ["none of its services is here"]
    if section == "sources" and not spec["service"]:
        return None, ["its service is not here"]
    return spec, reasons
