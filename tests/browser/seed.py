"""Fill the database of DATABASE_URL, and print what the tests need to know: ``python -m tests.browser.seed``."""

import json
import os
import sys

import django


def main(much: bool) -> None:
    """``much``: a company with trouble; otherwise one administrator and nothing else."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tocsin.project.settings")
    django.setup()
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command

    from tests.browser import world
    from tocsin.escalation.models import Page
    from tocsin.incidents.models import Incident
    from tocsin.platform import clock

    call_command("migrate", verbosity=0)
    facts: dict[str, object] = {}
    if much:
        made = world.company(clock.now())
        incidents = world.trouble(made)
        user = made["users"][0]
        world.away(made)
        world.providers()
        world.imports()
        facts["incident"] = incidents[0].pk
        page = Page.objects.filter(incident=incidents[0], user=user).order_by("id").first()
        facts["page"] = page.pk if page else 0
        messages = world.phone(user, list(Incident.objects.filter(state="triggered").order_by("-id")[:4]))
        facts["rings"] = [message.incident_id for message in messages]
        facts["message"] = messages[0].delivery_id
        links = {link["verb"]: link["href"] for link in messages[0].links}
        facts["link"] = links["acknowledge"].rpartition("/a/")[2]
    else:
        user = world.person("Dana Reyes", clock.now(), "admin")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    facts["session"] = session.session_key
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main(much="--much" in sys.argv)
