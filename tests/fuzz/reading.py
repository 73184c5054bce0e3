"""`make fuzz-tables`: random tables, read without being told how they are written; none may be misread."""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.sentiment.files import score_file
from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.scorer import Scorer
from tests.fuzz.tables import RandomTable, make_table

LIMIT = 10_000_000


def verdict(table: RandomTable, bulk: BulkScorer, folder: Path) -> str:
    """`right`, `refused: why`, or `misread: how`."""
    source, output = folder / "source", folder / "output"
    source.write_bytes(table.content)
    spec = SentimentSpec(file=uuid4(), **table.spec)
    try:
        result = score_file(spec, source, table.name, output, bulk, LIMIT, NoProgress()).result
    except WorkError as error:
        return f"refused: {error.message}"
    column = result["column"]
    texts = [text or None for text in pq.read_table(output, columns=[column]).column(0).to_pylist()]
    if texts != table.texts:
        return f"misread: {texts}"
    report = result["errors"] or {"first": []}
    if [one["line"] for one in report["first"]] != table.broken or result["skipped"] != len(table.broken):
        return f"misread: broken rows are {report}"
    if (result["rows"], result["nulls"]) != (len(table.texts), table.texts.count(None)):
        return "misread: rows and nulls don't add up"
    return "right"


def main() -> int:
    """Print what was misread or refused; 1 if any table was misread."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.reading", description=__doc__)
    parser.add_argument("--tables", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first table; each next one has the next")
    chosen = parser.parse_args()
    bulk = BulkScorer(Scorer())
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(chosen.seed, chosen.seed + chosen.tables):
            table = make_table(seed)
            found = verdict(table, bulk, Path(folder))
            counts[found.split(":")[0]] += 1
            if found != "right":
                sys.stdout.write(
                    f"{seed}: {found[:300]}\n  {table.name} {table.content[:300]!r}\n  {table.texts}\n"
                )
    sys.stdout.write(f"{dict(counts)}\n")
    return 1 if counts["misread"] else 0


if __name__ == "__main__":
    sys.exit(main())
