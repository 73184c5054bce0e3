"""What lists show of a long spec or result: a brief of it, which is made once, when it is written.

A list is then read without the documents that it leaves out. A document of up to WHOLE_BYTES of JSON is
listed whole and has no brief. In a brief each value of more than VALUE_BYTES is cut: a text to its beginning,
an array to `[]`; of an object the members are treated likewise, the shortest first, as far as WHOLE_BYTES go.
Of a note there are its first VALUE_BYTES characters.
"""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from jobyard.shared.database import Base, Json
from jobyard.shared.jobs.tables import JOBS
from jobyard.shared.texts import to_json

WHOLE_BYTES: Final = 4_000
VALUE_BYTES: Final = 200
SHOWN_CHARACTERS: Final = 100
# Members of objects in objects are looked at so deep, and names so long.
DEPTH: Final = 3
NAME_CHARACTERS: Final = 100
# What a note about a value that is cut counts for.
CUT_BYTES: Final = 20

Name = Literal["spec", "result"]
# JSON too, but nothing that `to_json` writes: what stands for a long document that has no brief.
LEFT_OUT: Final = "{ }"


class JobBrief(Base):
    """The brief of a job's long spec or result."""

    __tablename__ = "job_briefs"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    # "spec" or "result"
    field: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    value: Mapped[dict[str, Any]] = mapped_column(Json)
    # [{"path": ["texts"], "length": 1000, "sha256": …}]: what is cut, and what it was.
    cuts: Mapped[list[dict[str, Any]]] = mapped_column(Json)


class Brief(NamedTuple):
    """As it is kept."""

    value: dict[str, Any]
    cuts: list[dict[str, Any]]


class CutList(list[Any]):
    """An array that is cut to `[]`, and still as long as it was: titles count it."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length = length

    def __len__(self) -> int:
        return self._length


@dataclass
class _Cutting:
    """What was cut of a document."""

    cuts: list[dict[str, Any]] = field(default_factory=list)

    def of(self, value: Any, text: str, path: tuple[str, ...], budget: int) -> tuple[Any, int]:
        """The value, whose JSON is `text`, as it is shown, and about how many bytes that takes: of an object,
        the budget.
        """
        if len(text) <= VALUE_BYTES:
            return value, len(text)
        if isinstance(value, dict) and len(path) < DEPTH:
            return self._members(value, path, text, budget)
        cost = self._note(value, path, text)
        if isinstance(value, str):
            return value[:SHOWN_CHARACTERS], cost + SHOWN_CHARACTERS
        return [] if isinstance(value, list) else {} if isinstance(value, dict) else None, cost

    def _members(
        self, value: dict[str, Any], path: tuple[str, ...], text: str, budget: int
    ) -> tuple[dict[str, Any], int]:
        """In their order; but the shortest are chosen first, and the others share what is left."""
        texts = {
            name: to_json(member, sort_keys=True)
            for name, member in value.items()
            if len(name) <= NAME_CHARACTERS
        }
        left = budget
        shown: dict[str, Any] = {}
        for place, name in enumerate(sorted(texts, key=lambda name: len(texts[name]))):
            if left <= 0:
                break
            share = left // (len(texts) - place)
            shown[name], cost = self.of(value[name], texts[name], (*path, name), share)
            left -= len(name) + cost
        if len(shown) < len(value):
            left -= self._note(value, path, text)
        return {name: shown[name] for name in texts if name in shown}, budget - left

    def _note(self, value: Any, path: tuple[str, ...], text: str) -> int:
        length = len(value) if isinstance(value, str | list | dict) else len(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.cuts.append({"path": path, "length": length, "sha256": digest})
        return CUT_BYTES + sum(map(len, path))


def is_listed_whole(document: dict[str, Any]) -> bool:
    """Whether it has no brief."""
    return len(to_json(document)) <= WHOLE_BYTES


def brief_of(document: dict[str, Any]) -> Brief:
    """The brief of a document of more than WHOLE_BYTES."""
    cutting = _Cutting()
    value, _ = cutting.of(document, to_json(document, sort_keys=True), (), WHOLE_BYTES)
    return Brief(value, cutting.cuts)


def keep(
    connection: sa.Connection, name: Name, documents: Iterable[tuple[uuid.UUID, dict[str, Any] | None, str]]
) -> None:
    """Keep the briefs of those specs or results that are long: each of a job, with its text as JSON."""
    rows = [
        {"job_id": job_id, "field": name, **brief_of(document)._asdict()}
        for job_id, document, text in documents
        if document is not None and len(text) > WHOLE_BYTES
    ]
    if rows:
        connection.execute(sa.insert(JobBrief), rows)


_SPECS: Final[sa.FromClause] = cast(sa.Table, JobBrief.__table__).alias("spec_brief")
_RESULTS: Final[sa.FromClause] = cast(sa.Table, JobBrief.__table__).alias("result_brief")


def _shown(name: Name, briefs: sa.FromClause) -> sa.ColumnElement[Any]:
    """The document's text, or its brief's. Databases read the document only where it is answered."""
    text = sa.cast(JOBS.c[name], sa.Text)
    return sa.case(
        (briefs.c.job_id.is_not(None), sa.cast(briefs.c.value, sa.Text)),
        (JOBS.c[name].is_(sa.null()), sa.null()),
        (sa.func.length(text) <= WHOLE_BYTES, text),
        else_=sa.literal_column(f"'{LEFT_OUT}'", sa.Text),
    )


def _of(name: Name, briefs: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(briefs.c.job_id == JOBS.c.id, briefs.c.field == sa.literal_column(f"'{name}'", sa.String))


# Of a list's row: texts of JSON, and what is cut.
COLUMNS: Final[dict[str, sa.ColumnElement[Any]]] = {
    # One more than is shown says that there is more.
    "note": sa.func.substr(JOBS.c.note, 1, VALUE_BYTES + 1),
    "spec": _shown("spec", _SPECS),
    "result": _shown("result", _RESULTS),
    "spec_cuts": _SPECS.c.cuts,
    "result_cuts": _RESULTS.c.cuts,
}
# What jobs are joined with, and on what.
SPECS: Final = _SPECS, _of("spec", _SPECS)
RESULTS: Final = _RESULTS, _of("result", _RESULTS)


def truncated(
    spec: str, result: str | None, spec_cuts: Sequence[Any] | None, result_cuts: Sequence[Any] | None
) -> list[str]:
    """The dotted paths of what a row of a list has only in part: `spec.texts`."""
    found: list[str] = []
    for name, text, cuts in (("spec", spec, spec_cuts), ("result", result, result_cuts)):
        if text == LEFT_OUT:
            found.append(name)
        found += [".".join([name, *cut["path"]]) for cut in cuts or ()]
    return found


def restore(value: dict[str, Any], cuts: Sequence[Any] | None) -> dict[str, Any]:
    """A brief whose cut arrays are as long as they were."""
    for cut in cuts or ():
        *outer, last = cut["path"] or [None]
        holder = value
        for name in outer:
            holder = holder[name]
        if last is not None and holder.get(last) == []:
            holder[last] = CutList(cut["length"])
    return value
