"""What providers tell: receipts, replies by SMS, keys in calls. Each is taken once, however often it is told."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet

from tocsin.delivery import numbers
from tocsin.delivery.actions.links import answer, confidential, standing
from tocsin.delivery.actions.notices import notify
from tocsin.delivery.actions.outbox import enqueue, settle_late, storable
from tocsin.delivery.actions.remarks import keep_note, who_else
from tocsin.delivery.contract import Script
from tocsin.delivery.models import Delivery, Handover, Notice, Provider, Received
from tocsin.delivery.provider_contract import Heard, Reply, StatusUpdate, Turn
from tocsin.delivery.rules import NOTICE_RANK, NewDelivery, cut
from tocsin.delivery.rules import providers as provider_rules
from tocsin.delivery.rules import replies as rules
from tocsin.people import actions as people
from tocsin.people.models import ContactMethod, User
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Forbidden, NotFound, TocsinError

OPEN = ("triggered", "acknowledged", "mitigated")
MOST = 20  # answers to one number within ten minutes: two machines that answer each other stop there
ROUNDS = 3  # a call says it so often when no key is pressed
BYE = "Goodbye."


def handover_of(provider: Provider, ref: str, handover_id: int | None) -> Handover | None:
    """What a request is about, locked: by the provider's name for it, or by ours while that is not known yet."""
    ref = storable(ref)[:300]
    rows = Handover.objects.select_for_update().filter(provider=provider)
    found = rows.filter(ref=ref).exclude(ref="").order_by("-id").first()
    if found is None and handover_id is not None:
        found = rows.filter(pk=handover_id, ref="").first()
        if found is not None and ref:
            found.ref = ref
            found.save(update_fields=["ref"])
    return found


# --- receipts -----------------------------------------------------------------------------------------------------


def take_status(provider: Provider, news: StatusUpdate, handover_id: int | None = None) -> bool:
    """Note what became of something; whether we know it. A failure brings the next contact method forward."""
    with transaction.atomic():
        row = handover_of(provider, news.ref, handover_id)
        if row is None:
            return False
        state, reason = news.state, news.reason
        # whoever pressed a key has heard it, whatever the machine detection thinks
        answered = Received.objects.filter(provider=provider, ref__startswith=f"{row.pk}:").exclude(user=None).exists()
        if row.channel == "voice" and (row.machine or news.machine) and state == "delivered" and not answered:
            state, reason = "failed", "an answering machine took the call"
        elif row.channel == "voice" and news.machine and answered:
            state, reason = "delivered", ""
        after = provider_rules.handover_after(row.state, state)
        if after is None:
            return True
        row.state, row.reason, row.ended_at = after, storable(reason)[:500], clock.now()
        row.machine = row.machine or news.machine
        row.save(update_fields=["state", "reason", "ended_at", "machine"])
        _tell_deliveries(row, f"{provider.name}: {reason or 'it has arrived'}")
    return True


def _tell_deliveries(row: Handover, reason: str) -> None:
    later = Handover.objects.filter(number=row.number, pk__gt=row.pk, channel=row.channel)
    again = {delivery for ids in later.values_list("deliveries", flat=True) for delivery in ids}
    found = Delivery.objects.select_for_update(of=("self",)).filter(pk__in=row.deliveries).order_by("pk")
    news = []
    for delivery in found:
        state = provider_rules.delivery_after(delivery.state, row.state, newest=delivery.pk not in again)
        if state is not None:
            news.append((delivery.pk, state, reason))
    settle_late(news)


# --- replies ------------------------------------------------------------------------------------------------------


