"""A cache between the server and its owner keeps nothing for others, whatever the answer is."""

from pathlib import Path

import httpx

from jobyard import Client
from tests.acceptance.conftest import Stack

PRIVATE = "private, no-cache"


def test_no_answer_of_a_running_server_may_be_kept_by_others(
    stack: Stack, client: Client, tmp_path: Path
) -> None:
    table = tmp_path / "reviews.csv"
    table.write_text("text\n" + "I love it\n" * 20)
    job = client.score(file=table).wait(60)
    paths = [f"/api/v1/jobs/{job.id}{part}" for part in ("", "/events", "/scores", "/files")]
    paths += [
        job.link("self").removeprefix(stack.url),
        f"/jobs/{job.id}",
        "/",
        "/api/v1/jobs",
        "/api/v1/queues",
    ]
    paths += [file["links"]["self"] for file in job.files()]
    with httpx.Client(
        base_url=stack.url, headers={"Authorization": f"Bearer {stack.token}"}, timeout=180
    ) as owner:
        for path in paths:
            first = owner.get(path)
            assert first.status_code == 200, path
            assert first.headers["Cache-Control"] == PRIVATE, path
            assert {"Authorization", "Cookie"} <= set(first.headers["Vary"].split(", ")), path
            if etag := first.headers.get("ETag"):
                known = {"If-None-Match": f'"0", W/{etag.removeprefix("W/")}'}
                again = owner.get(path, headers=known)
                assert (again.status_code, again.content) == (304, b""), path
                assert again.headers["Cache-Control"] == PRIVATE, path
    with httpx.Client(base_url=stack.url, timeout=180) as stranger:
        for path in paths:
            refused = stranger.get(path)
            assert refused.status_code == 401, path
            assert refused.headers["Cache-Control"] == "no-store", path
        assert "public" in stranger.get("/static/js/live.js").headers["Cache-Control"]
