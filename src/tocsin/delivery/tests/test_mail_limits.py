"""Mails that are made to keep their reader busy: each is read in a moment, whatever is in it."""

import pytest

from tocsin.delivery.quoting import own_text
from tocsin.delivery.rules.bounces import bounce
from tocsin.delivery.rules.mail import automatic, plain, read
from tocsin.delivery.rules.replies import read_mail

MIB = 1024 * 1024
HEAD = b"From: a@b.c\r\nMIME-Version: 1.0\r\n"


def nested(depth: int) -> bytes:
    """Multiparts inside multiparts."""
    each = (b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at) for at in range(depth))
    return HEAD + b"".join(each)


MAILS = {
    "parameters without end": HEAD + b"Content-Type: text/plain; " + b"a;" * (MIB // 2) + b"\r\n\r\nx",
    "quotes without end": HEAD + b'Content-Type: text/plain; a="' + b';\\"' * (MIB // 3) + b"\r\n\r\nx",
    "a header folded without end": HEAD + b"Content-Type: text/plain;\r\n" + b" a=b;\r\n" * (MIB // 7) + b"\r\nx",
    "headers without end": b"A: b\r\n" * (MIB // 6) + b"\r\nx",
    "comments in an address": b"From: " + b"(" * MIB + b"\r\n\r\nx",
    "encoded words without end": b"Subject: " + b"=?utf-8?q?a?= " * (MIB // 14) + b"\r\n\r\nx",
    "blank lines": HEAD + b"\r\n" + b"\n" * MIB,
    "nested as far as is read": nested(19) + b"\n" * MIB,
    "nested further": nested(15_000),
    "mails in mails": HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 20_000,
    "addresses without end": HEAD + b"\r\n" + b"a@" * (MIB // 2) + b":",
    "lines of addresses": HEAD + b"\r\n" + (b"a@" * 190 + b":\r\n") * 3000,
    "lines like headers": HEAD + b"\r\n" + b"a: b@c\r\n" * 100_000,
    "dashes": HEAD + b"\r\n" + b"-" * MIB,
    "underscores": HEAD + b"\r\n" + b"_" * MIB,
    "blanks": HEAD + b"\r\n" + (b" " * 7000 + b"\n") * 140,
    "quotes and text": HEAD + b"\r\n" + b"a\n> \n" * (MIB // 5),
    "one word": HEAD + b"\r\n" + b"A" * MIB,
    "short words": HEAD + b"\r\n" + (b"a " * 100 + b"\n") * 10_000,
    "base64": HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"YWNr" * (MIB // 4),
    "uuencode": HEAD + b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 666 a\n" + b"M" * MIB,
    "reports": HEAD + b"Content-Type: message/delivery-status\r\n\r\n" + b"Action: failed\r\n\r\n" * (MIB // 18),
}
HTML = [
    "<",
    "<!--",
    "<!",
    "<?",
    "<a ",
    "&",
    "<div>",
    "</",
    "<a a=b ",
    "<script>",
    "<![CDATA[",
    '<a a="',
    "&#",
    "</p>",
    "<p",
]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", MAILS)
def test_no_mail_takes_long_to_read(name: str) -> None:
    mail = read(MAILS[name])
    automatic(mail, "a@b.c")
    read_mail(own_text(mail.text))
    bounce(mail)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("part", HTML)
def test_no_html_takes_long_to_read(part: str) -> None:
    own_text(plain(part * (MIB // len(part))))
    own_text(plain("<div>" * 5000 + part * 10_000))


def test_what_stands_before_the_limits_is_read() -> None:
    assert read(HEAD + b"X-Long: " + b"a" * (MIB // 2) + b"\r\nSubject: kept\r\n\r\nack\r\n").subject == "kept"
    assert read(HEAD + b"\r\nack\r\n" + b"a" * 2 * MIB).text.startswith("ack\n")
    assert own_text(read(nested(10) + b"\r\nack\r\n").text) == "ack"
