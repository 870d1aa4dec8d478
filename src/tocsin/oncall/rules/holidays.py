"""Public holidays of a region (an ISO 3166 country or one of its parts), from the ``holidays`` package. Pure."""

from datetime import date
from functools import lru_cache


def known_region(region: str) -> bool:
    """Whether holidays are known for ``DE``, ``DE-BY``, ``US-CA`` and the like."""
    country, _, part = region.partition("-")
    return country in _regions() and (not part or part in _regions()[country])


@lru_cache(maxsize=1)
def _regions() -> dict[str, frozenset[str]]:
    import holidays

    return {country: frozenset(parts) for country, parts in holidays.list_supported_countries().items()}


@lru_cache(maxsize=1024)
def holidays_of(region: str, year: int) -> frozenset[date]:
    """The public holidays of a region in a year; none when the region is not known."""
    import holidays

    if not known_region(region):
        return frozenset()
    country, _, part = region.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))


@lru_cache(maxsize=1024)
def holiday_names(region: str, year: int) -> dict[date, str]:
    """The public holidays of a region in a year with their English names, where there are any."""
    import holidays

    if not known_region(region):
        return {}
    country, _, part = region.partition("-")
    found = holidays.country_holidays(country, subdiv=part or None, years=year)
    return dict(found.items())
