"""Secrets, settings, remembered configuration, bulk writing, nodes."""

from pathlib import Path

import pytest
from django.core import signing
from django.db import connection, transaction

from tocsin.platform import audit, bulk, cel, clock, nodes, secrets, settings
from tocsin.platform.actor import SYSTEM
from tocsin.platform.models import AuditEntry, Lease
from tocsin.platform.remember import Remembered


def test_secrets_come_back_and_do_not_show() -> None:
    stored = secrets.encrypt("hunter2")
    assert "hunter2" not in stored
    assert secrets.decrypt(stored) == "hunter2"
    with pytest.raises(secrets.SecretUnreadable):
        secrets.decrypt(stored[:-4] + "AAAA")


def test_a_token_is_good_for_its_purpose_only_and_not_for_ever() -> None:
    token = secrets.sign({"i": 1}, "action")
    assert secrets.unsign(token, "action") == {"i": 1}
    with pytest.raises(signing.BadSignature):
        secrets.unsign(token, "sign-in")
    with pytest.raises(signing.SignatureExpired):
        secrets.unsign(token, "action", max_age_s=-1)


def test_a_short_token_fits_into_an_address_and_survives_a_change_of_case() -> None:
    token = secrets.sign_short(b"14 bytes long.", "mail.reply")
    assert len(token) == 48
    assert token == token.lower()
    assert token.isalnum()
    assert secrets.unsign_short(token.upper(), "mail.reply") == b"14 bytes long."
    for wrong in (token[:-1], token + "a", "a" + token[1:], "", "a", "ä", "1" * 48, token[:24], "\x00" * 48):
        with pytest.raises(signing.BadSignature):
            secrets.unsign_short(wrong, "mail.reply")
    with pytest.raises(signing.BadSignature):
        secrets.unsign_short(token, "mail.bounce")


@pytest.mark.parametrize(
    ("url", "days", "told"),
    [
        ("https://t.example.org", None, 365),
        ("https://t.example.org:443/", None, 365),
        ("https://t.example.org:8443", None, 0),
        ("http://t.example.org", None, 0),
        ("https://10.0.0.1", None, 0),
        ("https://[::1]", None, 0),
        ("https://localhost", None, 0),
        ("https://tocsin.localhost", None, 0),
        ("https://t.example.org", 0, 0),
        ("https://t.example.org:8443", 7, 7),
    ],
)
def test_strict_transport_is_asked_for_where_the_host_is_ours(url: str, days: int | None, told: int) -> None:
    assert settings.Settings(base_url=url, hsts_days=days).hsts_s == told * 86_400


def test_a_certificate_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.get.cache_clear()
    monkeypatch.setenv("TOCSIN_TLS_CERT", "/cert.pem")
    with pytest.raises(settings.SettingsError, match=r"^TOCSIN_TLS_CERT and TOCSIN_TLS_KEY belong together"):
        settings.get()
    settings.get.cache_clear()


