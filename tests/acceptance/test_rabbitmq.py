"""RabbitMQ as the broker, by changing JOBYARD_BROKER_URL and nothing else."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import kombu
import kombu.pools
import pytest
from kombu.exceptions import OperationalError

from jobyard import Client
from jobyard.shared.broker import MAX_MESSAGES, Broker
from jobyard.shared.config import Settings
from tests.acceptance.conftest import LONG, PATIENCE, Stack, environment, until
from tests.factories import draw_dataset
from tests.ports import free_port

# Debian's wrapper on the PATH insists on a user of its own; this is what it calls.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

HOLD_SECONDS = 5


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[str]:
    """The address of a RabbitMQ of these tests' own. In CI a missing one is a failure."""
    if not SERVER.exists():
        message = "there is no RabbitMQ here: apt-get install rabbitmq-server"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="jy-", ignore_cleanup_errors=True) as folder:
        environment = os.environ | {
            "HOME": folder,
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODENAME": f"jobyard{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            # Nobody may hold a message for long: half an hour is its default, looked at once a minute.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} "
            f"-rabbit consumer_timeout {HOLD_SECONDS * 1000} -rabbit channel_tick_interval 1000",
            # Erlang's own name server outlives its node unless it is started apart.
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(free_port()),
        }
        log = Path(folder) / "out.log"
        epmd = subprocess.Popen(
            ["epmd"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with log.open("wb") as out:
            # A session of its own: the script and the virtual machine that it starts end together.
            server = subprocess.Popen(
                [str(SERVER)], env=environment, stdout=out, stderr=out, start_new_session=True
            )
        try:
            until(lambda: "completed with" in log.read_text(), "RabbitMQ", show=log)
            yield f"amqp://guest:guest@127.0.0.1:{port}//"
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(PATIENCE)
            epmd.terminate()
            epmd.wait(PATIENCE)


def test_wake_up_calls_go_through_rabbitmq_as_through_redis(rabbitmq: str) -> None:
    broker = Broker(Settings(broker_url=rabbitmq))
    try:
        assert broker.depths() == {"gpu": 0, "predict": 0, "cpu": 0}, "nobody has declared them yet"
        assert broker.wake("predict")
        assert broker.wake("cpu", 3)
        assert broker.depths() == {"gpu": 0, "predict": 1, "cpu": 3}
        assert broker.wake("cpu", 1_000)
        assert broker.wake("cpu", 1_000)
        assert broker.depths() == {"gpu": 0, "predict": 1, "cpu": MAX_MESSAGES}
    finally:
        kombu.pools.reset()


def test_a_rabbitmq_that_is_not_there_costs_a_bounded_time_and_then_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobyard.shared.broker.AWAY_SECONDS", 10 * PATIENCE)
    broker = Broker(Settings(broker_url=f"amqp://guest:guest@127.0.0.1:{free_port()}//"))
    start = time.monotonic()
    assert not broker.wake("cpu", 3)
    assert time.monotonic() - start < 30
    with pytest.raises(OperationalError):
        broker.depths()
    monkeypatch.setattr(broker, "app", None)  # whoever asked would need it
    assert not broker.wake("gpu")


def test_a_channel_that_rabbitmq_closes_is_opened_again(rabbitmq: str) -> None:
    broker = Broker(Settings(broker_url=rabbitmq))
    with kombu.Connection(rabbitmq) as connection, connection.channel() as channel:
        channel.queue_delete("gpu")
        channel.queue_declare("gpu", durable=True, auto_delete=False, arguments={"x-max-length": 7})
        try:
            until(lambda: broker.wake("cpu"), "a connection")
            assert not broker.wake("gpu"), "it is somebody else's queue"
        finally:
            channel.queue_delete("gpu")
    until(lambda: broker.wake("gpu"), "the queue")
    kombu.pools.reset()


def test_jobs_run_on_rabbitmq_and_the_urgent_ones_first(rabbitmq: str, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="jy-") as folder:
        stack = Stack(Path(folder), settings={"BROKER_URL": rabbitmq})
        stack.start()
        try:
            with stack.client() as client:
                assert client.score(["I love it"]).wait(PATIENCE).result["labels"]["positive"] == 1
                _urgent_first(client, stack)
                _trainings_hold_no_message(client, stack, tmp_path)
        finally:
            assert stack.stop() == []


def _urgent_first(client: Client, stack: Stack) -> None:
    """Frozen workers let the jobs wait together; thawed, they take the urgent ones first."""
    family = [stack.worker("cpu"), *stack.worker("cpu").children()]
    for process in family:
        process.suspend()
    usual = [client.score(["usual"], priority=1) for _ in range(10)]
    urgent = [client.score(["urgent"], priority=9) for _ in range(3)]
    for process in reversed(family):
        process.resume()
    started = {job.id: job.wait(PATIENCE).raw["started_at"] for job in [*usual, *urgent]}
    assert max(started[job.id] for job in urgent) <= min(started[job.id] for job in usual)


def _trainings_hold_no_message(client: Client, stack: Stack, folder: Path) -> None:
    """A worker that trains keeps its connection, and takes no message that another could have."""
    imported = client.import_pictures("shapes", draw_dataset(folder / "shapes")).wait(PATIENCE)
    worker = stack.worker("gpu")
    first = client.train(imported.result["dataset"], **LONG)
    until(lambda: first.refresh().state == "running", "the first training", show=stack.log)
    logged = len(stack.log.read_text())
    second, third = (client.train(imported.result["dataset"], **LONG) for _ in range(2))
    time.sleep(HOLD_SECONDS + 3)  # what would be held is looked for once a second
    assert "PRECONDITION_FAILED" not in stack.log.read_text()[logged:]
    assert (first.refresh().state, first.attempt, stack.worker("gpu")) == ("running", 1, worker)

    settings = environment(stack.home, **stack.settings)
    another = subprocess.Popen(
        [sys.executable, "-m", "jobyard.workers", "gpu", "--name", "gpu2"], env=settings
    )
    try:
        until(lambda: second.refresh().state == "running", "the second one, on the other worker")
        assert (first.refresh().state, third.refresh().state) == ("running", "queued")
        for job in (third, second, first):
            job.cancel()
        assert [job.wait(PATIENCE, check=False).state for job in (first, second, third)] == ["cancelled"] * 3
    finally:
        another.terminate()
        assert another.wait(PATIENCE) == 0
