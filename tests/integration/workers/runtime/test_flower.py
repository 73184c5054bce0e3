"""The real Flower: what it keeps over a restart, and that its own metrics are behind its login."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from jobyard.shared.broker import Broker
from jobyard.shared.jobs import Claim, State
from jobyard.workers.runtime.events import Events
from jobyard.workers.runtime.outcome import Outcome
from tests.conftest import TOKEN
from tests.ports import free_port
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.conftest import RedisProcess


@contextmanager
def flower(home: Path, broker_url: str) -> Iterator[httpx.Client]:
    """A Flower that answers; it is ended as a supervisor does, and has to end well."""
    port = free_port()
    settings = {"HOME": str(home), "BROKER_URL": broker_url, "TOKEN": TOKEN, "FLOWER_PORT": str(port)}
    environment = os.environ | {f"JOBYARD_{name}": value for name, value in settings.items()}
    process = subprocess.Popen([sys.executable, "-m", "jobyard.workers", "flower"], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("jobyard", TOKEN), timeout=60) as client:

            def answers() -> bool:
                assert process.poll() is None, "Flower has ended"
                try:
                    return client.get("/healthcheck").is_success
                except httpx.TransportError:
                    return False

            wait_for(answers)
            yield client
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    finally:
        process.kill()
        process.wait()


def states(client: httpx.Client) -> dict[str, str]:
    found: dict[str, Any] = client.get("/api/tasks").raise_for_status().json()
    return {task_id: task["state"] for task_id, task in found.items()}


def test_what_had_ended_is_kept_over_a_restart_and_what_may_have_ended_since_is_not(
    redis_server: "RedisProcess", broker: Broker, tmp_path: Path
) -> None:
    claims = [Claim(uuid.uuid4(), "train", "gpu", {}, 1, uuid.uuid4(), None) for _ in range(5)]
    ended = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.QUEUED)
    expected = ("SUCCESS", "FAILURE", "REVOKED", "RETRY", "STARTED")
    shown = {str(claim.id): state for claim, state in zip(claims, expected, strict=True)}
    with flower(tmp_path, redis_server.url) as client:
        with redis_server.client() as redis:
            wait_for(redis.pubsub_numpat)
        events = Events(broker.app, "gpu@here")
        for claim, state in zip(claims, ended, strict=False):
            events.started(claim)
            events.ended(claim, Outcome(state, "why" if state is State.FAILED else None))
        events.started(claims[-1])
        wait_for(lambda: states(client) == shown)
        with httpx.Client(base_url=client.base_url, timeout=60) as stranger:
            assert stranger.get("/metrics").status_code == 401
        assert "flower_events_total" in client.get("/metrics").raise_for_status().text
    assert (tmp_path / "flower").stat().st_mode & 0o077 == 0
    with flower(tmp_path, redis_server.url) as client:
        assert states(client) == {
            task_id: state for task_id, state in shown.items() if state not in ("RETRY", "STARTED")
        }
        with redis_server.client() as redis:
            wait_for(redis.pubsub_numpat)
        events.ended(claims[-1], Outcome(State.SUCCEEDED))
        wait_for(lambda: states(client).get(str(claims[-1].id)) == "SUCCESS")


def test_without_a_place_to_keep_tasks_it_runs(redis_server: "RedisProcess", tmp_path: Path) -> None:
    (tmp_path / "flower").write_text("a file where its folder should be")
    with flower(tmp_path, redis_server.url) as client:
        assert states(client) == {}


def test_a_damaged_file_is_put_aside(redis_server: "RedisProcess", tmp_path: Path) -> None:
    (tmp_path / "flower").mkdir()
    (tmp_path / "flower/tasks").write_bytes(b"no database")
    with flower(tmp_path, redis_server.url) as client:
        assert states(client) == {}
