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
from tocsin.incidents.actions.roles import answer_role, ask_role, delete_roles, leave_role, save_role, take_role
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
from tocsin.incidents.actions.work import add_task, change_task, decide, end_task, pin_fact, remind_of_tasks, unpin_fact

__all__ = [
    "Book",
    "Done",
    "acknowledge",
    "add_note",
    "add_status_update",
    "add_task",
    "admit",
    "answer_role",
    "ask_role",
    "change_task",
    "close",
    "decide",
    "declare",
    "delete_roles",
    "end_task",
    "leave_role",
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
    "pin_fact",
    "reassign",
    "remind_of_tasks",
    "reopen",
    "resolve",
    "retitle",
    "save_matrix",
    "save_role",
    "set_priority",
    "snooze",
    "take_role",
    "unacknowledge",
    "unpin_fact",
    "use_book",
]
