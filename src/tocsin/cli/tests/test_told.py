import pytest

from tocsin.cli import told


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("4h", 14400), ("2d", 172800), ("1h30m", 5400), ("1.5h", 5400)],
)
def test_durations(text: str, expected: int) -> None:
    assert told.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "h", "4 parsecs", "-4h", "4h!", "1m2"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Exception, match="duration"):
        told.seconds(text)


def test_moments() -> None:
    assert told.moment("2026-01-31T09:00:00+01:00") == "2026-01-31T09:00:00+01:00"
    assert told.moment("2026-01-31T09:00", local=False) == "2026-01-31T09:00:00"
    assert told.moment("2026-01-31T09:00").startswith("2026-01-31T09:00:00")
    with pytest.raises(Exception, match="moment"):
        told.moment("yesterday")
