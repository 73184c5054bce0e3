"""A module that runs in a process of its own: what it answers, how it ends, and what it may take."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from jobyard.shared.errors import Cancelled
from jobyard.workers.runtime.child import Ended, Limits, run
from jobyard.workers.runtime.progress import NoProgress
from tests.waiting import wait_for

ROOT = Path(__file__).parents[4]
LIMITS = Limits(seconds=60, memory_bytes=1_000_000_000)


def ran(folder: Path, code: str, told: Any = None, limits: Limits = LIMITS, progress: Any = None) -> Ended:
    """How a module of this code ends; it has `told` and `answer`."""
    where = folder / "code"
    where.mkdir()
    head = "import os, time\nfrom jobyard.workers.runtime.child import answer, task\ntold = task()\n"
    (where / "some_work.py").write_text(head + textwrap.dedent(code))
    path = os.pathsep.join([str(where), str(ROOT)])
    return run("some_work", told, folder, progress or NoProgress(), limits, {"PYTHONPATH": path})


def test_it_answers_what_it_was_told(tmp_path: Path) -> None:
    ended = ran(tmp_path, "answer({'twice': told['x'] * 2, 'folder': os.getcwd()})", {"x": 21})
    assert (ended.code, ended.answer) == (0, {"twice": 42, "folder": str(tmp_path)})
    assert 1_000_000 < ended.peak_bytes < LIMITS.memory_bytes
    assert not ended.took_too_long
    assert not ended.took_too_much_memory


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("os.abort()", "SIGABRT"),
        ("os._exit(3)", "exit status 3"),
        ("raise SystemError('x')", "exit status 1"),
    ],
)
def test_a_crash_is_an_answer(tmp_path: Path, code: str, how: str) -> None:
    ended = ran(tmp_path, f"print('last words', flush=True)\n{code}")
    assert (ended.how, ended.answer) == (how, None)
    assert "last words" in ended.log


@pytest.mark.parametrize(
    ("work", "answer"),
    [
        ("return told", {"result": [1]}),
        ("raise WorkError('should be 2')", {"error": "should be 2", "field": None}),
        ("raise WorkError('no such', field='sheet')", {"error": "no such", "field": "sheet"}),
        ("raise MemoryError", {"error": "too little"}),
        ("raise ValueError('x')", {"error": "ValueError of a library"}),
        ("raise OSError(errno.ENOSPC, 'no room')", {"is_full": True}),
    ],
)
def test_what_came_of_the_work_is_an_answer(tmp_path: Path, work: str, answer: Any) -> None:
    ended = ran(
        tmp_path,
        f"""
        import errno
        from jobyard.shared.errors import WorkError
        from jobyard.workers.runtime.child import answer_of
        def work():
            {work}
        answer_of(work, cause=lambda error: f"{{type(error).__name__}} of a library", no_memory="too little")
        """,
        [1],
    )
    assert (ended.code, ended.answer) == (0, answer)


def test_it_ends_when_its_time_is_over(tmp_path: Path) -> None:
    ended = ran(tmp_path, "time.sleep(600)", limits=Limits(1, LIMITS.memory_bytes))
    assert ended.took_too_long
    assert ended.how == "SIGKILL"


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say what a process holds")
def test_it_ends_when_it_takes_too_much_memory(tmp_path: Path) -> None:
    ended = ran(
        tmp_path,
        "held = bytearray(os.urandom(1)) * 300_000_000\ntime.sleep(600)",
        limits=Limits(60, 200_000_000),
    )
    assert ended.took_too_much_memory
    assert ended.peak_bytes > 200_000_000


def test_it_gets_none_of_the_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBYARD_TOKEN", "a-secret-of-this-machine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    names = ran(tmp_path, "answer(sorted(os.environ))").answer
    assert "PYTHONPATH" in names
    assert not [name for name in names if name.startswith(("JOBYARD_", "AWS_"))]


def test_a_cancelled_job_ends_it_and_what_it_has_started(tmp_path: Path) -> None:
    note = tmp_path / "pids"

    class Asked(NoProgress):
        def check(self, *, waiting: bool = False) -> None:
            if note.exists():
                raise Cancelled

    code = """
        import subprocess, sys, pathlib
        other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path("draft").write_text(f"{os.getpid()} {other.pid}")
        pathlib.Path("draft").rename("pids")
        time.sleep(600)
    """
    with pytest.raises(Cancelled):
        ran(tmp_path, code, progress=Asked())
    pids = [int(pid) for pid in note.read_text().split()]
    wait_for(lambda: not any(_runs(pid) for pid in pids))


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "some_work.py").write_text(
        "import os, pathlib, time\nfrom jobyard.workers.runtime.child import task\ntask()\n"
        "pathlib.Path('draft').write_text(str(os.getpid()))\npathlib.Path('draft').rename('pid')\ntime.sleep(600)"
    )
    code = (
        "import pathlib, sys\nfrom jobyard.workers.runtime.child import Limits, run\n"
        "from jobyard.workers.runtime.progress import NoProgress\n"
        "run('some_work', None, pathlib.Path(sys.argv[1]), NoProgress(), Limits(600, 10**9))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    worker = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
    try:
        wait_for((tmp_path / "pid").exists)
        pid = int((tmp_path / "pid").read_text())
        assert _runs(pid)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    wait_for(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    """Whether there is such a process; one that has ended and waits for its parent does not count."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
