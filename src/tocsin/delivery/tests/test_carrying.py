"""From the outbox through providers: the deliverer, the database as ledger, and servers that behave and do not."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from tocsin.delivery.actions.providers import send_test_through
from tocsin.delivery.jobs import deliver_due
from tocsin.delivery.models import Attempt, Delivery, Handover, ProviderHealth
from tocsin.delivery.tests.conftest import World
from tocsin.delivery.tests.phones import NUMBER, phone, tell, twilio
from tocsin.incidents.models import Incident
from tocsin.people.models import User
from tocsin.people.queries import actor_of

pytestmark = pytest.mark.django_db(transaction=True)

Answer = Callable[[dict[str, list[str]]], tuple[int, str]]


class Company:
    """A server that speaks Twilio's API; ``answer(form)`` says with which status and body."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.forms: list[dict[str, list[str]]] = []
        self.answer = answer or (lambda form: (201, f'{{"sid": "SM{len(self.forms)}"}}'))
        company = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                company.forms.append(form)
                status, body = company.answer(form)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def companies() -> Iterator[Callable[..., Company]]:
    made: list[Company] = []

    def make(answer: Answer | None = None) -> Company:
        made.append(Company(answer))
        return made[-1]

    yield make
    for company in made:
        company.close()


def paged(world: World, channel: str = "sms", count: int = 1) -> tuple[User, list[Incident], list[int]]:
    ada = world.person("Ada")
    method = phone(world, ada, channel)
    incidents = [world.incident(f"Checkout is down {number}") for number in range(count)]
    ids = [world.enqueue(world.page(incident, ada), [method])[0] for incident in incidents]
    return ada, incidents, ids


def test_from_the_outbox_to_the_reply(world: World, companies: Callable[..., Company]) -> None:
    company = companies()
    main = twilio(config={"base_url": company.url})
    _, [incident], [delivery] = paged(world)
    assert deliver_due() == 1
    [form] = company.forms
    assert form["To"] == [NUMBER]
    assert form["Body"][0].startswith(f"P1 Checkout: Checkout is down 0 (INC-{incident.pk})\nReply ACK {incident.pk},")
    row = Delivery.objects.get(pk=delivery)
    assert (row.state, row.provider_ref, row.reason) == ("accepted", "SM1", "")
    assert Attempt.objects.get().detail == "through Main"
    handover = Handover.objects.get()
    assert (handover.state, handover.country, handover.deliveries) == ("accepted", "+41", [delivery])
    tell(main, "status", {"MessageSid": "SM1", "MessageStatus": "delivered"}, handover=handover)
    assert Delivery.objects.get(pk=delivery).state == "delivered"
    tell(main, "message", {"MessageSid": "SM7", "From": NUMBER, "Body": f"ACK {incident.pk}"})
    incident.refresh_from_db()
    assert incident.state == "acknowledged"


def test_the_next_provider_in_the_same_attempt(world: World, companies: Callable[..., Company]) -> None:
    broken, works = companies(lambda form: (503, "")), companies()
    twilio("First", config={"base_url": broken.url})
    twilio("Second", position=1, config={"base_url": works.url})
    _, _, [delivery] = paged(world)
    deliver_due()
    row = Delivery.objects.get(pk=delivery)
    assert (row.state, row.attempts) == ("accepted", 1)
    assert Attempt.objects.get().detail == "through Second"
    assert list(Handover.objects.order_by("id").values_list("provider__name", "state")) == [
        ("First", "refused"), ("Second", "accepted"),
    ]  # fmt: skip
    assert ProviderHealth.objects.get().failures == 1


def test_all_are_broken_and_it_is_tried_again(world: World, companies: Callable[..., Company]) -> None:
    broken = companies(lambda form: (500, ""))
    twilio(config={"base_url": broken.url})
    _, _, [delivery] = paged(world)
    deliver_due()
    row = Delivery.objects.get(pk=delivery)
    assert row.state == "pending"
    assert row.reason == "Main: HTTP 500"
    assert Attempt.objects.get().outcome == "try_later"


def test_a_bad_number_fails_at_once(world: World, companies: Callable[..., Company]) -> None:
    first, second = companies(lambda form: (400, '{"code": 21211, "message": "no number"}')), companies()
    twilio("First", config={"base_url": first.url})
    twilio("Second", position=1, config={"base_url": second.url})
    _, _, [delivery] = paged(world)
    deliver_due()
    row = Delivery.objects.get(pk=delivery)
    assert row.state == "failed"
    assert row.reason == "First: HTTP 400: error 21211: no number"
    assert second.forms == []
    assert ProviderHealth.objects.count() == 0, "the provider works"


def test_without_a_provider_it_fails_at_once_and_says_what_to_do(world: World) -> None:
    _, _, [delivery] = paged(world)
    deliver_due()
    row = Delivery.objects.get(pk=delivery)
    assert row.state == "failed"
    assert "an administrator can add one" in row.reason


def test_a_storm_is_a_few_messages(world: World, companies: Callable[..., Company]) -> None:
    company = companies()
    twilio(config={"base_url": company.url})
    paged(world, count=30)
    deliver_due()
    bodies = [form["Body"][0] for form in company.forms]
    assert 2 <= len(bodies) <= 5
    assert "more incidents, worst P1" in bodies[-1]
    assert Delivery.objects.filter(state="accepted").count() == 30
    tell_all = Handover.objects.order_by("-id").first()
    assert tell_all is not None
    assert len(tell_all.deliveries) > 1


def test_a_call_from_the_outbox_to_the_key(world: World, companies: Callable[..., Company]) -> None:
    company = companies(lambda form: (201, '{"sid": "CA1"}'))
    main = twilio(config={"base_url": company.url})
    _, [incident], [delivery] = paged(world, "voice")
    deliver_due()
    [form] = company.forms
    assert form["MachineDetection"] == ["DetectMessageEnd"]
    handover = Handover.objects.get()
    assert "Checkout is down" in (handover.script or {})["text"]
    for keys in ("", "4"):
        tell(main, "voice", {"CallSid": "CA1", "Digits": keys}, handover=handover, more="&n=1")
    incident.refresh_from_db()
    assert incident.state == "acknowledged"
    tell(main, "status", {"CallSid": "CA1", "CallStatus": "completed"}, handover=handover)
    assert Delivery.objects.get(pk=delivery).state == "delivered"


def test_a_test_goes_through_the_provider_that_is_tested(world: World, companies: Callable[..., Company]) -> None:
    first, second = companies(), companies()
    twilio("First", config={"base_url": first.url})
    tested = twilio("Second", position=1, countries=["+1"], config={"base_url": second.url})
    ada = world.person("Ada")
    User.objects.filter(pk=ada.pk).update(role="admin")
    ada.refresh_from_db()
    phone(world, ada)
    send_test_through(tested.pk, actor=actor_of(ada))
    deliver_due()
    assert first.forms == []
    assert "This is a test." in second.forms[0]["Body"][0]


def test_our_own_network_is_out_of_reach(world: World) -> None:
    twilio(config={"base_url": "http://10.0.0.1"})
    _, _, [delivery] = paged(world)
    deliver_due()
    row = Delivery.objects.get(pk=delivery)
    assert row.state == "failed"
    assert "TOCSIN_OUTBOUND_ALLOW" in row.reason
