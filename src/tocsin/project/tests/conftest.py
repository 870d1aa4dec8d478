"""Some of the project's tests talk to a running web process."""

from tocsin.project.tests.serving import start_web

__all__ = ["start_web"]
