"""Debian's real Nagios and Icinga 2 notify with the commands of our guide: a problem, an answer, and its end."""

import getpass
import grp
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.company import team
from tests.journeys.product import Product
from tests.journeys.waiting import until
from tocsin.intake.sources.nagios.source import source as kind

pytestmark = pytest.mark.journey

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NAGIOS = """\
log_file={0}/daemon.log
cfg_file={0}/objects.cfg
object_cache_file={0}/objects.cache
precached_object_file={0}/objects.precache
status_file={0}/status.dat
state_retention_file={0}/retention.dat
temp_file={0}/temp
temp_path={0}
check_result_path={0}
lock_file={0}/nagios.pid
command_file={0}/commands
query_socket={0}/query.sock
nagios_user={1}
nagios_group={2}
check_external_commands=1
execute_service_checks=0
execute_host_checks=0
check_for_updates=0
illegal_macro_output_chars=`~$&|'"<>
"""
OBJECTS = """\
define timeperiod {{
  timeperiod_name always
  alias always
{days}
}}
define command {{
  command_name nothing
  command_line /bin/true
}}
define contact {{
  contact_name tocsin
  host_notification_period always
  service_notification_period always
  host_notification_options d,u,r
  service_notification_options w,u,c,r
  host_notification_commands tocsin-host
  service_notification_commands tocsin-service
}}
define host {{
  host_name db-3
  address 10.2.0.13
{common}
}}
define service {{
  host_name db-3
  service_description Disk
{common}
}}
"""
COMMON = """\
  check_command nothing
  max_check_attempts 1
  check_period always
  contacts tocsin
  notification_period always
  notification_interval 0"""
ICINGA = """\
include <itl>
object NotificationComponent "notification" {{}}
object CheckerComponent "checker" {{}}
object ExternalCommandListener "command" {{ command_path = "{0}/commands" }}
object FileLogger "main" {{ path = "{0}/daemon.log" }}
object User "tocsin" {{}}
template Host "passive" {{ check_command = "dummy"; enable_active_checks = false; max_check_attempts = 1 }}
object Host "db-3" {{ import "passive"; address = "10.2.0.13" }}
object Service "Disk" {{
  host_name = "db-3"; check_command = "dummy"; enable_active_checks = false; max_check_attempts = 1
}}
apply Notification "tocsin-service" to Service {{
  command = "tocsin-service"; users = ["tocsin"]; interval = 0; assign where true
}}
apply Notification "tocsin-host" to Host {{
  command = "tocsin-host"; users = ["tocsin"]; interval = 0; assign where true
}}
"""


class Daemon:
    """A monitoring daemon that checks nothing by itself: it is told what its checks have found."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.commands = folder / "commands"
        # what stands in the guide is what runs here; the first block is for Nagios, the second for Icinga 2
        self.blocks = [block.replace("{url}", url) for block in re.findall(r"```\n(.*?)```", kind.guide(), re.DOTALL)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it takes commands."""
        with (self.folder / "output.log").open("wb") as output:
            self.process = subprocess.Popen(self.words(), stdout=output, stderr=output, cwd=self.folder)
        until("the daemon takes commands", self.commands.is_fifo, within=60)

    def words(self) -> list[str]:
        """Its command line, after its configuration is written."""
        raise NotImplementedError

    def tell(self, command: str) -> None:
        """An external command, as web interfaces and passive checks give it."""
        pipe = until("the daemon listens", self._open)
        with os.fdopen(pipe, "w") as writer:
            writer.write(f"[{int(time.time())}] {command}\n")

    def _open(self) -> int | None:
        try:
            return os.open(self.commands, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None  # nobody reads yet

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def lines(self) -> str:
        """The ends of its logs."""
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("*.log")))


