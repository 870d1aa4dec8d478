"""A plug-in that is broken must be told of, and take no others with it."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from tocsin.platform import plugins

POINTS = [
    EntryPoint("good", "math:pi", "tocsin.channels"),
    EntryPoint("bad", "no.such.module:channel", "tocsin.channels"),
    EntryPoint("twice", "math:e", "tocsin.channels"),
    EntryPoint("twice", "math:tau", "tocsin.channels"),
]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(plugins, "entry_points", lambda group: [one for one in POINTS if one.group == group])
    monkeypatch.setattr(plugins, "built_in", lambda group: [])
    plugins._found.cache_clear()
    yield
    plugins._found.cache_clear()


def test_the_others_work(installed: None) -> None:
    assert list(plugins.loadable("tocsin.channels")) == ["good", "twice"]
    assert plugins.loadable("tocsin.sources") == {}


def test_what_is_broken_is_named(installed: None) -> None:
    assert set(plugins.broken()) == {"tocsin.channels bad", "tocsin.channels twice"}
    assert "no.such.module" in plugins.broken()["tocsin.channels bad"]
    with pytest.raises(RuntimeError, match=r"plug-in bad of tocsin.channels .*; two plug-ins .* called twice"):
        plugins.load("tocsin.channels")


def test_a_folder_is_a_plug_in_and_may_be_named_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    own = plugins.built_in("tocsin.sources")
    assert {"aws-sns", "generic", "email", "syslog"} <= {point.name for point in own}
    other = EntryPoint("other", "math:pi", "tocsin.sources")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [own[0], other])
    assert plugins.points("tocsin.sources") == sorted([*own, other], key=lambda point: point.name)


def test_all_of_ours_can_be_loaded() -> None:
    assert plugins.broken() == {}
