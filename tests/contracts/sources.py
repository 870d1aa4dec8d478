"""Samples of all installed sources. The checks themselves are shipped: ``tocsin.testing.sources``."""

from tocsin.intake.kinds import all_kinds
from tocsin.testing.sources import RAW, Sample, plain, samples_of

__all__ = ["RAW", "Sample", "plain", "samples"]


def samples() -> list[Sample]:
    """All samples of all installed sources."""
    return [sample for kind in all_kinds().values() for sample in samples_of(kind)]
