"""The frame of the pages, what pages are made of, and what strangers get."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from tests.browser import world

from tocsin.people.models import User
from tocsin.platform import clock
from tocsin.web import markdown, shortcuts
from tocsin.web.templatetags import tocsin as tags

ROOT = Path(__file__).resolve().parents[4]
ICONS = json.loads((ROOT / "frontend/icons.json").read_text())
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
# pages that a person reaches without having signed in
OPEN = {
    "sign-in/",
    "sign-in/<str:token>/",
    "sign-out/",
    "a/<str:token>",
    "welcome/",
    "healthz",
    "readyz",
    "metrics",
    "live/",
    "calendar/<str:secret>.ics",
    "manifest.webmanifest",
    "sw.js",
}


def routes(patterns: list[Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Every address with its view, without those of other packages and of the API."""
    found = []
    for one in patterns:
        path = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            if path not in ("account/", "api/v1/"):
                found += routes(one.url_patterns, path)
        elif isinstance(one, URLPattern):
            found.append((path, one.callback))
    return found


def test_every_page_asks_for_sign_in_unless_it_is_named_here() -> None:
    asked = {path for path, view in routes(get_resolver().url_patterns) if getattr(view, "signed_in", False)}
    others = {
        path
        for path, view in routes(get_resolver().url_patterns)
        if path not in asked
        and view.__module__.endswith(("pages", "now", "lists", "room", "verbs"))
        and path not in OPEN
    }
    assert {"", "incidents/", "alerts/"} <= asked
    assert {path for path in others if not path.startswith(("sign-", "a/", "welcome"))} == set()


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    sprite = set(ICONS["sprite"])
    for path in (ROOT / "src/tocsin").glob("*/templates/**/*.html"):
        for name in re.findall(r'{% (?:icon|empty) "([a-z0-9-]+)"', path.read_text()):
            assert name in sprite, f"{path.name}: {name}"
    assert set(ICONS["badges"]) <= sprite


def test_icons_of_badges_are_those_that_the_styles_bring() -> None:
    assert set(ICONS["badges"]) == tags.BADGE_ICONS


@pytest.mark.parametrize(
    ("url", "expected"),
    [("/incidents/?q=1", "/incidents/?q=1"), ("//evil.example/", "/"), ("https://evil.example/", "/"), ("", "/"),
     ("javascript:alert(1)", "/"), ("/\\evil.example", "/")],
)  # fmt: skip
def test_forms_lead_back_to_our_own_pages_only(url: str, expected: str) -> None:
    assert shortcuts.back_to(RequestFactory().post("/", {"next": url}), "/") == expected


def test_exported_cells_are_no_formulas() -> None:
    request = RequestFactory().get("/?format=csv")
    answer = shortcuts.export(request, "x", [("title", lambda row: row)], ["=1+1", "-2", "plain"])
    assert answer is not None
    assert answer.content.decode().splitlines() == ["title", "'=1+1", "'-2", "plain"]
    assert shortcuts.export(RequestFactory().get("/"), "x", [], []) is None


def test_markdown_is_harmless() -> None:
    html = markdown.to_html(
        "<script>x</script> **bold** [a](javascript:x) [b](https://b.example) <img src=x onerror=y>"
    )
    assert "<strong>bold</strong>" in html
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html
    assert 'rel="noopener noreferrer nofollow"' in html


@pytest.fixture
def dana(client: Client) -> Client:
    user = world.person("Dana Reyes", clock.now(), "admin")
    client.force_login(user, backend=BACKEND)
    return client


@pytest.mark.django_db
class TestPages:
    def test_strangers_are_asked_to_sign_in(self, client: Client) -> None:
        answer = client.get("/incidents/?q=x")
        assert answer.status_code == 302
        assert answer.headers["Location"] == "/sign-in/?next=/incidents/%3Fq%3Dx"

    def test_a_script_gets_the_main_part_only(self, dana: Client) -> None:
        whole = dana.get("/incidents/")
        part = dana.get("/incidents/", headers={"HX-Request": "true"})
        restored = dana.get("/incidents/", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
        assert b"<!doctype html>" in whole.content
        assert b"<!doctype html>" in restored.content
        assert b"<!doctype html>" not in part.content
        assert b"<h1>" in part.content
        assert "HX-Request" in part.headers["Vary"]
        assert part.headers["Cache-Control"] == "private, no-cache"

    def test_policy_of_content_is_strict_and_kept(self, dana: Client) -> None:
        answer = dana.get("/")
        assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
        assert not re.search(rb"<script(?![^>]*src=)|\son[a-z]+=|javascript:|\sstyle=", answer.content)

    def test_what_is_not_there_is_said_kindly(self, dana: Client) -> None:
        assert dana.get("/nowhere/").status_code == 404
        answer = dana.get("/incidents/999999/")
        assert answer.status_code == 404
        assert b"There is no incident INC-999999." in answer.content
        assert dana.get("/incidents/act/dance/?id=1").status_code == 404
        assert dana.get("/why/dance/1/").status_code == 404

    @pytest.mark.parametrize(
        "path",
        [
            "/incidents/?state=x&priority=P9&service=abc&before=zz&sort=up&assignee=1e9&q=%00",
            "/incidents/?team=mine&assignee=me&state=",
            "/incidents/?q=99999999999999999999",
            "/alerts/?severity=x&before=-1",
            "/alerts/?incident=99999999999999999999",
            "/signals/?outcome=x&source=q",
            "/search/?q=%00%F0%9F%94%A5",
        ],
    )
    def test_addresses_that_make_no_sense_still_show_a_list(self, dana: Client, path: str) -> None:
        assert dana.get(path).status_code == 200

    @pytest.mark.parametrize(
        "path", ["/incidents/act/resolve/", "/incidents/act/resolve/?id=x", "/incidents/act/resolve/?id=-4"]
    )
    def test_selecting_nothing_is_said(self, dana: Client, path: str) -> None:
        assert dana.get(path).status_code == 422

    def test_theme_is_remembered(self, dana: Client) -> None:
        dana.post("/theme/", {"theme": "contrast"})
        assert User.objects.get().theme == "contrast"
        assert b'data-theme="contrast"' in dana.get("/").content
        dana.post("/theme/", {"theme": "pink"})
        assert User.objects.get().theme == "contrast"

    def test_views_are_saved_and_removed(self, dana: Client) -> None:
        view = {"list": "incidents", "name": "Night", "query": "?priority=P1", "next": "/incidents/?priority=P1"}
        assert dana.post("/views/", view).status_code == 303
        assert b"Night" in dana.get("/incidents/").content
        dana.post("/views/", {"list": "incidents", "remove": "Night"})
        assert b"Night</a>" not in dana.get("/incidents/").content
        assert dana.post("/views/", {"list": "dreams", "name": "x"}).status_code == 422

    def test_the_stream_is_not_for_strangers(self, client: Client) -> None:
        assert client.get("/live/").status_code == 401

    def test_cross_site_forms_are_refused(self) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(world.person("Dana Reyes", clock.now()), backend=BACKEND)
        answer = strict.post("/incidents/act/acknowledge/", {"id": "1"})
        assert answer.status_code == 403
        assert b"Please send that again" in answer.content


def test_debug_is_off_here() -> None:
    assert settings.DEBUG is False
