"""The supervisor with small real processes: it restarts, gives up, and leaves nothing behind."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

PRELUDE = """
import os, signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
from pathlib import Path
from jobyard.shared.errors import JobyardError
from jobyard.up.supervisor import Supervisor, Stopped, KeepsFailing
"""


class Stack:
    """A supervisor in a process of its own, as `jobyard up` runs it."""

    def __init__(self, commands: dict[str, str], folder: Path) -> None:
        code = PRELUDE + textwrap.dedent(f"""
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
        output, _ = self.process.communicate(timeout=20)
        return self.process.returncode, output


Supervise = Callable[[dict[str, str]], Stack]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """Starts a Stack in the test's folder; it is ended even if the test fails."""
    started: list[Stack] = []

    def start(commands: dict[str, str]) -> Stack:
        started.append(Stack(commands, tmp_path))
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
    last = "trap 'echo last ended; exit' TERM; while :; do sleep 0.1; done"
    stack = supervise({"last": last, "slow": slow})
    stack.wait_for("up")
    time.sleep(0.3)
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
    stubborn = "trap '' TERM; echo up; while :; do sleep 0.1; done"
    stack = supervise({"last": stubborn, "other": stubborn})
    stack.wait_for("up")
    stack.wait_for("up")
    processes = stack.descendants()
    started = time.monotonic()
    stack.process.terminate()
    stack.end()
    assert time.monotonic() - started < 10
    assert gone(processes)


def test_a_second_signal_does_not_wait(supervise: Supervise) -> None:
    stubborn = "trap '' TERM; echo up; while :; do sleep 0.1; done"
    stack = supervise({"other": stubborn})
    stack.wait_for("up")
    started = time.monotonic()
    stack.process.terminate()
    time.sleep(0.5)
    stack.process.terminate()
    stack.end()
    assert time.monotonic() - started < 4


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
    stack = supervise({"other": "exec sleep 60", "fails": "exit 3"})
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
    assert gone(processes, seconds=5)
