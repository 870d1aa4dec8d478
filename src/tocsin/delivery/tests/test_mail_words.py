"""What people write in mails: their own words out of what their programs send, and what these words want."""

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.delivery.quoting import MARKED, own_text
from tocsin.delivery.rules.mail import automatic, plain, read
from tocsin.delivery.rules.replies import Words, read_mail

ORIGINAL = f"""{MARKED}

Resolve: payments fail
P1 on Checkout, since 10:00.

Open: https://tocsin.example.org/incidents/12/
Acknowledge: https://tocsin.example.org/a/token

--\x20
Sent by Tocsin because you are reachable here for pages."""
QUOTED = "\n".join(f"> {line}".rstrip() for line in ORIGINAL.split("\n"))
WITHOUT_MARK = "\n".join(ORIGINAL.split("\n")[2:])
QUOTED_WITHOUT_MARK = "\n".join(f"> {line}".rstrip() for line in WITHOUT_MARK.split("\n"))

# how mail programs announce what they quote, with the quote marked by > (Gmail, Thunderbird, Apple Mail, K-9, mutt)
ANNOUNCED = [
    "On Mon, 23 Nov 2026 at 10:01, Tocsin <tocsin@example.org> wrote:",
    "On Mon, 23 Nov 2026 at 10:01, Tocsin via the very long name of a\nmailing address <tocsin@example.org>\nwrote:",
    "On 23 Nov 2026, at 10:01, Tocsin <tocsin@example.org> wrote:",
    "Am Mo., 23. Nov. 2026 um 10:01 Uhr schrieb Tocsin <tocsin@example.org>:",
    "Am 23.11.26 um 10:01 schrieb Tocsin:",
    "Le lun. 23 nov. 2026 à 10:01, Tocsin <tocsin@example.org> a écrit :",
    "El lun, 23 nov 2026 a las 10:01, Tocsin (<tocsin@example.org>) escribió:",
    "Il giorno lun 23 nov 2026 alle ore 10:01 Tocsin <tocsin@example.org> ha scritto:",
    "Em seg., 23 de nov. de 2026 às 10:01, Tocsin <tocsin@example.org> escreveu:",
    "Op ma 23 nov 2026 om 10:01 schreef Tocsin <tocsin@example.org>:",
    "Den mån 23 nov. 2026 kl 10:01 skrev Tocsin <tocsin@example.org>:",
    "ma 23. marrask. 2026 klo 10.01 Tocsin (tocsin@example.org) kirjoitti:",
    "pon., 23 lis 2026 o 10:01 Tocsin <tocsin@example.org> napisał(a):",
    "po 23. 11. 2026 v 10:01 odesílatel Tocsin <tocsin@example.org> napsal:",
    "пн, 23 нояб. 2026 г. в 10:01, Tocsin <tocsin@example.org>:",
    "23.11.2026 10:01, Tocsin пишет:",
    "23 Kas 2026 Pzt 10:01 tarihinde Tocsin <tocsin@example.org> şunu yazdı:",
    "2026年11月23日(月) 10:01 Tocsin <tocsin@example.org>:",
    "2026年11月23日 10:01，Tocsin <tocsin@example.org> 写道：",
    "2026년 11월 23일 (월) 오전 10:01, Tocsin <tocsin@example.org>님이 작성:",
    "Dydd Llun, 23 Tach 2026 am 10:01, ysgrifennodd Tocsin:",  # Welsh: no words of it are known
]
# programs that do not mark what they quote
HEADS = [
    "From: Tocsin <tocsin@example.org>\nSent: Monday, November 23, 2026 10:01 AM\nTo: Ada <ada@example.org>\n"
    "Subject: P1 Checkout: payments fail (INC-12)",
    "________________________________\nFrom: Tocsin <tocsin@example.org>\nSent: Monday, November 23, 2026 10:01\n"
    "To: Ada <ada@example.org>\nSubject: P1 Checkout",
    "Von: Tocsin <tocsin@example.org>\nGesendet: Montag, 23. November 2026 10:01\nAn: Ada\nBetreff: P1 Checkout",
    "*Von:* Tocsin <tocsin@example.org>\n*Gesendet:* Montag, 23. November 2026 10:01\n*An:* Ada\n*Betreff:* P1",
    "De : Tocsin <tocsin@example.org>\nEnvoyé : lundi 23 novembre 2026 10:01\nÀ : Ada\nObjet : P1 Checkout",
    "De: Tocsin <tocsin@example.org>\nEnviado el: lunes, 23 de noviembre de 2026 10:01\nPara: Ada\nAsunto: P1",
    "Da: Tocsin <tocsin@example.org>\nInviato: lunedì 23 novembre 2026 10:01\nA: Ada\nOggetto: P1 Checkout",
    "Van: Tocsin <tocsin@example.org>\nVerzonden: maandag 23 november 2026 10:01\nAan: Ada\nOnderwerp: P1",
    "发件人: Tocsin <tocsin@example.org>\n发送时间: 2026年11月23日 10:01\n收件人: Ada\n主题: P1 Checkout",
    "-----Original Message-----\nFrom: Tocsin",
    "-----Ursprüngliche Nachricht-----\nVon: Tocsin",
    "-------- Original message --------\nFrom: Tocsin <tocsin@example.org>",
    "-------- Message d'origine --------\nDe : Tocsin",
    "On Monday, November 23rd, 2026 at 10:01, Tocsin <tocsin@example.org> wrote:\n",
    "Am 23.11.26 um 10:01 schrieb Tocsin <tocsin@example.org>:\n",
]


