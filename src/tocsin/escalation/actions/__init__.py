"""Every write of escalation: ``policies`` (what should happen) and ``runs`` (what does)."""
