"""JSON that came with a request: one way to read it for Flask, the fast path and the forms."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from jobyard.shared.errors import BadInput

# What can bring half of a surrogate pair, among others: its escape, its bytes, and UTF-16 and UTF-32.
_SUSPECT = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]|\0")
_HALF = re.compile("[\ud800-\udfff]")


def parse(body: bytes | str) -> Any:
    """The value of a JSON document. NUL characters stay: a text is what it is.

    Raises ValueError for what is no JSON or nested too deeply, and BadInput for a text with half of a
    surrogate pair: it is no character, and neither the database nor an answer can hold it.
    """
    try:
        value = json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _SUSPECT.search(body.encode(errors="surrogatepass") if isinstance(body, str) else body):
        _refuse_halves(value)
    return value


def _refuse_halves(value: Any) -> None:
    for path, is_name, text in _texts(value):
        if half := _HALF.search(text):
            what = "should have names that are valid strings" if is_name else "should be a valid string"
            raise BadInput(
                path or "body", f"{what}, without half of a surrogate pair (\\u{ord(half[0]):04x})"
            )


def _texts(value: Any) -> Iterator[tuple[str, bool, str]]:
    """Every text in a value: its dotted path, whether it is a name there, and itself."""
    left: list[Iterator[tuple[str, Any]]] = [iter([("", value)])]
    while left:
        for path, one in left[-1]:
            if isinstance(one, str):
                yield path, False, one
            elif isinstance(one, dict):
                yield from ((path, True, name) for name in one)
                left.append(_inside(path, one.items()))
                break
            elif isinstance(one, list):
                left.append(_inside(path, enumerate(one)))
                break
        else:
            left.pop()


def _inside(path: str, items: Iterable[tuple[object, Any]]) -> Iterator[tuple[str, Any]]:
    dot = "." if path else ""
    return ((f"{path}{dot}{name}", item) for name, item in items)
