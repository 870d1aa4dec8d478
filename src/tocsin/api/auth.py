"""Who asks: a bearer token, or the session of somebody who is signed in (with CSRF protection)."""

from django.http import HttpRequest
from ninja.errors import AuthenticationError, HttpError
from ninja.security import HttpBearer
from ninja.security.apikey import APIKeyCookie
from ninja.utils import check_csrf

from tocsin.people.queries import authenticate_token
from tocsin.platform.actor import Actor


def bearer_of(request: HttpRequest) -> str | None:
    """The bearer token that came with a request; None when there is no such header."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def actor_for(request: HttpRequest) -> Actor | None:
    """The actor behind a request, looked up once. A token goes before a session, also when it is not valid."""
    if not hasattr(request, "_api_actor"):
        token = bearer_of(request)
        found = authenticate_token(token) if token is not None else getattr(request, "actor", None)
        request._api_actor = found  # type: ignore[attr-defined]
    actor: Actor | None = request._api_actor  # type: ignore[attr-defined]
    return actor


def asker(request: HttpRequest) -> Actor:
    """The actor of a request that has passed authentication."""
    actor = actor_for(request)
    if actor is None:
        raise AuthenticationError
    return actor


class TokenAuth(HttpBearer):
    """``Authorization: Bearer tocsin_...``"""

    openapi_name = "token"

    def authenticate(self, request: HttpRequest, token: str) -> Actor:
        actor = actor_for(request)
        if actor is None:
            raise AuthenticationError  # a wrong token is never covered by a session
        return actor


class SessionAuth(APIKeyCookie):
    """The browser's session; methods that change something need the CSRF token as well."""

    openapi_name = "session"
    param_name = "sessionid"

    def __init__(self) -> None:
        super().__init__(csrf=False)

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:
        actor = actor_for(request)
        if actor is not None and check_csrf(request) is not None:
            raise HttpError(403, "The CSRF token is missing or wrong.")
        return actor
