"""A file that is scored in parts comes out, to the byte, as if it had been scored at once."""

import csv
import gzip
import io
import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.sentiment import plans
from jobyard.workers.sentiment.files import score_whole
from jobyard.workers.sentiment.outcome import Outcome, put_together
from jobyard.workers.sentiment.parts import score_part
from jobyard.workers.sentiment.plans import Plan, read_file
from jobyard.workers.sentiment.tables import json_lines, objects, table, window, writers
from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.scorer import Scorer
from tests.reports import NoMetrics
from tests.unit.workers.sentiment.conftest import LIMIT

WORDS = ["good", "awful", "table", "not", "very", "LOVE", "hate!", "ça", "naïve", "🙂", ",", '"', "\u2028"]
HUGE = 1 << 30


def texts(count: int, seed: int = 0) -> list[str]:
    chosen = random.Random(seed)
    return [" ".join(chosen.choices(WORDS, k=chosen.randint(0, 12))) for _ in range(count)]


def as_csv(rows: list[str], delimiter: str = ",", bom: str = "") -> str:
    quoted = [
        f'{number}{delimiter}"{text.replace(chr(34), chr(34) * 2)}\r\nand\n\nmore"'
        for number, text in enumerate(rows)
    ]
    # Blank lines are no rows, wherever they are.
    return f"{bom}number{delimiter}text\r\n\r\n" + "\n\n".join(quoted) + "\n\n"


def as_jsonl(rows: list[str]) -> str:
    """Keys that come late, are missing, null, no strings, or called like ours."""
    written = []
    for number, text in enumerate(rows):
        row: dict[str, Any] = {"label": number, "text": None if number % 11 == 0 else text}
        if number % 5 == 0:
            row = {f"late{number // 20}": [number], **row}
        written.append(json.dumps(row, ensure_ascii=number % 2 == 0))
        if number % 7 == 0:
            written.append("  ")
    return "\n".join(written)


def as_parquet(rows: list[str]) -> bytes:
    file = io.BytesIO()
    columns = {
        "number": list(range(len(rows))),
        "text": pa.array([row or None for row in rows], pa.large_string()),
        "label": pa.array([[number] for number in range(len(rows))]),
        "shop": pa.array([f"shop {number % 3}" for number in range(len(rows))]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), file, row_group_size=40)
    return file.getvalue()


CONTENTS: dict[str, bytes] = {
    "in.csv": as_csv(texts(95)).encode(),
    "bom.csv": as_csv(texts(95), bom="\ufeff").encode(),
    "in.tsv": as_csv(texts(60), "\t").encode(),
    "in.jsonl": as_jsonl(texts(95)).encode(),
    # Lines that look like other files, and one that begins as a file can.
    "in.txt": ("\ufeff" + "\n".join(["PAR1", "BZh", "\ufeffgood", '{"a": 1}', "", *texts(80)])).encode(),
    "no_end.txt": "\n".join(texts(51)).encode(),
    "in.csv.gz": gzip.compress(as_csv(texts(95)).encode()),
    "in.parquet": as_parquet(texts(95)),
}


