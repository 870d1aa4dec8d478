"""Keyboard only, mouse only, without script: the same things can be done. And pages follow what others do."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener, Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def focused(page: Page, what: str) -> str:
    """An attribute of what has the focus."""
    return str(page.evaluate("(what) => document.activeElement?.getAttribute(what) ?? ''", what))


def test_palette_opens_finds_goes_and_gives_the_focus_back(product: Product, visit: Opener) -> None:
    page = visit(product, "/incidents/")
    page.keyboard.press("j")
    before = focused(page, "href")
    assert before.startswith("/incidents/")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_visible()
    expect(page.locator("#palette [role=option]").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    assert focused(page, "href") == before
    page.keyboard.press("Control+k")
    page.keyboard.type("sources")
    expect(page.locator("#palette [role=option]")).to_have_count(1)
    page.keyboard.press("Control+a")
    page.keyboard.type("alerts")
    expect(page.locator("#palette [role=option][aria-selected=true]")).to_contain_text("Alerts")
    page.keyboard.press("Enter")
    page.wait_for_url("**/alerts/")


def test_rows_move_with_j_and_k_and_keys_do_what_they_say(product: Product, visit: Opener) -> None:
    page = visit(product, "/incidents/?state=triggered&sort=oldest")
    rows = page.locator("tr[data-row] .row-link")
    first, second = rows.nth(1).get_attribute("href"), rows.nth(2).get_attribute("href")
    for key in "jjjk":
        page.keyboard.press(key)
    assert focused(page, "href") == first
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator(".bulk.on")).to_contain_text("2 selected")
    page.keyboard.press("a")
    expect(page.locator(".note, .toast-note").first).to_contain_text("2 incidents acknowledged")
    expect(page.locator(f'a.row-link[href="{first}"]')).to_have_count(0)
    expect(page.locator(f'a.row-link[href="{second}"]')).to_have_count(0)


def test_resolve_by_key_asks_in_a_dialog_and_stays_on_the_page(product: Product, visit: Opener) -> None:
    page = visit(product, "/incidents/?state=acknowledged")
    page.keyboard.press("j")
    gone = focused(page, "href")
    page.keyboard.press("r")
    expect(page.locator("#sheet")).to_be_visible()
    expect(page.locator("#sheet textarea")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#sheet")).to_be_hidden()
    page.keyboard.press("r")
    expect(page.locator("#sheet textarea")).to_be_focused()
    page.keyboard.type("Rolled back")
    page.locator("#sheet button[type=submit]").click()
    expect(page.locator("#sheet")).to_be_hidden()
    expect(page.locator(".toast-note")).to_contain_text("resolved")
    expect(page.locator(f'a.row-link[href="{gone}"]')).to_have_count(0)
    assert page.url.endswith("/incidents/?state=acknowledged")


def test_letters_are_letters_while_somebody_types(product: Product, visit: Opener) -> None:
    page = visit(product, "/incidents/")
    page.keyboard.press("/")
    expect(page.locator("#f-q")).to_be_focused()
    page.keyboard.type("disk jar x")
    expect(page.locator("#f-q")).to_have_value("disk jar x")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.wait_for_url(re.compile(r"q=disk"))


def test_question_mark_shows_the_keys(product: Product, visit: Opener) -> None:
    page = visit(product, "/")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_note_from_the_room_without_the_mouse(product: Product, visit: Opener) -> None:
    page = visit(product, f"/incidents/{product.facts['incident']}/")
    page.keyboard.press("u")
    expect(page.locator("#composer")).to_be_focused()
    page.keyboard.type("Looking at *the queue*")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".happened li").first).to_contain_text("Looking at the queue")


def test_what_is_wrong_is_said_in_the_dialog(product: Product, visit: Opener) -> None:
    page = visit(product, f"/incidents/{product.facts['incident']}/")
    page.get_by_role("link", name="Page somebody").click()
    expect(page.locator("#sheet fieldset")).to_be_visible()
    page.locator("#sheet button[type=submit]").click()
    expect(page.locator("#sheet .wrong")).to_be_visible()


def test_everybody_in_the_room_sees_the_same(product: Product, visit: Opener) -> None:
    path = f"/incidents/{product.facts['incident']}/"
    mine, yours = visit(product, path), visit(product, path)
    expect(yours.locator("#room-head")).to_contain_text("Triggered")
    mine.wait_for_timeout(700)  # the stream of the other page is open by then
    mine.keyboard.press("a")
    expect(mine.locator("#room-head .tone-acknowledged")).to_be_visible()
    expect(yours.locator("#room-head .tone-acknowledged")).to_be_visible(timeout=6000)
    expect(yours.locator("#room-lines li").first).to_contain_text("acknowledged")


def test_a_list_waits_while_rows_are_selected(product: Product, visit: Opener) -> None:
    mine, yours = visit(product, "/incidents/"), visit(product, "/incidents/")
    yours.wait_for_timeout(700)
    yours.keyboard.press("j")
    yours.keyboard.press("x")
    before = yours.locator("#rows .row-link").first.text_content()
    mine.goto(product.url + "/incidents/declare/")
    mine.get_by_label("What is wrong").fill("Everything is slow")
    mine.get_by_label("Service", exact=True).select_option(index=1)
    mine.get_by_role("button", name="Declare and page").click()
    mine.wait_for_url(re.compile(r"/incidents/\d+/$"))
    expect(yours.locator(".held")).to_be_visible(timeout=6000)
    assert yours.locator("#rows .row-link").first.text_content() == before
    yours.keyboard.press("x")
    expect(yours.locator("#rows .row-link").first).to_contain_text("Everything is slow", timeout=6000)


def test_back_and_forward_show_whole_pages(product: Product, visit: Opener) -> None:
    page = visit(product, "/")
    page.locator(".side").get_by_role("link", name="Incidents").click()
    page.wait_for_url("**/incidents/")
    expect(page.locator("h1")).to_have_text("Incidents")
    page.locator("tr[data-row] .row-link").first.click()
    expect(page.locator("#timeline")).to_be_visible()
    page.go_back()
    expect(page.locator("h1")).to_have_text("Incidents")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Now")
    assert page.locator(".side").count() == 1
    expect(page.locator('.side a[aria-current="page"]')).to_have_text("Now")


def test_everything_works_without_script(product: Product, visit: Opener) -> None:
    page = visit(product, "/incidents/?state=triggered&sort=oldest", script=False)
    row = page.locator("tr[data-row]").last
    href = row.locator(".row-link").get_attribute("href")
    row.locator("input[type=checkbox]").check()
    page.get_by_role("button", name="Snooze").click()
    page.get_by_label("For how long").select_option("120")
    page.locator("main form button[type=submit]").last.click()
    expect(page.locator(".note")).to_contain_text("snoozed")
    page.goto(product.url + str(href))
    expect(page.locator("#room-head")).to_contain_text("Snoozed")
    page.get_by_role("link", name="Resolve").click()
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator("#room-head")).to_contain_text("Resolved")


def test_resting_on_a_link_fetches_it_once(product: Product, visit: Opener) -> None:
    page = visit(product, "/incidents/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/alerts/") else None)
    link = page.locator(".side").get_by_role("link", name="Alerts")
    link.hover()
    expect(page.locator("h1")).to_have_text("Incidents")
    page.wait_for_timeout(600)
    assert len(asked) == 1
    link.click()
    expect(page.locator("h1")).to_have_text("Alerts")
    assert len(asked) == 1
