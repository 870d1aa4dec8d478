"""Middleware of every page: who asks, through which proxy, and what the browser may run."""

import json
import secrets
from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]
from whitenoise.responders import StaticFile  # type: ignore[import-untyped]

from tocsin.people import queries as people
from tocsin.platform.errors import TocsinError
from tocsin.web.live import HUB

Handler = Callable[[HttpRequest], HttpResponseBase]


class ForwardedMiddleware:
    """Believe X-Forwarded-For, -Proto, -Host and -Prefix, but only from the proxies that the operator named."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.trusted = settings.TOCSIN.trusted_proxies

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        meta = request.META
        if self._from_proxy(meta.get("REMOTE_ADDR", "")):
            hops = [hop.strip() for hop in meta.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
            # the last address that is not one of our own proxies is the client
            client = next((hop for hop in reversed(hops) if not self._from_proxy(hop)), None)
            if client:
                meta["REMOTE_ADDR"] = client
            if meta.get("HTTP_X_FORWARDED_PROTO") in ("http", "https"):
                meta["wsgi.url_scheme"] = meta["HTTP_X_FORWARDED_PROTO"]
                request.__dict__["_tocsin_scheme"] = meta["HTTP_X_FORWARDED_PROTO"]
            if host := meta.get("HTTP_X_FORWARDED_HOST"):
                meta["HTTP_HOST"] = host.split(",")[0].strip()
        else:
            for name in ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST"):
                meta.pop(name, None)
        return self.get_response(request)

    def _from_proxy(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.trusted if network.version == parsed.version)


class StaticMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # whitenoise ships no types
    """Built files, in one piece: they are small, and Django streams files under ASGI only with a detour."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        body = b""
        if found.file is not None:
            with found.file:
                body = found.file.read()
        response = HttpResponse(body, status=int(found.status))
        del response["Content-Type"]
        for name, value in found.headers:
            response[name] = value
        return response


class CompressMiddleware(GZipMiddleware):
    """Pages go out compressed, padded at random against BREACH as Django does; streams are left alone."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.streaming:
            return response
        squeezed: HttpResponseBase = super().process_response(request, response)
        return squeezed


class ContentSecurityMiddleware:
    """A strict Content-Security-Policy: our own files only, no inline script, no eval, no framing."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        nonce = secrets.token_urlsafe(16)
        request.csp_nonce = nonce  # type: ignore[attr-defined]
        response = self.get_response(request)
        response.headers.setdefault(
            "Content-Security-Policy",
            "default-src 'self'; script-src 'self'; style-src 'self' 'nonce-" + nonce + "'; img-src 'self' data:; "
            "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        )
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        return response


class LiveMiddleware:
    """Note where the stream of changes stands before anything is read for a page; see ``web.live``."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.live_position = HUB.position  # type: ignore[attr-defined]
        return self.get_response(request)


class ActorMiddleware:
    """Give every request its ``actor``; None when nobody is signed in."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.actor = people.actor_of(request.user) if request.user.is_authenticated else None  # type: ignore[attr-defined]
        return self.get_response(request)


class TroubleMiddleware:
    """Tell a person what went wrong with what they asked: a page, or a short note when a script asked for a part.

    ``/api/`` answers for itself.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, TocsinError) or request.path_info.startswith("/api/"):
            return None
        from tocsin.web.shortcuts import page  # it needs the models, which load after the middleware

        if request.method == "POST" and request.headers.get("HX-Request"):
            # what the person sees stays as it is; the note says why nothing changed
            response = HttpResponse(status=exception.status)
            response.headers["HX-Reswap"] = "none"
            response.headers["HX-Push-Url"] = "false"
            response.headers["HX-Trigger"] = json.dumps({"tocsin:trouble": {"message": str(exception)}})
            return response
        titles = {
            403: "You may not do this",
            404: "Not found",
            409: "That is not possible now",
            422: "Something is not right",
        }
        return page(
            request,
            "web/trouble.html",
            {
                "title": titles.get(exception.status, "That did not work"),
                "message": exception.message,
                "problems": list(exception.problems.items()),
                "back": request.headers.get("Referer", ""),
            },
            status=exception.status,
        )
