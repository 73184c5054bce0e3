"""What was filled in, as a spec: which fields, of which source, and what is missing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import request
from werkzeug.datastructures import FileStorage

from jobyard.client.columns import column
from jobyard.shared import kinds
from jobyard.shared.errors import BadInput
from jobyard.shared.kinds.base import Source
from jobyard.shared.kinds.findings import PENDING
from jobyard.web import bodies
from jobyard.web.pages.fields import Field, fields_of

# A form holds its files in memory or open: more pictures come in an archive, or one by one through the API.
MAX_FILES = 1_000
# Before the name of a field of files: the ids of uploads that are to be used again, with blanks between them.
KEPT = "kept."
# The fields whose value is the name of a column, even where it is one of digits.
NAMED = "named"
# For the ids of files until everything else is known to be right.
UNSTORED = PENDING


@dataclass
class Filled:
    """A form as it was filled in: `spec` with files by UNSTORED, the files by field, and what is missing."""

    spec: dict[str, Any] = field(default_factory=dict)
    files: dict[str, list[FileStorage]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, value: Any) -> None:
        """Set a field of the spec, by its dotted name."""
        *outer, last = name.split(".")
        place = self.spec
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = value


def read(kind: str) -> Filled:
    """The form of this request, of the source that was chosen. Raises NotFound for an unknown kind."""
    sources = kinds.find(kind).sources
    fields = dict(fields_of(kind))
    written = request.form.get("source")
    chosen = next((source for source in sources if source.name == written), sources[0] if sources else None)
    filled = Filled()
    for source in sources:
        if source is not chosen:
            for name in (source.field, *source.fields):
                fields.pop(name)
        _take_several(filled, source, fields, is_chosen=source is chosen)
    for name, one in fields.items():
        missing = chosen.missing if chosen is not None and name == chosen.field else None
        if one.input in ("file", "files"):
            _take_files(filled, one, _sent(name), missing or ("choose a file" if one.required else None))
            continue
        # What is left empty gets its default, or the spec says that it is missing.
        if (value := _entered(filled, one)) is not None:
            filled.add(name, value)
        elif missing is not None:
            filled.missing[name] = missing
    return filled


def lines(name: str) -> list[tuple[int, str]]:
    """Those of a field, with their numbers; empty ones are left out."""
    written = re.split(r"\r\n|\n|\r", request.form.get(name, ""))
    return [(number, line.strip()) for number, line in enumerate(written, 1) if line.strip()]


def _take_several(filled: Filled, source: Source, fields: dict[str, Field], *, is_chosen: bool) -> None:
    """Where more files than one were chosen, they are for the field that takes several."""
    if source.several is None:
        return
    several = fields.pop(source.several)
    files = _sent(source.field)
    if is_chosen and (len(files) > 1 or (not files and _kept(source.several))):
        fields.pop(source.field)
        _take_files(filled, several, files, None)


def _sent(name: str) -> list[FileStorage]:
    """The files that were chosen in a field."""
    return [file for file in request.files.getlist(name) if file.filename]


def _kept(name: str) -> list[str]:
    """The uploads that a field of files should have again, unless others were chosen."""
    return request.form.get(f"{KEPT}{name}", "").split()


def _take_files(filled: Filled, field: Field, files: list[FileStorage], missing: str | None) -> None:
    if not files and (kept := _kept(field.name)):
        filled.add(field.name, kept[0] if field.input == "file" else kept)
        return
    if not files and missing is None:
        return
    if not files and missing is not None:
        filled.missing[field.name] = missing
    if len(files) > MAX_FILES:
        more = "; an archive may have more" if field.name == "images" else ""
        filled.missing[field.name] = f"at most {MAX_FILES:,} at a time{more}"
    filled.files[field.name] = files
    filled.add(field.name, UNSTORED if field.input == "file" else [UNSTORED] * max(len(files), 1))


def _entered(filled: Filled, field: Field) -> Any:
    """None if the field was left empty."""
    match field.input:
        case "lines":
            return [text for _, text in lines(field.name)] or None
        case "pairs":
            return _pairs(filled, field.name)
        case "choice or pairs":
            written = request.form.get(field.name, "").strip()
            return written if written in field.choices else _named_numbers(filled, field)
        case "json":
            return _json(filled, field.name)
    # A checkbox sends its hidden "false" first: the last value counts.
    written = (request.form.getlist(field.name) or [""])[-1].strip()
    is_name = field.name in request.form.getlist(NAMED)
    return column(written) if written and field.input == "column" and not is_name else written or None


def _pairs(filled: Filled, name: str) -> Mapping[str, float] | None:
    """A word and its number on each line."""
    pairs = {}
    for number, line in lines(name):
        try:
            word, value = line.split()
            pairs[word] = float(value)
        except ValueError:
            filled.missing[name] = f"line {number}: should be a word and a number, as in: sick 2.1"
    return pairs or None


def _named_numbers(filled: Filled, field: Field) -> Mapping[str, float] | None:
    """A name, perhaps of several words, and its number on each line."""
    pairs = {}
    for number, line in lines(field.name):
        try:
            name, value = line.rsplit(maxsplit=1)
            pairs[name] = float(value)
        except ValueError:
            choices = " or ".join(field.choices)
            filled.missing[field.name] = (
                f"line {number}: should be a name and a number; or the field should be just {choices}"
            )
    return pairs or None


def _json(filled: Filled, name: str) -> Any:
    written = request.form.get(name, "").strip()
    try:
        return bodies.parse(written) if written else None
    except ValueError as error:
        filled.missing[name] = f"should be JSON: {error}"
    except BadInput as error:
        filled.missing[name] = error.message
    return None
