"""A file that has cost a worker is tried in a process of its own, whose end names the file."""

import os
import signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from jobyard.shared.errors import Cancelled, WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.child import Ended
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.sentiment import trial
from jobyard.workers.sentiment.plans import read_file
from tests.reports import NoMetrics

LIMIT = 10_000_000


def ended(**changes: Any) -> Ended:
    given: dict[str, Any] = {"code": 0, "answer": None, "log": "last words", "peak_bytes": 1}
    given |= {"took_too_long": False, "took_too_much_memory": False}
    return Ended(**given | changes)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (-signal.SIGABRT, "it crashes the reader (SIGABRT)"),
        (-signal.SIGSEGV, "it crashes the reader (SIGSEGV)"),
        (-signal.SIGKILL, "that takes more memory than this worker's machine has"),
    ],
)
def test_a_signal_that_ends_the_reader_names_the_file(code: int, why: str) -> None:
    with pytest.raises(WorkError) as caught:
        trial.raise_if_it_crashed(ended(code=code), "odd.parquet")
    assert caught.value.message.startswith(f"'odd.parquet' can't be read: {why}")
    assert caught.value.__notes__ == ["last words"]


@pytest.mark.parametrize("code", [0, 1])
def test_what_ends_otherwise_is_left_to_the_worker(code: int) -> None:
    trial.raise_if_it_crashed(ended(code=code), "odd.parquet")


def test_a_process_that_aborts_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aborting.py").write_text("import os\nos.abort()\n")
    monkeypatch.setattr(trial, "MODULE", "aborting")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    spec = SentimentSpec(file=uuid4())
    with pytest.raises(WorkError, match=r"crashes the reader \(SIGABRT\)"):
        trial.try_file(spec, tmp_path / "none", "a.csv", LIMIT, tmp_path, NoProgress())


def test_a_sound_file_passes_and_so_do_its_parts(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"text\ngood\nbad\n")
    spec = SentimentSpec(file=uuid4(), format="csv")
    whole, part = tmp_path / "whole", tmp_path / "part"
    whole.mkdir()
    part.mkdir()
    trial.try_file(spec, source, "a.csv", LIMIT, whole, NoProgress())
    assert (whole / "trial" / "output").read_bytes().count(b"\n") == 3
    plan = read_file(spec, source, "a.csv", tmp_path / "copy", LIMIT, NoProgress())
    trial.try_part(spec, plan.note(), 0, source, LIMIT, part, NoProgress())
    assert b"good," in (part / "trial" / "output").read_bytes()


def test_a_cancel_ends_the_process(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"text\ngood\n")
    notes = NoMetrics(stop_at_check=1)
    with pytest.raises(Cancelled):
        trial.try_file(SentimentSpec(file=uuid4()), source, "a.csv", LIMIT, tmp_path, notes)
    assert notes.phases == ["reading in a process of its own"]
