"""What an installation needs before somebody can use it: an administrator, a way in, a profile for the command line."""

import getpass
import os
import socket
import tomllib
from pathlib import Path

from django.conf import settings

from tocsin.people.actions import create_token
from tocsin.people.actions.sign_in import create_sign_in_link
from tocsin.people.actions.users import save_user
from tocsin.people.models import User
from tocsin.people.queries import authenticate_token
from tocsin.people.rules import UserSpec
from tocsin.platform.actor import SYSTEM

PROFILE = "local"


def administrator() -> User:
    """The first active administrator; made now when there is none."""
    found = User.objects.filter(role="admin", is_active=True).order_by("id").first()
    if found:
        return found
    email = "admin@localhost.localdomain"
    return save_user(UserSpec(email=email, name="Administrator", role="admin"), actor=SYSTEM)


def config_folder() -> Path:
    """Where the command line client keeps its profiles."""
    if own := os.environ.get("TOCSIN_CONFIG_DIR"):
        return Path(own)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "tocsin"


def write_profile(user: User) -> Path:
    """Keep address and token of the local administrator for the command line; a token that still works is kept.

    Only the profile ``local`` of the file is ours: others stay as they are.
    """
    path = config_folder() / "config.toml"
    try:
        known = tomllib.loads(path.read_text())
    except (FileNotFoundError, tomllib.TOMLDecodeError):
        known = {}
    profiles = {name: value for name, value in known.get("profiles", {}).items() if isinstance(value, dict)}
    token = profiles.get(PROFILE, {}).get("token", "")
    actor = authenticate_token(str(token))
    if actor is None or actor.id != user.pk:
        name = f"{getpass.getuser()} on {socket.gethostname()}"[:100]
        _, token = create_token(user.pk, actor=SYSTEM, name=name)
    profiles[PROFILE] = {"url": settings.TOCSIN.public_url, "token": token}
    lines = [f"default = {_quoted(str(known.get('default', PROFILE)))}"]
    for name, values in profiles.items():
        lines += ["", f"[profiles.{_quoted(name)}]"]
        lines += [f"{key} = {_quoted(str(value))}" for key, value in values.items()]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".config.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text("\n".join(lines) + "\n")
    draft.replace(path)
    return path


def local_url() -> str:
    """Address of the installation on this machine: what its last start wrote, or what the settings say."""
    try:
        known = tomllib.loads((config_folder() / "config.toml").read_text())
        return str(known["profiles"][PROFILE]["url"])
    except (FileNotFoundError, tomllib.TOMLDecodeError, KeyError, TypeError):
        return str(settings.TOCSIN.public_url)


def _quoted(text: str) -> str:
    """A TOML string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(f"\\u{ord(sign):04x}" if ord(sign) < 32 else sign for sign in escaped) + '"'


def sign_in_link(user: User) -> str:
    """A one-time address that signs this person in."""
    return create_sign_in_link(user.pk, actor=SYSTEM)
