"""What is to be scored, as the fields of a spec: texts that travel with the request, or a file to upload."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from jobyard.client.errors import BadRequest, Json
from jobyard.client.frames import TEXT, Frame, frame_of, place_of, text_place
from jobyard.client.open_files import is_of_text, is_open_file, temporary_folder
from jobyard.client.series import Series, is_missing, series_of
from jobyard.client.sources import files_of, matching
from jobyard.client.table_suffixes import is_of_a_table
from jobyard.client.texts import checked_texts
from jobyard.client.types import shown
from jobyard.client.written_texts import write_texts

# What a request may hold at most; more, longer or missing texts go as a file.
MAX_TEXTS = 1_000
MAX_TEXT_CHARACTERS = 10_000
MAX_NAME_CHARACTERS = 100
# Fields that say how a file is written, which the client's own doesn't need.
OF_A_WRITTEN_FILE = ("sheet", "delimiter", "quote", "header", "skip_lines", "encoding")
# Those that ask for a scored file.
OF_A_SCORED_FILE = ("group_by", "null_values", "errors", "format", "escape_formulas")
GROUP = "group"


class ScoreInput(NamedTuple):
    """Fields of the spec, and what the scores are joined to when they come back; None for nothing."""

    spec: Json
    given: Any = None


def score_input(spec: Mapping[str, Any], opened: ExitStack) -> ScoreInput:
    """What `Client.score` was given, as it is sent; files that are written live as long as `opened`.

    Raises BadRequest at what can't be scored.
    """
    spec = {name: value for name, value in spec.items() if value is not None}
    texts = spec.get("texts")
    _refuse_names_of_files(texts)
    if isinstance(texts, str):
        return ScoreInput(spec | {"texts": list(checked_texts([texts]))})
    folder = temporary_folder(opened)
    if isinstance(texts, PathLike) or is_open_file(texts):
        spec = _without(spec, "texts") | {"file": texts}
        texts = None
    elif isinstance(texts, list | tuple) and any(map(_is_file, texts)):
        spec = _without(spec, "texts") | {"files": texts}
        texts = None
    if texts is None or "file" in spec or "files" in spec:
        return ScoreInput(_with_files(spec, folder))
    return _with_texts(texts, spec, folder)


def _is_file(value: object) -> bool:
    """Whether one of a list is a file, and no text. Most are texts."""
    return not isinstance(value, str) and (isinstance(value, PathLike) or is_open_file(value))


def _refuse_names_of_files(texts: object) -> None:
    """Texts that all are names of tables that are there are hardly meant as texts."""
    named = [texts] if isinstance(texts, str) else texts
    if not isinstance(named, list | tuple) or not named or not all(map(_names_a_table, named)):
        return
    if len(named) == 1:
        what, instead = f"{shown(named[0])} is a file", f"file={shown(named[0])}"
    else:
        what, instead = f"{shown(named[0])} and the others are files", f"files=[{shown(named[0])}, …]"
    raise BadRequest(f"texts: {what}; should be {instead}, or iter([…]) to score the names themselves")


def _names_a_table(text: object) -> bool:
    """Whether a text looks like the path of a table and is one. Few do: the disk is rarely asked.

    It is never asked about a share of the network: Windows would connect to any host that a text names.
    """
    if not isinstance(text, str) or not is_of_a_table(text) or not text[:2].strip("/\\"):
        return False
    with suppress(OSError, ValueError):  # too long, or with a zero
        return Path(text).is_file()
    return False


def _with_files(spec: Json, folder: Path) -> Json:
    for name in ("file", "files"):
        for one in [spec.get(name)] if name == "file" else _several(spec.get(name)):
            _refuse_decoded(one, name, spec)
    found = dict(spec)
    if "file" in spec:
        files = matching(spec["file"], folder, "file", TEXT)
        found = _without(spec, "file") | ({"file": files[0]} if len(files) == 1 else {"files": files})
        if len(files) > 1 and "files" in spec:
            raise BadRequest("files: should have either file or files")
    if "files" in spec:
        found["files"] = files_of(spec["files"], folder, "files", TEXT)
    return found


def _several(files: object) -> Sequence[object]:
    return files if isinstance(files, list | tuple) else []


def _refuse_decoded(file: object, name: str, spec: Json) -> None:
    if "encoding" in spec and is_open_file(file) and is_of_text(file):
        raise BadRequest(
            f"encoding: the {name} is open as text, which has been decoded; open it in binary mode, as "
            'open(path, "rb"), or leave encoding out'
        )


def _with_texts(texts: Any, spec: Json, folder: Path) -> ScoreInput:
    found = frame_of(texts, "texts")
    if isinstance(found, Frame):
        return _with_frame(found, spec, folder)
    series = found or series_of(texts, "texts")
    for name in ("column", "group_by"):
        if name in spec:
            raise BadRequest(f"{name}: is for a file or a data frame; what was given has no columns")
    return _sent(series, None, series.name, None, _without(spec, "texts"), folder)


def _with_frame(frame: Frame, spec: Json, folder: Path) -> ScoreInput:
    place = text_place(frame, spec.get("column"))
    group = None
    if spec.get("group_by") is not None:
        group = place_of(frame.names, spec["group_by"], "group_by")
    series = frame.column(place)._replace(given=frame.given)
    spec = _without(spec, "texts", "column")
    groups = None if group is None else frame.column(group)
    return _sent(
        series, groups, frame.names[place], None if group is None else frame.names[group], spec, folder
    )


def _sent(
    texts: Series, groups: Series | None, name: object, group: object, spec: Json, folder: Path
) -> ScoreInput:
    """As texts of the request where these are few, and nothing else asks for a file."""
    for field in OF_A_WRITTEN_FILE:
        if field in spec:
            raise BadRequest(f"{field}: is for a file; leave it out for texts that are given as they are")
    argument = "texts" if name is None else f"column {name!r:.80}"
    values = checked_texts(texts.values, argument)
    first = list(islice(values, MAX_TEXTS + 1))
    if not first:
        raise BadRequest("texts: there are none; should be at least one text")
    reason = _reason(first)
    is_file = reason is not None or any(spec.get(field) is not None for field in OF_A_SCORED_FILE)
    if not is_file:
        return ScoreInput(spec | {"texts": first}, texts.given)
    if spec.get("explain"):
        raise BadRequest(
            f"explain: is for texts that travel with the request: up to {MAX_TEXTS:,}, each with "
            f"1 to {MAX_TEXT_CHARACTERS:,} characters; here {reason or 'a scored file is asked for'}"
        )
    called = _column_name(name, TEXT)
    columns: dict[str, Iterable[str | None]] = {called: chain(first, values)}
    spec = _without(spec, "group_by") | {"column": called}
    if groups is not None:
        other = _column_name(group, GROUP)
        other = f"{other} ({GROUP})" if other == called else other
        columns[other] = _groups(groups)
        spec["group_by"] = other
    path = write_texts(columns, folder, _file_name(called), rows=texts.rows)
    return ScoreInput(spec | {"file": path}, texts.given)


def _reason(texts: Sequence[str | None]) -> str | None:
    """Why texts can't travel with the request; None if they can."""
    if len(texts) > MAX_TEXTS:
        return f"there are over {MAX_TEXTS:,}"
    for place, text in enumerate(texts):
        if text is None or not text.strip():
            return f"texts[{place}] is empty"
        if len(text) > MAX_TEXT_CHARACTERS:
            return f"texts[{place}] has {len(text):,}"
    return None


def _groups(groups: Series) -> Iterator[str | None]:
    for value in groups.values:
        text = None if is_missing(value) else str(value)
        yield None if text is None else text.encode(errors="replace").decode()


def _column_name(name: object, otherwise: str) -> str:
    """What a column is called in the file: as in the frame, if that can be a name there."""
    text = name if isinstance(name, str) else "" if name is None else str(name)
    fits = text.strip() and len(text) <= MAX_NAME_CHARACTERS and text.isprintable()
    return text if fits else otherwise


def _file_name(column: str) -> str:
    """What the file is called: by its column of texts."""
    name = "".join(one if one.isalnum() or one in " -_" else "_" for one in column).strip()
    return name[:60] or TEXT


def _without(spec: Mapping[str, Any], *names: str) -> Json:
    return {name: value for name, value in spec.items() if name not in names}
