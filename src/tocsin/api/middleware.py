"""What surrounds every request to ``/api/``: limits, idempotency, the one error shape for answers made elsewhere."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from tocsin.api.auth import actor_for, bearer_of
from tocsin.api.errors import error_response
from tocsin.api.limits import limiter
from tocsin.api.models import IdempotencyKey
from tocsin.platform import clock

PREFIX = "/api/v1/"
KEEP = timedelta(hours=24)
Handler = Callable[[HttpRequest], HttpResponseBase]


class ApiMiddleware:
    """Wraps the API; every other address passes untouched."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PREFIX):
            return self.get_response(request)
        if "\x00" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return error_response(400, "NUL characters cannot be stored or searched for.")
        try:
            return self._answer(request)
        except OperationalError:
            response = error_response(503)
            response["Retry-After"] = "5"
            return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        actor = actor_for(request)
        allowance = None
        if actor is not None:
            allowance = limiter.count(f"{actor.kind}:{actor.id}:{bearer_of(request) or ''}")
            if not allowance.allowed:
                response: HttpResponseBase = error_response(429)
                response["Retry-After"] = str(allowance.reset_s)
        if allowance is None or allowance.allowed:
            key = request.headers.get("Idempotency-Key", "")
            if key and actor is not None and request.method == "POST":
                response = self._once(request, f"user:{actor.user_id}", key)
            else:
                response = self._shaped(self.get_response(request))
        if allowance is not None:
            response["X-RateLimit-Limit"] = str(allowance.limit)
            response["X-RateLimit-Remaining"] = str(allowance.remaining)
            response["X-RateLimit-Reset"] = str(allowance.reset_s)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def _shaped(self, response: HttpResponseBase) -> HttpResponseBase:
        """Answers of Django itself (404, 405 ...) in the API's shape."""
        if response.status_code < 400 or response.get("Content-Type", "").startswith("application/json"):
            return response
        shaped = error_response(response.status_code)
        if "Allow" in response:
            shaped["Allow"] = response["Allow"]
        return shaped

    def _once(self, request: HttpRequest, owner: str, key: str) -> HttpResponseBase:
        """Act once for this key: the answer is kept in the transaction of what was done, and given again after."""
        if len(key) > 200 or not key.isprintable():
            return error_response(400, "An Idempotency-Key has at most 200 printable characters.")
        try:
            body = request.body
        except RequestDataTooBig:
            return error_response(413)
        digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode() + body).hexdigest()
        with transaction.atomic():
            row_id = self._claim(owner, key, digest)
            if row_id is None:
                return self._again(owner, key, digest)
            response = self._shaped(self.get_response(request))
            if response.status_code < 400 and isinstance(response, HttpResponse):
                IdempotencyKey.objects.filter(pk=row_id).update(
                    status=response.status_code,
                    content_type=response.get("Content-Type", "")[:100],
                    body=response.content,
                )
            else:
                # nothing was done: the same key may try again
                transaction.set_rollback(True)
        return response

    def _claim(self, owner: str, key: str, digest: str) -> int | None:
        """The row to fill, or None when the key was used. Waits for a request with the same key that is under way."""
        with connection.cursor() as cursor:
            # a few of those that are over, and never one that somebody else is at: this must not wait for anybody
            cursor.execute(
                "DELETE FROM api_idempotency_key WHERE id IN (SELECT id FROM api_idempotency_key"
                " WHERE created_at < %s ORDER BY created_at LIMIT 100 FOR UPDATE SKIP LOCKED)",
                [clock.now() - KEEP],
            )
            cursor.execute(
                "INSERT INTO api_idempotency_key (owner, key, request_digest, status, content_type, body, created_at)"
                " VALUES (%s, %s, %s, 0, '', '', tocsin_now()) ON CONFLICT (owner, key) DO NOTHING RETURNING id",
                [owner, key, digest],
            )
            row = cursor.fetchone()
        return None if row is None else int(row[0])

    def _again(self, owner: str, key: str, digest: str) -> HttpResponse:
        row = IdempotencyKey.objects.filter(owner=owner, key=key).first()
        if row is None or row.request_digest != digest:
            return error_response(
                409, "This Idempotency-Key was used for another request.", code="idempotency_key_reused"
            )
        response = HttpResponse(bytes(row.body), status=row.status, content_type=row.content_type)
        response["Idempotent-Replayed"] = "true"
        return response
