"""Runs the processes of a Procfile: shows their output, restarts what dies, ends them all."""

import ctypes
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

import psutil
from honcho.colour import get_colours
from honcho.printer import Message, Printer
from honcho.process import Popen

from jobyard.shared.errors import ConfigError, JobyardError
from jobyard.shared.logs import STAMP, LogFormat, stamp
from jobyard.up.printing import JsonPrinter

# A process that ended so soon after its start failed; one that lived longer had an accident.
SOON_SECONDS = 10.0
MAX_FAILURES = 5
BACKOFF_SECONDS = 0.5

# How long a process may take to end. Together they stay below the 10 seconds that `up` promises.
STOP_SECONDS = 7.0
LAST_STOP_SECONDS = 1.5

# A process says by this status that a setting is wrong: starting it again would not help.
WRONG_SETTING = 2

# What Linux' prctl can do for us: a signal at the parent's end, and orphans that come to us.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

STAMPED = re.compile(rf"({STAMP}) (.*)".encode(), re.DOTALL)

TICK_SECONDS = 0.2
SYSTEM = "jobyard"


class KeepsFailing(JobyardError):
    """A process ends again and again."""


class Stopped(JobyardError):
    """The stack was asked to end."""


class _Moment(str):
    """A moment in words, where honcho's Printer expects a datetime."""

    __slots__ = ()

    def strftime(self, _: str) -> str:
        return self


@dataclass
class Child:
    """One line of the Procfile, and the process that runs it now."""

    name: str
    command: str
    environment: Mapping[str, str]
    colour: str
    process: "subprocess.Popen[bytes] | None" = None
    reader: threading.Thread | None = None
    last_line: str = ""
    started: float = 0.0
    failures: int = 0
    start_at: float = field(default=float("inf"))


class Supervisor:
    """The processes of one stack. Signals that end a program end the stack instead.

    honcho's own Manager takes everything down when one process ends; here a crashed Flower must not
    take a days-long training with it.
    """

    def __init__(
        self,
        commands: Mapping[str, str],
        environments: Mapping[str, Mapping[str, str]],
        log_format: LogFormat = "text",
    ) -> None:
        """Commands and environments by the process' name."""
        colours: Iterator[str] = get_colours()
        self._children = {
            name: Child(name, command, environments[name], next(colours))
            for name, command in commands.items()
        }
        self._lines: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._printer = (
            JsonPrinter()
            if log_format == "json"
            else Printer(sys.stdout, width=max(map(len, [SYSTEM, *commands])))
        )
        self._stop_signals = 0
        self._interruptible = False
        if _PRCTL is not None:
            _PRCTL(PR_SET_CHILD_SUBREAPER, 1)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, self._on_signal)

    def start(self, names: Iterable[str]) -> None:
        """Start these processes."""
        for name in names:
            self._start(self._children[name])

    def run_until(self, ready: Callable[[], bool]) -> None:
        """Watch over the processes until `ready()`.

        Raises Stopped if the stack is asked to end, KeepsFailing if a process can't be kept up, and
        ConfigError if it says that a setting is wrong.
        """
        while not ready():
            self._tick()

    def run(self) -> NoReturn:
        """Watch over the processes until one of `run_until`'s exceptions."""
        while True:
            self._tick()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Inside, a signal raises Stopped at once: for what may hang and has no loop to look around in."""
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def log(self, text: str) -> None:
        """Show a line of the supervisor's own."""
        self._lines.put(Message("line", text, _Moment(stamp()), SYSTEM, None))

    def stop(self, last: str) -> None:
        """End all processes, `last` after the others, and kill what doesn't end by itself in time.

        A second signal is impatience: it kills at once.
        """
        patience = self._stop_signals + 1
        others = [child for child in self._children.values() if child.name != last]
        final = [child for child in self._children.values() if child.name == last]
        for children, seconds in ((others, STOP_SECONDS), (final, LAST_STOP_SECONDS)):
            alive = [child.process for child in children if child.process is not None]
            for process in alive:
                # Only the first process of each group: it ends its own children in good order.
                with suppress(ProcessLookupError):
                    process.terminate()
            deadline = time.monotonic() + seconds
            while any(process.poll() is None for process in alive):
                if time.monotonic() > deadline or self._stop_signals >= patience:
                    break
                self._show(0.05)
            for process in alive:
                _kill_group(process)
        _end_descendants()
        self._show(0.0)

    def _tick(self) -> None:
        self._show(TICK_SECONDS)
        if self._stop_signals:
            raise Stopped
        for child in self._children.values():
            self._look_after(child)

    def _start(self, child: Child) -> None:
        process = Popen(child.command, env=child.environment, preexec_fn=_end_with_parent)
        child.process = process
        child.started = time.monotonic()
        child.start_at = float("inf")
        # Daemonic: a grandchild that escapes its group could hold the pipe open for ever.
        child.reader = threading.Thread(target=self._read, args=(child, process), daemon=True)
        child.reader.start()

    def _look_after(self, child: Child) -> None:
        """Notice a process that ended, and restart it after a while."""
        now = time.monotonic()
        if child.process is not None and (status := child.process.poll()) is not None:
            _kill_group(child.process)  # its own children must not run beside the new ones
            child.process = None
            if status == WRONG_SETTING:
                raise ConfigError(self._last_words(child))
            child.failures = child.failures + 1 if now - child.started < SOON_SECONDS else 1
            if child.failures >= MAX_FAILURES:
                raise KeepsFailing(
                    f"{child.name} ended {child.failures} times within seconds ({_how(status)}); "
                    "see its output above"
                )
            pause = BACKOFF_SECONDS * 2 ** (child.failures - 1)
            child.start_at = now + pause
            self.log(f"{child.name} ended ({_how(status)}); restarting it in {pause:g} s")
        if child.start_at <= now:
            self._start(child)

    def _read(self, child: Child, process: "subprocess.Popen[bytes]") -> None:
        for line in process.stdout or ():
            # Most lines bring their moment.
            stamped = STAMPED.match(line)
            text, moment = (line, stamp()) if stamped is None else (stamped[2], stamped[1].decode())
            child.last_line = text.decode(errors="replace").strip()
            self._lines.put(Message("line", text, _Moment(moment), child.name, child.colour))

    def _last_words(self, child: Child) -> str:
        if child.reader is not None:
            child.reader.join(timeout=1.0)
        return child.last_line.removeprefix("jobyard: ") or f"{child.name} can't start"

    def _show(self, seconds: float) -> None:
        """Print what there is; wait for it at most `seconds`."""
        try:
            message = self._lines.get(timeout=seconds)
            while True:
                with suppress(OSError):  # the reader has gone; the work continues
                    self._printer.write(message)
                message = self._lines.get_nowait()
        except queue.Empty:
            return

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_signals += 1
        if self._interruptible:
            raise Stopped


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Each process leads a group of its own (honcho's Popen makes a session); none of it may be left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _end_descendants() -> None:
    """Whatever left its group, or lost its parent: on Linux it comes to us, to be ended and reaped."""
    left = psutil.Process().children(recursive=True)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=1.0)


def _how(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"


def _prctl() -> Callable[[int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    found: Callable[[int, int], int] = ctypes.CDLL(None).prctl
    return found


_PRCTL = _prctl()


def _end_with_parent() -> None:
    """Runs in the child: it ends when the supervisor is killed and can't stop it."""
    if _PRCTL is not None:
        _PRCTL(PR_SET_PDEATHSIG, signal.SIGTERM)
