"""Every screen at three widths, light and dark, full and empty: nothing sticks out, axe finds nothing."""

import gzip
import json

import pytest

from tests.browser.conftest import AXE, DIST, Opener, Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCREENS = {
    "now": "/",
    "incidents": "/incidents/",
    "room": "/incidents/{incident}/",
    "declare": "/incidents/declare/",
    "act": "/incidents/act/reassign/?id={incident}",
    "alerts": "/alerts/",
    "alert": "/alerts/1/",
    "signals": "/signals/",
    "why page": "/why/page/{page}/",
    "why incident": "/why/incident/{incident}/",
    "why signal": "/why/signal/1/",
    "search": "/search/?q=pay",
}
BARE = ["/", "/incidents/", "/incidents/declare/", "/alerts/", "/signals/", "/search/?q=nothing"]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def sticks_out(page: object) -> list[str]:
    """What is wider than the window."""
    found: list[str] = page.evaluate(  # type: ignore[attr-defined]
        """() => {
          const wide = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= wide) return [];
          return [...document.body.querySelectorAll('*')].filter((e) => e.getBoundingClientRect().right > wide + 1)
            .slice(0, 5).map((e) => e.outerHTML.slice(0, 120));
        }"""
    )
    return found


def axe(page: object) -> list[str]:
    """What axe finds, in lines."""
    page.evaluate(AXE.read_text())  # type: ignore[attr-defined]
    found = page.evaluate(  # type: ignore[attr-defined]
        "(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}}).then((r) => r.violations.map((v) =>"
        " `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' ' + n.html.slice(0, 160)).join(' | ')}`))",
        TAGS,
    )
    return list(found)


@pytest.mark.parametrize("name", SCREENS)
def test_screen_fits_and_is_accessible(product: Product, visit: Opener, name: str) -> None:
    path = SCREENS[name].format(**product.facts)
    page = visit(product, path, 1440, "light")
    assert sticks_out(page) == []
    assert axe(page) == []
    for width in (768, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert sticks_out(page) == [], f"{width} px"
    page.emulate_media(color_scheme="dark")
    assert axe(page) == [], "320 px, dark"


@pytest.mark.parametrize("path", BARE)
def test_empty_screen_teaches_the_next_step(bare: Product, visit: Opener, path: str) -> None:
    page = visit(bare, path, 320, "dark")
    assert sticks_out(page) == []
    assert axe(page) == []
    if path in ("/incidents/", "/alerts/"):
        assert page.locator(".empty .btn").count() == 1


@pytest.mark.parametrize("theme", ["dark", "contrast"])
def test_themes_hold_their_contrast(product: Product, visit: Opener, theme: str) -> None:
    for path in ("/incidents/", f"/incidents/{product.facts['incident']}/"):
        page = visit(product, path)
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        assert axe(page) == []


def test_fingers_find_what_they_touch(product: Product, visit: Opener) -> None:
    page = visit(product, f"/incidents/{product.facts['incident']}/", 320)
    small = page.evaluate(
        """() => [...document.querySelectorAll('main .verbs .btn, .dock > *, .composer .btn')]
            .filter((e) => e.offsetParent && e.getBoundingClientRect().height < 44)
            .map((e) => e.outerHTML.slice(0, 90))"""
    )
    assert small == []


@pytest.mark.parametrize("name", ["now", "incidents", "room", "alerts", "why incident"])
def test_fragment_is_light(product: Product, visit: Opener, name: str) -> None:
    page = visit(product, "/search/")
    answer = page.request.get(
        product.url + SCREENS[name].format(**product.facts), headers={"HX-Request": "true", "X-Part": "main"}
    )
    assert answer.ok
    assert len(answer.body()) < 30_000


def test_assets_are_within_budget() -> None:
    names = json.loads((DIST / "manifest.json").read_text()).values()
    for kind, budget in (("css", 25 * 1024), ("js", 60 * 1024)):
        files = [DIST / name for name in names if name.endswith(f".{kind}")]
        assert files
        assert sum(len(gzip.compress(file.read_bytes(), 9)) for file in files) <= budget
