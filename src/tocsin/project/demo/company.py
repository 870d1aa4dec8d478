"""Kestrel Post, a company that does not exist: it carries parcels, and its thirty people keep forty services alive.

Plain data; ``loading`` turns it into specs and saves them through the rooms' own actions. All addresses end in
``.example``, which no mail server in the world delivers to.
"""

from dataclasses import dataclass, field
from typing import Any

NAME = "Kestrel Post"
DOMAIN = "kestrelpost.example"
ADMINISTRATOR = "robin.ellery"
CONFIDANT = "elena.petrova"  # is let into what is confidential


@dataclass(frozen=True)
class Person:
    """``key`` is the part of the e-mail address before the @."""

    key: str
    name: str
    zone: str
    role: str = "responder"

    @property
    def email(self) -> str:
        return f"{self.key}@{DOMAIN}"


@dataclass(frozen=True)
class Team:
    """``lead`` manages it and is its first member."""

    slug: str
    name: str
    about: str
    lead: str
    members: tuple[str, ...]

    @property
    def everybody(self) -> tuple[str, ...]:
        return (self.lead, *self.members)


@dataclass(frozen=True)
class Service:
    """``nature`` says which conditions befall it (see ``conditions``); ``by`` how its alerts are grouped."""

    slug: str
    name: str
    team: str
    tier: int
    nature: str
    about: str
    needs: tuple[str, ...] = ()
    by: str = "service"


@dataclass(frozen=True)
class Rotation:
    """A layer: people in turn for ``length`` days or weeks; ``hours`` and ``days`` narrow it, in the schedule's zone."""

    name: str
    people: tuple[str, ...]
    unit: str = "week"
    length: int = 1
    hand_off: str = "09:00"
    hours: tuple[str, str] | None = None
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)


@dataclass(frozen=True)
class Schedule:
    slug: str
    name: str
    team: str
    zone: str
    about: str
    rotations: tuple[Rotation, ...]


@dataclass(frozen=True)
class Policy:
    """``steps``: seconds to wait, and the targets (``schedule:``, ``team:`` slug or ``user:`` key).

    ``tiers``: names of the steps' tiers, in order; ``entries``: when an incident may enter one; ``confidential``: slug
    of the policy for confidential incidents.
    """

    slug: str
    name: str
    team: str
    about: str
    steps: tuple[tuple[int, tuple[str, ...]], ...]
    fallback: tuple[str, ...]
    repeats: int = 1
    ack_timeout_s: int | None = None
    tiers: tuple[str, ...] = ()
    entries: tuple[tuple[str, str], ...] = ()
    confidential: str = "security"


@dataclass(frozen=True)
class Source:
    service: str
    name: str
    kind: str
    config: dict[str, object] = field(default_factory=dict)


