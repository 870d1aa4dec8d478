"""The notice to executives: told quietly, once, of every incident of the priorities that its policy names."""

from collections.abc import Sequence

from tocsin.catalogue import queries as catalogue
from tocsin.delivery.actions.notices import notify
from tocsin.escalation import queries, rules
from tocsin.incidents import queries as incident_queries
from tocsin.incidents.actions import Book, let_in_each, use_book
from tocsin.incidents.rules import State
from tocsin.people import queries as people
from tocsin.platform.actor import SYSTEM

TOLD = "executives_told"
ALONE = 3  # more incidents than that in one moment are one notice


def tell_executives(incident_ids: Sequence[int], *, raised: bool = False) -> None:
    """Tell the executives of these incidents' policies, in the caller's transaction.

    ``raised``: the incidents are not new, so that they may have been told already. Drills and incidents that page
    nobody are not told.
    """
    with use_book() as book:
        states = [s for s in book.lock(incident_ids).values() if s.open and not s.suppressed_by and not s.drill]
        if not states:
            return
        policies = queries.policies_of(states, book.config)
        wanted: dict[int, list[State]] = {}
        for state in states:
            policy = policies[state.id]
            if policy.executives and state.priority in policy.executive_priorities and not (raised and _told(state)):
                wanted.setdefault(id(policy), []).append(state)
        for found in wanted.values():
            _tell(policies[found[0].id], found, book)


def _policy(policy: rules.PolicySnapshot, states: Sequence[State]) -> str:
    # its name may tell what a confidential incident is about
    return "its policy" if any(state.confidential for state in states) else f"the policy {policy.name}"


def _told(state: State) -> bool:
    return incident_queries.timeline(SYSTEM, state.id, kinds=[TOLD]).exists()


def _tell(policy: rules.PolicySnapshot, states: Sequence[State], book: Book) -> None:
    resolve = queries.remembered_resolver([policy], book.now, book.config)
    users = list(dict.fromkeys(one.user_id for target in policy.executives for one in resolve(target, book.now)))
    if not users:
        return
    secret = {state.id: state.service_id for state in states if state.confidential}
    apart = queries.apart(set(secret.values())) if secret else set()
    # who is named by the policy for confidential incidents is one of those whom they concern
    let_in_each(
        ((key, user) for key, service in secret.items() if service in apart for user in users), "was told of it"
    )
    bundles = [states] if len(states) > ALONE else [[state] for state in states]
    for bundle in bundles:
        first, more = bundle[0], len(bundle) - 1
        lines = [
            state.said
            if state.confidential
            else f"INC-{state.id}, {catalogue.service(SYSTEM, state.service_id).name}: {state.title}"
            for state in bundle[:20]
        ]
        notify(
            users,
            key=f"executives:{first.id}:{more}",
            title=f"{first.priority}: {first.said}" + (f" and {more} more incidents" if more else ""),
            body="\n".join(lines) + f"\n\nFor your information: {_policy(policy, bundle)} tells you of these.",
            path=f"/incidents/{first.id}/" if not more else "/incidents/",
        )
    names = people.names(users)
    for state in states:
        book.write(state, TOLD, SYSTEM, {"users": users, "names": list(names.values()), "policy": policy.name})
