"""A whole training job, from claim to rows, against the bare `train()` that it runs."""

import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

from benchmarks.table import Row, compare, in_turns
from jobyard.shared import jobs, registry
from jobyard.shared import kinds as declared
from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.kinds.base import Spec
from jobyard.shared.kinds.imports import ImportSpec
from jobyard.shared.kinds.train import TrainSpec
from jobyard.shared.migrate import upgrade
from jobyard.shared.storage import Storage
from jobyard.workers import kinds
from jobyard.workers.datasets.unpack import unpack
from jobyard.workers.runtime.context import Context
from jobyard.workers.runtime.executor import Executor
from jobyard.workers.runtime.outcome import Outcome
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.training.fit import train


class _Unwatched:
    def started(self, claim: jobs.Claim) -> None:
        return None

    def ended(self, claim: jobs.Claim, ended: Outcome | None) -> None:
        if ended is None or ended.state != jobs.State.SUCCEEDED:
            raise RuntimeError(f"the job ended otherwise: {ended}")


def bench(folder: Path, scratch: Path, *, epochs: int, rounds: int) -> list[Row]:
    """`folder` has train/ and validation/; both trainings find their pictures decoded."""
    broker_url = f"redis+socket://{scratch}/no-redis.sock"
    settings = Settings(home=scratch / "home", broker_url=broker_url, import_roots=(folder,))
    upgrade(settings)
    database = Database(settings.database)
    context = Context(settings, database, Storage(settings.storage, database), Broker(settings))
    _run(context, ImportSpec(path=str(folder), name="pictures"))
    with context.database.read() as session:
        dataset = registry.find(session, registry.Dataset, "pictures")
    spec = TrainSpec(dataset=dataset.reference, network="classic", epochs=epochs)
    unpacked = scratch / "unpacked"
    with context.storage.local(dataset.storage_key, scratch) as archive:
        unpack(archive, unpacked, NoProgress())

    def bare() -> None:
        workdir = scratch / "bare"
        workdir.mkdir(exist_ok=True)
        train(spec, unpacked, workdir, NoProgress(), dataset_version=dataset.sha256, cache=scratch / "pixels")

    busy: dict[str, list[float]] = {"job": [], "bare": []}
    measures = {"job": lambda: _run(context, spec), "bare": bare}
    found = in_turns({name: _timed(do, busy[name]) for name, do in measures.items()}, rounds)
    what = f"a whole training job of {epochs} epochs to the bare train()"
    return [
        compare(what, found["job"], found["bare"], "s", goal=1.02, at_most=True),
        compare("      CPU", busy["job"][-rounds:], busy["bare"][-rounds:], "s"),
    ]


def _run(context: Context, spec: Spec) -> None:
    """Submit a job and do it, as a worker's child does."""
    kind = declared.of(spec)
    with context.database.write() as session:
        jobs.submit(
            session,
            kind=kind.name,
            queue=kind.queue.value,
            spec=spec.model_dump(mode="json"),
            priority=5,
            max_attempts=1,
        )
    Executor(
        context, kinds.WORKS, kind.queue.value, "benchmark", threading.Event(), _Unwatched(), single=True
    ).run()


def _timed(do: Callable[[], None], busy: list[float]) -> Callable[[], float]:
    """Seconds by the clock; those of the processors are added to `busy`."""

    def measure() -> float:
        began, used = perf_counter(), process_time()
        do()
        busy.append(process_time() - used)
        return perf_counter() - began

    return measure
