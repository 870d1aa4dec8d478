"""Which addresses outside the house may be reached: none inside it, unless the setting ``outbound_allow`` says so."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from tocsin.platform import settings as platform_settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NAT64 = ipaddress.ip_network("64:ff9b::/96")


class OutboundError(Exception):
    """A request came to nothing. ``lasting``: trying again as it is makes no sense."""

    lasting = False


class Refused(OutboundError):
    """The address is one that we must not reach; ``TOCSIN_OUTBOUND_ALLOW`` may allow it."""

    lasting = True

    def __init__(self, host: str, addresses: Iterable[str]) -> None:
        at = ", ".join(list(addresses)[:3])
        super().__init__(f"{host} is at {at}, a private address; TOCSIN_OUTBOUND_ALLOW may allow it")


def addresses_inside(address: Address) -> list[Address]:
    """The address and every IPv4 address that an IPv6 address carries: mapped, 6to4, Teredo, NAT64 (RFC 6052)."""
    found: list[Address] = [address]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            found = [address.ipv4_mapped]
        elif address.sixtofour:
            found.append(address.sixtofour)
        elif address.teredo:
            found.extend(address.teredo)
        elif address in NAT64:
            found = [IPv4Address(int(address) & 0xFFFFFFFF)]
        elif int(address) >> 32 == 0 and int(address) > 1:
            found.append(IPv4Address(int(address)))  # IPv4-compatible, long deprecated, still understood by some stacks
    return found


def allowed(address: Address, allow: Iterable[Network] = ()) -> bool:
    """Whether a connection to this address may be opened: it is public, or inside one of the allowed networks."""
    allow = list(allow)
    return all(
        (item.is_global and not item.is_multicast and not item.is_reserved)
        or any(item.version == network.version and item in network for network in allow)
        for item in addresses_inside(address)
    )


def literal(host: str) -> Address | None:
    """The address that is written there; None when it is a name."""
    try:
        return ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return None


async def resolve(host: str, port: int, allow: Iterable[Network] = ()) -> list[str]:
    """Addresses of a host that may be reached, in the resolver's order.

    Raises Refused when it has none that we may reach, OutboundError when it has none at all.
    """
    host = host.strip("[]")
    candidates = [host]
    if literal(host) is None:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise OutboundError(f"{host} cannot be resolved: {error}") from error
        candidates = list(dict.fromkeys(str(item[4][0]) for item in found))
    allow = list(allow)
    good = [text for text in candidates if (address := literal(text)) is not None and allowed(address, allow)]
    if not good:
        raise Refused(host, candidates)
    return good


async def refuses(host: str) -> str:
    """Why a host must not be reached; empty when it may be, or when there is no such host."""
    try:
        await resolve(host, 443, platform_settings.get().outbound_allow)
    except Refused as error:
        return str(error)
    except OutboundError:
        return ""
    return ""
