"""Several files scored as one: their rows one after another, with a column that says which file each is from.

Each file is read as it would be alone, so that one may be a packed CSV and the next a sheet. Their plain
bytes lie in one file behind each other, of which each file's own parts are ranges.
"""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Self, cast

from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SOURCE, SentimentSpec
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment import schemas
from jobyard.workers.sentiment.plans import MIN_PART_BYTES, MIN_PARTS, Place, Plan, read_file
from jobyard.workers.sentiment.tables.parquet import ParquetTable
from jobyard.workers.sentiment.tables.steps import too_large
from jobyard.workers.sentiment.tables.table import check_columns
from jobyard.workers.sentiment.tables.window import BLOCK_BYTES


class Upload(NamedTuple):
    """A file as it was uploaded: its name, and what gives a path to its bytes."""

    name: str
    open: Callable[[], AbstractContextManager[Path]]


@dataclass(frozen=True, kw_only=True)
class PlanOfSeveral(Plan):
    """The plans of several files as one: `parts` are those of all, one file after another.

    `places` has for each part the number of its file, and the number of the part in that. `ranges` are where
    the bytes of each file are, and `sources` what its rows have in the column `source_column`. `schema` is
    that of the scored rows, if the files are Parquet.
    """

    files: list[Plan]
    places: list[tuple[int, int]]
    ranges: list[tuple[int, int]]
    sources: list[str]
    source_column: str
    schema: str | None

    @property
    def is_large(self) -> bool:
        return self.ranges[-1][1] >= MIN_PARTS * MIN_PART_BYTES

    def place(self, number: int, stream: IO[bytes]) -> Place:
        file, part = self.places[number]
        begin, end = self.ranges[file]
        of_file = cast(IO[bytes], Slice(stream, begin, end))
        added = {self.source_column: self.sources[file]}
        schema = None if self.schema is None else schemas.from_text(self.schema)
        return Place(self.files[file], self.files[file].parts[part], of_file, added, schema)

    @classmethod
    def from_trailer(cls, note: dict[str, Any]) -> Self:
        files = [Plan.from_trailer(one) for one in note["files"]]
        places, ranges = ([tuple(pair) for pair in note[name]] for name in ("places", "ranges"))
        whole = Plan.from_trailer({name: note[name] for name in Plan.__annotations__})
        own = {name: note[name] for name in ("sources", "source_column", "schema")}
        return cls(**vars(whole), files=files, places=places, ranges=ranges, **own)

    def note(self) -> dict[str, Any]:
        return dict(vars(self)) | {"files": [file.note() for file in self.files]}


def plan_of(note: dict[str, Any]) -> Plan:
    """A plan of one file or of several, as its `note` has it. Raises WorkError at that of another version."""
    try:
        return PlanOfSeveral.from_trailer(note) if "files" in note else Plan.from_trailer(note)
    except (KeyError, TypeError):
        raise WorkError("another version of Jobyard divided the file into parts; retry the job") from None


def read_files(
    spec: SentimentSpec,
    uploads: Sequence[Upload],
    copy: Path,
    limit: int,
    progress: Progress,
    room: Room,
) -> PlanOfSeveral:
    """`read_file` of each, together at most `limit` bytes; `copy` gets the plain bytes of all.

    Raises WorkError that names the file, also where the files don't go together.
    """
    one = spec.model_copy(update={"group_by": None}) if spec.group_by == SOURCE else spec
    plans: list[Plan] = []
    ranges: list[tuple[int, int]] = []
    alone = copy.with_name(f"{copy.name}.file")
    try:
        with copy.open("wb") as target:
            for upload in uploads:
                with _named(upload.name), upload.open() as source:
                    begin = target.tell()
                    plan = read_file(one, source, upload.name, alone, limit - begin, progress, room.afresh())
                    plain = alone if plan.is_copied else source
                    if begin + plain.stat().st_size > limit:
                        raise too_large(limit)
                    with plain.open("rb") as stream:
                        _append(stream, target, room, progress)
                    plans.append(plan)
                    ranges.append((begin, target.tell()))
                alone.unlink(missing_ok=True)
    finally:
        alone.unlink(missing_ok=True)
    names = unique([upload.name for upload in uploads])
    with copy.open("rb") as stream:
        _check(plans, names)
        of_parquet = [
            cast(ParquetTable, plan.table()).schema(cast(IO[bytes], Slice(stream, *place)))
            for plan, place in zip(plans, ranges, strict=True)
            if plan.kind == "parquet"
        ]
    return _together(spec, plans, names, ranges, of_parquet)