@contextmanager
def sizes(part: int, block: int, rows: int, group: int = 4_000) -> Iterator[None]:
    """Parts, blocks, batches and row groups of so many bytes or rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "MIN_PART_BYTES", part)
        patch.setattr(plans, "MAX_PART_BYTES", part)
        patch.setattr(window, "BLOCK_BYTES", block)
        patch.setattr(json_lines, "JSON_BYTES", block)
        patch.setattr(objects, "JSON_BYTES", block)
        patch.setattr(table, "BATCH_ROWS", rows)
        patch.setattr(writers, "GROUP_BYTES", group)
        yield


def at_once(spec: SentimentSpec, source: Path, name: str, bulk: BulkScorer) -> tuple[Outcome, bytes]:
    plan = read_file(spec, source, name, source.with_name("copy"), LIMIT, NoMetrics())
    output = source.with_name("once")
    stream = source.with_name("copy") if plan.is_copied else source
    return score_whole(spec, plan, stream, output, bulk, NoMetrics()), output.read_bytes()


def in_parts(spec: SentimentSpec, source: Path, name: str, bulk: BulkScorer) -> tuple[Outcome, bytes, Plan]:
    """As workers do it: each part alone, the last one first."""
    folder, notes = source.parent, NoMetrics()
    found = read_file(spec, source, name, folder / "copy", LIMIT, notes)
    plan = Plan.from_trailer(json.loads(json.dumps(found.note())))
    assert plan == found
    for number in reversed(range(len(plan.parts))):
        with (folder / "copy" if plan.is_copied else source).open("rb") as stream:
            score_part(spec, plan, number, stream, folder / f"{number}", bulk, notes)
    output = folder / "whole"
    made = put_together(spec, plan, lambda number: (folder / f"{number}").open("rb"), output, notes)
    return made, output.read_bytes(), plan


@pytest.mark.parametrize("scored_as", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("name", CONTENTS)
def test_parts_put_together_are_what_one_run_makes(
    tmp_path: Path, bulk: BulkScorer, name: str, scored_as: str
) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENTS[name])
    spec = SentimentSpec(file=uuid4(), format=scored_as, group_by=1)
    with sizes(part=700, block=300, rows=4):
        outcome, once = at_once(spec, source, name, bulk)
        made, content, plan = in_parts(spec, source, name, bulk)
    assert len(plan.parts) > 2
    assert asdict(made) == asdict(outcome)
    assert content == once


@pytest.mark.parametrize("scored_as", ["csv", "jsonl"])
@pytest.mark.parametrize("name", CONTENTS)
def test_the_sizes_of_parts_and_blocks_change_nothing(
    tmp_path: Path, bulk: BulkScorer, name: str, scored_as: str
) -> None:
    source = tmp_path / "source"
    source.write_bytes(CONTENTS[name])
    spec = SentimentSpec(file=uuid4(), format=scored_as)
    outcome, once = at_once(spec, source, name, bulk)
    for part, block, rows in [(1, 1, 1), (50, 7, 3), (1_000, 64, 10), (HUGE, 30, 2)]:
        with sizes(part, block, rows):
            made, content, _ = in_parts(spec, source, name, bulk)
        assert content == once
        assert made == outcome


def test_parts_are_next_to_each_other(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("text\n" + "good\n" * 400)
    with sizes(part=60, block=1_000, rows=10):
        plan = read_file(SentimentSpec(file=uuid4()), source, "in.csv", tmp_path / "copy", LIMIT, NoMetrics())
    assert plan.parts[0].start == len("text\n")
    assert plan.parts[-1].end == source.stat().st_size
    assert all(one.end == other.start for one, other in zip(plan.parts, plan.parts[1:], strict=False))
    assert plan.part_rows == [12] * 33 + [4]
    assert [part.lines_before for part in plan.parts[:3]] == [1, 13, 25]


def test_a_part_is_a_twelfth_of_the_file_within_bounds(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("good\n" * 12_000_000)
    plan = read_file(SentimentSpec(file=uuid4()), source, "in.txt", tmp_path / "copy", LIMIT, NoMetrics())
    assert plan.part_rows == [*[1_012_000] * 11, 868_000]


def test_a_mistake_in_a_part_is_named_with_its_line_in_the_file(tmp_path: Path, bulk: BulkScorer) -> None:
    source = tmp_path / "source"
    rows = [json.dumps({"text": "good"})] * 40
    rows[33] = json.dumps({"text": {"a": 7}})
    source.write_text("\n".join(rows))
    message = 'line 34: the text is {"a": 7}; should be a string, a number or null'
    with sizes(part=100, block=50, rows=3), pytest.raises(WorkError, match=message):
        in_parts(SentimentSpec(file=uuid4()), source, "in.jsonl", bulk)


def test_parts_of_another_lexicon_are_refused(tmp_path: Path, bulk: BulkScorer) -> None:
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("good\t1.0\n")
    spec, notes = SentimentSpec(file=uuid4(), format="csv"), NoMetrics()
    source = tmp_path / "source"
    source.write_text("good\n" * 24)
    with sizes(part=60, block=1_000, rows=10):
        plan = read_file(spec, source, "in.txt", tmp_path / "copy", LIMIT, notes)
    for number, theirs in enumerate([bulk, BulkScorer(Scorer(str(lexicon)))]):
        with source.open("rb") as stream:
            score_part(spec, plan, number, stream, tmp_path / f"{number}", theirs, notes)
    with pytest.raises(WorkError, match="JOBYARD_LEXICON"):
        put_together(
            spec, plan, lambda number: (tmp_path / f"{number}").open("rb"), tmp_path / "whole", notes
        )
    assert not (tmp_path / "whole").exists()


# ---- against plain Python

FIELDS = st.lists(
    st.sampled_from(["good", "bad ", "é", "🙂", ",", "\t", '"', "\n", "\r\n", " ", "not", "'"]), max_size=8
).map("".join)
PART_SIZES = st.tuples(st.integers(1, 200), st.integers(1, 100), st.integers(1, 9))


def plainly(scorer: Scorer, values: list[str]) -> list[str]:
    """The columns that we add to a row with this text, as Python writes them."""
    text = values[0]
    if not text:
        return [""] * 5
    scores = scorer.score(text)
    label = SentimentSpec(texts=["x"]).thresholds.label(scores.compound)
    return [*map(repr, scores), label]


@given(
    rows=st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=12),
    delimiter=st.sampled_from([",", "\t"]),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\r\n\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    chosen=PART_SIZES,
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_csv_scored_in_any_parts_is_what_plain_python_makes(
    tmp_path: Path,
    bulk: BulkScorer,
    scorer: Scorer,
    rows: list[tuple[str, str]],
    delimiter: str,
    end: str,
    quoting: Any,
    chosen: tuple[int, int, int],
) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(
        [("text", "other"), *rows]
    )
    source = tmp_path / "source"
    source.write_bytes(written.getvalue().encode())
    spec = SentimentSpec(file=uuid4(), format="csv", quote="double")
    with sizes(*chosen):
        _, content, _ = in_parts(spec, source, "in.csv" if delimiter == "," else "in.tsv", bulk)
    scored = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    assert scored[0] == ["text", "other", "neg", "neu", "pos", "compound", "label"]
    assert scored[1:] == [[*row, *plainly(scorer, list(row))] for row in rows]


MARKS = st.lists(
    st.sampled_from([*'ab,"\n\r\\', ",", '"', '"', "\n", '""', '",', ',"', "\r\n"]), max_size=40
).map("".join)


def strictly(content: str, columns: int) -> list[list[str]] | None:
    """The rows as Python's csv module has them; None where it or the count of columns refuses.

    Carriage returns in a line are letters, which it doesn't know: another letter stands for them. Blank lines
    are rows of the only column.
    """
    content = re.sub(r"\r+(?=[^\r\n])", lambda found: "\x1f" * len(found[0]), content)
    written = [f"{line}\n" for line in content.split("\n")]
    written[-1] = written[-1].removesuffix("\n")
    try:
        rows = [row or [""] for row in csv.reader(filter(None, written), strict=True) if row or columns == 1]
    except csv.Error:
        return None
    rows = [[cell.replace("\x1f", "\r") for cell in row] for row in rows]
    return rows if all(len(row) == columns for row in rows) else None


@given(content=MARKS, columns=st.integers(1, 3), chosen=PART_SIZES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=400)
def test_csv_is_read_as_pythons_strict_reader_reads_it(
    tmp_path: Path, bulk: BulkScorer, content: str, columns: int, chosen: tuple[int, int, int]
) -> None:
    header = ["text", "b", "c"][:columns]
    source = tmp_path / "source"
    source.write_bytes((",".join(header) + "\n" + content).encode())
    spec = SentimentSpec(file=uuid4(), format="csv", delimiter=",", quote="double", header="yes")
    expected = strictly(content, columns)
    with sizes(*chosen):
        if expected is None:
            with pytest.raises(WorkError, match=r"^line \d+: "):
                in_parts(spec, source, "in.csv", bulk)
        else:
            _, made, _ = in_parts(spec, source, "in.csv", bulk)
            scored = list(csv.reader(io.StringIO(made.decode(), newline="")))
            assert [row[:columns] for row in scored[1:]] == expected


@given(
    content=MARKS,
    quote=st.sampled_from(["auto", "double", "backslash", "none"]),
    header=st.sampled_from(["auto", "yes", "no"]),
    delimiter=st.sampled_from([",", None]),
    width=st.integers(1, 2),
    chosen=PART_SIZES,
    other=PART_SIZES,
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_the_rows_that_are_skipped_do_not_depend_on_the_parts(
    tmp_path: Path,
    bulk: BulkScorer,
    content: str,
    quote: Any,
    header: Any,
    delimiter: str | None,
    width: int,
    chosen: tuple[int, int, int],
    other: tuple[int, int, int],
) -> None:
    """Also where the file is refused, which it is by a WorkError and by nothing else."""
    source = tmp_path / "source"
    begin = ["text\nfirst\n", "text,b\nfirst,row\n"][width - 1]
    source.write_bytes(f"{begin}{content}".encode())
    told = {"quote": quote, "header": header, "delimiter": delimiter, "column": {"number": 1}}
    spec = SentimentSpec(file=uuid4(), format="csv", errors="skip", **told)
    made: list[Any] = []
    for size in (chosen, other, (HUGE, HUGE, 50_000)):
        with sizes(*size):
            try:
                outcome, scored, _ = in_parts(spec, source, "in.csv", bulk)
            except WorkError as error:
                made.append(error.message)
                continue
        made.append((outcome.result, scored))
        assert outcome.result["errors"]["count"] == outcome.result["skipped"]
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("part", [7, 12, 20, HUGE])
def test_an_open_quote_hides_no_row_where_a_part_ends_in_a_later_one(
    tmp_path: Path, bulk: BulkScorer, part: int
) -> None:
    """The quote on line 2 closes on line 4, where another one opens; a part may end there."""
    source = tmp_path / "source"
    source.write_bytes(b'good\n"\n\nbad","\n"\ngood"')
    spec = SentimentSpec(
        file=uuid4(), format="csv", errors="skip", quote="double", delimiter=",", header="no"
    )
    with sizes(part, 1, 1):
        outcome, scored, _ = in_parts(spec, source, "in.csv", bulk)
    assert [row["line"] for row in outcome.result["errors"]["first"]] == [2, 4]
    assert list(csv.reader(io.StringIO(scored.decode(), newline="")))[1:][0][0] == "good"
    assert (outcome.result["rows"], outcome.result["nulls"]) == (3, 1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | FIELDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=3),
    max_leaves=4,
)
OBJECTS = st.fixed_dictionaries(
    {}, optional={"text": st.none() | FIELDS, "label": VALUES, "n": VALUES, "late": VALUES}
)


@given(
    rows=st.lists(OBJECTS, min_size=1, max_size=12),
    is_ascii=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\n \n"]),
    format=st.sampled_from(["jsonl", "parquet", "csv"]),
    chosen=PART_SIZES,
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_jsonl_scored_in_any_parts_is_what_plain_python_makes(
    tmp_path: Path,
    bulk: BulkScorer,
    scorer: Scorer,
    rows: list[dict[str, Any]],
    is_ascii: bool,
    end: str,
    format: str,  # noqa: A002
    chosen: tuple[int, int, int],
) -> None:
    rows = [{"text": "good"}, *rows]
    source = tmp_path / "source"
    source.write_bytes(end.join(json.dumps(row, ensure_ascii=is_ascii) for row in rows).encode())
    with sizes(*chosen):
        _, content, _ = in_parts(SentimentSpec(file=uuid4(), format=format), source, "in.jsonl", bulk)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    theirs = ["label_original" if name == "label" else name for name in columns]
    expected = []
    for row in rows:
        scores = plainly(scorer, [row.get("text") or ""])
        ours = dict(zip(["neg", "neu", "pos", "compound", "label"], scores, strict=True))
        if format == "jsonl":
            numbers = {
                name: None if not text else text if name == "label" else float(text)
                for name, text in ours.items()
            }
            expected.append({theirs[columns.index(key)]: value for key, value in row.items()} | numbers)
        else:
            values = [row.get(column) for column in columns]
            shown = [
                value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                for value in values
            ]
            expected.append(dict(zip(theirs, shown, strict=True)) | {"label": ours["label"] or None})
    if format == "jsonl":
        assert [json.loads(line) for line in content.decode().split("\n")[:-1]] == expected
    elif format == "parquet":
        names = [*theirs, "label"]
        found = pq.read_table(pa.BufferReader(content)).select(names).to_pylist()
        assert found == expected
    else:
        found = list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))
        assert [{name: row[name] or None for name in [*theirs, "label"]} for row in found] == [
            {name: value or None for name, value in row.items()} for row in expected
        ]
