"""Whose message is it? By the key in it, the client's certificate, the sender's address, or the source that takes the
rest, in this order."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import structlog

from tocsin.intake.door.sources import Known, Sources
from tocsin.intake.sources.syslog.parser import networks, words

log = structlog.get_logger("tocsin.syslog")

LISTENER = "syslog"
Network = IPv4Network | IPv6Network


class Router:
    """Knows the sources of syslog; looks at them again when something changed."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._version = -1
        self._by_name: dict[str, Known] = {}
        self._by_network: list[tuple[Network, Known]] = []
        self._rest: Known | None = None

    def find(self, peer: str, names: Collection[str] = ()) -> Known | None:
        """The source of a sender that names no key; None: nobody's."""
        if self._version != self._sources.version:
            self._look()
        for name in names:
            if (found := self._by_name.get(name.lower())) is not None:
                return found
        address = address_of(peer)
        if address is not None:
            for network, known in self._by_network:
                if address in network:
                    return known
        return self._rest

    def _look(self) -> None:
        self._version = self._sources.version
        self._by_name, self._by_network, self._rest = {}, [], None
        for known in self._sources.all():
            if not known.enabled or known.kind is None or known.kind.listener != LISTENER:
                continue
            for name in words(known.config.get("certificates")):
                self._by_name.setdefault(name.lower(), known)
            try:
                self._by_network += [(network, known) for network in networks(known.config)]
            except ValueError as error:  # it was checked when it was saved
                log.warning("syslog.senders", source=known.id, error=str(error)[:200])
            if known.config.get("default") and self._rest is None:
                self._rest = known
        # the narrowest network first; of equals the older source
        self._by_network.sort(key=lambda pair: -pair[0].prefixlen)


def address_of(peer: str) -> IPv4Address | IPv6Address | None:
    """A peer's address; an IPv4 one that came in by IPv6 as IPv4."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