def _once(
    provider: Provider, ref: str, channel: str, number: str, text: str, do: Callable[[Received], str]
) -> tuple[str, Received | None]:
    """Do something for what has not come before, and keep what was answered; for what has, the same answer again.

    The row comes back only when it is new.
    """
    row, new = Received.objects.get_or_create(
        provider=provider,
        ref=storable(ref)[:330],
        defaults={"channel": channel, "number": number, "text": storable(text)[:200], "at": clock.now()},
    )
    if not new:
        return row.answer, None
    try:
        with transaction.atomic():
            said = do(row)
    except (Forbidden, NotFound):
        said = "You may not do this."
    except TocsinError as error:
        said = error.message
    row.answer = cut(said, 500)
    row.save(update_fields=["answer", "user"])
    return row.answer, row


def take_reply(provider: Provider, reply: Reply, *, inline: bool) -> str:
    """Do what an SMS says, in the name of the person whose number it came from; what to answer, empty for nothing.

    ``inline``: the caller answers; otherwise the answer goes out as a message of its own.
    """
    number = numbers.normal(storable(reply.sender)[:40])
    with transaction.atomic():
        said, row = _once(provider, f"sms:{reply.ref}", "sms", number, reply.text, lambda r: _obey(r, reply.text))
        if said and row is not None and not inline:
            _send(row, said)
    return said if inline else ""


def _obey(row: Received, text: str) -> str:
    methods = list(
        ContactMethod.objects.filter(channel__in=("sms", "voice"), address=row.number, user__is_active=True)
        .select_related("user")
        .order_by("id")
    )
    since = row.at - timedelta(minutes=10)
    if not methods or Received.objects.filter(number=row.number, at__gt=since).count() > MOST:
        return ""  # a stranger learns nothing, not even that this is Tocsin
    command = rules.read(text)
    texts = [method for method in methods if method.channel == "sms"]
    if command.verb == "stop":
        ended = [method for method in texts if not method.disabled_at]
        people.disable_contact_methods([method.pk for method in ended], rules.STOPPED, actor=SYSTEM)
        notify(
            [method.user_id for method in ended],
            key=f"stopped:{row.pk}",
            title="SMS do not reach you any more: STOP was answered",
            body="Answer START from that phone to have them again. If it was not you, tell an administrator.",
            path="/settings/you/",
        )
        return ""  # carriers ask for silence after STOP, there
    if command.verb == "start":
        stopped = [method.pk for method in texts if method.disabled_at and method.disabled_reason == rules.STOPPED]
        people.enable_contact_methods(stopped, actor=SYSTEM)
        return "Pages come here by SMS again." if stopped else ""
    if command.verb == "help":
        return rules.HOW
    user = person_of(methods)
    if user is None:
        return "Several people have this number: Tocsin cannot tell who answers. Use the link."
    row.user = user
    if not command.verb:
        return rules.UNREAD
    incident = command.incident if command.incident is not None else _newest(user, command.verb)
    if incident is None:
        return "There is no open incident that you were paged for."
    if command.incident is not None and not _paged(user).filter(incident_id=incident).exists():
        return f"You were not paged for INC-{incident}."  # in the same words whether there is one or not
    if command.verb == "who":
        return who_else(incident, user)
    if command.verb == "note":
        keep_note([incident], command.note, user)
        waits = "" if standing("acknowledge", [incident]) else f" Nobody has acknowledged it: ACK {incident} does."
        return f"Kept as a note on INC-{incident}.{waits}"
    own = next((method.pk for method in texts if method.user_id == user.pk), None)
    return answer(command.verb, [incident], user, via="sms", method_id=own).text


def person_of(methods: Iterable[ContactMethod]) -> User | None:
    """Whose number it is: that of the one person who has proved it, or else of the only one who has given it."""
    methods = list(methods)
    proved = {method.user for method in methods if method.verified_at}
    people_ = proved or {method.user for method in methods}
    return people_.pop() if len(people_) == 1 else None


def _paged(user: User) -> QuerySet[Delivery]:
    """Pages that were handed out to a person, or tried to be."""
    return Delivery.objects.filter(user=user, kind="page", attempts__gt=0)


