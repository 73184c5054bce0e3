"""What the tests of sentiment share."""

import csv
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest

from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.sentiment.files import score_file
from jobyard.workers.sentiment.outcome import Outcome
from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.scorer import Scorer
from tests.reports import NoMetrics

LIMIT = 100_000_000


class Desk:
    """Scores contents, and reads the scored files back."""

    def __init__(self, folder: Path, scorer: Scorer, bulk: BulkScorer) -> None:
        self.folder = folder
        self.scorer = scorer
        self.bulk = bulk
        self.limit = LIMIT
        self.notes = NoMetrics()
        self.output = folder / "output"

    def score(self, content: str | bytes, name: str = "in.csv", **spec: Any) -> dict[str, Any]:
        return self.outcome(content, name, **spec).result

    def outcome(self, content: str | bytes, name: str = "in.csv", **spec: Any) -> Outcome:
        source = self.folder / "source"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        given = SentimentSpec(file=uuid4(), **spec)
        return score_file(given, source, name, self.output, self.bulk, self.limit, self.notes)

    def parquet(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.output).to_pylist()
        return rows

    def csv(self) -> list[dict[str, str]]:
        with self.output.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, strict=True))

    def jsonl(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.read_text(encoding="utf-8").split("\n")[:-1]]


@pytest.fixture
def notes() -> NoMetrics:
    return NoMetrics()


@pytest.fixture(scope="session")
def scorer() -> Scorer:
    return Scorer()


@pytest.fixture(scope="session")
def bulk(scorer: Scorer) -> BulkScorer:
    return BulkScorer(scorer)


@pytest.fixture
def desk(tmp_path: Path, scorer: Scorer, bulk: BulkScorer) -> Desk:
    return Desk(tmp_path, scorer, bulk)
