"""Opsgenie's API: of alerts what is beyond signals, for sources of that kind; with a person's token all the rest.

Creating an alert, and closing or acknowledging one by its alias, is the intake's door (``intake.sources.opsgenie``):
that is durable also while the database is away. Everything here needs the database and says 503 without it.
"""
