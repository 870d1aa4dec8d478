"""Push to a browser: switched on with one button, shown, acknowledged from the notification, also without network.

Everything is real but the push service: Chromium's own is somewhere in the internet. A server of the test stands for
it, checks what it is sent like one, decrypts with the browser's keys, and has Chromium hand it to the service worker.
"""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, CDPSession, Page, Worker, expect

from tests.contracts.push_service import Browser, raw, receive, text
from tests.journeys.company import Team, team
from tests.journeys.product import Product
from tests.journeys.waiting import until

pytestmark = pytest.mark.journey

LONG = 20_000
# Chromium's subscription is exchanged for one at the test's push service; it lasts as long as the browser's memory
STUB = """([endpoint, p256dh, auth]) => {
  const read = (name) => localStorage.getItem(`test.${name}`);
  const made = () => ({
    endpoint: `${endpoint}/${read("number")}`,
    toJSON() { return { endpoint: this.endpoint, keys: { p256dh, auth } }; },
    unsubscribe: async () => { localStorage.removeItem("test.on"); return true; },
  });
  PushManager.prototype.subscribe = async (options) => {
    if (!options.userVisibleOnly) throw new DOMException("refused", "NotAllowedError");
    await toldKey(btoa(String.fromCharCode(...options.applicationServerKey)));
    localStorage.setItem("test.number", String(Number(read("number") ?? 0) + 1));
    localStorage.setItem("test.on", "yes");
    return made();
  };
  PushManager.prototype.getSubscription = async () => (read("on") ? made() : null);
}"""


class PushService:
    """Takes messages for one browser. ``gone``: answers that it knows the subscription no more."""

    def __init__(self) -> None:
        self.browser = Browser()
        self.key = b""
        self.gone = False
        self.came: list[dict[str, Any]] = []
        self.faults: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    said = receive(headers, body, service.browser, service.key, service.url)
                    if not service.gone:
                        service.came.append(json.loads(said))
                except Exception as error:  # noqa: BLE001 - told to the test
                    service.faults.append(repr(error))
                self.send_response(410 if service.gone else 201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing to say."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, what: str, kind: str = "page") -> dict[str, Any]:
        """The next message of this kind; others before it are left out."""

        def look() -> dict[str, Any] | None:
            assert self.faults == []
            while self.came:
                if (said := self.came.pop(0))["kind"] == kind:
                    return said
            return None

        found = until(what, look)
        assert found is not None
        return found

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Phone:
    """A browser with the app in it."""

    def __init__(self, chromium: Chromium, product: Product, email: str, service: PushService) -> None:
        self.product, self.service = product, service
        self.context: BrowserContext = chromium.new_context(permissions=["notifications"])
        browser = service.browser
        told = json.dumps([f"{service.url}/wp", text(browser.keys.public), text(browser.auth)])
        self.context.add_init_script(f"({STUB})({told})")
        self.context.expose_function("toldKey", self._learn)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        done = product.command("sign-in-link", email, "--data", str(product.data))
        assert done.returncode == 0, done.stderr
        self.page.goto(done.stdout.strip().splitlines()[-1])
        button = self.page.get_by_role("button", name="Sign in")
        if button.count():
            button.first.click()
        self.page.wait_for_url(f"{product.url}/**")
        self.cdp: CDPSession = self.context.new_cdp_session(self.page)
        self.registration = ""
        self.said: dict[str, Any] = {}
        self.cdp.on("ServiceWorker.workerRegistrationUpdated", self._note)
        self.cdp.send("ServiceWorker.enable")

    def _note(self, event: dict[str, Any]) -> None:
        for one in event["registrations"]:
            if not one["isDeleted"]:
                self.registration = one["registrationId"]

    @property
    def worker(self) -> Worker:
        """The service worker at work."""
        until("the service worker", lambda: self.context.service_workers or self.page.wait_for_timeout(50))
        return self.context.service_workers[-1]

    def switch_on(self) -> None:
        """Press the button on one's own page."""
        self.page.goto(f"{self.product.url}/settings/you/")
        button = self.page.get_by_role("button", name="Push to this browser", exact=True)
        expect(button).to_be_visible()
        button.click()
        expect(self.page.locator("#push")).to_contain_text("Push to this browser is on.", timeout=LONG)

    def _learn(self, key: str) -> None:
        """Tell the push service which key the browser subscribed with."""
        self.service.key = raw(key.replace("+", "-").replace("/", "_").rstrip("="))

    def deliver(self, said: dict[str, Any]) -> None:
        """What the push service does next: wake the service worker with it."""
        self.said = said
        self.cdp.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": self.product.url, "registrationId": self.registration, "data": json.dumps(said)},
        )

    def shown(self) -> list[dict[str, Any]]:
        """The notifications on the screen."""
        found: list[dict[str, Any]] = self.page.evaluate(
            """async () => {
              const registration = await navigator.serviceWorker.getRegistration("/");
              return (await registration.getNotifications()).map((one) => ({
                title: one.title, body: one.body, tag: one.tag, stays: one.requireInteraction, silent: one.silent,
                again: one.renotify, actions: one.actions.map((action) => action.title),
              }));
            }"""
        )
        return found

    def sees(self, words: str) -> dict[str, Any]:
        """Wait for a notification with these words in its title.

        A busy Chromium may lose a message that DevTools hand to a worker which is just being put to sleep; as a push
        service would, it is handed over once more.
        """
        again = time.monotonic() + 15

        def look() -> dict[str, Any] | None:
            nonlocal again
            if found := next((one for one in self.shown() if words in one["title"]), None):
                return found
            if time.monotonic() > again and self.said:
                again = float("inf")
                self.deliver(self.said)
            return self.page.wait_for_timeout(50)

        found = until(f"a notification {words!r}", look)
        assert found is not None
        return found

    def network(self, there: bool) -> None:
        """Take the network away, or give it back. Chromium takes it from pages at once, from workers later."""
        cut = "self.fetched ??= self.fetch; self.fetch = async () => { throw new TypeError('no network'); }"
        self.worker.evaluate("() => { self.fetch = self.fetched; }" if there else f"() => {{ {cut} }}")
        self.context.set_offline(not there)

    def press(self, tag: str, action: str) -> None:
        """Press a button of a notification: an event made in the worker, as Chromium has no hands in tests.

        Only the browser's own events may be waited for, so the waiting is done here.
        """
        self.worker.evaluate(
            """async ([tag, action]) => {
              const [notification] = await self.registration.getNotifications({ tag });
              const event = new NotificationEvent("notificationclick", { notification, action });
              const waited = [];
              Object.defineProperty(event, "waitUntil", { value: (work) => waited.push(work) });
              self.dispatchEvent(event);
              await Promise.allSettled(waited);
            }""",
            [tag, action],
        )

    def close(self) -> None:
        self.context.close()
        assert self.errors == []


