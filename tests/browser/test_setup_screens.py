"""On call, policies, services, sources, people, settings, the phone: every screen, and the ways people take."""

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Opener, Product
from tests.browser.test_screens import axe, sticks_out

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCREENS = [
    "/on-call/",
    "/on-call/mine/",
    "/on-call/1/",
    "/on-call/2/?days=3&zone=Asia/Tokyo",
    "/on-call/1/override/",
    "/on-call/proof/",
    "/on-call/swaps/",
    "/on-call/1/cover/",
    "/on-call/1/rota/",
    "/on-call/swaps/1/offer/",
    "/on-call/2/edit/",
    "/on-call/1/calendars/",
    "/on-call/calendars/",
    "/on-call/calendars/?schedule=1",
    "/on-call/absences/",
    "/on-call/absences/?team=shop&show=all",
    "/on-call/load/",
    "/on-call/load/?since=12w&team=shop",
    "/on-call/load/budget/",
    "/on-call/habits/",
    "/on-call/pay/",
    "/on-call/pay/?since=4w",
    "/on-call/pay/rates/",
    "/policies/",
    "/policies/1/",
    "/policies/1/edit/",
    "/services/",
    "/services/1/",
    "/services/1/edit/",
    "/sources/",
    "/sources/new/",
    "/sources/new/?kind=generic",
    "/sources/new/?kind=heartbeat",
    "/sources/new/?kind=partner",
    "/sources/refused/",
    "/people/",
    "/people/2/",
    "/people/2/pages/",
    "/people/new/",
    "/people/1/rules/",
    "/people/1/methods/add/",
    "/people/1/methods/add/?channel=webhook",
    "/people/1/methods/add/?channel=sms",
    "/people/1/methods/add/?channel=unifiedpush",
    "/people/teams/",
    "/people/teams/1/",
    "/people/teams/1/edit/",
    "/settings/",
    "/settings/you/",
    "/settings/tokens/",
    "/settings/matrix/",
    "/settings/channels/",
    "/settings/providers/",
    "/settings/providers/new/",
    "/settings/providers/new/?kind=telnyx",
    "/settings/providers/1/",
    "/settings/audit/",
    "/settings/health/",
    "/settings/canary/",
    "/settings/import/history/",
    "/settings/import/history/1/",
    "/settings/import/history/2/",
    "/settings/webhooks/",
    "/settings/webhooks/new/",
    "/settings/rules/",
    "/settings/rules/new/",
    "/settings/maintenance/",
    "/settings/maintenance/new/",
    "/welcome/",
    "/pocket/",
    "/messages/",
    "/messages/{message}/",
    "/account/password/change/",
    "/account/2fa/",
]
BARE = [
    "/on-call/",
    "/on-call/proof/",
    "/on-call/swaps/",
    "/on-call/calendars/",
    "/on-call/absences/",
    "/on-call/load/",
    "/on-call/pay/",
    "/policies/",
    "/services/",
    "/sources/",
    "/sources/new/",
    "/people/teams/",
    "/welcome/",
    "/pocket/",
    "/messages/",
    "/settings/providers/",
    "/settings/rules/",
    "/settings/maintenance/",
    "/settings/audit/",
]
TEACH = {
    "/on-call/",
    "/on-call/swaps/",
    "/on-call/load/",
    "/on-call/pay/",
    "/policies/",
    "/services/",
    "/sources/",
    "/settings/providers/",
    "/settings/rules/",
    "/settings/maintenance/",
}


@pytest.mark.parametrize("path", SCREENS)
def test_screen_fits_and_is_accessible(product: Product, visit: Opener, path: str) -> None:
    page = visit(product, path.format(**product.facts), 1440, "light")
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
    if path in TEACH:
        assert page.locator(".empty .btn").count() == 1


def test_sign_in_and_one_time_link_fit(product: Product, visit: Opener) -> None:
    for path in ("/sign-in/", "/sign-in/link/nothing/", "/account/password/reset/", "/a/nothing"):
        page = visit(product, "/settings/", 320, "dark", script=False)
        page.context.clear_cookies()
        page.goto(product.url + path)
        assert page.locator("h1").count() == 1


