"""A module in a process of its own, for work that may crash, leak or hang: that costs a job and no worker.

The module reads what it is to do with `task`, and calls `answer_of` with what does it; both the task and the
answer are JSON. What it prints is a log. The process that started it has the result from `result_of`.
"""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from jobyard.shared.disk import is_full
from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import Progress

POLL_SECONDS: Final = 0.1
# Of the log, what is kept.
TAIL_BYTES: Final = 4_000
ANSWER: Final = "answer.json"
LOG: Final = "process.log"

# Of the environment a child gets what an interpreter needs, and none of Jobyard's addresses and secrets.
KEPT: Final = frozenset({"HOME", "LANG", "PATH", "VIRTUAL_ENV"})
KEPT_BEGINNINGS: Final = ("DYLD_", "KERAS_", "LC_", "LD_", "PYTHON", "XDG_")
# A child computes on the CPU: the GPU's memory is for trainings and predictions.
ADDED: Final = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}

ORPHANED: Final = 82


@dataclass(frozen=True)
class Limits:
    """What a child may take; the memory is watched on Linux only."""

    seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit status (negative: a signal), its answer if it gave one, its log's end.

    `peak_bytes` is the most memory that it held when it answered, or was seen to hold if it did not.
    """

    code: int
    answer: Any
    log: str
    peak_bytes: int
    took_too_long: bool
    took_too_much_memory: bool

    @property
    def how(self) -> str:
        """`SIGSEGV`, or `exit status 3`."""
        with suppress(ValueError):
            if self.code < 0:
                return signal.Signals(-self.code).name
        return f"exit status {self.code}"


def run(
    module: str,
    told: Any,
    folder: Path,
    progress: Progress,
    limits: Limits,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run `python -m module` in `folder`, where its log and its answer are written, until it ends.

    It is ended, and all that it has started, when it is over a limit, and where the job is to stop: then
    this raises what `progress.check` raises.
    """
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - one of our own modules
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=_environment() | {"TMPDIR": str(folder)} | dict(environment or {}),
            start_new_session=True,
        )
    took_too_long = took_too_much = False
    peak = 0
    try:
        with suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as stdin:
            stdin.write(json.dumps(told).encode())
        ends = time.monotonic() + limits.seconds
        while process.poll() is None and not (took_too_long or took_too_much):
            progress.check(waiting=True)
            held, most = _memory(process.pid)
            peak = max(peak, most)
            took_too_much = held > limits.memory_bytes
            took_too_long = time.monotonic() > ends
            time.sleep(POLL_SECONDS)
    finally:
        _kill_all(process)
        code = process.wait()
    told = _answer_in(folder)
    return Ended(
        code,
        told.get("answer"),
        _tail(folder / LOG),
        max(peak, told.get("peak_bytes", 0)),
        took_too_long,
        took_too_much,
    )


def result_of(ended: Ended, why: Callable[[Ended], str], prefix: str = "") -> Any:
    """What the work in a child returned (see `answer_of`).

    Raises WorkError with the reason that the child gave, or `why` it has none, and its log as a note; OSError
    where its disk was full. `prefix` is what the reason begins with.
    """
    answer = ended.answer if ended.code == 0 and isinstance(ended.answer, dict) else {}
    if "result" in answer:
        return answer["result"]
    if answer.get("is_full"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    message = str(answer["error"]) if "error" in answer else why(ended)
    field = answer.get("field")
    error = WorkError(prefix + message, field=None if field is None else str(field))
    error.add_note(ended.log)
    raise error


def _environment() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name in KEPT or name.startswith(KEPT_BEGINNINGS)
    }
    return kept | ADDED


def _kill_all(process: "subprocess.Popen[bytes]") -> None:
    # macOS says PermissionError of a group whose processes have ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _memory(pid: int) -> tuple[int, int]:
    """What a process holds now, and the most that it held, in bytes; 0 where the system does not say.

    What `wait4` and `getrusage` say is no less than its parent held when it started it.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = dict(line.split(":", 1) for line in lines if line.startswith(("VmRSS:", "VmHWM:")))
    held, most = (int(found.get(name, "0 kB").split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return held, most


def _answer_in(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / ANSWER).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        return file.read().decode(errors="replace")


# ---- in the child


def task() -> Any:
    """What this process was told. From now on it ends when the process that started it has ended."""
    parent = os.getppid()
    threading.Thread(target=_end_with, args=(parent,), name="parent", daemon=True).start()
    with suppress(OSError, AttributeError, ValueError):
        # Where memory runs out, the kernel ends this process and not its worker.
        Path("/proc/self/oom_score_adj").write_text("1000")
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    return json.load(sys.stdin)


def answer_of(work: Callable[[], Any], *, cause: Callable[[Exception], str], no_memory: str) -> None:
    """Do the work and answer what it returns, or why it failed.

    `cause` is the reason in the exception of a library; `no_memory` is the one where memory ran out.
    """
    try:
        answered = {"result": work()}
    except WorkError as error:
        answered = {"error": error.message, "field": error.field}
    except MemoryError:
        answered = {"error": no_memory}
    except Exception as error:  # noqa: BLE001 - whatever it is, the job says why it failed
        traceback.print_exc()
        answered = {"is_full": True} if is_full(error) else {"error": cause(error)}
    answer(answered)


def answer(value: Any) -> None:
    """Leave a JSON value for the process that started this one, which finds it whole or not at all."""
    draft = Path(f"{ANSWER}.draft")
    # macOS counts in bytes, and has no /proc.
    peak = _memory(os.getpid())[1] or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    draft.write_text(json.dumps({"answer": value, "peak_bytes": peak}))
    draft.replace(ANSWER)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(ORPHANED)
