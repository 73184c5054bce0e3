"""The supervisor with small real processes: it restarts, gives up, and leaves nothing behind."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jobyard.up import supervisor
from tests.waiting import PATIENCE

PRELUDE = """
import os, signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
from pathlib import Path
from jobyard.shared.errors import JobyardError
from jobyard.up import supervisor as module
from jobyard.up.supervisor import Supervisor, Stopped, KeepsFailing
"""


class Stack:
    """A supervisor in a process of its own, as `jobyard up` runs it, but with these `seconds`."""

    def __init__(self, commands: dict[str, str], folder: Path, seconds: dict[str, float]) -> None:
        code = PRELUDE + textwrap.dedent(f"""
            vars(module).update({seconds!r})
            supervisor = Supervisor({commands!r}, dict.fromkeys({list(commands)!r}, dict(os.environ)))
            status = 0
            try:
                supervisor.start({list(commands)!r})
                supervisor.run()
            except Stopped:
                pass
            except JobyardError as error:
                print(type(error).__name__, error, flush=True)
                status = 1
            finally:
                supervisor.stop(last="last")
            sys.exit(status)
        """)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            start_new_session=True,
        )

    def wait_for(self, text: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if text in line:
                return
        pytest.fail(f"no line with {text!r}")

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output


Supervise = Callable[..., Stack]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """Starts a Stack in the test's folder; it is ended even if the test fails."""
    started: list[Stack] = []

    def start(commands: dict[str, str], **seconds: float) -> Stack:
        started.append(Stack(commands, tmp_path, seconds))
        return started[-1]

    yield start
    for stack in started:
        if stack.process.poll() is None:
            stack.process.kill()
            stack.end()


def gone(processes: list[psutil.Process], seconds: float = 0.0) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not alive


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_of_it(number: signal.Signals, supervise: Supervise) -> None:
    stack = supervise({"one": "exec sleep 60", "two": "sleep 61 & echo up; wait"})
    stack.wait_for("up")
    processes = stack.descendants()
    assert len(processes) == 3
    stack.process.send_signal(number)
    status, _ = stack.end()
    assert status == 0
    assert gone(processes)


def test_the_last_one_ends_after_the_others(supervise: Supervise) -> None:
    slow = "trap 'sleep 0.5; echo slow ended; exit' TERM; echo up; while :; do sleep 0.1; done"
    last = "trap 'echo last ended; exit' TERM; echo up; while :; do sleep 0.1; done"
    stack = supervise({"last": last, "slow": slow}, STOP_SECONDS=PATIENCE, LAST_STOP_SECONDS=PATIENCE)
    stack.wait_for("up")
    stack.wait_for("up")
    stack.process.terminate()
    _, output = stack.end()
    assert output.index("slow ended") < output.index("last ended")


def test_what_leaves_its_group_is_ended_too(supervise: Supervise) -> None:
    stack = supervise({"one": "setsid sh -c 'echo up; exec sleep 63' & exec sleep 60"})
    stack.wait_for("up")
    processes = stack.descendants()
    assert len(processes) == 2
    stack.process.terminate()
    stack.end()
    assert gone(processes)


def test_what_does_not_end_is_killed_within_ten_seconds(supervise: Supervise) -> None:
    """Here sooner: how long the product waits is what its two limits say."""
    assert supervisor.STOP_SECONDS + supervisor.LAST_STOP_SECONDS < 10
    stubborn = "trap '' TERM; echo up; while :; do sleep 0.1; done"
    stack = supervise({"last": stubborn, "other": stubborn}, STOP_SECONDS=0.5, LAST_STOP_SECONDS=0.2)
    stack.wait_for("up")
    stack.wait_for("up")
    processes = stack.descendants()
    stack.process.terminate()
    assert stack.end()[0] == 0
    assert gone(processes)


def test_a_second_signal_does_not_wait(supervise: Supervise) -> None:
    stubborn = "trap 'echo asked to end' TERM; echo up; while :; do sleep 0.1; done"
    stack = supervise({"other": stubborn}, STOP_SECONDS=10 * PATIENCE)
    stack.wait_for("up")
    stack.process.terminate()
    stack.wait_for("asked to end")
    stack.process.terminate()
    assert stack.end()[0] == 0


def test_a_process_that_dies_is_started_again_and_its_children_are_not_left(
    supervise: Supervise, tmp_path: Path
) -> None:
    # The first run leaves a child behind and dies; the second stays.
    command = "test -e ran && { echo again; exec sleep 60; }; touch ran; sleep 62 & echo $! >child; exit 7"
    stack = supervise({"dies": command, "other": "exec sleep 60"})
    stack.wait_for("dies ended (status 7); restarting it")
    stack.wait_for("again")
    child = int((tmp_path / "child").read_text())
    running = [process for process in stack.descendants() if process.status() != psutil.STATUS_ZOMBIE]
    assert child not in [process.pid for process in running]
    assert len(running) == 2
    stack.process.terminate()
    assert stack.end()[0] == 0


def test_a_process_that_always_fails_ends_the_stack(supervise: Supervise) -> None:
    stack = supervise(
        {"other": "exec sleep 60", "fails": "exit 3"}, BACKOFF_SECONDS=0.05, SOON_SECONDS=PATIENCE
    )
    status, output = stack.end()
    assert status == 1
    assert "KeepsFailing fails ended 5 times within seconds (status 3)" in output


def test_a_wrong_setting_ends_the_stack_at_once_with_the_processs_own_words(supervise: Supervise) -> None:
    stack = supervise({"picky": "echo 'jobyard: JOBYARD_LEXICON: there is no file x' >&2; exit 2"})
    status, output = stack.end()
    assert status == 1
    assert "ConfigError JOBYARD_LEXICON: there is no file x" in output
    assert "restarting it" not in output


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells children of their parent's end")
def test_nothing_outlives_a_supervisor_that_is_killed(supervise: Supervise) -> None:
    stack = supervise({"one": "echo up; exec sleep 60"})
    stack.wait_for("up")
    processes = stack.descendants()
    stack.process.kill()
    stack.end()
    assert gone(processes, seconds=PATIENCE)
