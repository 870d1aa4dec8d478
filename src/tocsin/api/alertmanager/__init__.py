"""Tocsin as an Alertmanager (API v2): alerts, groups, silences, receivers and status, for amtool, Karma and Grafana.

Posting alerts is the intake's door (``intake.sources.alertmanager_api``): that is durable also while the database is
away. Everything here needs the database and says 503 without it. The format is that of Alertmanager 0.25's
``api/v2/openapi.yaml``, and what its own client expects.
"""
