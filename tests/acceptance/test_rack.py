"""The processes of docker-compose.yml, with its commands and settings, on Redis and PostgreSQL.

There is no Docker engine where this runs: hosts, ports and folders are changed, nothing else.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from jobyard import Client
from jobyard.up.redis import find_binary
from tests.acceptance.conftest import PATIENCE, QUICK, until
from tests.conftest import new_database
from tests.factories import draw_dataset
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SECRETS = {
    "JOBYARD_TOKEN": "a-token-of-enough-characters",
    "REDIS_PASSWORD": "redis-password-0123",
    "POSTGRES_PASSWORD": "unused: this PostgreSQL trusts its own socket",
}
PROCESSES = ["web", "gpu-worker", "predict-worker", "cpu-worker", "sweeper", "flower"]


def _compose() -> dict[str, Any]:
    """docker-compose.yml's services, variables filled in as compose does."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return {
        name: service | {"environment": {key: _filled(str(value)) for key, value in environment.items()}}
        for name, service in services.items()
        if (environment := service.get("environment"))
    }


def _filled(value: str) -> str:
    return re.sub(
        r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda match: SECRETS.get(match[1]) or match[2] or "", value
    )


class Rack:
    """Redis with a password on TCP, PostgreSQL, and one process per service."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.port, self.flower_port, self._redis_port = free_port(), free_port(), free_port()
        self._changes = {
            "JOBYARD_DATABASE_URL": database_url,
            "JOBYARD_STORAGE_URL": (folder / "storage").as_uri(),
            "JOBYARD_HOST": "127.0.0.1",
            "JOBYARD_PORT": str(self.port),
            "JOBYARD_FLOWER_PORT": str(self.flower_port),
        }
        self._services = _compose()
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        redis = subprocess.Popen(
            [find_binary(), "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=self.folder
        )
        assert redis.stdin is not None
        settings = ["bind 127.0.0.1", f"port {self._redis_port}", f"requirepass {SECRETS['REDIS_PASSWORD']}"]
        settings += ["appendonly yes", 'save ""', "maxmemory-policy noeviction"]
        redis.stdin.write("\n".join(settings).encode())
        redis.stdin.close()
        self.running["redis"] = redis
        subprocess.run(self.command("migrate"), env=self.environment("migrate"), check=True, cwd=ROOT)
        for name in PROCESSES:
            self.start_one(name)
        until(self._is_ready, "web")

    def start_one(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                self.command(name), env=self.environment(name), stdout=log, stderr=log, cwd=ROOT
            )

    def command(self, name: str) -> list[str]:
        program, *arguments = self._services[name]["command"]
        return [str(Path(sys.executable).parent / program), *arguments]

    def environment(self, name: str) -> dict[str, str]:
        given = {key: str(value) for key, value in self._services[name]["environment"].items()}
        home = self.folder / f"{name}-home"
        home.mkdir(exist_ok=True)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("JOBYARD_")}
        merged = inherited | given | {key: value for key, value in self._changes.items() if key in given}
        merged["JOBYARD_BROKER_URL"] = given["JOBYARD_BROKER_URL"].replace(
            "@redis:6379", f"@127.0.0.1:{self._redis_port}"
        )
        return merged | {"JOBYARD_HOME": str(home), "TMPDIR": str(home), "TF_CPP_MIN_LOG_LEVEL": "2"}

    def _is_ready(self) -> bool:
        assert self.running["web"].poll() is None, (self.folder / "web.log").read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz").is_success
        except httpx.HTTPError:
            return False

    def flower(self) -> httpx.Client:
        """A browser of Flower, logged in."""
        address = f"http://127.0.0.1:{self.flower_port}"
        return httpx.Client(base_url=address, auth=("jobyard", SECRETS["JOBYARD_TOKEN"]), timeout=PATIENCE)

    def stop(self) -> None:
        for process in reversed(self.running.values()):
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            process.wait(PATIENCE)


@pytest.fixture(scope="module")
def rack(postgres: str) -> Iterator[Rack]:
    with new_database(postgres) as url, tempfile.TemporaryDirectory(prefix="jy-") as folder:
        started = Rack(Path(folder), url)
        try:
            started.start()
            yield started
        finally:
            started.stop()


def test_composes_processes_run_every_kind_of_job(rack: Rack, tmp_path: Path) -> None:
    with Client(f"http://127.0.0.1:{rack.port}", SECRETS["JOBYARD_TOKEN"]) as client:
        assert client.score(["I love it"]).wait(PATIENCE).result["labels"]["positive"] == 1
        imported = client.import_pictures("shapes", draw_dataset(tmp_path / "shapes", per_class=12))
        dataset = imported.wait(PATIENCE).result["dataset"]
        training = client.train(dataset, **QUICK, epochs=2).wait(PATIENCE)
        assert [point["step"] for point in training.metrics("val_accuracy")] == [1, 2]
        predicted = client.predict(training.result["model"], dataset=dataset).wait(PATIENCE)
        assert predicted.result["count"] == 24

        # Two cpu workers, as `--scale cpu-worker=2` makes them: each job runs once, by one of them.
        rack.running["cpu-worker-1"] = rack.running.pop("cpu-worker")
        rack.start_one("cpu-worker")
        for job in [client.score([f"text {number}"]) for number in range(40)]:
            job.wait(PATIENCE)
            # A job that takes longer than a heartbeat has a row of its phase, too.
            moves = [event["state"] for event in job.events() if event["phase"] is None]
            assert moves == ["queued", "running", "succeeded"]

    with rack.flower() as flower:
        until(lambda: "cpu@" in flower.get("/workers").text, "a worker in Flower")


def test_secrets_are_in_no_log_on_no_command_line_and_on_no_page_of_flower(rack: Rack) -> None:
    with Client(f"http://127.0.0.1:{rack.port}", SECRETS["JOBYARD_TOKEN"]) as client:
        client.score(["I love it"]).wait(PATIENCE)
    httpx.get(
        f"http://127.0.0.1:{rack.port}/login", params={"token": SECRETS["JOBYARD_TOKEN"]}, timeout=PATIENCE
    )
    seen = "".join(log.read_text() for log in rack.folder.glob("*.log"))
    lines = [psutil.Process(process.pid).cmdline() for process in rack.running.values()]
    seen += " ".join(word for line in lines for word in line)
    assert seen
    with rack.flower() as flower:
        worker = f"cpu@{socket.gethostname()}"
        until(lambda: flower.get(f"/worker/{worker}").is_success, "the worker in Flower")
        pages = [flower.get(path).text for path in (f"/worker/{worker}", "/api/workers", "/broker", "/tasks")]
    assert "broker_url" in pages[0]
    seen += "".join(pages)
    for secret in (SECRETS["JOBYARD_TOKEN"], SECRETS["REDIS_PASSWORD"]):
        assert secret not in seen
