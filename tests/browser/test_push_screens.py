"""Push to this browser, as far as it goes without a push service: what a browser that cannot, may not or could says."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener, Product
from tests.browser.test_screens import axe, sticks_out
from tests.contracts.push_service import Browser, text

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

APPLE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"
# how a browser is made to be like that, and what it then says
STATES = {
    "insecure": ("Object.defineProperty(window, 'isSecureContext', { value: false })", "over https"),
    "blocked": ("Object.defineProperty(Notification, 'permission', { get: () => 'denied' })", "blocks notifications"),
    "unable": ("delete window.PushManager", "cannot receive push"),
    "apple": (
        f"delete window.PushManager; Object.defineProperty(navigator, 'userAgent', {{ value: '{APPLE}' }})",
        "Add to Home Screen",
    ),
    "willing": ("", "Pages can come as notifications"),
}
OFFER = """window.addEventListener("load", () => {
  const event = new Event("beforeinstallprompt", { cancelable: true });
  event.prompt = async () => { window.prompted = true; };
  window.dispatchEvent(event);
  window.bannerHeld = event.defaultPrevented;
})"""


def you(product: Product, visit: Opener, width: int, theme: str, script: str = "") -> Page:
    """One's own page in a browser that is like that."""
    page = visit(product, "/settings/", width, theme)
    page.context.grant_permissions(["notifications"])
    if script:
        page.context.add_init_script(script)
    page.goto(f"{product.url}/settings/you/")
    return page


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (320, "dark")])
def test_what_the_browser_can_is_said_plainly(
    product: Product, visit: Opener, state: str, width: int, theme: str
) -> None:
    script, words = STATES[state]
    page = you(product, visit, width, theme, script)
    expect(page.locator("#push")).to_contain_text(words)
    button = page.get_by_role("button", name="Push to this browser", exact=True)
    expect(button).to_be_visible(visible=state == "willing")
    assert sticks_out(page) == []
    assert axe(page) == []


def test_without_script_it_says_what_is_needed(product: Product, visit: Opener) -> None:
    page = visit(product, "/settings/you/", script=False)
    expect(page.locator("#push")).to_contain_text("Script has to be switched on")


def test_the_app_is_offered_once_and_quietly(product: Product, visit: Opener) -> None:
    page = you(product, visit, 768, "light", OFFER)
    install = page.get_by_role("button", name="Install Tocsin")
    expect(install).to_be_visible()
    assert page.evaluate("window.bannerHeld") is True
    assert axe(page) == []
    page.get_by_role("button", name="Not now").click()
    expect(install).to_be_hidden()
    page.reload()
    page.wait_for_function("window.bannerHeld")
    expect(install).to_be_hidden()
    page.evaluate("localStorage.clear()")
    page.reload()
    install.click()
    page.wait_for_function("window.prompted")
    expect(install).to_be_hidden()


def test_devices_are_listed_by_name(product: Product, visit: Opener) -> None:
    page = you(product, visit, 1440, "light")
    browser = Browser()
    p256dh, auth = text(browser.keys.public), text(browser.auth)
    told = {"endpoint": "https://push.example/wp/abc", "p256dh": p256dh, "auth": auth, "label": "Firefox on Android"}
    number = page.evaluate(
        """async (told) => {
          const data = new FormData(document.querySelector("#push form"));
          for (const [name, value] of Object.entries(told)) data.set(name, value);
          data.set("key", document.querySelector("#reach").dataset.pushKeyValue);
          return (await (await fetch("/push/browsers/", { method: "POST", body: data })).json()).id;
        }""",
        told,
    )
    for width in (1440, 768, 320):
        page.set_viewport_size({"width": width, "height": 900})
        page.reload()
        row = page.locator("#reach tr", has_text="Firefox on Android")
        expect(row).to_contain_text("push.example")
        expect(row).to_contain_text("Not verified")
        expect(row.get_by_role("button", name="Verify")).to_have_count(0)  # the test does it
        expect(page.locator("#push")).to_contain_text("do not go to Push (Firefox on Android)")
        assert sticks_out(page) == []
    assert axe(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("link", name="Remove webpush Firefox on Android").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove it").click()
    expect(page.locator("#reach")).not_to_contain_text("Firefox on Android")
    assert number


def test_adding_a_contact_method_leads_there(product: Product, visit: Opener) -> None:
    page = you(product, visit, 1440, "light")
    page.get_by_role("link", name="Add", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("link", name="Push A notification").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Push to this browser", exact=True)).to_be_in_viewport()
