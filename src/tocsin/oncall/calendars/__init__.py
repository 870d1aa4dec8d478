"""Calendars of others and for others: shifts written as iCalendar, feeds and lists of absences read. Pure.

``export`` writes, ``reading`` reads events, ``people_of`` says whom they mean, ``absences`` reads who is away.
"""

from tocsin.oncall.calendars.absences import WORDS, Absence, Absences, Problem, from_csv, from_events, kind_of
from tocsin.oncall.calendars.covering import Piece, name_of, pieces, short_name
from tocsin.oncall.calendars.export import Names, Options, calendar, for_person, for_schedule, for_team, uid
from tocsin.oncall.calendars.people_of import Ambiguous, Directory, Match, Person, level_of, meant
from tocsin.oncall.calendars.reading import read
from tocsin.oncall.calendars.shapes import Event, NotACalendar, Reading, Skipped

__all__ = [
    "WORDS",
    "Absence",
    "Absences",
    "Ambiguous",
    "Directory",
    "Event",
    "Match",
    "Names",
    "NotACalendar",
    "Options",
    "Person",
    "Piece",
    "Problem",
    "Reading",
    "Skipped",
    "calendar",
    "for_person",
    "for_schedule",
    "for_team",
    "from_csv",
    "from_events",
    "kind_of",
    "level_of",
    "meant",
    "name_of",
    "pieces",
    "read",
    "short_name",
    "uid",
]