def test_settings_of_mail_that_belong_together(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.get.cache_clear()
    monkeypatch.setenv("TOCSIN_MAIL_LISTEN", "127.0.0.1:8725")
    with pytest.raises(settings.SettingsError, match=r"^TOCSIN_MAIL_DOMAIN is needed"):
        settings.get()
    monkeypatch.setenv("TOCSIN_MAIL_DOMAIN", "in.example.org")
    assert settings.get().mail_address == ("127.0.0.1", 8725)
    settings.get.cache_clear()
    monkeypatch.setenv("TOCSIN_MAIL_LISTEN", "[::1]:25")
    assert settings.get().mail_address == ("::1", 25)
    for name, value in (
        ("MAIL_LISTEN", "8725"), ("MAIL_LISTEN", "host:port"), ("MAIL_LISTEN", "127.0.0.1:70000"),
        ("MAIL_DOMAIN", "a b"), ("MAIL_DOMAIN", "x@y.z"), ("MAIL_TLS_CERT", "/cert.pem"),
    ):  # fmt: skip
        settings.get.cache_clear()
        with monkeypatch.context() as patch:
            patch.setenv(f"TOCSIN_{name}", value)
            with pytest.raises(settings.SettingsError, match=f"TOCSIN_{name}"):
                settings.get()
    settings.get.cache_clear()


def test_settings_of_syslog_that_belong_together(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.get.cache_clear()
    assert settings.get().syslog_address is None
    settings.get.cache_clear()
    monkeypatch.setenv("TOCSIN_SYSLOG_LISTEN", "0.0.0.0:5514")
    monkeypatch.setenv("TOCSIN_SYSLOG_TLS_LISTEN", "[::1]:6514")
    with pytest.raises(settings.SettingsError, match=r"^TOCSIN_SYSLOG_TLS_CERT and TOCSIN_SYSLOG_TLS_KEY are needed"):
        settings.get()
    monkeypatch.setenv("TOCSIN_SYSLOG_TLS_CERT", "/cert.pem")
    monkeypatch.setenv("TOCSIN_SYSLOG_TLS_KEY", "/key.pem")
    found = settings.get()
    assert (found.syslog_address, found.syslog_tls_address) == (("0.0.0.0", 5514), ("::1", 6514))
    settings.get.cache_clear()
    monkeypatch.setenv("TOCSIN_SYSLOG_LISTEN", "5514")
    with pytest.raises(settings.SettingsError, match="TOCSIN_SYSLOG_LISTEN"):
        settings.get()
    settings.get.cache_clear()


def test_an_unknown_setting_is_an_error_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.get.cache_clear()
    monkeypatch.setenv("TOCSIN_PROT", "1")
    with pytest.raises(settings.SettingsError, match="did you mean TOCSIN_PORT"):
        settings.get()
    monkeypatch.delenv("TOCSIN_PROT")
    monkeypatch.setenv("TOCSIN_PORT", "many")
    with pytest.raises(settings.SettingsError, match="TOCSIN_PORT"):
        settings.get()
    monkeypatch.undo()
    settings.get.cache_clear()


def test_the_secret_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    one = settings.Settings(data_dir=tmp_path, secret_key=None)
    assert len(one.key()) > 40
    assert settings.Settings(data_dir=tmp_path, secret_key=None).key() == one.key()
    assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0


def test_what_is_remembered_is_forgotten_when_the_configuration_changes() -> None:
    loads: list[list[int]] = []

    def load(keys: list[int]) -> dict[int, int]:
        loads.append(keys)
        return {key: key * 10 for key in keys if key < 100}

    remembered = Remembered(load)
    assert remembered.get(1, [1, 2]) == {1: 10, 2: 20}
    assert remembered.get(1, [2, 3, 100]) == {2: 20, 3: 30}
    assert remembered.get(2, [2]) == {2: 20}
    assert loads == [[1, 2], [3, 100], [2]]


@pytest.mark.django_db
def test_an_audited_change_raises_the_version_of_the_configuration() -> None:
    before = clock.reading()[1]
    audit.record(SYSTEM, "changed", "service", 1, "Checkout", {"tier": 1, "name": "a"}, {"tier": 2, "name": "a"})
    assert clock.reading()[1] == before + 1
    entry = AuditEntry.objects.get()
    assert (entry.before, entry.after) == ({"tier": 1}, {"tier": 2})


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 60])
def test_bulk_writes_rows_few_or_many(count: int) -> None:
    now = clock.now()
    rows = [(f"lease {n}", "me", n, now) for n in range(count)]
    with transaction.atomic(), bulk.pipelined(count):
        bulk.copy_rows("platform_lease", ["name", "holder", "token", "until"], rows)
    assert Lease.objects.count() == count


@pytest.mark.django_db(transaction=True)
def test_an_error_inside_a_pipeline_surfaces_as_djangos() -> None:
    from django.db import IntegrityError

    def write_twice() -> None:
        with transaction.atomic(), bulk.pipelined(1):
            for _ in range(2):
                bulk.copy_rows("platform_lease", ["name", "holder", "token", "until"], [("x", "me", 1, clock_now)])

    clock_now = clock.now()
    with pytest.raises(IntegrityError):
        write_twice()
    assert Lease.objects.count() == 0
    connection.close()


@pytest.mark.django_db
def test_work_is_shared_by_who_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    assert nodes.own_buckets("engine") is None
    nodes.report("engine")
    assert nodes.own_buckets("engine") is None
    mine = nodes.own_id("engine")
    monkeypatch.setattr(nodes, "own_id", lambda kind: "engine-z")
    nodes.report("engine")
    theirs = nodes.own_buckets("engine")
    monkeypatch.setattr(nodes, "own_id", lambda kind: mine)
    ours = nodes.own_buckets("engine")
    assert ours is not None
    assert theirs is not None
    assert sorted(ours + theirs) == list(range(nodes.BUCKETS))
    nodes.leave("engine")
    assert nodes.own_buckets("engine") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("signal.severity == 'critical'", ""),
        ("signal.labels.exists(k, k == 'team')", ""),
        ("signal.labels.unheard_of == 'x'", ""),
        ("signal.severity ==", "Syntax error"),
        ("sginal.severity == 'x'", "unknown variable 'sginal'"),
        ("signal.severity + 1 == 2", "Unsupported operation"),
        ("nofunction(signal)", "nofunction"),
        ("", "must not be empty"),
        ("'" + "x" * 5000 + "'", "at most"),
    ],
)
def test_cel_is_checked_before_it_is_saved(text: str, problem: str) -> None:
    sample = {"signal": {"severity": "critical", "labels": {"team": "core"}}}
    if not problem:
        cel.check(text, sample)
        return
    with pytest.raises(cel.CelError, match=problem):
        cel.check(text, sample)


def test_a_condition_that_cannot_be_evaluated_does_not_hold() -> None:
    assert cel.holds("signal.a == 1", {"signal": {"a": 1}})
    assert not cel.holds("signal.b == 1", {"signal": {"a": 1}})
    assert not cel.holds("signal.a.matches('[')", {"signal": {"a": "x"}})
    assert cel.evaluate("signal.b", {"signal": {}})[1] == "the signal has no 'b'"
