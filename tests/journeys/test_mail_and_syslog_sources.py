"""Mail and syslog open incidents, page people and resolve them, through the processes that ``tocsin up`` starts."""

import os
import shutil
import signal
import smtplib
import socket
import subprocess
from email.message import EmailMessage

import pytest

from tests.journeys.company import team
from tests.journeys.post import PostOffice
from tests.journeys.product import MAIL_DOMAIN, Product
from tests.journeys.waiting import until

pytestmark = pytest.mark.journey


def mail(product: Product, to: str, subject: str, text: str = "Look at it.", **headers: str) -> None:
    """Send a mail as a tool does."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "Backup <backup@nas.example>", to, subject
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    with smtplib.SMTP("127.0.0.1", product.mail_port, timeout=30) as smtp:
        smtp.send_message(made, "backup@nas.example", [to])


def test_a_tool_that_can_only_write_mail(product: Product, post: PostOffice) -> None:
    people = team(product, "mailing")
    rules = "resolve subject ^Backup done\nkey any job (\\w+)\ncritical body disk failure"
    made = product.tell("sources", {"service": people.service, "kind": "email", "config": {"rules": rules}})
    assert made["mail"] == f"{made['key']}@{MAIL_DOMAIN}"
    letter = "From: nas@x.example\nSubject: Backup done\n\njob nightly\n"
    tried = product.tell(f"sources/{made['id']}/try", {"payload": letter})
    assert [(one["action"], one["dedup_key"]) for one in tried["signals"]] == [("resolve", "nightly")]
    (product.folder / "mail.eml").write_text(letter)
    assert product.tocsin("source", "try", str(made["id"]), "mail.eml") == tried
    mail(product, f"nas+{made['mail'].upper()}".replace("IN.TOCSIN.EXAMPLE", MAIL_DOMAIN), "Backup failed: job nightly")
    incident = int(until("an incident", lambda: product.incidents(people.service))[0]["id"])
    assert "Backup failed: job nightly" in post.wait(people.oncall).text
    mail(product, made["mail"], "Automatic reply: job nightly", Auto_Submitted="auto-replied")
    mail(product, made["mail"], "Backup done", "job nightly is well again")
    until("it is resolved", lambda: product.state(incident) == "resolved")
    refused = product.ask("refusals", source=made["id"])["items"]
    assert [(one["reason"], one["status"]) for one in refused] == [("ignored", 250)]
    wrong = product.http.patch(f"/api/v1/sources/{made['id']}", json={"config": {"rules": "open subject ("}})
    assert wrong.status_code == 422
    assert "line 1: missing ): (" in wrong.text


@pytest.mark.skipif(not shutil.which("logger"), reason="util-linux is not installed")
def test_a_server_that_logs(product: Product, post: PostOffice) -> None:
    people = team(product, "logging")
    made = product.tell(
        "sources",
        {"service": people.service, "kind": "syslog",
         "config": {"rules": "resolve message (link \\S+) up\nkey message (link \\S+)"}},
    )  # fmt: skip
    logger = ["logger", "--rfc5424", "--tcp", "-n", "127.0.0.1", "-P", str(product.syslog_port), "-t", "netd",
              "--sd-id", "tocsin@32473", "--sd-param", f'key="{made["key"]}"']  # fmt: skip
    subprocess.run([*logger, "-p", "user.info", "link eth7 is slow"], check=True, timeout=20)
    subprocess.run([*logger, "-p", "user.err", "link eth7 down"], check=True, timeout=20)
    found = until("an incident", lambda: product.incidents(people.service))
    incident = int(found[0]["id"])
    assert found[0]["title"].endswith(": netd: link eth7 down")
    assert "link eth7 down" in post.wait(people.oncall).text
    subprocess.run([*logger, "-p", "user.info", "link eth7 up"], check=True, timeout=20)
    until("it is resolved", lambda: product.state(incident) == "resolved")
    assert len(product.incidents(people.service)) <= 1


def test_a_listener_that_dies_is_started_again(product: Product) -> None:
    people = team(product, "restarting")
    made = product.tell("sources", {"service": people.service, "kind": "syslog"})
    ((pid,),) = product.sql("SELECT pid FROM platform_node WHERE kind = 'syslog'")
    os.kill(pid, signal.SIGKILL)
    line = f'<11>1 - h app - - [tocsin@32473 key="{made["key"]}"] after the restart\n'.encode()

    def told() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", product.syslog_port), timeout=5) as raw:
                raw.sendall(line)
        except OSError:
            return False
        return bool(product.incidents(people.service))

    until("the listener takes messages again", told)
