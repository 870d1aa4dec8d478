"""What Opsgenie's Alert API has beyond signals: reads, and verbs on alerts that are there, for sources of that kind.

Creating an alert, and closing or acknowledging one by its alias, is the intake's door (``intake.sources.opsgenie``):
that is durable also while the database is away. Everything here needs the database and says 503 without it.
"""
