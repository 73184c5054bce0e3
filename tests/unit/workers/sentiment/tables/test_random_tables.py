"""Tables of random dialects are read as they are meant, or refused; `make fuzz-tables` reads more of them."""

from pathlib import Path

from jobyard.workers.sentiment.vader.bulk import BulkScorer
from tests.fuzz.reading import verdict
from tests.fuzz.tables import make_table

SEEDS = range(1, 151)
# Where two readings are possible.
MAY_BE_REFUSED = 0.05


def test_no_random_table_is_misread(tmp_path: Path, bulk: BulkScorer) -> None:
    found = {seed: verdict(make_table(seed), bulk, tmp_path) for seed in SEEDS}
    assert {seed: said for seed, said in found.items() if said.startswith("misread")} == {}
    refused = {seed: said for seed, said in found.items() if said.startswith("refused")}
    assert len(refused) <= MAY_BE_REFUSED * len(SEEDS), refused