def _newest(user: User, verb: str) -> int | None:
    """The newest incident that a person was paged for and that is open; to acknowledge, one that nobody has."""
    rows = _paged(user).filter(incident__state__in=OPEN).order_by("-id")
    if verb == "acknowledge" and (waiting := rows.filter(incident__state="triggered").first()):
        return waiting.incident_id
    newest = rows.first()
    return newest.incident_id if newest else None


def _send(row: Received, text: str) -> None:
    """The answer as a message of its own, to the number that the reply came from."""
    methods = ContactMethod.objects.filter(channel="sms", address=row.number, disabled_at=None, user__is_active=True)
    method = methods.filter(user=row.user).first() or methods.order_by("id").first()
    if method is None:
        return
    now = clock.now()
    notice = Notice.objects.create(key=f"answer:{row.pk}", title=cut(text, 150), path="/", created_at=now)
    enqueue(
        [
            NewDelivery(
                kind="notice",
                key=f"notice:{notice.pk}:{method.pk}",
                channel="sms",
                address=method.address,
                user_id=method.user_id,
                contact_method_id=method.pk,
                rank=NOTICE_RANK,
            )
        ],
        now=now,
    )


# --- calls --------------------------------------------------------------------------------------------------------


def take_heard(
    provider: Provider, heard: Heard, handover_id: int | None, round_: int, url: Callable[[int, int], str]
) -> Turn:
    """What a call says next. A key is obeyed once; an answering machine never gets to press one.

    ``url(handover, round)``: where the call asks the next time.
    """
    with transaction.atomic():
        row = handover_of(provider, heard.ref, handover_id)
        if row is None or not row.script:
            return Turn(f"This call is not known any more. {BYE}")
        script = Script(**{**row.script, "verbs": tuple(row.script.get("verbs", ()))})
        deliveries = list(Delivery.objects.filter(pk__in=row.deliveries).select_related("user").order_by("pk"))
        ids = sorted({one.incident_id for one in deliveries if one.incident_id})
        script = _discreet(script, ids)
        if heard.machine and not row.machine:
            row.machine = True
            row.save(update_fields=["machine"])
        if row.machine:
            return Turn(script.machine)
        user = deliveries[0].user if deliveries else None
        if not script.verbs or user is None or not ids:
            return Turn(f"{script.text} {BYE}")
        listen = url(row.pk, round_ + 1)
        verb = rules.KEYS.get(heard.keys, "")
        if heard.keys and verb in script.verbs:

            def do(received: Received) -> str:
                received.user = user
                return answer(verb, ids, user, via="voice", method_id=deliveries[0].contact_method_id).text

            said, _ = _once(provider, f"{row.pk}:{round_}:{heard.keys}", "voice", row.number, heard.keys, do)
            return Turn(f"{aloud(said)} {BYE}")
        if nothing := standing("acknowledge", ids):
            return Turn(f"{aloud(nothing)} {BYE}")
        if round_ >= ROUNDS and heard.keys != rules.AGAIN:
            return Turn(f"No key was pressed. Nobody has acknowledged it. {BYE}")
        unknown = "This key does nothing. " if heard.keys and heard.keys != rules.AGAIN else ""
        again = 1 if heard.keys == rules.AGAIN else round_ + 1
        return Turn(f"{unknown}{script.text} {rules.spoken_keys(script.verbs)}", listen, url(row.pk, again))


def _discreet(script: Script, ids: list[int]) -> Script:
    """The script without content when an incident has become confidential since the call was made."""
    if not confidential(ids) or "confidential" in script.text:
        return script
    what = f"This is Tocsin. {'Incident' if len(ids) == 1 else 'One of the incidents'} {ids[0]} is confidential."
    return replace(script, text=f"{what} Sign in to read about it.", machine=f"{what} Nobody has acknowledged it.")


def aloud(text: str) -> str:
    """A text that was written to be read, for a voice."""
    return text.replace("INC-", "incident ")