@pytest.mark.parametrize("announced", ANNOUNCED)
@pytest.mark.parametrize("quoted", [QUOTED, QUOTED_WITHOUT_MARK])
def test_what_is_quoted_with_marks_is_left_out(announced: str, quoted: str) -> None:
    assert own_text(f"ack\n\nDisk is full.\n\n{announced}\n\n{quoted}\n") == "ack\n\nDisk is full."
    assert own_text(f"{announced}\n{quoted}\n\nack, below the quote") == "ack, below the quote"
    assert own_text(f"{announced}\n{quoted}\n") == ""


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("quoted", [ORIGINAL, WITHOUT_MARK])
def test_what_is_quoted_without_marks_is_left_out(head: str, quoted: str) -> None:
    assert own_text(f"ack\r\n\r\n{head}\r\n{quoted}\r\n") == "ack"
    assert own_text(f"{head}\n{quoted}\n") == ""


def test_below_our_mark_nothing_counts_however_it_is_quoted() -> None:
    assert own_text(f"on it\n\nQuelqu'un d'inconnu, tocsin@example.org, a dit ceci, à 10:01:\n{ORIGINAL}") == "on it"
    assert own_text(f"| {MARKED}\n| resolve") == ""
    assert own_text(f"}} {MARKED.upper()}\nresolve") == ""
    assert (
        own_text("> a line that was too long for the program that quoted it, broken after\nresolve\n> and so on") == ""
    )


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nAda Lovelace\nEngineer",
        "--\nAda",
        "Sent from my iPhone",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Von meinem iPhone gesendet",
        "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
        "Gesendet von Outlook für Android",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Отправлено с iPhone",
        "iPhoneから送信",
        "发自我的iPhone",
        "Thanks,\nAda",
        "Mit freundlichen Grüßen\nAda Lovelace\nBetrieb",
    ],
)
def test_signatures_are_left_out(signature: str) -> None:
    assert own_text(f"ack\n\n{signature}\n") == "ack"
    assert own_text(f"ack\n\n{signature}\n\n{ANNOUNCED[0]}\n{QUOTED}") == "ack"


def test_sentences_that_look_alike_stay() -> None:
    for text in (
        "On it: the disk is full",
        "From: what I see, the disk is full",
        "Cause: disk\nWhere: db1\nNext: clean up",
        "I wrote:",
        "thanks to the new disk it works",
    ):
        assert own_text(text) == text
    assert own_text("see\n> quoted line\nyes, that one\n> another\nand that") == "see\nyes, that one\nand that"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ack", Words("acknowledge")),
        ("ACK.", Words("acknowledge")),
        ("Acknowledged!", Words("acknowledge")),
        ("ack 12", Words("acknowledge", 12)),
        ("ack INC-12", Words("acknowledge", 12)),
        ("a", Words("acknowledge")),
        ("4", Words("acknowledge")),
        ("ack, looking into it", Words("acknowledge", None, "looking into it")),
        ("ack looking into it", Words("acknowledge", None, "looking into it")),
        ("ack\n\ndisk is full", Words("acknowledge", None, "disk is full")),
        ("ack 2 disks failed", Words("acknowledge", None, "2 disks failed")),
        ("ack INC-12 on it", Words("acknowledge", 12, "on it")),
        ("resolve", Words("resolve")),
        ("Resolved.", Words("resolve")),
        ("resolve 12: disk was full", Words("resolve", 12, "disk was full")),
        ("resolved - disk was full", Words("resolve", None, "disk was full")),
        ("escalate", Words("escalate")),
        ("esc 12", Words("escalate", 12)),
        ("who", Words("who")),
        ("Who else?", Words("who")),
        ("help", Words("help")),
        ("unsubscribe", Words("stop")),
        ("note the disk is full", Words("note", None, "the disk is full")),
        ("Note: resolve", Words("note", None, "resolve")),
        ("note INC-12 resolve\nlater", Words("note", 12, "resolve\nlater")),
        ("note", Words("")),
        ("", Words("")),
        (" \n ", Words("")),
        # sentences are notes, whatever word they begin with
        ("Resolve the DNS problem first, please", Words("note", None, "Resolve the DNS problem first, please")),
        ("escalate to Bob?", Words("note", None, "escalate to Bob?")),
        ("A colleague is on it", Words("note", None, "A colleague is on it")),
        ("R - what?", Words("note", None, "R - what?")),
        ("not acknowledged by me", Words("note", None, "not acknowledged by me")),
        ("Hi,\nack", Words("note", None, "Hi,\nack")),
        ("yes", Words("note", None, "yes")),
        ("acknowledgement", Words("note", None, "acknowledgement")),
        ("ackermann called", Words("note", None, "ackermann called")),
        ("Notes are here", Words("note", None, "Notes are here")),
    ],
)
def test_what_is_wanted(text: str, wanted: Words) -> None:
    assert read_mail(text) == wanted


