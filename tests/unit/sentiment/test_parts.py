"""A file that is scored in parts comes out, to the byte, as if it had been scored at once."""

import json
import random
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.errors import WorkError
from shared.specs import SentimentSpec
from tests.unit.sentiment.conftest import Notes
from workers.sentiment import files, writers
from workers.sentiment.files import Plan, put_together, read_file, score_file, score_part
from workers.sentiment.scorer import Scorer

WORDS = ["good", "awful", "table", "not", "very", "LOVE", "hate!", "ça", "naïve", "🙂", ",", '"', "\u2028"]


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
    lines = []
    for number, text in enumerate(rows):
        row: dict[str, Any] = {"label": number, "text": None if number % 11 == 0 else text}
        if number % 5 == 0:
            row = {f"late{number // 20}": [number], **row}
        lines.append(json.dumps(row, ensure_ascii=number % 2 == 0))
        if number % 7 == 0:
            lines.append("  ")
    return "\n".join(lines)


CONTENTS = {
    "in.csv": as_csv(texts(95)),
    "bom.csv": as_csv(texts(95), bom="\ufeff"),
    "in.tsv": as_csv(texts(60), "\t"),
    "in.jsonl": as_jsonl(texts(95)),
    # Lines that look like other files, and one that begins as a file can.
    "in.txt": "\ufeff" + "\n".join(["PAR1", "BZh", "\ufeffgood", '{"a": 1}', "", *texts(80)]),
    "no_end.txt": "\n".join(texts(51)),
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts, chunks and row groups of a few rows, in no ratio to each other."""
    monkeypatch.setattr(files, "CHUNK_ROWS", 4)
    monkeypatch.setattr(files, "CHUNK_CHARACTERS", 150)
    monkeypatch.setattr(files, "PART_ROWS", 10)
    monkeypatch.setattr(files, "PART_CHARACTERS", 400)
    monkeypatch.setattr(files, "PARTS_OF_A_SIZE", 3)
    monkeypatch.setattr(writers, "GROUP_ROWS", 25)
    monkeypatch.setattr(writers, "GROUP_BYTES", 4_000)


def in_parts(
    spec: SentimentSpec, source: Path, name: str, scorer: Scorer
) -> tuple[dict[str, Any], bytes, Plan]:
    """As workers do it: each part alone, the last one first."""
    folder, notes = source.parent, Notes()
    plan = Plan.from_json(read_file(spec, source, name, notes).to_json())
    results = {}
    for number in reversed(range(len(plan.parts))):
        part = folder / "part"
        part.write_bytes(source.read_bytes()[plan.parts[number].start : plan.parts[number].end])
        output = folder / f"{number}"
        result = score_part(spec, plan, number, part, output, scorer, notes)
        results[number] = (output, json.loads(json.dumps(result)))
    output = folder / "whole"
    made = put_together(spec, plan, [results[number] for number in sorted(results)], output, notes)
    return made, output.read_bytes(), plan


@pytest.mark.parametrize("scored_as", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("name", CONTENTS)
def test_parts_put_together_are_what_one_run_makes(
    tmp_path: Path, scorer: Scorer, name: str, scored_as: str
) -> None:
    source = tmp_path / "source"
    source.write_text(CONTENTS[name], encoding="utf-8", newline="")
    spec = SentimentSpec(file=uuid4(), format=scored_as)
    once = tmp_path / "once"
    result = score_file(spec, source, name, once, scorer, Notes())
    made, content, plan = in_parts(spec, source, name, scorer)
    assert len(plan.parts) > 3
    assert made == result
    assert content == once.read_bytes()


def test_parts_are_next_to_each_other_and_grow_with_their_number(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("text\n" + "good\n" * 400)
    plan = read_file(SentimentSpec(file=uuid4()), source, "in.csv", Notes())
    assert plan.parts[0].start == len("text\n")
    assert plan.parts[-1].end == source.stat().st_size
    assert all(one.end == other.start for one, other in zip(plan.parts, plan.parts[1:], strict=False))
    assert sum(plan.part_rows) == plan.rows == 400
    assert plan.part_rows[:4] == [12, 12, 12, 20]
    assert plan.part_rows[6] == 40


def test_a_mistake_in_a_part_is_named_with_its_line_in_the_file(tmp_path: Path, scorer: Scorer) -> None:
    source = tmp_path / "source"
    rows = [json.dumps({"text": "good"})] * 40
    rows[33] = json.dumps({"text": 7})
    source.write_text("\n".join(rows))
    with pytest.raises(WorkError, match="line 34: the text is 7; should be a string or null"):
        in_parts(SentimentSpec(file=uuid4()), source, "in.jsonl", scorer)


def test_parts_of_another_lexicon_are_refused(tmp_path: Path, scorer: Scorer) -> None:
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("good\t1.0\n")
    spec, notes = SentimentSpec(file=uuid4(), format="csv"), Notes()
    source = tmp_path / "source"
    source.write_text("good\n" * 24)
    plan = read_file(spec, source, "in.txt", notes)
    parts = []
    for number, theirs in enumerate([scorer, Scorer(str(lexicon))]):
        part = tmp_path / "part"
        part.write_bytes(source.read_bytes()[plan.parts[number].start : plan.parts[number].end])
        result = score_part(spec, plan, number, part, tmp_path / f"{number}", theirs, notes)
        parts.append((tmp_path / f"{number}", result))
    with pytest.raises(WorkError, match="JOBYARD_LEXICON"):
        put_together(spec, plan, parts, tmp_path / "whole", notes)
    assert not (tmp_path / "whole").exists()
