"""Invariants run briefly by default; ``pytest tests/invariants --hypothesis-profile=thorough`` looks for hours."""

from hypothesis import settings

settings.register_profile("thorough", max_examples=20_000, stateful_step_count=150, deadline=None)
