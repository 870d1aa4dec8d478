"""Commands of the server that need no server: version, help, settings."""

import json
import os
import subprocess
import sys

import pytest

OURS = ("TOCSIN_", "DATABASE_URL", "DJANGO_")


def tocsin(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return subprocess.run(
        [sys.executable, "-m", "tocsin", *arguments],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_unknown_setting_is_an_error_that_names_the_nearest() -> None:
    done = tocsin("config", TOCSIN_PROT="8700")
    assert done.returncode == 78
    assert "TOCSIN_PROT is not a setting of Tocsin; did you mean TOCSIN_PORT?" in done.stderr


def test_a_wrong_setting_is_named() -> None:
    done = tocsin("config", TOCSIN_PORT="many")
    assert done.returncode == 78
    assert "TOCSIN_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_are_listed_with_secrets_masked() -> None:
    done = tocsin(
        "config", "--json", TOCSIN_SECRET_KEY="s3cret-s3cret", DATABASE_URL="postgresql://me:hunter2@db/tocsin"
    )
    items = {item["name"]: item for item in json.loads(done.stdout)["items"]}
    assert items["TOCSIN_SECRET_KEY"]["value"] == "***"
    assert items["DATABASE_URL"]["value"] == "postgresql://me:***@db/tocsin"
    assert items["TOCSIN_PORT"]["value"] == "8700"
    assert all(item["description"] for item in items.values())


@pytest.mark.parametrize("arguments", [("--help",), ("up", "--help"), ("demo", "storm", "--help"), ("--version",)])
def test_help_needs_no_django(arguments: tuple[str, ...]) -> None:
    code = "import sys; from tocsin.cli.main import app; app(standalone_mode=False); assert 'django' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_wrong_usage_is_exit_code_two() -> None:
    assert tocsin("up", "--port", "99999").returncode == 2
