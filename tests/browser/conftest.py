"""The product's web process on databases of its own, and Debian's Chromium to look at it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "src/tocsin/web/static/dist"
AXE = ROOT / "frontend/node_modules/axe-core/axe.min.js"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
HEIGHTS = {1440: 900, 768: 1024, 320: 640}


@dataclass
class Product:
    """A running web process and what was put into its database."""

    url: str
    facts: dict[str, Any]
    process: subprocess.Popen[bytes]


def _database(name: str) -> str:
    """Address of a new database in the server of this test run."""
    url = os.environ["DATABASE_URL"]
    name += os.environ.get("PYTEST_XDIST_WORKER", "")  # the workers share the server
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # type: ignore[arg-type]  # a constant
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    parts = urlsplit(url)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    return parts._replace(path=f"/{name}", query=urlencode(query, safe="/")).geturl()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _start(name: str, folder: Path, *arguments: str) -> Product:
    port = _free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DJANGO")} | {
        "DATABASE_URL": _database(name),
        "TOCSIN_DATA_DIR": str(folder),
        "TOCSIN_PORT": str(port),
        "TOCSIN_LOG_LEVEL": "WARNING",
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
    }
    seeded = subprocess.run(
        [sys.executable, "-m", "tests.browser.seed", *arguments],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert seeded.returncode == 0, seeded.stderr[-3000:]
    log = (folder / "web.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "granian", "--interface", "rsgi", "--host", "127.0.0.1", "--port", str(port),
         "--log-level", "warning", "tocsin.project.rsgi:app"],
        env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log,
    )  # fmt: skip
    log.close()
    product = Product(f"http://127.0.0.1:{port}", json.loads(seeded.stdout.splitlines()[-1]), process)
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{product.url}/static/dist/manifest.json", timeout=2).close()
            return product
        except OSError:
            assert process.poll() is None, "the web process ended by itself"
            time.sleep(0.1)
    raise AssertionError("the web process does not answer")


def _stop(product: Product) -> None:
    product.process.terminate()
    try:
        product.process.wait(10)
    except subprocess.TimeoutExpired:
        product.process.kill()
        product.process.wait(10)


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The web process with a company that has much going on."""
    _needs()
    running = _start("browser_much", tmp_path_factory.mktemp("much"), "--much")
    yield running
    _stop(running)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The web process with one administrator and nothing else."""
    _needs()
    running = _start("browser_bare", tmp_path_factory.mktemp("bare"))
    yield running
    _stop(running)


def _needs() -> None:
    if not (DIST / "manifest.json").exists() or not AXE.exists():
        pytest.fail("Build the assets first: npm install --ignore-scripts && npm run build, in frontend/")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. Closed with the module: Playwright keeps an event loop, which other tests cannot bear."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        pytest.fail("Install Debian's chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def _matters(message: ConsoleMessage) -> bool:
    """A form that was not right is answered with 422, which the browser notes."""
    return message.type == "error" and "status of 422" not in message.text


Opener = Callable[..., Page]


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Opener]:
    """Open a page as the administrator; at the test's end nothing may have been complained about in the console."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def go(running: Product, path: str, width: int = 1440, theme: str = "light", script: bool = True) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": HEIGHTS[width]}, color_scheme=theme,  # type: ignore[arg-type]
            has_touch=width < 1000, reduced_motion="reduce", java_script_enabled=script,
        )  # fmt: skip
        context.add_cookies([{"name": "sessionid", "value": running.facts["session"], "url": running.url}])
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if _matters(message) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(running.url + path)
        if script:
            page.wait_for_function("document.documentElement.classList.contains('js')")
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []
