"""Jobs as a server sends them."""

from typing import Any

from jobyard.client.job import JobFields

ID = "0198c5b0-0000-7000-8000-000000000001"


def raw(kind: str = "train", state: str = "succeeded", **changes: Any) -> dict[str, Any]:
    """The JSON of a job."""
    ended = state in ("succeeded", "failed", "cancelled")
    job: dict[str, Any] = {
        "id": ID,
        "kind": kind,
        "title": "compact on pets@1",
        "state": state,
        "phase": None,
        "queue": "gpu",
        "priority": 5,
        "spec": {},
        "result": None,
        "error": None,
        "progress": None,
        "attempt": 1,
        "max_attempts": 3,
        "position": None,
        "parent_id": None,
        "created_at": "2026-01-01T12:00:00Z",
        "started_at": "2026-01-01T12:00:01Z" if state != "queued" else None,
        "finished_at": "2026-01-01T12:01:06Z" if ended else None,
        "links": {"page": f"/jobs/{ID}"},
    }
    return job | changes


def job(kind: str = "train", state: str = "succeeded", **changes: Any) -> JobFields:
    """A job that asks no server."""
    return JobFields(raw(kind, state, **changes))


def history(**metrics: list[float | None]) -> list[dict[str, Any]]:
    """The metric history of a training: values by whole epochs from 1 on."""
    return [
        {"name": name, "step": epoch, "epoch": epoch, "value": value, "at": "2026-01-01T12:00:00Z"}
        for name, values in metrics.items()
        for epoch, value in enumerate(values, 1)
    ]
