"""What makes the pages an app: the manifest, its pictures, the service worker."""

import struct

import pytest
from django.test import Client

from tocsin.web import assets

pytestmark = pytest.mark.django_db


def test_the_manifest_names_what_is_there(client: Client) -> None:
    answer = client.get("/manifest.webmanifest")
    assert answer.headers["Content-Type"] == "application/manifest+json"
    told = answer.json()
    assert (told["id"], told["start_url"], told["scope"], told["display"]) == ("/", "/", "/", "standalone")
    assert {icon["purpose"] for icon in told["icons"]} == {"any", "maskable"}
    for icon in told["icons"]:
        head = (assets.DIST / icon["src"].rpartition("/")[2]).read_bytes()[:24]
        assert head[1:4] == b"PNG"
        assert icon["sizes"] == "{}x{}".format(*struct.unpack(">II", head[16:24]))


def test_the_service_worker_is_asked_for_anew_each_time(client: Client) -> None:
    answer = client.get("/sw.js")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    text = answer.content.decode()
    assert assets.url("badge-96.png") in text
    assert assets.url("icon-192.png") in text
    assert 'addEventListener("fetch"' not in text, "nothing old is ever shown as if it were new"
    known = client.get("/sw.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert (known.status_code, known.content) == (304, b"")


def test_every_page_leads_to_the_manifest(client: Client) -> None:
    page = client.get("/sign-in/").content.decode()
    assert '<link rel="manifest" href="/manifest.webmanifest">' in page
    assert assets.url("apple-180.png") in page
