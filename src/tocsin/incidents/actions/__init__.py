"""Every write to incidents: one verb a function, lists in, the actor by keyword."""

from tocsin.incidents.actions.book import Book, use_book
from tocsin.incidents.actions.declare import declare, matrices, matrix, save_matrix
from tocsin.incidents.actions.merge import merge
from tocsin.incidents.actions.verbs import (
    Done,
    acknowledge,
    add_note,
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
    "close",
    "declare",
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
