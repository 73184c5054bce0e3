"""The whole system: milliseconds of one picture from submit to result; pictures a second of an archive."""

import hashlib
import json
import statistics
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.machine import Machine
from benchmarks.prediction.speed import CLASSES, SIZE
from benchmarks.queue import load
from benchmarks.queue.latency import celery
from jobyard.client import Client
from jobyard.shared import registry
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.storage import Storage
from jobyard.workers.prediction.models import ModelCache

TOKEN = "token-of-the-benchmark-0123456789"  # noqa: S105 - a server of some seconds
# What a job may add to the forward pass and a bare Celery round trip.
GOAL_MS = 25


def bench(machine: Machine, model: Path, files: list[Path], count: int) -> Iterator[str]:
    """Lines; those with MISSED in them miss their goal. `count` single jobs."""
    environment = {
        "JOBYARD_HOME": machine.folder / "system",
        "JOBYARD_DATABASE_URL": machine.migrate(f"sqlite:///{machine.folder / 'system.db'}"),
        "JOBYARD_BROKER_URL": machine.new_broker(),
        "JOBYARD_TOKEN": TOKEN,
    }
    _register(Settings(home=machine.folder / "system"), str(environment["JOBYARD_DATABASE_URL"]), model)
    machine.python("jobyard.workers", "predict", **environment)
    machine.python("jobyard.workers", "sweeper", **environment)
    port = machine.gunicorn(
        "jobyard.web.app:create_app()", "-c", "python:jobyard.web.gunicorn", **environment
    )
    with Client(f"http://127.0.0.1:{port}", TOKEN) as client:
        image = client.upload(files[0])["id"]
        began = time.perf_counter()
        client.predict("bench", [image]).wait(300)
        yield f"the first picture of a new worker: {time.perf_counter() - began:.1f} s"
        body = json.dumps({"kind": "predict", "spec": {"model": "bench", "images": [image]}}).encode()
        head = {"Authorization": f"Bearer {TOKEN}"}
        submit = load.request("POST", "/api/v1/jobs?wait=20", head, body)
        bare, forward = celery(machine), _forward(model)
        bare(count)
        whole, parts = [], []
        for _ in range(5):  # in turns, so that a disturbance meets all
            whole.append(_median_ms(port, submit, count))
            parts.append((forward(count), bare(count)))
        on_top = statistics.median(ours - sum(theirs) for ours, theirs in zip(whole, parts, strict=True))
        yield (
            f"one picture, warm, submit to result: {statistics.median(whole):.1f} ms; "
            f"a forward pass {statistics.median(part[0] for part in parts):.1f} ms, "
            f"Celery's delay().get() {statistics.median(part[1] for part in parts):.1f} ms; "
            f"on top {on_top:.1f} ms  ≤ {GOAL_MS} {'met' if on_top <= GOAL_MS else 'MISSED'}"
        )
        archive = machine.folder / "pictures.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            for path in files:
                packed.write(path, path.name)
        uploaded = client.upload(archive)["id"]
        began = time.perf_counter()
        job = client.submit("predict", {"model": "bench", "archive": uploaded}).wait(600)
        took = time.perf_counter() - began
        what = f"an archive of {len(files):,} photographs in {len(list(client.jobs(parent=job.id)))} parts"
        yield f"{what}, submit to result: {len(files) / took:.1f} pict/s"


def _register(settings: Settings, database_url: str, model: Path) -> None:
    database = Database(database_url)
    stored = Storage(settings.storage, database).put_file("models", model)
    with database.write() as session:
        registry.add(
            session,
            registry.Model(
                name="bench",
                network="classic",
                classes=CLASSES,
                image_size=SIZE,
                metrics={},
                storage_key=stored.key,
                bytes=stored.bytes,
                sha256=stored.sha256,
            ),
        )
    database.dispose()


def _forward(model: Path) -> Callable[[int], float]:
    loaded = ModelCache().get(model, hashlib.sha256(model.read_bytes()).hexdigest(), CLASSES, SIZE)
    pixels = np.zeros((1, SIZE, SIZE, 3), dtype=np.uint8)

    def median_ms(count: int) -> float:
        times = []
        for _ in range(count):
            began = time.perf_counter()
            loaded.probabilities(pixels)
            times.append(time.perf_counter() - began)
        return statistics.median(times) * 1000

    median_ms(5)
    return median_ms


def _median_ms(port: int, submit: bytes, count: int) -> float:
    times = []
    with load.Conversation(port) as talk:
        for _ in range(count):
            began = time.perf_counter()
            job = json.loads(talk.ask(submit, 200).partition(b"\r\n\r\n")[2])
            times.append(time.perf_counter() - began)
            if job["state"] != "succeeded":
                raise RuntimeError(f"a job {job['state']}: {job['error']}")
    return statistics.median(times) * 1000