PEOPLE = (
    Person(ADMINISTRATOR, "Robin Ellery", "Europe/Dublin", "admin"),
    Person("ngozi.abara", "Ngozi Abara", "Africa/Lagos", "manager"),
    Person("tomasz.wrona", "Tomasz Wrona", "Europe/Warsaw", "manager"),
    Person("leila.haddad", "Leila Haddad", "Europe/Paris"),
    Person("arjun.menon", "Arjun Menon", "Asia/Kolkata"),
    Person("camila.duarte", "Camila Duarte", "America/Sao_Paulo"),
    Person("hannah.oyelaran", "Hannah Oyelaran", "Europe/London"),
    Person("ingrid.solberg", "Ingrid Solberg", "Europe/Oslo", "manager"),
    Person("kofi.asante", "Kofi Asante", "Africa/Accra"),
    Person("priya.raghavan", "Priya Raghavan", "Asia/Kolkata"),
    Person("diego.fuentes", "Diego Fuentes", "America/Mexico_City"),
    Person("marek.novotny", "Marek Novotny", "Europe/Prague", "manager"),
    Person("aroha.tane", "Aroha Tane", "Pacific/Auckland"),
    Person("ben.whitlock", "Ben Whitlock", "America/New_York"),
    Person("yuki.hamada", "Yuki Hamada", "Asia/Tokyo"),
    Person("sofia.marchetti", "Sofia Marchetti", "Europe/Rome", "manager"),
    Person("liam.orourke", "Liam O'Rourke", "Europe/Dublin"),
    Person("mei.tan", "Mei Tan", "Asia/Singapore"),
    Person("jonas.weber", "Jonas Weber", "Europe/Berlin"),
    Person("fatima.idrissi", "Fatima Zahra Idrissi", "Africa/Casablanca", "manager"),
    Person("viktor.halasz", "Viktor Halász", "Europe/Budapest"),
    Person("grace.mwangi", "Grace Mwangi", "Africa/Nairobi"),
    Person("noah.tremblay", "Noah Tremblay", "America/Toronto"),
    Person("elena.petrova", "Elena Petrova", "Europe/Sofia", "manager"),
    Person("samuel.adeyemi", "Samuel Adeyemi", "Africa/Lagos"),
    Person("chloe.nguyen", "Chloe Nguyen", "Australia/Melbourne"),
    Person("mateus.rocha", "Mateus Rocha", "Europe/Lisbon"),
    Person("oskar.lindqvist", "Oskar Lindqvist", "Europe/Stockholm", "manager"),
    Person("zainab.qureshi", "Zainab Qureshi", "Asia/Karachi"),
    Person("emily.carver", "Emily Carver", "America/Los_Angeles", "observer"),
)

TEAMS = (
    Team(
        "platform", "Platform", "Clusters, pipelines and what everybody builds on.",
        "tomasz.wrona", ("leila.haddad", "arjun.menon", "camila.duarte", "hannah.oyelaran"),
    ),
    Team(
        "data", "Data", "Databases, streams, caches, backups.",
        "ingrid.solberg", ("kofi.asante", "priya.raghavan", "diego.fuentes"),
    ),
    Team(
        "edge", "Network and edge", "Names, proxies, lines to the depots.",
        "marek.novotny", ("aroha.tane", "ben.whitlock", "yuki.hamada"),
    ),
    Team(
        "tracking", "Tracking", "Where is my parcel?",
        "sofia.marchetti", ("liam.orourke", "mei.tan", "jonas.weber"),
    ),
    Team(
        "routing", "Routing and depots", "How a parcel gets there.",
        "fatima.idrissi", ("viktor.halasz", "grace.mwangi", "noah.tremblay"),
    ),
    Team(
        "payments", "Payments", "Money in, duties paid.",
        "elena.petrova", ("samuel.adeyemi", "chloe.nguyen", "mateus.rocha"),
    ),
    Team(
        "storefront", "Storefront", "What customers and merchants see.",
        "oskar.lindqvist", ("zainab.qureshi", "emily.carver"),
    ),
)  # fmt: skip