# --- reading ------------------------------------------------------------------------------------------------------

HTML = {
    "gmail": '<div dir="ltr">ack<div><br></div></div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" '
    'class="gmail_attr">On Mon, Tocsin &lt;t@example.org&gt; wrote:<br></div><blockquote class="gmail_quote">Resolve: x'
    "</blockquote></div>",
    "apple": '<html><body>ack<div><br><blockquote type="cite"><div>On 23 Nov, Tocsin wrote:</div><div>resolve</div>'
    "</blockquote></div></body></html>",
    "outlook": '<html><head><style>p{color:red}</style></head><body><p>ack</p><div id="appendonsend"></div><hr><div '
    'id="divRplyFwdMsg"><b>From:</b> Tocsin</div><div>resolve</div></body></html>',
    "thunderbird": '<p>ack</p><div class="moz-cite-prefix">Am 23.11.26 um 10:01 schrieb Tocsin:<br></div>'
    '<blockquote cite="mid:1">resolve</blockquote>',
    "yahoo": '<div>ack</div><div id="yahoo_quoted_1" class="yahoo_quoted"><div>On Monday, Tocsin wrote:</div>resolve'
    "</div>",
    "broken": "<p>ack</div></p><blockquote>resolve<p>more",
}


@pytest.mark.parametrize("program", HTML)
def test_html_alone_is_read(program: str) -> None:
    assert own_text(plain(HTML[program])) == "ack"


def test_a_mail_is_read_in_its_charset() -> None:
    raw = b"From: =?iso-8859-1?q?J=F6rg?= <J@Example.org>\r\nSubject: =?utf-8?b?UmU6IMO8?=\r\nMessage-ID: <1@x>\r\n"
    raw += b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    raw += b"sch=F6n\r\n"
    mail = read(raw)
    assert (mail.sender, mail.subject, mail.message_id, mail.text.strip()) == (
        "J@Example.org",
        "Re: ü",
        "<1@x>",
        "schön",
    )


def test_what_is_attached_is_not_read() -> None:
    mail = EmailMessage()
    mail.set_content("<p>from html</p>", subtype="html")
    mail.add_attachment("ack", filename="ack.txt")
    assert read(mail.as_bytes()).text.strip() == "from html"


PERSON = {"From": "Ada <ada@example.org>", "Subject": "Re: P1 Checkout"}


@pytest.mark.parametrize(
    ("headers", "envelope"),
    [
        ({"Auto-Submitted": "auto-replied"}, "ada@example.org"),
        ({"Auto-Submitted": "auto-generated (rejected)"}, "ada@example.org"),
        ({"Precedence": "bulk"}, "ada@example.org"),
        ({"Precedence": "auto_reply"}, "ada@example.org"),
        ({"X-Autoreply": "yes"}, "ada@example.org"),
        ({"X-Autorespond": "away"}, "ada@example.org"),
        ({"X-Auto-Response-Suppress": "All"}, "ada@example.org"),
        ({"List-Id": "<team.example.org>"}, "ada@example.org"),
        ({"X-Tocsin-Kind": "page"}, "ada@example.org"),
        ({"Content-Type": "multipart/report; report-type=disposition-notification; boundary=x"}, "ada@example.org"),
        ({"Subject": "Automatic reply: P1 Checkout"}, "ada@example.org"),
        ({"Subject": "Automatische Antwort: P1"}, "ada@example.org"),
        ({"Subject": "Réponse automatique : P1"}, "ada@example.org"),
        ({"From": "MAILER-DAEMON@example.org"}, "ada@example.org"),
        ({}, ""),
        ({}, "<>"),
        ({}, "no-reply@example.org"),
        ({}, "bounce+abc@example.org"),
    ],
)
def test_what_a_machine_wrote(headers: dict[str, str], envelope: str) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in (PERSON | headers).items())
    assert automatic(read(f"{lines}\r\nack\r\n".encode()), envelope)


@pytest.mark.parametrize("headers", [{}, {"Auto-Submitted": "no"}, {"Precedence": "first-class"}, {"X-Priority": "1"}])
def test_what_a_person_wrote(headers: dict[str, str]) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in (PERSON | headers).items())
    assert automatic(read(f"{lines}\r\nack\r\n".encode()), "ada@example.org") == ""


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=[]), max_size=400) | st.lists(st.sampled_from(
    ["ack", "> resolve", "From: a@b.c", "Sent: 1", "To: x", "--", "", MARKED, "On 1 wrote:", "____________"]
)).map("\n".join))  # fmt: skip
def test_no_text_is_an_exception_and_nothing_is_invented(text: str) -> None:
    own = own_text(text)
    unseen = max(text, default="") >= "\u200b" or "\u00ad" in text  # what cannot be seen is left out of a line
    assert unseen or all(line.strip() in text.replace("\u00a0", " ") for line in own.split("\n"))
    assert read_mail(own).verb in ("", "note", "acknowledge", "resolve", "escalate", "who", "help", "stop")