class Nagios(Daemon):
    """Nagios 4."""

    def words(self) -> list[str]:
        group = grp.getgrgid(os.getgid()).gr_name
        (self.folder / "nagios.cfg").write_text(NAGIOS.format(self.folder, getpass.getuser(), group))
        days = "\n".join(f"  {day} 00:00-24:00" for day in DAYS)
        (self.folder / "objects.cfg").write_text(self.blocks[0] + OBJECTS.format(days=days, common=COMMON))
        return [installed("nagios4"), str(self.folder / "nagios.cfg")]


class Icinga(Daemon):
    """Icinga 2."""

    def words(self) -> list[str]:
        (self.folder / "icinga2.conf").write_text(self.blocks[1] + ICINGA.format(self.folder))
        places = {"DataDir": "data", "LogDir": "log", "CacheDir": "cache", "SpoolDir": "spool", "InitRunDir": "run"}
        for name in places.values():
            (self.folder / name).mkdir()
        told = {name: str(self.folder / place) for name, place in places.items()} | {
            "PidPath": str(self.folder / "run" / "icinga2.pid"),
            "RunAsUser": getpass.getuser(),
            "RunAsGroup": grp.getgrgid(os.getgid()).gr_name,
        }
        defined = [f"-D{name}={value}" for name, value in told.items()]
        return [installed("icinga2"), "daemon", "-c", str(self.folder / "icinga2.conf"), *defined]


def installed(name: str) -> str:
    """Where a Debian program is; fails with what to install when it is missing."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    assert path, f"{name} is missing: apt-get install --no-install-recommends nagios4-core icinga2-bin curl"
    return path


@pytest.fixture(params=[Nagios, Icinga], ids=["nagios", "icinga"])
def watched(request: pytest.FixtureRequest, product: Product, tmp_path: Path) -> Iterator[tuple[Daemon, str]]:
    """A daemon that notifies Tocsin, and the service that it is about."""
    people = team(product, request.param.__name__.lower())
    made = product.tell("sources", {"service": people.service, "kind": "nagios", "name": "monitoring"})
    daemon: Daemon = request.param(tmp_path, made["url"])
    try:
        daemon.start()
        yield daemon, people.service
    except AssertionError as error:
        raise AssertionError(f"{error}\n{daemon.lines()}") from error
    finally:
        daemon.stop()


def test_a_service_and_a_host_from_problem_to_recovery(watched: tuple[Daemon, str], product: Product) -> None:
    daemon, service = watched

    daemon.tell("PROCESS_SERVICE_CHECK_RESULT;db-3;Disk;1;91 % used; /var is full")
    until("an incident of the service", lambda: product.incidents(service), within=60)
    (incident,) = product.incidents(service)
    (alert,) = product.ask("alerts", incident=incident["id"])["items"]
    assert (alert["dedup_key"], alert["severity"]) == ("db-3/Disk", "warning")
    assert alert["title"].startswith("db-3/Disk: 91 % used")
    labels = product.ask(f"alerts/{alert['id']}")["data"]["labels"]
    assert labels == {"host": "db-3", "service": "Disk", "address": "10.2.0.13", "state": "WARNING"}

    daemon.tell("ACKNOWLEDGE_SVC_PROBLEM;db-3;Disk;1;1;0;ada;I look at it")
    until("it is acknowledged", lambda: product.state(incident["id"]) == "acknowledged")
    daemon.tell("PROCESS_SERVICE_CHECK_RESULT;db-3;Disk;0;40 % used")
    until("it is resolved", lambda: product.state(incident["id"]) == "resolved")

    daemon.tell("PROCESS_HOST_CHECK_RESULT;db-3;1;no answer to $(touch sly) `touch sly`")
    until("an incident of the host", lambda: len(product.incidents(service)) == 2)
    down = product.incidents(service)[0]
    (alert,) = product.ask("alerts", incident=down["id"])["items"]
    assert (alert["dedup_key"], alert["severity"]) == ("db-3", "critical")
    daemon.tell("PROCESS_HOST_CHECK_RESULT;db-3;0;it is back")
    until("it is resolved", lambda: product.state(down["id"]) == "resolved")
    assert not (daemon.folder / "sly").exists(), "what a check says is not run"