SERVICES = (
    # the floor: a fault here is felt everywhere, so alerts of services that need each other are one incident
    Service("dns", "DNS", "edge", 1, "network", "Names for everything.", by="dependency"),
    Service("load-balancer", "Load balancer", "edge", 1, "network", "Spreads requests over the cluster.", ("dns",), "dependency"),
    Service("edge-proxy", "Edge proxy", "edge", 1, "network", "The front door from the internet.", ("dns", "load-balancer"), "dependency"),
    Service("depot-vpn", "Depot lines", "edge", 2, "network", "Tunnels to 212 depots.", ("dns",), "fields"),
    Service("mail-gateway", "Mail gateway", "edge", 3, "queue", "Mail to customers.", ("dns",)),
    Service("sms-gateway", "SMS gateway", "edge", 2, "queue", "Texts to customers and drivers.", ("dns",)),
    Service("kubernetes", "Compute cluster", "platform", 1, "cluster", "Everything runs here.", ("dns", "load-balancer"), "dependency"),
    Service("secrets-vault", "Secrets vault", "platform", 1, "web", "Passwords and certificates.", ("kubernetes",), "dependency"),
    Service("monitoring", "Monitoring", "platform", 2, "cluster", "Prometheus and its friends.", ("kubernetes",)),
    Service("logging", "Logging", "platform", 3, "queue", "Logs, thirty days.", ("kubernetes", "object-store")),
    Service("job-runner", "Job runner", "platform", 3, "batch", "Everything that runs at night.", ("kubernetes",)),
    Service("image-registry", "Image registry", "platform", 3, "web", "Container images.", ("kubernetes", "object-store")),
    Service("build-pipeline", "Build pipeline", "platform", 4, "batch", "Builds and deploys.", ("kubernetes", "image-registry")),
    Service("postgres-parcels", "Parcel database", "data", 1, "database", "Every parcel and its events.", ("kubernetes",), "dependency"),
    Service("postgres-accounts", "Account database", "data", 1, "database", "Customers, merchants, sessions.", ("kubernetes",), "dependency"),
    Service("event-stream", "Event stream", "data", 1, "queue", "Scans and changes flow through here.", ("kubernetes",), "dependency"),
    Service("session-cache", "Session cache", "data", 2, "cache", "Who is signed in.", ("kubernetes",)),
    Service("object-store", "Object store", "data", 2, "web", "Labels, photographs, archives.", ("kubernetes",)),
    Service("search-index", "Search index", "data", 2, "database", "Find a parcel by anything.", ("kubernetes",)),
    Service("warehouse", "Data warehouse", "data", 3, "batch", "Figures for the morning.", ("object-store",)),
    Service("backups", "Backups", "data", 3, "batch", "Nightly, restored every week as a test.", ("object-store",)),
    # what the company is for
    Service("scan-ingest", "Scan ingest", "tracking", 1, "web", "Takes 4,000 scans a second from depots.", ("event-stream", "depot-vpn")),
    Service("tracking-api", "Tracking API", "tracking", 1, "web", "Where is my parcel?", ("postgres-parcels", "session-cache", "search-index")),
    Service("arrival-times", "Arrival times", "tracking", 3, "web", "When will it come?", ("event-stream", "route-planner")),
    Service("notifications", "Notifications", "tracking", 2, "queue", "Tells people that it comes.", ("event-stream", "sms-gateway", "mail-gateway")),
    Service("merchant-webhooks", "Merchant webhooks", "tracking", 3, "queue", "Tells merchants' systems.", ("event-stream",), "fields"),
    Service("depot-gateway", "Depot gateway", "routing", 1, "web", "Every depot's link to the centre.", ("depot-vpn", "event-stream")),
    Service("sorter-control", "Sorter control", "routing", 1, "machine", "Belts and arms in nine hubs.", ("depot-gateway",), "fields"),
    Service("route-planner", "Route planner", "routing", 2, "batch", "Plans 1,900 rounds every night.", ("postgres-parcels", "address-check")),
    Service("driver-app", "Driver app backend", "routing", 2, "web", "What the drivers' phones talk to.", ("route-planner", "accounts")),
    Service("address-check", "Address check", "routing", 3, "web", "Is there such a door?", ("search-index",)),
    Service("label-print", "Label printing", "routing", 2, "queue", "Labels for merchants and depots.", ("object-store", "address-check")),
    Service("checkout", "Checkout", "payments", 1, "web", "Buys postage.", ("postgres-accounts", "fraud-check", "edge-proxy")),
    Service("billing", "Billing", "payments", 2, "batch", "Monthly invoices of merchants.", ("postgres-accounts", "event-stream")),
    Service("fraud-check", "Fraud check", "payments", 2, "web", "Is this card stolen?", ("session-cache",)),
    Service("customs", "Customs", "payments", 2, "queue", "Declarations to eleven countries.", ("postgres-parcels",)),
    Service("accounts", "Sign-in", "storefront", 1, "web", "Customers' and merchants' accounts.", ("postgres-accounts", "session-cache", "secrets-vault")),
    Service("customer-portal", "Customer portal", "storefront", 1, "web", "Where customers look.", ("tracking-api", "accounts", "edge-proxy")),
    Service("merchant-console", "Merchant console", "storefront", 2, "web", "Where merchants work.", ("accounts", "label-print", "tracking-api")),
    Service("help-desk", "Help desk", "storefront", 4, "web", "Where people complain.", ("accounts", "mail-gateway")),
)  # fmt: skip

