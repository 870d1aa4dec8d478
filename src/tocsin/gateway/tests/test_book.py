"""What a gateway remembers, over restarts and over days."""

import sqlite3
from pathlib import Path

import pytest

from tocsin.gateway import moment
from tocsin.gateway.book import KEPT_S, REPORT_S, TELL_S, Book, Job, Taken

NUMBER = "+41791234567"
JOB = Job("sms:1", "r1", "sms", NUMBER, "Hello", "status?h=1")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moment; a test moves it."""
    found = [1_800_000_000.0]
    monkeypatch.setattr(moment, "now", lambda: found[0])
    return found


def test_it_is_for_its_owner_and_one_gateway_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "gateway.sqlite3"
    book = Book(path)
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(Taken, match="another gateway"):
        Book(path)
    book.close()
    Book(path).close()


def test_what_was_accepted_is_there_after_a_restart(tmp_path: Path, now: list[float]) -> None:
    book = Book(tmp_path / "book")
    kept, anew = book.accept(JOB)
    assert anew
    book.sending("r1")
    book.part_sent("r1", 1, 17)
    book.tell("message", {"ref": "m1", "text": "ü"})
    book.close()
    book = Book(tmp_path / "book")
    assert [job.ref for job in book.waiting("sms")] == ["r1"]
    assert book.waiting("voice") == []
    assert book.parts_sent("r1") == {1}
    assert [(news.target, news.body) for news in book.untold()] == [("message", '{"ref": "m1", "text": "ü"}'.encode())]
    assert book.accept(JOB) == (book.job("r1"), False)
    assert kept.ref == "r1"


def test_an_id_is_remembered_for_two_days(tmp_path: Path, now: list[float]) -> None:
    book = Book(tmp_path / "book")
    book.accept(JOB)
    book.all_sent("r1")
    now[0] += KEPT_S - 1
    book.forget()
    assert not book.accept(JOB)[1]
    now[0] += 2
    book.forget()
    assert book.accept(Job("sms:1", "r2", "sms", NUMBER))[1]
    now[0] += KEPT_S + 1
    book.forget()
    assert book.job("r2"), "what still waits is not forgotten"


def test_a_failure_may_be_asked_for_again_as_a_whole(tmp_path: Path, now: list[float]) -> None:
    book = Book(tmp_path / "book")
    book.accept(JOB)
    book.part_sent("r1", 1, 17)
    book.end("r1", "refused", "no network", tell=False)
    assert book.untold() == []
    assert book.accept(JOB)[1]
    assert book.parts_sent("r1") == {1}, "the network has this part"
    book.all_sent("r1")
    book.report(17, NUMBER, "failed", "lost")
    assert book.accept(JOB)[1]
    assert book.parts_sent("r1") == set(), "the network has lost this one"


def test_a_report_is_of_the_newest_with_its_number_and_not_of_an_old_one(tmp_path: Path, now: list[float]) -> None:
    book = Book(tmp_path / "book")
    for ref in ("r1", "r2"):
        book.accept(Job(f"sms:{ref}", ref, "sms", NUMBER, "Hello", f"status?h={ref}"))
        book.part_sent(ref, 1, 200)
        book.all_sent(ref)
        now[0] += 60
    assert book.report(200, NUMBER, "delivered", "") == "r2"
    assert book.report(200, NUMBER, "delivered", "") == "r1", "each report is of another one"
    assert book.report(200, NUMBER, "delivered", "") is None
    book.accept(Job("sms:r3", "r3", "sms", NUMBER, "Hello", "status?h=3"))
    book.part_sent("r3", 1, 201)
    book.all_sent("r3")
    now[0] += REPORT_S + 1
    assert book.report(201, NUMBER, "delivered", "") is None
    assert book.report(7, NUMBER, "delivered", "") is None


def test_reports_that_overtake_the_rest(tmp_path: Path, now: list[float]) -> None:
    book = Book(tmp_path / "book")
    book.accept(JOB)
    book.part_sent("r1", 1, 1)
    book.report(1, NUMBER, "delivered", "")
    assert book.untold() == [], "the second part is not even sent"
    book.part_sent("r1", 2, 2)
    book.all_sent("r1")
    assert book.untold() == []
    book.report(2, NUMBER, "failed", "no such phone")
    assert [news.body for news in book.untold()] == [b'{"ref": "r1", "state": "failed", "reason": "no such phone"}']


def test_news_that_nobody_took_end_after_a_day(tmp_path: Path, now: list[float]) -> None:
    book = Book(tmp_path / "book")
    book.tell("message", {"ref": "1"})
    now[0] += TELL_S - 1
    book.forget()
    assert len(book.untold()) == 1
    now[0] += 2
    book.forget()
    assert book.untold() == []


def test_a_broken_file_is_no_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "book"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        Book(path)
