"""The documentation cannot drift from the code."""

from pathlib import Path

import pytest

from tocsin.cli import reference
from tocsin.platform import plugins, settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("name", sorted(reference.PAGES))
def test_reference_pages_are_up_to_date(name: str) -> None:
    assert (DOCS / "reference" / name).read_text() == reference.PAGES[name](), "run `make docs` and commit the result"


def test_every_setting_is_documented() -> None:
    page = (DOCS / "reference" / "settings.md").read_text()
    assert [name for name, text in settings.names().items() if f"`{name}`" not in page or not text] == []


def test_every_verb_is_documented_and_has_a_help_text() -> None:
    page = (DOCS / "reference" / "cli.md").read_text()
    commands = list(reference.commands())
    assert len(commands) > 20
    assert [name for name, command in commands if f"## `{name}`\n" not in page or not command.help] == []


@pytest.mark.parametrize("group", ["tocsin.sources", "tocsin.channels", "tocsin.providers"])
def test_every_plug_in_has_a_guide(group: str) -> None:
    found = plugins.built_in(group)
    assert found
    for point in found:
        folder = ROOT / "src" / Path(*point.module.split(".")).parent
        guide = (folder / "guide.md").read_text()
        assert guide.startswith("# "), f"{folder}/guide.md begins with a heading"


def test_every_room_says_what_it_is() -> None:
    rooms = sorted(path.parent for path in (ROOT / "src" / "tocsin").glob("*/models.py"))
    assert len(rooms) >= 9
    assert [room.name for room in rooms if not (room / "README.md").exists()] == []


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (DOCS / "decisions").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
