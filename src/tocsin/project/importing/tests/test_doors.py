"""Importing over HTTP and on the pages."""

import json
import time
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tocsin.people import actions
from tocsin.people.models import User
from tocsin.people.tests.named import Named, named_people
from tocsin.platform.actor import SYSTEM
from tocsin.project.importing import packing, work
from tocsin.project.importing.models import Run
from tocsin.project.importing.shapes import Export
from tocsin.project.importing.tests import company
from tocsin.project.importing.tests.company import NOW, Size
from tocsin.project.importing.tests.fake import Fake, serving

pytestmark = pytest.mark.django_db(transaction=True)
TINY = Size(6, 4, 18)


@pytest.fixture
def named() -> Named:
    return named_people()


def test_over_http(named: Named, client: Client) -> None:
    def ask(method: str, path: str, body: Any = None, user: User = named.alice) -> tuple[int, Any]:
        _, token = actions.create_token(user.pk, actor=SYSTEM)
        answer = client.generic(
            method,
            f"/api/v1{path}",
            json.dumps(body) if body is not None else "",
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        return answer.status_code, answer.json()

    packed = packing.pack(Export("opsgenie", "here", NOW, company.opsgenie(TINY)))
    assert ask("POST", "/imports", {"export": packed}, named.bob)[0] == 403
    assert ask("POST", "/imports", {"export": "nothing"})[0] == 422
    status, run = ask("POST", "/imports", {"export": packed})
    assert (status, run["state"], run["wanted"]) == (201, "waiting", "plan")
    assert work.turn() == 1
    run = ask("GET", f"/imports/{run['id']}")[1]
    assert run["state"] == "planned"
    rows = ask("GET", f"/imports/{run['id']}/findings?verdict=impossible&limit=1")[1]
    assert len(rows["items"]) == 1
    assert rows["total"] == run["counts"]["impossible"]
    assert ask("GET", f"/imports/{run['id']}/changes")[1]["total"] == run["counts"]["create"]
    assert ask("GET", f"/imports/{run['id']}", user=named.bob)[0] == 403
    assert ask("POST", f"/imports/{run['id']}/apply", {"digest": "other"})[0] == 409
    assert ask("POST", f"/imports/{run['id']}/apply", {"digest": run["digest"]})[1]["wanted"] == "apply"
    assert work.turn() == 1
    assert ask("POST", f"/imports/{run['id']}/rollback", {})[1]["wanted"] == "rollback"
    assert work.turn() == 1
    assert ask("GET", "/imports")[1]["items"][0]["state"] == "rolled back"
    assert ask("GET", "/imports/999")[0] == 404


def test_on_the_pages_with_a_file(named: Named, client: Client) -> None:
    client.force_login(named.alice)
    saved = json.dumps(Export("opsgenie", "here", NOW, company.opsgenie(TINY)).to_json()).encode()
    wrong = client.post("/settings/import/", {"product": "pagerduty", "file": SimpleUploadedFile("x.json", saved)})
    assert wrong.status_code == 422
    assert "the file is one of it" in wrong.content.decode()
    assert client.post("/settings/import/", {"product": "opsgenie"}).status_code == 422
    sent = client.post("/settings/import/", {"product": "opsgenie", "file": SimpleUploadedFile("x.json", saved)})
    assert sent.status_code == 303
    address = sent.headers["Location"]
    assert "The plan is being made" in client.get(address).content.decode()
    assert work.turn() == 1
    text = client.get(address).content.decode()
    assert "Apply it" in text
    assert "another channel" in text
    assert "another channel" not in client.get(f"{address}?verdict=exact").content.decode()
    assert client.get(f"{address}?format=csv").headers["Content-Type"].startswith("text/csv")
    run = Run.objects.get()
    assert client.post(f"{address}do/", {"do": "apply", "digest": run.digest}).status_code == 303
    assert work.turn() == 1
    assert "Take it back" in client.get(address).content.decode()
    assert client.post(f"{address}rollback/", {}).status_code == 303
    assert work.turn() == 1
    assert "Taken back" in client.get(address).content.decode()
    assert "1: Opsgenie" in client.get("/settings/import/").content.decode().replace(f"{run.pk}:", "1:")
    client.force_login(named.bob)
    for path in ("/settings/import/", address, f"{address}rollback/"):
        assert client.get(path).status_code == 403


def test_on_the_pages_from_an_api_whose_key_is_kept_nowhere(named: Named, client: Client) -> None:
    client.force_login(named.alice)
    with serving(Fake("grafana-oncall", company.grafana_oncall(TINY))) as fake:
        for key in ("bad-word", "good-key"):
            body = {"product": "grafana-oncall", "url": fake.url, "key": key}
            address = client.post("/settings/import/", body).headers["Location"]
            run = Run.objects.latest("id")
            deadline = time.monotonic() + 30
            while run.state == "reading" and time.monotonic() < deadline:
                time.sleep(0.05)
                run.refresh_from_db()
            if key == "bad-word":
                assert run.state == "failed"
                assert "refuses the key" in client.get(address).content.decode()
    assert run.state == "waiting"
    assert work.turn() == 1
    run.refresh_from_db()
    assert run.state == "planned"
    assert "good-key" not in json.dumps(packing.opened(run.export).to_json())
