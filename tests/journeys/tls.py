"""TLS for journeys: a throw-away authority, Tocsin that serves TLS by itself, and a reverse proxy in front of it.

Some clients refuse plain http, and some check that the addresses in answers begin with the one they were given. With
the fixtures ``authority``, ``secure`` (the product behind ``https://127.0.0.1:<port>``) and ``front`` (a proxy with TLS
and a path prefix, which says so in X-Forwarded-*), a client needs one thing more: ``authority.file`` is the PEM file
that ``SSL_CERT_FILE``, ``REQUESTS_CA_BUNDLE``, ``NODE_EXTRA_CA_CERTS`` or ``ca_file`` has to name
(``authority.environment`` has all of them).
"""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import httpx
from aiohttp import ClientSession, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from yarl import URL

from tests.journeys.product import Product

LIFE = timedelta(days=30)
HOP_BY_HOP = frozenset(("connection", "host", "keep-alive", "transfer-encoding", "upgrade", "content-length"))


class Authority:
    """A certificate authority that lives in a folder; ``file`` is its certificate."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file = folder / "authority.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a journey")])
        signs = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        own = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(signs, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))
        self.environment = {
            name: str(self.file)
            for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        }

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        # the certificates are checked by the clock of this machine, not by that of the product
        now = datetime.now(UTC)
        issuer = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + LIFE)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        )

    def certificate(
        self, name: str = "server", hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
    ) -> tuple[Path, Path]:
        """Files of a new certificate for these hosts and of its key (PEM)."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])]), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, private

    def context(self) -> ssl.SSLContext:
        """What a client trusts that trusts this authority and no other."""
        return ssl.create_default_context(cafile=str(self.file))


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class SecureProduct(Product):
    """Tocsin that serves TLS itself; everything of ``Product`` works with it. Proxies on loopback are trusted."""

    def __init__(self, folder: Path, smtp_url: str, authority: Authority) -> None:
        super().__init__(folder, smtp_url)
        self.authority = authority
        certificate, key = authority.certificate("tocsin")
        self.url = f"https://127.0.0.1:{self.port}"
        self.environment |= {
            "TOCSIN_TLS_CERT": str(certificate),
            "TOCSIN_TLS_KEY": str(key),
            "TOCSIN_TRUSTED_PROXIES": "127.0.0.0/8",
        } | authority.environment
        self.http.close()
        self.http = httpx.Client(base_url=self.url, timeout=30, verify=authority.context())


class Front:
    """A reverse proxy: TLS on a port of its own, a path prefix that it takes off and tells in X-Forwarded-*.

    ``url`` is where clients go, as ``https://localhost:<port>/tocsin``. Without ``authority`` it speaks plain http.
    """

    def __init__(
        self, target: str, *, prefix: str = "", authority: Authority | None = None, trust: Authority | None = None
    ) -> None:
        self._target = target
        self._trust = trust or authority
        self.prefix = prefix.rstrip("/")
        self._authority = authority
        self.port = 0
        self.requests: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where clients go; without a slash at the end."""
        return f"{'https' if self._authority else 'http'}://localhost:{self.port}{self.prefix}"

    def start(self) -> None:
        """Listen on a free port of loopback."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(20)

    async def _start(self) -> None:
        context = None
        if self._authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._authority.certificate("front"))
        self._session = ClientSession(auto_decompress=False)
        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(application, access_log=None, auto_decompress=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _pass_on(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.rel_url.raw_path_qs}")
        path = request.rel_url.raw_path_qs
        if not (path.startswith(self.prefix + "/") or path.split("?")[0] == self.prefix):
            return web.Response(status=404, text="this proxy has nothing there")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        headers |= {
            "X-Forwarded-For": str(request.remote),
            "X-Forwarded-Proto": request.scheme,
            "X-Forwarded-Host": request.host,
        }
        if self.prefix:
            headers["X-Forwarded-Prefix"] = self.prefix
        secure = self._trust.context() if self._trust is not None and self._target.startswith("https") else True
        async with self._session.request(
            request.method,
            URL(self._target + (path.removeprefix(self.prefix) or "/"), encoded=True),
            headers=headers,
            data=await request.read(),
            allow_redirects=False,
            ssl=secure,
        ) as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
            passed = web.Response(status=answer.status, body=await answer.read())
            passed.headers.clear()
            for name, value in kept:
                passed.headers.add(name, value)
            return passed

    def stop(self) -> None:
        """Listen no more."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()