def test_the_phone_acknowledges_by_clicking_only(product: Product, visit: Opener) -> None:
    page = visit(product, "/pocket/", 320)
    number = product.facts["rings"][1]
    note = page.locator(".pocket-note", has_text=re.compile(rf"INC-{number}\)"))
    button = note.get_by_role("button", name="Acknowledge")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    button.click()
    expect(page.locator("#main")).to_contain_text("Thank you, Dana Reyes")
    expect(note.get_by_role("button", name="Acknowledge")).to_have_count(0)
    expect(note).to_contain_text("Acknowledged")


def test_the_action_page_needs_no_script_no_sign_in_and_one_thumb(product: Product, visit: Opener) -> None:
    page = visit(product, "/settings/", 320, "dark", script=False)
    page.context.clear_cookies()
    page.goto(f"{product.url}/a/{product.facts['link']}")
    button = page.get_by_role("button", name=f"Acknowledge INC-{product.facts['rings'][0]}")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 56
    assert box["y"] + box["height"] < 640, "without scrolling"
    button.click()
    expect(page.get_by_role("status")).to_contain_text("Thank you, Dana Reyes")
    page.goto(f"{product.url}/a/{product.facts['link']}")
    expect(page.get_by_role("status")).to_contain_text("acknowledged already by Dana Reyes")


def test_the_simulator_answers_as_the_question_changes(product: Product, visit: Opener) -> None:
    page = visit(product, "/policies/1/")
    page.get_by_label("It begins").fill("2026-11-29T03:10")
    page.get_by_label("And").select_option("2")
    expect(page.locator(".sim-lines")).to_contain_text("acknowledged it")
    assert "at=2026-11-29T03%3A10" in page.url, "the question is in the address"
    page.get_by_label("And").select_option("")
    expect(page.locator(".sim-lines")).to_contain_text("so the fallback")


def test_a_source_is_made_and_its_key_revealed_by_keyboard(product: Product, visit: Opener) -> None:
    page = visit(product, "/sources/new/")
    page.get_by_role("link", name=re.compile("PagerDuty")).press("Enter")
    page.get_by_label("Service").select_option("search")
    page.get_by_label("Name").fill("Old pager")
    page.get_by_role("button", name="Make the source").press("Enter")
    expect(page.locator("h1")).to_have_text("Old pager")
    key = page.locator(".reveal code")
    expect(key).to_be_hidden()
    page.locator(".reveal summary").press("Enter")
    expect(key).to_be_visible()
    shown = key.inner_text()
    assert re.fullmatch(r"[0-9A-Za-z]{32}", shown)
    expect(page.locator(".guide")).to_contain_text(shown)
    page.get_by_role("button", name="Send a test signal").click()
    expect(page.locator("#main")).to_contain_text("A test signal is on its way")


