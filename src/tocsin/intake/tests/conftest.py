"""The intake's tests talk to a running web process."""

from tocsin.project.tests.serving import start_web, web

__all__ = ["start_web", "web"]
