"""The pieces of a start: embedded database, migrations, first administrator, profile, logs."""

import json
import logging
import os
import stat
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tocsin.people.actions.sign_in import create_sign_in_link, use_link
from tocsin.people.models import ApiToken, User
from tocsin.people.queries import authenticate_token
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Forbidden, NotFound
from tocsin.project import first_run, logs, migrate
from tocsin.project.embedded import SOCKET_NAME, SOCKET_PATH_LIMIT, Embedded


def test_the_socket_is_in_the_data_folder_when_its_path_fits(tmp_path: Path) -> None:
    near = Embedded(tmp_path / "d") if len(str(tmp_path)) < 80 else None
    far = Embedded(tmp_path / ("long" * 30))
    if near:
        assert near.socket_folder == (tmp_path / "d" / "run").resolve()
    assert len(str(far.socket_folder / SOCKET_NAME)) <= SOCKET_PATH_LIMIT
    assert far.socket_folder != Embedded(tmp_path / ("other" * 30)).socket_folder


def test_the_address_is_understood_by_django(tmp_path: Path) -> None:
    from tocsin.project.settings import _database

    embedded = Embedded(tmp_path)
    described = _database(embedded.url)
    assert described["NAME"] == "tocsin"
    assert described["USER"] == "postgres"
    assert described["HOST"] == str(embedded.socket_folder)


def test_a_stale_pid_file_is_no_server(tmp_path: Path) -> None:
    embedded = Embedded(tmp_path)
    embedded.folder.mkdir(parents=True)
    pid_file = embedded.folder / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{embedded.folder}\n")
    assert embedded.leftover() is None, "our own process is no postgres of that folder"
    embedded.evict()
    assert not pid_file.exists()


def test_the_database_is_durable(tmp_path: Path) -> None:
    command = Embedded(tmp_path).command
    assert "--fsync=on" in command
    assert "--synchronous_commit=on" in command
    assert "--listen_addresses=" in command, "reachable through its socket only"


@pytest.mark.django_db
def test_nothing_is_pending_after_migrating() -> None:
    assert migrate.pending() == []
    migrate.wait_for_schema(1.0)


@pytest.mark.django_db
def test_waiting_for_the_schema_ends_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "pending", lambda: ["intake.0009_later"])
    with pytest.raises(migrate.NotReady, match=r"1 migrations are pending .*run `tocsin migrate`"):
        migrate.wait_for_schema(0.2)


@pytest.mark.django_db
def test_the_first_administrator_is_made_once() -> None:
    first = first_run.administrator()
    assert first.role == "admin"
    assert first_run.administrator() == first
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_the_profile_keeps_its_token_and_other_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_CONFIG_DIR", str(tmp_path / "config"))
    user = first_run.administrator()
    path = first_run.write_profile(user)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    known = tomllib.loads(path.read_text())
    assert known["default"] == "local"
    token = known["profiles"]["local"]["token"]
    actor = authenticate_token(token)
    assert actor is not None
    assert actor.id == user.pk
    assert first_run.local_url() == settings.TOCSIN.public_url

    path.write_text(path.read_text() + '\n[profiles.work]\nurl = "https://tocsin.example"\ntoken = "a\\"b"\n')
    first_run.write_profile(user)
    known = tomllib.loads(path.read_text())
    assert known["profiles"]["local"]["token"] == token
    assert known["profiles"]["work"] == {"url": "https://tocsin.example", "token": 'a"b'}
    assert ApiToken.objects.count() == 1

    ApiToken.objects.update(revoked_at=clock.now())
    first_run.write_profile(user)
    assert tomllib.loads(path.read_text())["profiles"]["local"]["token"] != token


@pytest.mark.django_db
def test_a_sign_in_link_works_once_and_for_an_hour() -> None:
    user = first_run.administrator()
    url = create_sign_in_link(user.pk, actor=SYSTEM)
    assert url.startswith(f"{settings.TOCSIN.public_url}/sign-in/link/")
    token = url.rstrip("/").rpartition("/")[2]
    assert use_link(token) == user
    with pytest.raises(NotFound):
        use_link(token)
    late = create_sign_in_link(user.pk, actor=SYSTEM).rstrip("/").rpartition("/")[2]
    clock.shift(timedelta(minutes=61))
    with pytest.raises(NotFound):
        use_link(late)
    with pytest.raises(NotFound):
        use_link("never-was-one")


@pytest.mark.django_db
def test_only_administrators_make_sign_in_links() -> None:
    user = first_run.administrator()
    with pytest.raises(Forbidden):
        create_sign_in_link(user.pk, actor=Actor("user", 7, "Mallory", "manager"))
    with pytest.raises(NotFound):
        create_sign_in_link(user.pk + 1, actor=SYSTEM)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://me:hunter2@db/tocsin", "postgresql://me:***@db/tocsin"),
        ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer ***"),
        ("profile tocsin_AbCdEfGh12345678", "profile tocsin_***"),
        ("POST /in/alertmanager/0123456789abcdef 200", "POST /in/alertmanager/*** 200"),
        ("GET /a/eyJpIjoxfQ:1abc:sig", "GET /a/***"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_are_masked_in_texts(text: str, masked: str) -> None:
    assert logs.mask(text) == masked


def test_secrets_are_masked_in_log_lines(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        logs.configure("json", "INFO")
        logging.getLogger("tocsin.test").warning("sent", extra={"api_key": "k-123", "to": "smtp://a:b@host"})
    finally:
        root.handlers[:], root.level = before
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "sent"
    assert line["api_key"] == "***"
    assert line["to"] == "smtp://a:***@host"
    assert line["level"] == "warning"


@pytest.mark.django_db
def test_the_lock_is_given_back() -> None:
    assert migrate.migrate() == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        assert cursor.fetchone()[0] == 0
