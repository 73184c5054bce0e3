"""What is downloaded as CSV or JSON lines of a scored Parquet is the file that is scored as these."""

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.web.services import score_exports
from jobyard.web.services.exports import BY_ROW, Export, Filter
from tests.unit.workers.sentiment.conftest import Desk

if TYPE_CHECKING:
    from jobyard.shared.storage import Storage


class OneFile:
    """A storage that has it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def local(self, _key: str, _folder: Path) -> Iterator[Path]:
        yield self._path

    def check(self) -> None:
        """It is there."""


def both(
    desk: Desk,
    content: str | bytes,
    kind: Literal["csv", "jsonl"],
    *,
    escape_formulas: bool = False,
    **spec: Any,
) -> tuple[bytes, bytes]:
    """What the scorer writes, and what is made of its Parquet."""
    desk.score(content, format=kind, escape_formulas=escape_formulas, **spec)
    direct = desk.output.read_bytes()
    column = desk.score(content, **spec)["column"]
    export = Export(Filter(), BY_ROW, kind, escape_formulas)
    storage = cast("Storage", OneFile(desk.output))
    return direct, b"".join(score_exports.write(storage, "scored", column, export, 0).chunks())


CELLS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("\",=+-@\t\r\n1.e'\\")
)
ROWS = st.lists(st.tuples(CELLS, st.just("I love it") | CELLS, CELLS), min_size=1, max_size=8)


@given(rows=ROWS, escapes=st.booleans())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_of_a_table_of_texts_they_are_the_same(
    desk: Desk, rows: list[tuple[str, ...]], escapes: bool
) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([('a "q", é', "text", "=label"), *rows])
    read_as: dict[str, Any] = {"column": "text", "header": "yes", "delimiter": ",", "skip_lines": 0}
    direct, made = both(desk, file.getvalue(), "csv", escape_formulas=escapes, **read_as)
    assert made == direct
    direct, made = both(desk, file.getvalue(), "jsonl", **read_as)
    assert with_small_escapes(made) == with_small_escapes(direct)
    assert lines_of(made) == lines_of(direct)


def with_small_escapes(data: bytes) -> bytes:
    r"""With `\u001f` for `\u001F`."""
    return re.sub(rb"\\u00[0-9a-fA-F]{2}", lambda escape: escape[0].lower(), data)


def lines_of(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


LINES = (
    '{"text": "I love it", "n": null, "f": 1e20, "b": true, "l": [1, {"a": "é"}], "i": 1234567890123456789}\n'
    '{"s": ""}\n'
)


@pytest.mark.parametrize(
    "content", [LINES, 'id\ttext\n1\tI love it, "really"\n2\t\\N\n', "text\nfine\n\nbad\n"]
)
def test_of_other_sources_tables_are_the_same(desk: Desk, content: str) -> None:
    direct, made = both(desk, content, "csv", column="text")
    assert made == direct
    assert direct.count(b"\r\n") >= 3
