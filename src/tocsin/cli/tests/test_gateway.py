"""``tocsin gateway``: what is wrong is said before anything runs."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tocsin.cli.main import app
from tocsin.platform.settings import SettingsError

SECRET = "a-secret-of-both-sides"
MODEM = ["gateway", "modem", "--device", "/dev/null", "--replies", "http://127.0.0.1:1/callbacks/x/message"]
ASTERISK = [
    "gateway", "asterisk", "--ari", "http://127.0.0.1:1/ari", "--user", "a", "--endpoint", "PJSIP/{number}@t",
    "--replies", "http://127.0.0.1:1/callbacks/x/message",
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (MODEM, {}, "TOCSIN_GATEWAY_SECRET, or TOCSIN_GATEWAY_SECRET_FILE, has to be set"),
        (MODEM, {"TOCSIN_GATEWAY_SECRET": "short"}, "at least 16 characters"),
        (MODEM, {"TOCSIN_GATEWAY_SECRET_FILE": "/no/such/file"}, "cannot be read"),
        (MODEM, {"TOCSIN_GATEWAY_SECRET": SECRET, "TOCSIN_GATEWAY_PIN": "12a4"}, "4 to 8 digits"),
        (MODEM, {"TOCSIN_GATEWAY_SECRET": SECRET, "TOCSIN_GATEWAY_PINN": "1234"}, "did you mean TOCSIN_GATEWAY_PIN"),
        (ASTERISK, {"TOCSIN_GATEWAY_SECRET": SECRET}, "TOCSIN_GATEWAY_ARI_PASSWORD"),
    ],
)
def test_settings(
    words: list[str], environment: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tocsin.platform import settings

    monkeypatch.setattr(settings, "get", settings.get.__wrapped__)
    result = CliRunner().invoke(app, [*words, "--data", str(tmp_path)], env=environment)
    assert isinstance(result.exception, SettingsError)
    assert says in str(result.exception)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([*MODEM, "--baud", "1"], "one of 9600"),
        ([*MODEM, "--storage", "XX"], "SM or ME"),
        ([*MODEM[:-1], "ftp://example.org/message"], "begins with http"),
        ([*MODEM[:-1], "http://127.0.0.1:1/callbacks/x"], "/message"),
        ([*ASTERISK, "--speech", "no-such-program"], "no program"),
        ([*ASTERISK, "--endpoint", "PJSIP/1"], "{number}"),
    ],
)
def test_options(words: list[str], says: str, tmp_path: Path) -> None:
    environment = {"TOCSIN_GATEWAY_SECRET": SECRET, "TOCSIN_GATEWAY_ARI_PASSWORD": "x", "COLUMNS": "200"}
    result = CliRunner().invoke(app, [*words, "--data", str(tmp_path)], env=environment)
    assert result.exit_code == 2
    assert says in result.output


def test_secrets_are_no_options() -> None:
    for words in (MODEM, ASTERISK):
        result = CliRunner().invoke(app, [*words, "--secret", "x"])
        assert result.exit_code == 2
