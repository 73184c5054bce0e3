"""The work of a kind is imported at its first job, and nobody has to wait for that to end."""

import sys
import threading
import uuid
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from jobyard.shared.errors import Cancelled
from jobyard.shared.kinds import by_name, find
from jobyard.shared.kinds.base import Kind, Queue
from jobyard.shared.kinds.sentiment import SentimentPart, SentimentSpec
from jobyard.workers import kinds
from tests.waiting import PATIENCE


class Progress:
    """Raises Cancelled at the first check."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    def phase(self, name: str) -> None:
        self.phases.append(name)

    def check(self, *, waiting: bool = False) -> None:
        raise Cancelled


def declared(work: str, starting: str | None = None) -> Kind[Any]:
    """A kind of which only what is needed to do its work is said."""
    return cast("Kind[Any]", SimpleNamespace(work=work, starting=starting))


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """What the slow module waits for."""
    module = ModuleType("gate_of_a_slow_module")
    opened = threading.Event()
    module.opened = opened  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return opened


def test_a_job_that_is_cancelled_while_its_work_is_imported_stops_at_once_and_the_next_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    (tmp_path / "slow_work.py").write_text(
        "from gate_of_a_slow_module import opened\n"
        f"assert opened.wait({PATIENCE})\n"
        "def work(attempt, spec):\n"
        "    return spec\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    work = kinds.work_of(declared("slow_work:work", "starting"))
    attempt: Any = SimpleNamespace(progress=Progress())
    with pytest.raises(Cancelled):
        work(attempt, "first")
    assert attempt.progress.phases == ["starting"]
    assert not gate.is_set()
    gate.set()
    kinds._importing("slow_work").result(PATIENCE)
    assert work(attempt, "second") == "second"  # which reports nothing: there is nothing to wait for
    assert attempt.progress.phases == ["starting"]


def test_a_module_that_can_not_be_imported_fails_each_job_with_its_own_error() -> None:
    work = kinds.work_of(declared("no_such_module_anywhere:work"))
    attempt: Any = SimpleNamespace(progress=Progress())
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
            work(attempt, None)


def test_a_worker_is_told_which_works_of_its_queue_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    works = {kind.work.partition(":")[0] for kind in by_name().values()}
    loaded = works & set(sys.modules)
    assert [kinds.missing_works(queue) for queue in Queue] == [[], [], []]
    assert works & set(sys.modules) == loaded  # they are found, and not imported
    monkeypatch.setattr(type(find("train")), "work", "jobyard.workers.kinds.no_such_module:work")
    (problem,) = kinds.missing_works(Queue.GPU)
    assert problem == (
        "jobs of the kind 'train' will fail: there is no module jobyard.workers.kinds.no_such_module"
    )
    monkeypatch.setattr(type(find("train")), "work", "no_such_package.work:work")
    assert len(kinds.missing_works(Queue.GPU)) == 1
    assert kinds.missing_works(Queue.CPU) == []


def test_a_file_that_is_cancelled_while_loops_are_compiled_is_left_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from jobyard.workers.kinds import sentiment

    never: Future[None] = Future()
    monkeypatch.setattr(sentiment, "compiling", lambda: never)
    attempt: Any = SimpleNamespace(progress=Progress())
    for spec in (SentimentSpec(file=uuid.uuid4()), SentimentPart(part=0, parts=2, rows=1)):
        with pytest.raises(Cancelled):
            sentiment.work(attempt, spec)
    assert attempt.progress.phases == ["starting"] * 2
