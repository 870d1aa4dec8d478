"""What goes wrong: alerts by the nature of a service, named and labelled as exporters and rule books name them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Condition:
    """``title`` and ``note`` are formatted with the labels, which ``labels`` gives choices for."""

    alertname: str
    severity: str
    title: str
    labels: dict[str, tuple[str, ...]]
    note: str
    minutes: int = 35  # how long it usually lasts


PODS = tuple(f"{a}{b}" for a in "bcdfgh" for b in "kmnpqrs")
HOSTS = tuple(f"ip-10-{net}-{host}" for net in (12, 40, 77) for host in (14, 31, 58, 96, 141, 203))
ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c", "ap-south-1a", "us-east-1b")
DEPOTS = tuple(f"depot-{number:03}" for number in range(4, 212, 7))
HUBS = ("cork", "leipzig", "poznan", "porto", "nairobi", "chennai", "melbourne", "toronto", "campinas")

CONDITIONS: dict[str, tuple[Condition, ...]] = {
    "web": (
        Condition("HighErrorRate", "critical", "{service}: more than 5 % of requests fail in {zone}", {"zone": ZONES, "code": ("500", "502", "503")}, "Errors began with the last deploy; rolled back."),
        Condition("LatencyP99High", "error", "{service}: p99 above 2 s in {zone}", {"zone": ZONES}, "One slow query held the pool; killed it and added an index."),
        Condition("KubePodCrashLooping", "error", "{service}: pod {pod} keeps crashing", {"pod": PODS, "zone": ZONES}, "Memory limit too low for the new model; raised it."),
        Condition("KubeDeploymentReplicasMismatch", "warning", "{service}: fewer replicas than wanted in {zone}", {"zone": ZONES}, "Nodes were full; scaled the pool up."),
        Condition("CPUThrottlingHigh", "warning", "{service}: pod {pod} is throttled", {"pod": PODS}, "Raised the CPU limit.", 90),
        Condition("CertificateExpiresSoon", "warning", "{service}: certificate of {host} runs out in {days} days", {"host": HOSTS, "days": ("6", "9", "13")}, "Renewed by hand; the renewal job had lost its permission.", 240),
    ),
    "database": (
        Condition("PostgresReplicationLag", "error", "{service}: replica {host} is {lag} behind", {"host": HOSTS, "lag": ("45 s", "2 min", "11 min")}, "A long transaction of the report job; ended it."),
        Condition("PostgresTooManyConnections", "critical", "{service}: {used} % of connections are used on {host}", {"host": HOSTS, "used": ("92", "97", "99")}, "A client leaked connections; restarted it, fix is in review."),
        Condition("HostDiskWillFillIn24Hours", "warning", "{service}: disk of {host} fills within a day", {"host": HOSTS}, "Old write-ahead log of a dead slot; dropped the slot.", 120),
        Condition("PostgresDown", "critical", "{service}: {host} does not answer", {"host": HOSTS}, "Failed over to the replica."),
        Condition("PostgresDeadlocks", "warning", "{service}: deadlocks on {host}", {"host": HOSTS}, "Two jobs take rows in different order; opened a ticket."),
    ),
    "queue": (
        Condition("ConsumerLag", "error", "{service}: {group} is {lag} messages behind", {"group": ("scans", "mail", "webhooks", "invoices"), "lag": ("40,000", "190,000", "2,100,000")}, "One partition was stuck on a bad message; skipped it."),
        Condition("QueueOldestMessage", "warning", "{service}: oldest message in {group} waits for {age}", {"group": ("out", "retry", "dead"), "age": ("7 min", "22 min", "1 h")}, "The provider was slow; it caught up by itself."),
        Condition("BrokerUnderReplicated", "critical", "{service}: {partitions} partitions have too few copies", {"partitions": ("3", "18", "64")}, "A broker had lost its disk; replaced it."),
        Condition("DeliveryFailures", "error", "{service}: {share} % of deliveries fail to {provider}", {"share": ("8", "31", "77"), "provider": ("carrier-a", "carrier-b", "relay-2")}, "Their outage; switched to the second provider."),
    ),
    "cluster": (
        Condition("KubeNodeNotReady", "error", "{service}: node {host} is not ready", {"host": HOSTS, "zone": ZONES}, "Kernel panic; the node was replaced."),
        Condition("KubeAPIErrorBudgetBurn", "critical", "{service}: the API server burns its error budget", {"zone": ZONES}, "A controller listed everything in a loop; scaled it to zero."),
        Condition("NodeFilesystemAlmostOutOfSpace", "warning", "{service}: {host} has {free} % disk left", {"host": HOSTS, "free": ("4", "7", "9")}, "Images were not collected; pruned.", 80),
        Condition("EtcdSlowCommits", "error", "{service}: etcd on {host} commits slowly", {"host": HOSTS}, "Noisy neighbour on the disk; moved the volume."),
        Condition("TargetDown", "warning", "{service}: {share} % of targets in {zone} are down", {"zone": ZONES, "share": ("12", "40")}, "Network policy rolled out too widely; reverted."),
    ),
    "network": (
        Condition("ProbeFailed", "critical", "{service}: not reachable from {zone}", {"zone": ZONES}, "A route was withdrawn upstream; they put it back."),
        Condition("DepotTunnelDown", "error", "{service}: tunnel to {depot} is down", {"depot": DEPOTS}, "The depot's line was cut by diggers.", 150),
        Condition("BGPSessionDown", "error", "{service}: session with {peer} is down", {"peer": ("transit-1", "transit-2", "ix-dublin")}, "Maintenance at the exchange that nobody told us of."),
        Condition("DNSResolutionSlow", "warning", "{service}: answers take {time} in {zone}", {"zone": ZONES, "time": ("300 ms", "2 s")}, "One resolver was out of file handles; restarted."),
        Condition("PacketLoss", "warning", "{service}: {share} % loss between {zone} and {depot}", {"zone": ZONES, "depot": DEPOTS, "share": ("2", "9")}, "Cleared by itself."),
    ),
    "cache": (
        Condition("RedisMemoryHigh", "warning", "{service}: {host} uses {used} % of its memory", {"host": HOSTS, "used": ("91", "96")}, "Sessions without expiry; fixed and flushed."),
        Condition("RedisDown", "critical", "{service}: {host} does not answer", {"host": HOSTS}, "The sentinel did not agree; promoted by hand."),
        Condition("RedisEvictions", "error", "{service}: {host} throws keys away", {"host": HOSTS}, "Doubled its memory."),
    ),
    "batch": (
        Condition("JobFailed", "error", "{service}: job {job} failed", {"job": ("nightly-close", "rounds", "load-facts", "rotate", "export-ledger")}, "Ran it again by hand with a larger timeout.", 70),
        Condition("JobTooLong", "warning", "{service}: job {job} runs for {age}", {"job": ("nightly-close", "rounds", "load-facts"), "age": ("3 h", "5 h")}, "It was waiting for a lock; the other one finished.", 110),
        Condition("JobMissed", "error", "{service}: job {job} did not start", {"job": ("nightly-close", "rotate", "restore-test")}, "The scheduler's clock was in daylight saving; ran it by hand.", 70),
    ),
    "machine": (
        Condition("SorterStopped", "critical", "{service}: sorter {arm} in {hub} has stopped", {"hub": HUBS, "arm": ("1", "2", "3", "4")}, "A light barrier was dirty; cleaned it.", 25),
        Condition("SorterMisreads", "warning", "{service}: {share} % misreads in {hub}", {"hub": HUBS, "share": ("4", "7", "15")}, "Lens out of focus after a jolt; adjusted."),
        Condition("SorterTemperature", "error", "{service}: drive {arm} in {hub} is hot", {"hub": HUBS, "arm": ("1", "2", "3")}, "A fan was stuck; replaced it at the shift's end.", 140),
    ),
}  # fmt: skip
