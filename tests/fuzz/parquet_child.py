"""The process that reads files that may end it: `python -m tests.fuzz.parquet_child FOLDER FIRST END`."""

import random
import sys
import traceback
from pathlib import Path
from uuid import UUID

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.sentiment.files import score_file
from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.scorer import Scorer
from tests.fuzz.parquet_files import make_file
from tests.recorder import peak_bytes

# More than such small files may take, whatever is in them.
MEMORY_BYTES = 1_500_000_000
COLUMNS = ("text", "text", "text", "n", "place.text", 1, 3)
LIMIT = 100_000_000


def main() -> None:
    """Read the files of seeds from FIRST up to END. `at` in FOLDER has the seed that is being read, `wrong`
    has the others that no one should see: what was raised that is no WorkError."""
    folder, seeds = Path(sys.argv[1]), range(int(sys.argv[2]), int(sys.argv[3]))
    bulk = BulkScorer(Scorer())
    with (folder / "wrong").open("a") as wrong:
        for seed in seeds:
            (folder / "at").write_text(str(seed))
            try:
                _read(folder, seed, bulk)
            except WorkError:
                pass
            except Exception:  # noqa: BLE001 - this is what is looked for
                last = traceback.format_exc().splitlines()
                wrong.write(f"{seed}: {last[-1]} | {last[-3].strip()}\n")
                wrong.flush()
            peak = peak_bytes()  # by getrusage that of the process which started this one would count, too
            if peak > MEMORY_BYTES:
                wrong.write(f"{seed}: the process has held {peak:,} bytes\n")
                return
    (folder / "at").write_text(str(seeds.stop))


def _read(folder: Path, seed: int, bulk: BulkScorer) -> None:
    source, output = folder / "source", folder / "output"
    source.write_bytes(make_file(seed))
    draw = random.Random(~seed)
    spec = SentimentSpec(
        file=UUID(int=0),
        column=draw.choice(COLUMNS),
        format=draw.choice(["parquet", "csv", "jsonl"]),
        errors=draw.choice(["fail", "skip"]),
    )
    score_file(spec, source, "in.parquet", output, bulk, LIMIT, NoProgress())


if __name__ == "__main__":
    main()
