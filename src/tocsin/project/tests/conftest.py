"""Some of the project's tests talk to a running web process, or to a server of their own."""

from tocsin.project.tests.loopback import post
from tocsin.project.tests.serving import start_web

__all__ = ["post", "start_web"]
