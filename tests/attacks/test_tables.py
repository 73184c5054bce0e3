"""Files of texts that are made to keep a worker busy."""

from pathlib import Path

from jobyard import Client
from tests.acceptance.conftest import until


def test_a_file_without_one_good_row_is_cancelled_at_once(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_bytes(b"x\n" * 4_000_000)
    job = client.score(file=path, errors="skip")
    until(lambda: job.refresh().state == "running", "a job of broken rows")
    job.cancel()
    # A heartbeat and a check later. To go through the file takes the better part of a minute.
    assert job.wait(20, check=False).state == "cancelled"
