"""The product, a post office and a browser: started once for all journeys of a test process."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.journeys.post import PostOffice
from tests.journeys.product import Product
from tests.journeys.tls import Authority, Front, SecureProduct

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def post() -> Iterator[PostOffice]:
    """A real SMTP server that keeps every mail."""
    office = PostOffice()
    office.start()
    yield office
    office.stop()


@pytest.fixture(scope="session")
def product(post: PostOffice) -> Iterator[Product]:
    """Tocsin, up. All journeys of a test process share it: each makes people and services of its own."""
    # not pytest's folder: that one is closed to the account that PostgreSQL runs as
    folder = Path(tempfile.mkdtemp(prefix="tocsin-journey-"))
    made = Product(folder, post.url)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of these tests alone."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def secure(post: PostOffice, authority: Authority) -> Iterator[SecureProduct]:
    """Tocsin behind https; shared like ``product``, and only started for tests that ask for it."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-secure-"))
    made = SecureProduct(folder, post.url, authority)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def front(secure: SecureProduct, authority: Authority) -> Iterator[Front]:
    """A reverse proxy in front of ``secure``: TLS, and everything below ``/tocsin``."""
    made = Front(secure.url, prefix="/tocsin", authority=authority)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Closed with the module: Playwright keeps an event loop, which Django's ORM would refuse."""
    assert Path(CHROMIUM).exists(), f"{CHROMIUM} is missing: apt-get install --no-install-recommends chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
                  "--disable-sync", "--no-first-run"],
        )  # fmt: skip
        yield chromium
        chromium.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failed journey shows what the product said."""
    report = yield
    for name in ("product", "secure"):
        product = getattr(item, "funcargs", {}).get(name)
        if report.failed and isinstance(product, Product) and product.log.exists():
            report.sections.append(("what Tocsin said", product.lines()))
    return report