@pytest.fixture(scope="module")
def people(product: Product) -> Team:
    return team(product, "push")


@pytest.fixture
def service() -> Iterator[PushService]:
    made = PushService()
    yield made
    made.close()
    assert made.faults == []


@pytest.fixture
def phone(browser: Chromium, product: Product, people: Team, service: PushService) -> Iterator[Phone]:
    made = Phone(browser, product, people.oncall, service)
    yield made
    made.close()


def _declare(product: Product, people: Team, title: str, **more: Any) -> int:
    declared = {"title": title, "service": people.service, "impact": "high", "urgency": "high"} | more
    return int(product.tell("incidents", declared)["id"])


def _use_push(product: Product, people: Team) -> dict[str, Any]:
    """The newest browser in every rule; returns it."""
    methods = product.ask(f"users/{people.oncall}/contact-methods")["items"]
    mine: dict[str, Any] = next(one for one in reversed(methods) if one["channel"] == "webpush")
    rules = [
        {"urgency": urgency, "channel": "webpush", "address": mine["address"], "delay_s": 0}
        for urgency in ("high", "low")
    ]
    answer = product.http.put(f"/api/v1/users/{people.oncall}/rules", json=rules)
    assert answer.status_code == 200, answer.text
    return mine


def _ready(phone: Phone, product: Product, people: Team) -> dict[str, Any]:
    phone.switch_on()
    phone.deliver(phone.service.next("the test", "test"))
    row = phone.page.locator("#reach tr", has_text="(this browser)")
    expect(row).to_contain_text("Verified", timeout=LONG)  # the device has answered the test by itself
    expect(row).to_contain_text("Chrome on Linux")
    return _use_push(product, people)


def test_a_page_is_pushed_acknowledged_from_the_notification_and_over(
    product: Product, people: Team, phone: Phone, service: PushService
) -> None:
    mine = _ready(phone, product, people)
    assert mine["verified_at"]
    expect(phone.page.locator("#push")).to_contain_text("do not go to Push (Chrome on Linux)")
    assert "Test from Tocsin" in phone.sees("Test from Tocsin")["title"]

    number = _declare(product, people, "Nobody can pay")
    said = service.next("the page")
    phone.deliver(said)
    note = phone.sees("Nobody can pay")
    assert note["actions"] == ["Acknowledge", "Open"]
    assert (note["tag"], note["stays"], note["again"], note["silent"]) == (f"INC-{number}", True, True, False)
    assert product.state(number) == "triggered"

    phone.press(note["tag"], "acknowledge")
    until("the answer arrives", lambda: product.state(number) == "acknowledged")
    told = phone.sees(f"INC-{number} acknowledged")
    assert "Thank you" in told["title"]
    assert (told["silent"], told["stays"]) == (True, False)
    assert [one["tag"] for one in phone.shown()].count(note["tag"]) == 1, "the page itself is gone"

    product.tell(f"incidents/{number}/resolve", {})
    phone.deliver(service.next("that it is over", "resolved"))
    over = phone.sees("Resolved")
    assert (over["tag"], over["stays"], over["silent"]) == (note["tag"], False, True)
    assert "Acknowledge" not in over["actions"]


def test_an_acknowledgement_without_network_is_sent_when_it_is_back(
    product: Product, people: Team, phone: Phone, service: PushService
) -> None:
    _ready(phone, product, people)
    number = _declare(product, people, "Nobody can log in")
    phone.deliver(service.next("the page"))
    note = phone.sees("Nobody can log in")
    phone.page.goto(f"{product.url}/incidents/{number}/")

    phone.network(False)
    phone.press(note["tag"], "acknowledge")
    waits = phone.sees("Not acknowledged yet")
    assert "no network" in waits["body"]
    assert product.state(number) == "triggered"

    phone.network(True)
    until("the answer arrives", lambda: product.state(number) == "acknowledged" or phone.page.wait_for_timeout(50))
    phone.sees(f"INC-{number} acknowledged")
    product.tell(f"incidents/{number}/resolve", {})


def test_a_browser_that_keeps_nothing_acknowledges_all_the_same(
    product: Product, people: Team, phone: Phone, service: PushService
) -> None:
    _ready(phone, product, people)
    number = _declare(product, people, "Nothing is kept")
    phone.deliver(service.next("the page"))
    note = phone.sees("Nothing is kept")
    phone.worker.evaluate(
        "() => { IDBObjectStore.prototype.put = () => { throw new DOMException('no room', 'QuotaExceededError'); }; }"
    )
    phone.network(False)
    phone.press(note["tag"], "acknowledge")
    assert "keeps nothing" in phone.sees("Not acknowledged")["body"]
    phone.network(True)
    again = service.next("the page again")
    phone.deliver(again)
    phone.sees("Nothing is kept")
    phone.press(note["tag"], "acknowledge")
    until("the answer arrives", lambda: product.state(number) == "acknowledged")
    product.tell(f"incidents/{number}/resolve", {})


def test_what_a_link_that_is_over_answers_is_said(
    product: Product, people: Team, phone: Phone, service: PushService
) -> None:
    _ready(phone, product, people)
    number = _declare(product, people, "Over before it was seen")
    said = service.next("the page")
    product.tell(f"incidents/{number}/resolve", {})
    phone.deliver(said)
    phone.sees("Over before it was seen")
    phone.press(said["tag"], "acknowledge")
    phone.sees("is resolved already")
    phone.deliver(said | {"acknowledge": said["acknowledge"] + "x", "tag": "broken"})
    until(
        "the other one", lambda: any(one["tag"] == "broken" for one in phone.shown()) or phone.page.wait_for_timeout(50)
    )
    phone.press("broken", "acknowledge")
    assert phone.sees("Not acknowledged")["stays"] is True


def test_a_question_to_the_person_is_answered_by_a_button(
    product: Product, people: Team, phone: Phone, service: PushService
) -> None:
    """A device answers tests by itself; whether the person is there, only the person can say."""
    mine = _ready(phone, product, people)
    product.sql("UPDATE people_contact_method SET verified_at = NULL WHERE id = %s", mine["id"])
    answer = product.http.post(f"/api/v1/contact-methods/{mine['id']}/verify")
    assert answer.status_code == 202, answer.text
    said = service.next("the code", "test")
    phone.deliver(said)
    assert "It reaches me" in phone.sees("is your Tocsin code")["actions"]

    def verified() -> bool:
        found = product.ask(f"users/{people.oncall}/contact-methods")["items"]
        return next(one for one in found if one["id"] == mine["id"])["verified_at"] is not None

    assert not verified()
    phone.press(said["tag"], "confirm")
    phone.sees("This contact method is verified")
    assert verified()