def _together(
    spec: SentimentSpec,
    plans: Sequence[Plan],
    names: list[str],
    ranges: list[tuple[int, int]],
    of_parquet: Sequence[Any],
) -> PlanOfSeveral:
    columns = list(dict.fromkeys(column for plan in plans for column in plan.columns))
    source = SOURCE if SOURCE.lower() not in map(str.lower, columns) else f"{SOURCE}_file"
    check_columns([*columns, source])
    by_source = spec.group_by == SOURCE and source == SOURCE
    if spec.group_by == SOURCE and not by_source:
        raise WorkError(
            f"the files have a column {SOURCE!r}, so theirs is {source!r}; group_by should say which"
        )
    kinds = {plan.kind for plan in plans}
    missing = ", ".join(map(repr, schemas.missing(of_parquet)))
    lacking = [f"columns that not all files have are null in the others: {missing}"] if missing else []
    return PlanOfSeveral(
        **vars(plans[0])
        | {
            "kind": "jsonl" if kinds == {"jsonl"} else "several",
            "name": f"{len(plans)} files",
            "columns": columns,
            "group_by": source if by_source else plans[0].group_by,
            "is_copied": True,
            "parts": [part for plan in plans for part in plan.parts],
            "part_rows": [rows for plan in plans for rows in plan.part_rows],
            "read_as": {
                "format": ", ".join(sorted(kinds)),
                "files": [{"name": name, **plan.read_as} for name, plan in zip(names, plans, strict=True)],
            },
            "warnings": [
                *(
                    f"{name}: {warning}"
                    for name, plan in zip(names, plans, strict=True)
                    for warning in plan.warnings
                ),
                *lacking,
            ],
        },
        files=list(plans),
        places=[(file, part) for file, plan in enumerate(plans) for part in range(len(plan.parts))],
        ranges=ranges,
        sources=names,
        source_column=source,
        schema=schemas.to_text(schemas.united(of_parquet, names)) if of_parquet else None,
    )


def unique(names: Sequence[str]) -> list[str]:
    """The names, of which those that were there before have a number: a.csv, a.csv (2)."""
    found: dict[str, None] = {}
    for name in names:
        number, shown = 1, name
        while shown in found:
            number += 1
            shown = f"{name} ({number})"
        found[shown] = None
    return list(found)


def _check(plans: Sequence[Plan], names: Sequence[str]) -> None:
    """Raises WorkError for files whose rows are no one table."""
    first = plans[0]
    for plan, name in zip(plans[1:], names[1:], strict=True):
        if plan.column != first.column:
            raise WorkError(
                f"the texts are in the column {first.column!r} of {names[0]}, and {plan.column!r} of {name}; "
                "should be in columns of one name"
            )
        if (plan.kind == "parquet") != (first.kind == "parquet"):
            raise WorkError(
                f"{names[0]} is {first.kind} and {name} is {plan.kind}; all should be Parquet, or none"
            )


@contextmanager
def _named(name: str) -> Iterator[None]:
    """A refusal says which file it is of."""
    try:
        yield
    except WorkError as error:
        raise WorkError(f"{name}: {error.message}", field=error.field) from None


def _append(source: IO[bytes], target: IO[bytes], room: Room, progress: Progress) -> None:
    while block := source.read(BLOCK_BYTES):
        progress.check()
        room.take(len(block))
        target.write(block)


class Slice(io.RawIOBase):
    """A range of a stream's bytes as a stream of its own. Only one slice of a stream is read at a time."""

    def __init__(self, stream: IO[bytes], begin: int, end: int) -> None:
        super().__init__()
        self._stream = stream
        self._begin, self._end = begin, end
        self._at = begin

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at - self._begin

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: self._begin, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        self._at = max(self._begin, start + offset)
        return self.tell()

    def readinto(self, buffer: Any) -> int:
        wanted = max(0, min(len(buffer), self._end - self._at))
        self._stream.seek(self._at)
        data = self._stream.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
