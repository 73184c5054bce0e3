"""The tests of `test_jobs` once more, with all files in a bucket of a real server of S3's protocol."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jobyard import Client
from tests.acceptance.conftest import Stack
from tests.acceptance.test_jobs import *  # noqa: F403
from tests.buckets import faulty


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        faulty(monkeypatch),
        tempfile.TemporaryDirectory(prefix="jy-") as folder,
    ):
        running = Stack(Path(folder), {"STORAGE_URL": "s3://jobyard/files"})
        running.start()
        yield running
        left = running.stop()
        assert not left
        assert not (running.home / "storage").exists()


def test_what_the_bucket_holds_can_be_looked_at_and_deleted(
    client: Client, stack: Stack, tmp_path: Path
) -> None:
    """Rows of a scored file, which DuckDB reads in the bucket; a range of it; its deletion."""
    table = tmp_path / "reviews.csv"
    table.write_text("review\n" + "good\nbad\n" * 50)
    job = client.score(file=table, column="review", format="parquet").wait()
    headers = {"Authorization": f"Bearer {stack.token}"}
    place = f"/api/v1/jobs/{job.id}"
    with httpx.Client(base_url=stack.url, headers=headers, timeout=60) as api:
        rows = api.get(f"{place}/scores", params={"label": "negative", "limit": 3}).json()["items"]
        assert [row["row"] for row in rows] == [1, 3, 5]
        part = api.get(f"{place}/files/{job.result['file']}", headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"PAR1")
        unread = api.post("/api/v1/files", files={"file": ("a.csv", b"text\ngood\n")}).json()["id"]
        assert [api.delete(f"/api/v1/files/{unread}").status_code for _ in range(2)] == [204, 404]
