"""How JSON is laid out that is no JSON lines, by its first bytes."""

import json
import re
from pathlib import Path
from typing import Any, Final

from jobyard.workers.sentiment.tables.contents import HEAD_BYTES, LINE_SUFFIXES, suffix_of
from jobyard.workers.sentiment.tables.encodings import text_begin
from jobyard.workers.sentiment.tables.window import BLOCK_BYTES

ROWS: Final = re.compile(r'\[\s*\{\s*["}]')
# Twitter's archives are programs: `window.YTD.tweets.part0 = [`.
ASSIGNED: Final = re.compile(rb'\s*(?:var |let |const )?[\w.$\["\]]{1,200}\s*=\s*(?=[\[{])')

# The beginning of a long array of strings. Nothing is tried twice, so that the time grows with the text.
_STRINGS = re.compile(r'\[\s*+(?:"(?:[^"\\]++|\\.)*+"\s*+,\s*+)+(?:"(?:[^"\\]++|\\.)*+(?:"\s*+|\\)?)?')
_TOKENS = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\[\]:,\n]|[^\s"{}\[\]:,]+|"')
_decoder = json.JSONDecoder()


def begin_of(head: bytes, name: str) -> int:
    """Where the JSON begins: after a byte order mark, and what a program gives it to."""
    begin = text_begin(head)
    found = ASSIGNED.match(head, begin) if suffix_of(name) in (".js", ".json") else None
    return begin if found is None else found.end()


def is_document(head: bytes, name: str, path: Path) -> bool:
    """Whether the file at `path`, which begins so, is JSON, and no JSON lines."""
    data = head[begin_of(head, name) :].lstrip()
    if data.startswith(b"\x1e"):  # before each text of a sequence: RFC 7464
        return data[1:].lstrip().startswith(b"{")
    text = data.decode(errors="replace")
    is_cut = len(head) == HEAD_BYTES
    match text[:1]:
        case "[":
            return _is_array(text, name, is_cut=is_cut)
        case "{":
            return _are_objects(text, path, name, is_cut=is_cut)
        case '"':
            return suffix_of(name) in (".json", *LINE_SUFFIXES) and _is_string(text.split("\n", 1)[0])
    return False


def _is_array(text: str, name: str, *, is_cut: bool) -> bool:
    if ROWS.match(text) or suffix_of(name) == ".json":
        return True
    try:
        value, end = _decoder.raw_decode(text)
    except (ValueError, RecursionError):
        return is_cut and _STRINGS.fullmatch(text) is not None
    return isinstance(value, list) and not text[end:].strip()


def _are_objects(text: str, path: Path, name: str, *, is_cut: bool) -> bool:
    """Whether that is a document, or several, and not an object on each line."""
    if not re.match(r'\{\s*["}]', text):
        return False
    try:
        value, end = _decoder.raw_decode(text)
    except (ValueError, RecursionError):
        if is_cut and "\n" not in text:
            return not _has_objects_on_lines(path)
        return "\n" in text.strip() and _is_nested(text)
    rest = text[end:].lstrip()
    if "\n" in text[:end]:
        return True
    if rest or is_cut:
        is_next = rest[:1] == "{" and "\n" not in text[end : len(text) - len(rest)]
        return is_next or (rest[:1] == "," and rest[1:].lstrip()[:1] in ("", "{"))
    return _holds_rows(value) or (suffix_of(name) not in LINE_SUFFIXES and _has_arrays(value))


def _is_string(line: str) -> bool:
    try:
        return isinstance(json.loads(line), str)
    except ValueError:
        return False


def _has_objects_on_lines(path: Path) -> bool:
    """Whether a line that is longer than the head is followed by another object."""
    with path.open("rb") as stream:
        while block := stream.readline(BLOCK_BYTES):
            if block.endswith(b"\n"):
                return stream.read(HEAD_BYTES).lstrip().startswith(b"{")
    return False


def _is_nested(text: str) -> bool:
    """Whether objects have lines in them, begin where they can, and have no strings over several."""
    before, depth, has_lines = "", 0, False
    for match in _TOKENS.finditer(text):
        found = match[0]
        if found == "\n":
            has_lines = has_lines or depth > 0
            continue
        if found == '"':
            return "\n" not in text[match.start() :] and has_lines
        if found == "{" and depth and before not in (":", ",", "["):
            return False
        depth += (found in "{[") - (found in "]}")
        before = found
    return has_lines


def _holds_rows(value: Any) -> bool:
    """Whether there is a list of objects within objects."""
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict)
    return isinstance(value, dict) and any(map(_holds_rows, value.values()))


def _has_arrays(value: Any) -> bool:
    """Whether there is an empty list, or nothing but lists and objects: perhaps no row, but a table."""
    if not isinstance(value, dict):
        return False
    inner = value.values()
    return [] in inner or any(map(_has_arrays, inner)) or all(isinstance(one, list | dict) for one in inner)
