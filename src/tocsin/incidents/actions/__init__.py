"""Every write to incidents: one verb a function, lists in, the actor by keyword."""

from tocsin.incidents.actions.book import Book, use_book
from tocsin.incidents.actions.declare import declare, matrices, matrix, save_matrix
from tocsin.incidents.actions.each import Done, lock_readable
from tocsin.incidents.actions.merge import merge
from tocsin.incidents.actions.readers import (
    admit,
    let_in,
    let_in_concerned,
    let_in_each,
    lift_confidentiality,
    make_confidential,
)
from tocsin.incidents.actions.verbs import (
    acknowledge,
    add_note,
    add_status_update,
    close,
    mitigate,
    reassign,
    reopen,
    resolve,
    retitle,
    set_priority,
    snooze,
    unacknowledge,
)

__all__ = [
    "Book",
    "Done",
    "acknowledge",
    "add_note",
    "add_status_update",
    "admit",
    "close",
    "declare",
    "let_in",
    "let_in_concerned",
    "let_in_each",
    "lift_confidentiality",
    "lock_readable",
    "make_confidential",
    "matrices",
    "matrix",
    "merge",
    "mitigate",
    "reassign",
    "reopen",
    "resolve",
    "retitle",
    "save_matrix",
    "set_priority",
    "snooze",
    "unacknowledge",
    "use_book",
]
