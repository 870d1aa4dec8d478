"""What the values of priority, impact, urgency and state mean, in the words of usual exports. Pure."""

import re
import unicodedata
from collections.abc import Mapping

_LEAD = re.compile(r"(?:p|sev|s|prio|priority|severity)?[\s_-]*([0-9])(?:\s*[-\u2013:.)].*)?")

PRIORITY_WORDS = {
    "P1": "critical highest blocker kritisch critique critica critico sehr-hoch p1-critical emergency urgent dringend "
    "urgente tres-haute muy-alta hochste",
    "P2": "high major hoch haute alta elevee alto important wichtig majeure mayor eleve",
    "P3": "medium moderate normal mittel moyenne media medio average standard moderee modere moderada moderado moyen",
    "P4": "low minor niedrig basse baja faible bajo mineure menor gering",
    "P5": "lowest trivial planning very-low sehr-niedrig tres-basse muy-baja planung planification planificacion "
    "niedrigste",
}
LEVEL_WORDS = {
    "high": "high critical highest blocker major hoch kritisch haute elevee critique alta alto critica extensive "
    "significant urgent widespread eleve extensive-widespread significant-large",
    "medium": "medium moderate normal mittel moyenne media medio moderate-limited limited moyen moderee moderada",
    "low": "low lowest minor trivial niedrig gering basse faible baja bajo minor-localized localized",
}
STATE_WORDS = {
    "triggered": "new open offen neu to-do todo nouveau abierto nuevo reopened submitted created registered erfasst "
    "ouvert backlog triggered unassigned selected-for-development wieder-geoffnet neue nouvelle",
    "acknowledged": "active in-progress assigned work-in-progress in-bearbeitung zugewiesen en-cours en-curso "
    "acknowledged awaiting pending on-hold waiting wartend en-attente pendiente aktiv actif activo en-espera "
    "angehalten in-arbeit investigating under-investigation accepted in-review attribue asignado traitement-en-cours",
    "resolved": "resolved done fixed solved gelost behoben resolu resuelto erledigt termine terminado completed fertig "
    "finished resuelta resolue hecho",
    "closed": "closed cancelled canceled geschlossen ferme clos cerrado cerrada cloture abgebrochen annule cancelado "
    "abgeschlossen wont-do won-t-do declined duplicate rejected closed-complete closed-incomplete closed-skipped",
}
# the numbers that ServiceNow keeps behind the states of its table incident
STATE_NUMBERS = {"1": "triggered", "2": "acknowledged", "3": "acknowledged", "6": "resolved", "7": "closed",
                 "8": "closed"}  # fmt: skip


def folded(text: str) -> str:
    """Lower case, without accents, words joined by hyphens: what two spellings have in common."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _by_word(table: Mapping[str, str]) -> dict[str, str]:
    return {word: meaning for meaning, words in table.items() for word in words.split()}


_PRIORITY, _LEVEL, _STATE = _by_word(PRIORITY_WORDS), _by_word(LEVEL_WORDS), _by_word(STATE_WORDS)


def priority(value: str) -> str:
    """P1 to P5, of ``1 - Critical``, ``P2``, ``Highest``, ``3``; empty when it is not known."""
    if found := _LEAD.fullmatch(value.strip().lower()):
        return f"P{max(1, int(found[1]))}" if int(found[1]) <= 5 else ""
    return _PRIORITY.get(folded(value), "")


def level(value: str) -> str:
    """An impact or an urgency: high, medium or low; of numbers 1 is high and 3 or more low; empty: not known."""
    if found := _LEAD.fullmatch(value.strip().lower()):
        number = int(found[1])
        return {1: "high", 2: "medium"}.get(number, "low") if 1 <= number <= 5 else ""
    return _LEVEL.get(folded(value), "")


def state(value: str) -> str:
    """One of Tocsin's states; empty when it is not known."""
    if value.strip() in STATE_NUMBERS:
        return STATE_NUMBERS[value.strip()]
    word = folded(value)
    return _STATE.get(word) or _STATE.get(word.split("-")[0], "")


MEANINGS = {"priority": priority, "impact": level, "urgency": level, "state": state}
ANSWERS = {
    "priority": ("P1", "P2", "P3", "P4", "P5"),
    "impact": ("high", "medium", "low"),
    "urgency": ("high", "medium", "low"),
    "state": ("triggered", "acknowledged", "resolved", "closed"),
}


def meaning(field: str, value: str, given: Mapping[str, Mapping[str, str]]) -> str:
    """What a value of this field means: as it was said, or else as its words say; empty when neither is known."""
    said = given.get(field, {})
    return said.get(value) or MEANINGS[field](value)