SCHEDULES = (
    Schedule(
        "platform-sun", "Platform, following the sun", "platform", "UTC",
        "Three stretches a day, so that nobody is woken.",
        (
            Rotation("Asia", ("arjun.menon", "yuki.hamada"), hand_off="00:00", hours=("00:00", "08:00")),
            Rotation("Europe", ("leila.haddad", "hannah.oyelaran"), hand_off="08:00", hours=("08:00", "16:00")),
            Rotation("Americas", ("camila.duarte", "ben.whitlock"), hand_off="16:00", hours=("16:00", "24:00")),
        ),
    ),
    Schedule(
        "data-primary", "Data, first", "data", "Europe/Oslo", "Weekly, Monday morning.",
        (Rotation("Week", ("kofi.asante", "priya.raghavan", "diego.fuentes", "ingrid.solberg")),),
    ),
    Schedule(
        "data-second", "Data, second", "data", "Europe/Oslo", "Whoever was first last week.",
        (Rotation("Week", ("ingrid.solberg", "kofi.asante", "priya.raghavan", "diego.fuentes")),),
    ),
    Schedule(
        "edge-primary", "Edge, first", "edge", "Europe/Prague", "Nights go to Auckland and Tokyo.",
        (
            Rotation("Day", ("marek.novotny", "ben.whitlock"), hours=("08:00", "20:00")),
            Rotation("Night", ("aroha.tane", "yuki.hamada"), hours=("20:00", "08:00")),
        ),
    ),
    Schedule(
        "tracking-primary", "Tracking, first", "tracking", "Europe/Dublin", "Daily turns.",
        (Rotation("Day", ("liam.orourke", "jonas.weber", "sofia.marchetti", "mei.tan"), unit="day", hand_off="10:00"),),
    ),
    Schedule(
        "routing-primary", "Routing, first", "routing", "Africa/Nairobi", "Weekly, with weekends apart.",
        (
            Rotation("Week", ("grace.mwangi", "viktor.halasz", "noah.tremblay")),
            Rotation("Weekend", ("noah.tremblay", "fatima.idrissi"), hand_off="00:00", hours=("00:00", "24:00"), days=(6, 7)),
        ),
    ),
    Schedule(
        "payments-primary", "Payments, first", "payments", "Europe/Sofia", "Weekly, Wednesday noon.",
        (Rotation("Week", ("samuel.adeyemi", "mateus.rocha", "chloe.nguyen"), hand_off="12:00"),),
    ),
    Schedule(
        "storefront-hours", "Storefront, office hours", "storefront", "Europe/Stockholm",
        "Working days only: outside of them the policy's fallback is paged, and the gap is on record.",
        (Rotation("Working day", ("zainab.qureshi", "oskar.lindqvist"), unit="week", hours=("08:00", "18:00"), days=(1, 2, 3, 4, 5)),),
    ),
    Schedule(
        "duty-manager", "Duty manager", "platform", "Europe/Dublin", "Decides when it hurts; two weeks each.",
        (Rotation("Fortnight", ("ngozi.abara", "tomasz.wrona", "sofia.marchetti", "elena.petrova"), length=2),),
    ),
)  # fmt: skip

HANDOFF_NOTE = """The nightly rollup of the warehouse runs an hour longer since Thursday; nobody is hurt by it.
postgres-parcels: the new index is being built. If the lag goes over ten minutes, stop the build, not the replica."""