def test_open_brings_the_incident(product: Product, people: Team, phone: Phone, service: PushService) -> None:
    _ready(phone, product, people)
    number = _declare(product, people, "To be looked at")
    said = service.next("the page")
    phone.deliver(said)
    phone.sees("To be looked at")
    phone.page.goto(f"{product.url}/incidents/{number}/")
    # without a hand on the mouse Chromium gives no window the focus: what the worker asks for is what is judged
    asked = phone.worker.evaluate(
        """async (tag) => {
          const asked = [];
          self.clients.openWindow = async (url) => { asked.push(`open ${new URL(url).pathname}`); };
          const focus = WindowClient.prototype.focus;
          WindowClient.prototype.focus = async function () { asked.push(`focus ${new URL(this.url).pathname}`); };
          const press = async (data) => {
            const [notification] = await self.registration.getNotifications({ tag });
            const event = new NotificationEvent("notificationclick", { notification, action: "open" });
            Object.defineProperty(event, "notification", { value: { data, close() {} } });
            let work;
            Object.defineProperty(event, "waitUntil", { value: (promise) => { work = promise; } });
            self.dispatchEvent(event);
            await work;
          };
          const [shown] = await self.registration.getNotifications({ tag });
          await press(shown.data);
          await press({ url: "/alerts/" });
          WindowClient.prototype.focus = focus;
          return asked;
        }""",
        said["tag"],
    )
    assert asked == [f"focus /incidents/{number}/", "open /alerts/"]
    product.tell(f"incidents/{number}/resolve", {})


def test_it_is_stopped_and_a_dead_subscription_is_said(
    product: Product, people: Team, phone: Phone, service: PushService
) -> None:
    mine = _ready(phone, product, people)
    service.gone = True
    phone.page.locator("#reach tr", has_text="(this browser)").get_by_role("button", name="Test").click()

    def gone() -> bool:
        found = product.ask(f"users/{people.oncall}/contact-methods")["items"]
        return any(one["id"] == mine["id"] and one["disabled_at"] for one in found)

    until("it is switched off", gone)
    phone.page.goto(f"{product.url}/settings/you/")
    row = phone.page.locator("#reach tr", has_text="(this browser)")
    expect(row).to_contain_text("Disabled")
    expect(row.get_by_title("the browser has taken the subscription back")).to_be_visible()
    expect(phone.page.locator("#push")).to_contain_text("was switched off")

    service.gone = False
    phone.page.get_by_role("button", name="Push to this browser").click()
    expect(phone.page.locator("#push")).to_contain_text("Push to this browser is on.", timeout=LONG)
    phone.deliver(service.next("another test", "test"))
    expect(row).to_contain_text("Verified", timeout=LONG)
    same = product.ask(f"users/{people.oncall}/contact-methods")["items"][-1]
    assert same["id"] == mine["id"], "with the notification rules that it had"
    assert same["address"] != mine["address"]

    phone.page.get_by_role("button", name="Stop push").click()
    expect(phone.page.locator("#push")).to_contain_text("Pages can come as notifications", timeout=LONG)
    assert mine["id"] not in [one["id"] for one in product.ask(f"users/{people.oncall}/contact-methods")["items"]]
    assert phone.page.evaluate("localStorage.getItem('test.on')") is None


def test_a_browser_that_exchanges_its_subscription_is_still_reached(
    product: Product, people: Team, phone: Phone, service: PushService
) -> None:
    """In the background by the worker; what the browser did not tell the worker is found on the next visit."""
    mine = _ready(phone, product, people)

    def address() -> str:
        found = product.ask(f"users/{people.oncall}/contact-methods")["items"]
        return str(next(one["address"] for one in found if one["id"] == mine["id"]))

    phone.worker.evaluate(
        """async ([endpoint, p256dh, auth]) => {
          const event = new Event("pushsubscriptionchange");
          const made = { endpoint, toJSON: () => ({ endpoint, keys: { p256dh, auth } }) };
          let work;
          Object.defineProperty(event, "newSubscription", { value: made });
          Object.defineProperty(event, "waitUntil", { value: (promise) => { work = promise; } });
          self.dispatchEvent(event);
          await work;
        }""",
        [f"{service.url}/wp/changed", text(service.browser.keys.public), text(service.browser.auth)],
    )
    assert address() == f"{service.url}/wp/changed"
    phone.page.goto(f"{product.url}/settings/you/")
    expect(phone.page.locator("#push")).to_contain_text("Push to this browser is on.", timeout=LONG)
    assert address() == mine["address"], "what the browser says now"


def test_a_browser_that_blocks_says_so(product: Product, phone: Phone) -> None:
    """In words, and without a button that cannot work."""
    phone.context.clear_permissions()
    blocked = "Object.defineProperty(Notification, 'permission', { get: () => 'denied' })"
    phone.page.add_init_script(blocked)
    phone.page.goto(f"{product.url}/settings/you/")
    expect(phone.page.locator("#push")).to_contain_text("blocks notifications")
    expect(phone.page.get_by_role("button", name="Push to this browser")).to_be_hidden()