def test_an_override_is_added_in_a_dialog(product: Product, visit: Opener) -> None:
    page = visit(product, "/on-call/1/")
    page.get_by_role("link", name="Override", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Who").first.select_option(label="Priya Raman")
    dialog.get_by_label("Reason").fill("Swap with Dana")
    dialog.get_by_role("button", name="Put on call").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#main")).to_contain_text("Swap with Dana")
    expect(page.locator(".now-on")).to_contain_text("Priya Raman")


def test_a_schedule_is_edited_and_previewed_by_keyboard_alone(product: Product, visit: Opener) -> None:
    """From the first field to a preview and the kept schedule without a mouse."""
    page = visit(product, "/on-call/2/edit/")
    page.get_by_label("Name").first.focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Nights, renamed")
    more = page.get_by_text("More about this layer").first
    more.focus()
    page.keyboard.press("Enter")
    page.get_by_label("Zone of its own").first.focus()
    page.keyboard.type("Asia/Tokyo")
    preview = page.get_by_role("button", name="Preview")
    preview.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Preview nothing is kept yet")).to_be_visible()
    expect(page.get_by_label("Name").first).to_have_value("Nights, renamed")
    keep = page.get_by_role("button", name="Keep the schedule")
    keep.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nights, renamed")).to_be_visible()
    expect(page.get_by_text("in Asia/Tokyo").first).to_be_visible()


def test_a_stretch_is_pulled_with_the_mouse_and_undone(product: Product, visit: Opener) -> None:
    """Pulling over the final line opens the form for that stretch; what was made can be undone from the note."""
    page = visit(product, "/on-call/1/?days=7")
    track = page.locator(".tl-row.final .tl-track")
    box = track.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 18)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 18, steps=4)
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 18, steps=4)
    expect(page.locator(".tl-pulled")).to_be_visible()
    page.mouse.up()
    dialog = page.get_by_role("dialog")
    start, end = (dialog.get_by_label(name, exact=True).input_value() for name in ("From", "Until"))
    lasts = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    assert timedelta(hours=15) < lasts < timedelta(hours=19)  # a tenth of a week
    assert datetime.fromisoformat(start).minute % 15 == 0
    dialog.get_by_label("Reason").fill("Pulled with the mouse")
    dialog.get_by_role("button", name="Put on call").click()
    expect(page.locator("#main")).to_contain_text("Pulled with the mouse")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#main")).not_to_contain_text("Pulled with the mouse")
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 18)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 18, steps=4)
    page.keyboard.press("Escape")
    expect(page.locator(".tl-pulled")).to_have_count(0)
    page.mouse.up()
    expect(dialog).to_be_hidden()


def test_an_override_is_made_by_touch(product: Product, visit: Opener) -> None:
    """A finger on the final line opens the form for that stretch."""
    page = visit(product, "/on-call/1/", width=320)
    page.get_by_role("link", name="Override", exact=True).first.tap()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("By touch")
    dialog.get_by_role("button", name="Put on call").tap()
    expect(dialog).to_be_hidden()
    expect(page.locator("#main")).to_contain_text("By touch")


def test_a_policy_grows_without_script(product: Product, visit: Opener) -> None:
    page = visit(product, "/policies/new/", 768, script=False)
    page.get_by_label("Name").fill("Grown")
    page.get_by_label("Target of step 1").first.select_option(label="Team Shop")
    page.get_by_role("button", name="Add a step").click()
    assert page.get_by_label("Name").input_value() == "Grown"
    page.get_by_label("Target of step 2").first.select_option(label="Tom Åberg")
    page.get_by_role("button", name="Keep the policy").click()
    assert page.locator("h1").inner_text() == "Grown"
    assert "After 5 minutes without an answer page Tom Åberg." in page.locator(".saying").inner_text()


def test_a_calendar_address_is_made_and_answers_without_sign_in(product: Product, visit: Opener) -> None:
    page = visit(product, "/on-call/calendars/?schedule=1")
    page.get_by_role("button", name="Make an address").click()
    expect(page.locator("#main")).to_contain_text("Shown only now")
    path = "/calendar/" + page.locator("code.break").inner_text().rpartition("/")[2]
    page.context.clear_cookies()
    answer = page.request.get(product.url + path)
    assert answer.ok
    assert "BEGIN:VEVENT" in answer.text()
    again = page.request.get(product.url + path, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status == 304


def test_the_night_budget_and_working_hours_are_set_in_dialogs(product: Product, visit: Opener) -> None:
    page = visit(product, "/on-call/load/")
    page.get_by_role("link", name="Night budget").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Interruptions of sleep").fill("5")
    dialog.get_by_role("button", name="Keep the budget").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#main")).to_contain_text("0 of 5")
    page.get_by_role("link", name="Your working hours").click()
    dialog.get_by_label("Public holidays of").fill("XX")
    dialog.get_by_role("button", name="Keep the hours").click()
    expect(dialog).to_contain_text("ISO 3166")
    dialog.get_by_label("Public holidays of").fill("DE-BY")
    dialog.get_by_role("button", name="Keep the hours").click()
    expect(dialog).to_be_hidden()
