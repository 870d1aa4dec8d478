"""Two people in one incident room: what one does, the other sees without touching anything."""

import time

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.journeys.company import Team, team
from tests.journeys.product import Product
from tests.journeys.waiting import until

pytestmark = pytest.mark.journey

STATE = "#room-head ol[aria-label=State] [aria-current=step]"
PROMISED_S = 2.0
BUSY_MACHINE_S = 15.0


@pytest.fixture(scope="module")
def people(product: Product) -> Team:
    return team(product, "live")


def _signed_in(browser: Browser, product: Product, email: str) -> Page:
    """A page in a browser of its own, signed in by the link that the server's administrator can print."""
    done = product.command("sign-in-link", email, "--data", str(product.data))
    assert done.returncode == 0, done.stderr
    page = browser.new_context().new_page()
    page.goto(done.stdout.strip().splitlines()[-1])
    button = page.get_by_role("button", name="Sign in")
    if button.count():
        button.first.click()
    page.wait_for_url(f"{product.url}/**")
    return page


def _seconds_until(page: Page, state: str, since: float) -> float:
    expect(page.locator(STATE)).to_contain_text(state, ignore_case=True, timeout=BUSY_MACHINE_S * 1000)
    return time.monotonic() - since


def test_what_one_does_the_other_sees(product: Product, people: Team, browser: Browser) -> None:
    declared = {"title": "Live", "service": people.service, "impact": "high", "urgency": "high"}
    number = product.tell("incidents", declared)["id"]
    ada, ben = _signed_in(browser, product, people.oncall), _signed_in(browser, product, people.second)
    errors: list[str] = []
    for page in (ada, ben):
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{product.url}/incidents/{number}/")
        expect(page.locator(STATE)).to_contain_text("triggered", ignore_case=True)
    lasted = []

    since = time.monotonic()
    ada.get_by_role("button", name="Acknowledge").click()
    lasted.append(_seconds_until(ben, "acknowledged", since))
    assert product.ask(f"incidents/{number}")["acknowledged_by"] == people.oncall

    since = time.monotonic()
    ben.get_by_role("button", name="Mitigated").click()
    lasted.append(_seconds_until(ada, "mitigated", since))

    since = time.monotonic()
    product.tell(f"incidents/{number}/resolve", {})
    lasted += [_seconds_until(ada, "resolved", since), _seconds_until(ben, "resolved", since)]

    assert min(lasted) < PROMISED_S, f"seen after {lasted} s"
    assert not errors


def test_the_phone_in_the_browser_receives_and_answers(product: Product, people: Team, browser: Browser) -> None:
    product.tell(f"users/{people.oncall}/contact-methods", {"channel": "pocket", "address": "Ada's phone"})
    rules = [
        {"urgency": urgency, "channel": "pocket", "address": "Ada's phone", "delay_s": 0} for urgency in ("high", "low")
    ]
    answer = product.http.put(f"/api/v1/users/{people.oncall}/rules", json=rules)
    assert answer.status_code == 200, answer.text
    phone = _signed_in(browser, product, people.oncall)
    phone.goto(f"{product.url}/pocket/")
    declared = {"title": "The pocket rings", "service": people.service, "impact": "high", "urgency": "high"}
    number = product.tell("incidents", declared)["id"]
    expect(phone.get_by_text("The pocket rings").first).to_be_visible(timeout=BUSY_MACHINE_S * 1000)
    phone.get_by_role("button", name="Acknowledge").first.click()
    until("the answer arrives", lambda: product.state(number) == "acknowledged")
    product.tell(f"incidents/{number}/resolve", {})


def test_what_happens_while_a_page_is_loading_is_not_missed(product: Product, people: Team, browser: Browser) -> None:
    page = _signed_in(browser, product, people.oncall)
    page.goto(f"{product.url}/settings/")
    declared = {"title": "In between", "service": people.service, "impact": "low", "urgency": "low"}
    numbers = []

    def declare_first(route: Route) -> None:
        """The page is made and sent; the script that listens to changes is not there yet."""
        numbers.append(product.tell("incidents", declared)["id"])
        route.continue_()

    page.context.route("**/app-*.js", declare_first)
    page.goto(f"{product.url}/incidents/")
    expect(page.get_by_text("In between").first).to_be_visible(timeout=BUSY_MACHINE_S * 1000)
    (number,) = numbers
    product.tell(f"incidents/{number}/resolve", {})
