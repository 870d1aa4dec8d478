"""Every write of escalation: policies (what people configure) and runs (policies at work)."""
