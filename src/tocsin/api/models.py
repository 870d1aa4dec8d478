"""Table of the API's shell: answers kept so that a repeated request does not act twice."""

from django.db import models


class IdempotencyKey(models.Model):
    """The answer to a request that carried an ``Idempotency-Key``; kept for a day.

    Written in the same transaction as what the request did, so the two can never disagree.
    """

    owner = models.CharField(max_length=60, help_text="who asked: user:<id>")
    key = models.CharField(max_length=200)
    request_digest = models.CharField(max_length=64, help_text="SHA-256 of method, path and body")
    status = models.SmallIntegerField(default=0)
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField(default=b"")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "api_idempotency_key"
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="idempotency_key_once")]
        indexes = [models.Index(fields=["created_at"])]

    def __str__(self) -> str:
        return self.key
