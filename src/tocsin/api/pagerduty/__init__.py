"""PagerDuty's REST API v2, below ``/pd`` and, for requests that are plainly meant for it, at the root.

``views.py`` is the entry; ``routes.py`` lists every operation with who answers it. The other modules translate to the
rooms' queries and actions. What is served is in ``docs/reference/compatibility.md``.
"""
