"""Reading other products: over their APIs, from the folder of a backup, from a file saved before."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from tocsin.platform.addresses import Network
from tocsin.platform.errors import Invalid
from tocsin.project.importing.reading import grafana_oncall, opsgenie, pagerduty
from tocsin.project.importing.reading.fetching import Fetcher, host_of
from tocsin.project.importing.shapes import PRODUCTS, Export, Progress

API_URLS = {"opsgenie": "https://api.opsgenie.com", "pagerduty": "https://api.pagerduty.com", "grafana-oncall": ""}
_SCHEMES = {"opsgenie": "GenieKey {}", "pagerduty": "Token token={}", "grafana-oncall": "{}"}
_READERS: dict[str, Callable[[Fetcher, datetime], Awaitable[dict[str, list[dict[str, Any]]]]]] = {
    "opsgenie": opsgenie.read,
    "pagerduty": pagerduty.read,
    "grafana-oncall": grafana_oncall.read,
}


async def read(
    product: str,
    url: str,
    key: str,
    *,
    now: datetime,
    progress: Progress,
    allow: list[Network] | None = None,
) -> Export:
    """Read everything that can be imported from a product's API. The key goes into the requests and nowhere else.

    Raises Invalid (``url``, ``key``) and Unread, whose text never holds the key.
    """
    if product not in PRODUCTS:
        raise Invalid("There is no such product.", {"product": f"one of {', '.join(PRODUCTS)}"})
    url = (url.strip() or API_URLS[product]).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise Invalid("This cannot be read.", {"url": "the address of the API, such as https://api.opsgenie.com"})
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or len(key) > 2000:
        raise Invalid("This cannot be read.", {"key": "the API key, in one line"})
    headers = {"Authorization": _SCHEMES[product].format(key), "Accept": "application/json"}
    if product == "pagerduty":
        headers["Accept"] = "application/vnd.pagerduty+json;version=2"
    fetcher = Fetcher(url, headers, progress, allow)
    try:
        data = await _READERS[product](fetcher, now)
    finally:
        await fetcher.aclose()
    return Export(product, host_of(url), now, data)
