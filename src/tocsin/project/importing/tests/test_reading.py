"""Reading other products: page after page, patiently, with a key that goes nowhere else."""

import asyncio
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tocsin.platform.errors import Invalid
from tocsin.project.importing import packing, reading
from tocsin.project.importing.reading import backup
from tocsin.project.importing.reading.fetching import Unread
from tocsin.project.importing.shapes import Export, quiet
from tocsin.project.importing.tests import company
from tocsin.project.importing.tests.company import NOW, Size
from tocsin.project.importing.tests.fake import Fake, serving

SIZE = Size(130, 12, 130)
MAKERS = {"opsgenie": company.opsgenie, "pagerduty": company.pagerduty, "grafana-oncall": company.grafana_oncall}


def read(fake: Fake, key: str = "good-key", **more: Any) -> Export:
    with serving(fake):
        return asyncio.run(reading.read(fake.product, fake.url, key, now=NOW, progress=quiet, **more))


@pytest.mark.parametrize("product", MAKERS)
def test_everything_is_read_however_often_the_other_side_says_slower(product: str) -> None:
    data = MAKERS[product](SIZE)
    fake = Fake(product, data, refuse_each=5)
    found = read(fake)
    assert fake.refused > 2
    for name, rows in data.items():
        if product == "opsgenie" and name == "users":
            assert [row["user"] for row in found.data["users"]] == [row["user"] for row in rows]
            steps = [rule.get("steps") for row in found.data["users"] for rule in row["notificationRuleList"]]
            assert sum(len(one) for one in steps if one) == sum(
                len(rule.get("steps", [])) for row in rows for rule in row["notificationRuleList"]
            )
        else:
            assert len(found.data[name]) == len(rows)
    if product == "pagerduty":
        assert [row["integrations"] for row in found.data["services"]] == [
            row["integrations"] for row in data["services"]
        ]
        assert [row["overrides"] for row in found.data["schedules"]] == [row["overrides"] for row in data["schedules"]]


@pytest.mark.parametrize("product", MAKERS)
def test_a_bad_key_is_said_without_saying_the_key(product: str) -> None:
    with pytest.raises(Unread, match="refuses the key") as caught:
        read(Fake(product, {}), key="very-secret")
    assert "very-secret" not in str(caught.value)


class Broken(Fake):
    """Answers the first list, and then something else."""

    status, body = 500, "oh"

    async def answer(self, request: web.Request) -> web.Response:
        if request.path.count("/") <= 2 and "users" in request.path:
            return await super().answer(request)
        return web.Response(status=self.status, text=self.body)


def test_one_refusal_among_many_requests_is_one_sentence() -> None:
    fake = Broken("opsgenie", company.opsgenie(Size(30, 4, 30)))
    fake.status = 418
    with pytest.raises(Unread, match="status 418"):
        read(fake)
    fake.status, fake.body = 200, "no JSON"
    with pytest.raises(Unread, match="no JSON"):
        read(fake)


def test_an_address_inside_is_refused_unless_the_operator_allows_it() -> None:
    fake = Fake("pagerduty", company.pagerduty(Size(2, 4, 4)))
    with pytest.raises(Unread):
        read(fake, allow=[])
    assert fake.asked == 0


@pytest.mark.parametrize(
    ("product", "url", "key", "field"),
    [
        ("grafana-oncall", "", "k", "url"),
        ("pagerduty", "ftp://x", "k", "url"),
        ("pagerduty", "", "", "key"),
        ("pagerduty", "", "two\nlines", "key"),
        ("pagerduty", "", "schlüssel", "key"),
        ("else", "", "k", "product"),
    ],
)
def test_what_makes_no_request_is_said_by_field(product: str, url: str, key: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        asyncio.run(reading.read(product, url, key, now=NOW, progress=quiet))
    assert list(caught.value.problems) == [field]


def test_a_folder_and_its_zip_are_the_same(tmp_path: Path) -> None:
    folder = company.opsgenie_folder(tmp_path / "OpsGenieBackups", Size(5, 4, 10))
    (folder / "README.json").write_text("not read")
    (folder / "schedules" / "empty.json").write_text("")
    found = backup.of_folder(folder, now=NOW)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*.json")):
            archive.write(path, path.relative_to(tmp_path).as_posix())
    zipped = backup.of_file(packed.getvalue(), "OpsGenieBackups", now=NOW)
    assert zipped == found
    assert len(found.data["users"]) == 5
    saved = json.dumps(found.to_json()).encode()
    assert backup.of_file(saved, "x", now=NOW) == found == packing.load(saved)


def test_files_that_are_no_backup_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "broken.json").write_text("{")
    with pytest.raises(Invalid) as caught:
        backup.of_folder(tmp_path, now=NOW)
    assert caught.value.problems == {"users/broken.json": "JSON"}
    for body in (b"", b"PK no zip", b"{}", b"[" * 100_000):
        with pytest.raises(Invalid):
            backup.of_file(body, "x", now=NOW)


def test_an_archive_that_unpacks_to_more_than_it_says_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("users/a.json", " " * 100_000)
    body = packed.getvalue()
    lying = body.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != body
    with pytest.raises(Invalid):
        backup.of_file(lying, "x", now=NOW)
