"""Every setting of the server, in one typed class.

A setting is read from the environment (``TOCSIN_<NAME>``), or for secrets from the file that ``TOCSIN_<NAME>_FILE``
names. An unknown ``TOCSIN_*`` name is an error: a misspelt setting must never be silently without effect.
"""

import difflib
import os
import re
import secrets as token
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "TOCSIN_"
LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):(?P<port>[0-9]{1,5})")
DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
# read by the command line client, not by the server
CLIENT_NAMES = {"TOCSIN_URL", "TOCSIN_TOKEN", "TOCSIN_PROFILE", "TOCSIN_CONFIG_DIR"}
# read by ``tocsin gateway``, which may stand on the same machine
GATEWAY_NAMES = {"TOCSIN_GATEWAY_SECRET", "TOCSIN_GATEWAY_PIN", "TOCSIN_GATEWAY_ARI_PASSWORD"}


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class SettingsError(Exception):
    """A setting is unknown, missing or wrong; the message names it and says what would be right."""


class Settings(BaseSettings):
    """What the operator of an installation may set. Organisation policy lives in the database instead."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", validate_default=True)

    data_dir: Path = Field(Path("var"), description="Folder for the embedded database, the spool, keys and uploads.")
    database_url: str | None = Field(
        None,
        validation_alias=AliasChoices("DATABASE_URL", "TOCSIN_DATABASE_URL", "database_url"),
        description="PostgreSQL to use, as postgresql://user:password@host:port/name. Empty: the embedded one.",
    )
    secret_key: SecretStr | None = Field(
        None, description="Signs links and sessions and encrypts secrets. Empty: made once in <data_dir>/secret.key."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8700, ge=1, le=65535, description="Port to listen on.")
    base_url: str | None = Field(
        None, description="Address that people and senders use, for links in messages. Empty: http://<host>:<port>."
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        ["*"], description="Host names that are answered, separated by commas; * is any."
    )
    trusted_proxies: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(
        [], description="Networks whose X-Forwarded-* headers are believed, separated by commas."
    )
    tls_cert: Path | None = Field(None, description="Certificate chain (PEM) to serve TLS with.")
    tls_key: Path | None = Field(None, description="Private key (PEM) that belongs to tls_cert.")

    hsts_days: int | None = Field(
        None,
        ge=0,
        le=3_650,
        description="Days for which browsers that came over https refuse plain http on this host, whatever the port. "
        "Empty: 365 when base_url is https://<a name> without a port, else 0: other programs may share the host.",
    )

    smtp_url: SecretStr = Field(
        SecretStr("smtp://127.0.0.1:25"),
        description="Mail server: smtp://user:password@host:port, smtps:// for TLS, smtp+starttls:// for STARTTLS.",
    )
    email_from: str = Field("Tocsin <tocsin@localhost>", description="Sender of mail.")
    mail_domain: str = Field(
        "",
        description="Domain whose mail comes to `tocsin mail`: pages can be answered by mail, mail that comes back "
        "is noticed, and sources have mail addresses. Empty: none of it.",
    )
    mail_listen: str = Field(
        "",
        description="Address and port on which mail is taken in, as 127.0.0.1:8725; `tocsin up` then runs "
        "`tocsin mail` too. Needs mail_domain. Empty: not on this machine.",
    )
    mail_max_size: int = Field(10 * 1024 * 1024, ge=64 * 1024, description="Largest mail that is taken in, bytes.")
    mail_tls_cert: Path | None = Field(None, description="Certificate chain (PEM) for STARTTLS of `tocsin mail`.")
    mail_tls_key: Path | None = Field(None, description="Private key (PEM) that belongs to mail_tls_cert.")
    syslog_listen: str = Field(
        "",
        description="Address and port on which syslog is taken in over UDP and TCP, as 0.0.0.0:5514; `tocsin up` then "
        "runs `tocsin syslog` too. Empty: not without TLS.",
    )
    syslog_tls_listen: str = Field(
        "", description="Address and port on which syslog is taken in over TLS, as 0.0.0.0:6514. Empty: not over TLS."
    )
    syslog_tls_cert: Path | None = Field(None, description="Certificate chain (PEM) for syslog over TLS.")
    syslog_tls_key: Path | None = Field(None, description="Private key (PEM) that belongs to syslog_tls_cert.")
    syslog_tls_ca: Path | None = Field(
        None,
        description="Authority (PEM) whose certificate every sender of syslog over TLS must show. Empty: none must.",
    )
    syslog_max_size: int = Field(
        64 * 1024, ge=2048, description="Largest syslog message that is taken in whole, bytes; longer ones are cut."
    )
    outbound_allow: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(
        [],
        description="Private networks that webhooks and other outbound requests may reach, separated by commas. "
        "Private, loopback and link-local addresses are refused otherwise.",
    )

    intake_max_body: int = Field(512 * 1024, ge=1024, description="Largest accepted request body of a sender, bytes.")
    spool_max_bytes: int = Field(
        256 * 1024 * 1024, ge=0, description="Most that is kept on disk while the database is away, bytes."
    )
    import_max_size: int = Field(
        1024 * 1024 * 1024, ge=1024, description="Largest file of past incidents that is taken in, bytes as sent."
    )
    signal_days: int = Field(180, ge=1, description="How long signals are kept, days.")

    demo: bool = Field(False, description="Fill an empty database with the demo company.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: str = Field("auto", pattern="^(auto|json|console)$", description="auto, json or console.")
    dead_man_url: str | None = Field(
        None,
        description="Fetched every minute, only while nothing is overdue, so that an outside watcher notices us dying.",
    )
    debug: bool = Field(False, description="Developer's error pages; never on a real installation.")

    @field_validator("allowed_hosts", "trusted_proxies", "outbound_allow", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("trusted_proxies", "outbound_allow", mode="after")
    @classmethod
    def _networks(cls, value: list[Any]) -> list[IPv4Network | IPv6Network]:
        return [ip_network(str(item), strict=False) for item in value]

    @field_validator("mail_listen", "syslog_listen", "syslog_tls_listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        if value and not ((found := LISTEN.fullmatch(value)) and int(found["port"]) <= 65535):
            raise ValueError("must be an address and a port, as 127.0.0.1:8725 or [::1]:8725")
        return value

    @field_validator("mail_domain")
    @classmethod
    def _domain(cls, value: str) -> str:
        if value and not (len(value) <= 253 and DOMAIN.fullmatch(value)):
            raise ValueError("must be the name of a domain, as in.example.org")
        return value

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.mail_listen and not self.mail_domain:
            raise ValueError(
                "TOCSIN_MAIL_DOMAIN is needed with TOCSIN_MAIL_LISTEN: mail for which domain is to be taken?"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TOCSIN_TLS_CERT and TOCSIN_TLS_KEY belong together; one of them is missing")
        if (self.mail_tls_cert is None) != (self.mail_tls_key is None):
            raise ValueError("TOCSIN_MAIL_TLS_CERT and TOCSIN_MAIL_TLS_KEY belong together; one of them is missing")
        return self

    @model_validator(mode="after")
    def _syslog_in(self) -> Self:
        if self.syslog_tls_listen and not (self.syslog_tls_cert and self.syslog_tls_key):
            raise ValueError(
                "TOCSIN_SYSLOG_TLS_CERT and TOCSIN_SYSLOG_TLS_KEY are needed with TOCSIN_SYSLOG_TLS_LISTEN"
            )
        return self

    @property
    def mail_address(self) -> tuple[str, int] | None:
        """Where mail is taken in on this machine: host and port; None: nowhere."""
        return _host_and_port(self.mail_listen)

    @property
    def syslog_address(self) -> tuple[str, int] | None:
        """Where syslog is taken in over UDP and TCP: host and port; None: nowhere."""
        return _host_and_port(self.syslog_listen)

    @property
    def syslog_tls_address(self) -> tuple[str, int] | None:
        """Where syslog is taken in over TLS: host and port; None: nowhere."""
        return _host_and_port(self.syslog_tls_listen)

    @property
    def public_url(self) -> str:
        """The address people and senders use, without a slash at its end."""
        if self.base_url:
            return self.base_url.rstrip("/")
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - compared, not bound
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"

    @property
    def hsts_s(self) -> int:
        """For how long browsers are told to use https alone, seconds; 0: they are not told (RFC 6797)."""
        if self.hsts_days is not None:
            return self.hsts_days * 86_400
        parts = urlsplit(self.public_url)
        host = parts.hostname or ""
        own = parts.scheme == "https" and parts.port in (None, 443) and "." in host and not host.endswith(".localhost")
        return 365 * 86_400 if own and not _is_address(host) else 0

    def key(self) -> str:
        """The secret key; made and kept in the data folder (mode 0600) when none is set."""
        if self.secret_key:
            return self.secret_key.get_secret_value()
        path = self.data_dir / "secret.key"
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
        # several processes may start at once: the first to link its file wins, the others read it
        draft = path.with_name(f".secret.{os.getpid()}.{token.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(token.token_urlsafe(48) + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_text().strip()


def _host_and_port(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if text else None


def names() -> dict[str, str]:
    """Environment names of all settings with their descriptions."""
    return {
        ("DATABASE_URL" if name == "database_url" else PREFIX + name.upper()): (field.description or "")
        for name, field in Settings.model_fields.items()
    }


def _check_names() -> None:
    known = set(names()) | CLIENT_NAMES | GATEWAY_NAMES | {"TOCSIN_DATABASE_URL"}
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known and name.removesuffix("_FILE") not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]}?" if close else "; `tocsin config` lists the known ones"
            raise SettingsError(f"{name} is not a setting of Tocsin{hint}")


def _secret_files() -> dict[str, str]:
    """Values of settings that are given as a file's name."""
    found = {}
    for name in ("secret_key", "database_url", "smtp_url"):
        path = os.environ.get(PREFIX + name.upper() + "_FILE")
        if path:
            try:
                found[name] = Path(path).read_text().strip()
            except OSError as error:
                raise SettingsError(f"{PREFIX}{name.upper()}_FILE: {path} cannot be read: {error.strerror}") from error
    return found


@lru_cache(maxsize=1)
def get() -> Settings:
    """The settings of this process, read once.

    Raises SettingsError, which names the setting and what is wrong with it.
    """
    _check_names()
    try:
        return Settings(**_secret_files())  # type: ignore[arg-type]  # values are strings; pydantic converts them
    except ValidationError as error:
        raise SettingsError("; ".join(_told(p["loc"], p["msg"]) for p in error.errors())) from error


def _told(place: tuple[int | str, ...], text: str) -> str:
    """A problem with its setting's name; what concerns several settings names them itself."""
    return f"{PREFIX}{'.'.join(map(str, place)).upper()}: {text}" if place else text.removeprefix("Value error, ")
