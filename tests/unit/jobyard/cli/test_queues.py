"""`jobyard queues` and `jobyard workers`: what is asked of the server, and what is printed."""

import json
from collections.abc import Callable

import httpx
import pytest

from jobyard.cli import run

QUEUE = {
    "name": "cpu",
    "depth": 1_200,
    "depth_is_exact": False,
    "running": 2,
    "stalled": 0,
    "oldest_waiting_seconds": 90.4,
    "workers": ["cpu@a"],
    "draining": 0,
    "blocked_by": "it is paused: resume it",
    "owners": [{"name": "mallory", "queued": 1_100, "running": 2}],
    "paused_at": "2026-01-01T00:00:00.000Z",
    "paused_by": "ada",
    "pause_reason": "new disk [b]",
    "limit": 4,
    "last_hour": {"succeeded": 0, "failed": 0, "cancelled": 0, "failure_rate": None},
    "last_day": {"succeeded": 999, "failed": 1, "cancelled": 4, "failure_rate": 0.001},
}
JOB = {"id": "j", "kind": "train", "progress": {"done": 1, "total": 4}}
WORKER = {
    "name": "cpu@a",
    "host": "a",
    "queue": "cpu",
    "version": "1.0",
    "is_of_another_version": True,
    "free_bytes": 500_000_000,
    "min_free_bytes": 1_000_000_000,
    "started_at": "2026-01-01T00:00:00.000Z",
    "is_running": True,
    "draining_since": "2026-01-01T00:00:00.000Z",
    "drained_by": None,
    "jobs": [JOB],
}
Asked = list[tuple[str, str, object]]


@pytest.fixture
def asked(answer_with: Callable[[Callable[[httpx.Request], httpx.Response]], None]) -> Asked:
    """What the server was asked to change."""
    found: Asked = []

    def answers(request: httpx.Request) -> httpx.Response:
        one = QUEUE if "/queues" in request.url.path else WORKER
        if request.method == "GET":
            return httpx.Response(200, json={"items": [one], "next": None})
        body = json.loads(request.content) if request.content else None
        found.append((request.method, request.url.path.removeprefix("/api/v1"), body))
        return httpx.Response(200, json=one)

    answer_with(answers)
    return found


def test_queues_are_listed(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["queues"]) == 0
    shown = capsys.readouterr().out
    assert all(
        word in shown
        for word in ("≈ 1,200", "0:01:30", "4", "1,004, 0.1% failed", "paused by ada", "mallory 1,100")
    )
    assert run(["queues", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == QUEUE
    assert asked == []


def test_a_queue_is_paused_resumed_and_limited(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("pause cpu --reason why", "resume cpu", "limit cpu 4", "limit cpu none"):
        assert run(["queues", *words.split()]) == 0
    assert asked == [
        ("POST", "/queues/cpu/pause", {"reason": "why"}),
        ("POST", "/queues/cpu/resume", None),
        ("PATCH", "/queues/cpu", {"limit": 4}),
        ("PATCH", "/queues/cpu", {"limit": None}),
    ]
    assert "queue cpu: paused by ada: new disk [b], at most 4 jobs at once" in capsys.readouterr().out
    assert run(["queues", "limit", "cpu", "-1"]) == run(["queues", "limit", "cpu", "many"]) == 2


def test_workers_are_listed_and_drained_by_name_or_host(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["workers"]) == 0
    shown = capsys.readouterr().out
    assert all(
        word in shown
        for word in (
            "cpu@a",
            "1.0",
            "train j 25%",
            "draining",
            "500 MB",
            "not of the server's",
            "disk full",
        )
    )
    assert run(["workers", "drain", "cpu@a"]) == run(["workers", "undrain", "--host", "a"]) == 0
    assert asked == [("POST", "/workers/cpu@a/drain", None), ("POST", "/workers/cpu@a/undrain", None)]
    assert run(["workers", "drain", "--host", "b"]) == run(["workers", "drain"]) == 2
    assert "no worker is running on b" in capsys.readouterr().err
