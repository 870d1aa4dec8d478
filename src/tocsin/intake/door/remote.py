"""Who is asking: the peer's address, or what a trusted proxy says of it."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from tocsin.intake.contract.kind import Headers

Networks = tuple[IPv4Network | IPv6Network, ...]


class Remote(NamedTuple):
    """The sender as seen through trusted proxies. Empty host or prefix: the request's own."""

    address: str
    scheme: str
    host: str
    prefix: str


@lru_cache(maxsize=4096)
def peer_address(client: str) -> str:
    """The address of ``address:port``."""
    host = client.rpartition(":")[0] or client
    return host.strip("[]")


@lru_cache(maxsize=4096)
def trusted(address: str, networks: Networks) -> bool:
    """Whether the address is one of a trusted proxy."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks if network.version == parsed.version)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address.strip().strip("[]"))
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def remote_of(client: str, scheme: str, headers: Headers, networks: Networks) -> Remote:
    """The sender. X-Forwarded-* counts only from a trusted proxy, and only as far back as proxies are trusted."""
    address = peer_address(client)
    if not networks or not trusted(address, networks):
        return Remote(address, scheme, "", "")
    chain = [part.strip() for part in str(headers.get("x-forwarded-for") or "").split(",") if part.strip()]
    while chain:
        hop = chain.pop()
        if _parsed(hop) is None:
            break
        address = hop.strip("[]")
        if not trusted(address, networks):
            break
    said = str(headers.get("x-forwarded-proto") or "").split(",")[-1].strip().lower()
    host = str(headers.get("x-forwarded-host") or "").split(",")[-1].strip()
    prefix = str(headers.get("x-forwarded-prefix") or "").split(",")[-1].strip().rstrip("/")
    return Remote(
        address,
        said if said in ("http", "https") else scheme,
        host,
        prefix if prefix.startswith("/") and not prefix.startswith("//") else "",
    )
