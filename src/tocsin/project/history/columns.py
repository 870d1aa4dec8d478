"""Which column means what: guessed from its name and from its values. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tocsin.project.history.dates import Evidence
from tocsin.project.history.values import MEANINGS, folded

DISTINCT_MOST = 60  # values of one column that are counted apart
SAMPLES = 5
TOLD = 200  # characters of a value


@dataclass(frozen=True, slots=True)
class Field:
    """Something that an incident may be told of. ``kind``: text, moment, number or one of a few values (choice)."""

    name: str
    label: str
    kind: str
    names: tuple[str, ...]


def _field(name: str, label: str, kind: str, names: str) -> Field:
    return Field(name, label, kind, tuple(names.split()))


# names of columns as ServiceNow, Jira and others export them, best first, folded; English, German, French, Spanish
FIELDS: tuple[Field, ...] = (
    _field("number", "Number", "text",
           "number issue-key incident-number incident-id ticket-number key ticket-id nummer vorgangsnummer schlussel "
           "ticketnummer numero cle numero-de-ticket numero-d-incident clave numero-de-incidente incident ticket id "
           "case-number sys-id"),
    _field("title", "Title", "text",
           "short-description summary title subject kurzbeschreibung zusammenfassung titel betreff description-courte "
           "breve-description resume titre objet descripcion-breve breve-descripcion resumen titulo asunto name"),
    _field("opened_at", "Opened", "moment",
           "opened-at opened created sys-created-on created-at reported-at start-time open-time geoffnet geoffnet-am "
           "erstellt erstellt-am eroffnet ouvert ouvert-le cree cree-le abierto creado creada fecha-de-creacion "
           "date-de-creation erstellungsdatum sys-created-at date-opened"),
    _field("acknowledged_at", "Acknowledged", "moment",
           "acknowledged-at acknowledged first-response first-response-at first-responded-at responded-at "
           "response-time work-start quittiert bestatigt-am erste-reaktion prise-en-charge premiere-reponse reconocido "
           "primera-respuesta"),
    _field("resolved_at", "Resolved", "moment",
           "resolved-at resolved resolution-date resolution-time resolve-time gelost gelost-am behoben-am resolu "
           "resolu-le resuelto resuelta fecha-de-resolucion date-de-resolution losungsdatum date-resolved"),
    _field("closed_at", "Closed", "moment",
           "closed-at closed close-time geschlossen geschlossen-am ferme ferme-le clos-le cerrado cerrada "
           "fecha-de-cierre date-de-cloture date-closed"),
    _field("updated_at", "Last changed", "moment",
           "sys-updated-on sys-updated-at updated updated-at last-modified last-updated aktualisiert geandert-am "
           "aktualisiert-am mis-a-jour mis-a-jour-le actualizado actualizada fecha-de-actualizacion changed"),
    _field("state", "State", "choice",
           "state incident-state status zustand estado etat statut status-category ident-state"),
    _field("priority", "Priority", "choice", "priority prioritat priorite prioridad prio severity schweregrad"),
    _field("impact", "Impact", "choice", "impact auswirkung impacto"),
    _field("urgency", "Urgency", "choice", "urgency dringlichkeit urgence urgencia"),
    _field("service", "Service", "text",
           "business-service service cmdb-ci configuration-item affected-service dienst konfigurationselement "
           "element-de-configuration elemento-de-configuracion servicio component-s component components komponente "
           "composant componente category kategorie categorie categoria"),
    _field("team", "Team", "text",
           "assignment-group team assigned-group support-group zuweisungsgruppe gruppe groupe-d-affectation groupe "
           "grupo-de-asignacion grupo equipe equipo"),
    _field("person", "Person", "text",
           "assigned-to assignee owner zugewiesen-an bearbeiter zugewiesene-person affecte-a assigne responsable "
           "asignado-a asignado persona-asignada"),
    _field("reporter", "Reporter", "text",
           "caller-id caller reporter opened-by requested-for requester autor melder anrufer demandeur appelant "
           "rapporteur informador solicitante creator"),
    _field("description", "Description", "text", "description beschreibung descripcion details"),
    _field("cause", "Cause", "text",
           "cause root-cause caused-by ursache cause-racine causa causa-raiz cause-code closed-code close-code "
           "resolution-code"),
    _field("resolution", "How it was resolved", "text",
           "close-notes resolution-notes resolution work-notes losungshinweise losung abschlussnotizen "
           "notes-de-resolution notes-de-cloture notas-de-cierre notas-de-resolucion resolucion"),
    _field("reopened", "Times reopened", "number",
           "reopen-count reopened reopening-count wiedereroffnungen anzahl-wiedereroffnungen nombre-de-reouvertures "
           "reaperturas"),
    _field("reassigned", "Times reassigned", "number",
           "reassignment-count reassigned neuzuweisungen "
           "anzahl-neuzuweisungen nombre-de-reaffectations reasignaciones"),
    _field("link", "Link", "text", "link url lien enlace href"),
    _field("updated_by", "Changed by", "text", "sys-updated-by updated-by geandert-von mis-a-jour-par actualizado-por"),
)  # fmt: skip
BY_NAME = {one.name: one for one in FIELDS}


@dataclass(slots=True)
class Column:
    """What was seen in one column of the whole file."""

    name: str
    filled: int = 0
    numbers: int = 0
    moments: Evidence = field(default_factory=Evidence)
    values: Counter[str] = field(default_factory=Counter)
    more: bool = False  # there are more different values than are counted

    def see(self, value: str) -> None:
        """Count one value; an empty one tells nothing."""
        if not value:
            return
        self.filled += 1
        if value.isascii() and value.isdigit() and len(value) < 10:
            self.numbers += 1
        if value[:1].isdigit() or len(value) < 40:
            self.moments.see(value)
        else:
            self.moments.odd += 1
        told = value[:TOLD]  # long texts are not kept whole only to be counted
        if told in self.values or len(self.values) < DISTINCT_MOST:
            self.values[told] += 1
        else:
            self.more = True

    @property
    def is_moment(self) -> bool:
        """Whether nearly all of its values are moments, and not bare numbers."""
        return self.filled > 0 and self.moments.moments > 0.9 * self.filled

    def fits(self, wanted: Field) -> bool:
        """Whether what is in it may be what the field wants."""
        if not self.filled:
            return False
        if wanted.kind == "moment":
            return self.is_moment
        if wanted.kind == "number":
            return self.numbers > 0.9 * self.filled
        if wanted.kind == "choice":
            known = sum(count for value, count in self.values.items() if MEANINGS[wanted.name](value))
            return not self.more and known * 2 > self.filled
        return True

    def to_json(self) -> dict[str, object]:
        """For people: samples of what is in it, and of few values all of them."""
        return {
            "name": self.name,
            "filled": self.filled,
            "moments": self.is_moment,
            "samples": [value for value, _ in self.values.most_common(SAMPLES)],
            "values": {} if self.more else dict(self.values.most_common()),
        }


def guess(columns: Sequence[Column]) -> dict[str, str]:
    """Field -> name of the column that it is, by its name first, then by what is in it; a column has one meaning."""
    folds = [folded(column.name.removeprefix("u_")) for column in columns]
    ranked: list[tuple[int, int, int, int]] = []
    for number, wanted in enumerate(FIELDS):
        for place, column in enumerate(columns):
            if (rank := _rank(folds[place], wanted)) is not None and column.fits(wanted):
                # a fuller column of the same kind says more: an almost empty configuration item, a full category
                empty = 0 if 2 * column.filled >= columns[0].filled or wanted.kind == "moment" else 50
                ranked.append((rank + empty, number, place, column.filled))
    found: dict[str, str] = {}
    taken: set[int] = set()
    for _, number, place, _ in sorted(ranked):
        name = FIELDS[number].name
        if name not in found and place not in taken:
            found[name] = columns[place].name
            taken.add(place)
    return found


def _rank(name: str, wanted: Field) -> int | None:
    """How well a name suits a field: its place among the field's names, 100 more when only a part of it does."""
    if name in wanted.names:
        return wanted.names.index(name)
    words = set(name.split("-"))
    for place, one in enumerate(wanted.names):
        # ids and single words such as "key" are parts of too many names
        if len(one) > 4 and set(one.split("-")) <= words:
            return 100 + place
    return None


def missing(mapping: Mapping[str, str]) -> list[str]:
    """Fields without which nothing can be imported."""
    return [name for name in ("number", "opened_at") if not mapping.get(name)]