POLICIES = (
    Policy(
        "security", "Security incidents", "platform", "For what is confidential: few people.",
        ((300, ("user:ngozi.abara", "user:marek.novotny")), (900, ("schedule:duty-manager",))), ("user:robin.ellery",),
        confidential="",
    ),
    Policy(
        "platform", "Platform on call", "platform", "Whoever has daylight, then the team, then the duty manager.",
        ((300, ("schedule:platform-sun",)), (600, ("team:platform",)), (900, ("schedule:duty-manager",))),
        ("user:robin.ellery",),
    ),
    Policy(
        "data", "Data on call", "data", "First, second, duty manager.",
        ((300, ("schedule:data-primary",)), (300, ("schedule:data-second",)), (900, ("schedule:duty-manager",))),
        ("user:robin.ellery",), ack_timeout_s=4 * 3600,
    ),
    Policy(
        "edge", "Edge on call", "edge", "First, then everybody.",
        ((300, ("schedule:edge-primary",)), (600, ("team:edge",))), ("user:marek.novotny", "user:robin.ellery"),
    ),
    Policy(
        "tracking", "Tracking on call", "tracking", "First, then the lead, then the duty manager.",
        ((300, ("schedule:tracking-primary",)), (600, ("user:sofia.marchetti",)), (900, ("schedule:duty-manager",))),
        ("user:robin.ellery",),
    ),
    Policy(
        "routing", "Routing on call", "routing", "First, then the lead.",
        ((420, ("schedule:routing-primary",)), (600, ("user:fatima.idrissi",))), ("user:robin.ellery",), repeats=2,
        tiers=("L1", "lead"), entries=(("lead", 'priority in ["P1", "P2"] || incident.minutes >= 15'),),
    ),
    Policy(
        "payments", "Payments on call", "payments", "Money: three minutes, then the lead as well.",
        ((180, ("schedule:payments-primary",)), (600, ("schedule:payments-primary", "user:elena.petrova"))),
        ("schedule:duty-manager", "user:robin.ellery"),
    ),
    Policy(
        "storefront", "Storefront on call", "storefront", "Office hours, then the duty manager.",
        ((600, ("schedule:storefront-hours",)), (900, ("schedule:duty-manager",))), ("user:oskar.lindqvist",),
    ),
)  # fmt: skip

# every service also has a source called Prometheus; these are the others
SOURCES = (
    Source("monitoring", "Prometheus, sending straight to us", "alertmanager-api"),
    Source("checkout", "Payment provider's monitor", "pagerduty"),
    Source("customer-portal", "Synthetic visits", "pagerduty"),
    Source("scan-ingest", "Cloud events of the depots", "cloudevents"),
    Source(
        "edge-proxy", "Outside probe", "generic",
        {
            "action": 'body.up ? "resolve" : "trigger"',
            "dedup_key": "body.check",
            "title": 'body.check + " is not reachable from " + body.from',
        },
    ),
    Source("sorter-control", "Sorter controllers", "generic"),
    Source("backups", "Nightly backup", "heartbeat", {"interval_s": 86_400, "grace_s": 7_200}),
    Source("warehouse", "Morning load", "heartbeat", {"interval_s": 86_400, "grace_s": 3_600}),
)  # fmt: skip

RULES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    # name, kind, condition, and what follows
    ("Staging never pages", "suppress", '"env" in signal.labels && signal.labels["env"] == "staging"', {}),
    ("For information only", "suppress", 'signal.severity == "info"', {}),
    ("Watchdog of Prometheus", "suppress", 'signal.title.startsWith("Watchdog")', {}),
    (
        "Depot lines in alerts of the gateway", "route",
        '"alertname" in signal.labels && signal.labels["alertname"] == "DepotTunnelDown"', {"to_service": "depot-vpn"},
    ),
    (
        "Certificates that run out", "route",
        '"alertname" in signal.labels && signal.labels["alertname"] == "CertificateExpiresSoon"',
        {"to_service": "secrets-vault"},
    ),
    (
        "Checkout loses money", "severity",
        'service.slug == "checkout" && signal.severity == "error"', {"severity": "critical", "urgency": "high"},
    ),
    ("One sorter of nine", "severity", 'service.slug == "sorter-control"', {"impact": "medium"}),
)  # fmt: skip
