"""`python -m tests.chaos --seed 1 --faults 200`: random faults on the real stack, and what they broke."""

import argparse
import collections
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import psutil
import sqlalchemy as sa

from shared.jobs import Job
from tests.chaos import checker, report
from tests.chaos.checker import Violation
from tests.chaos.faults import PROBE_SECONDS, Thrower, Thrown, draw
from tests.chaos.load import Load, Record, prepare
from tests.chaos.stack import UNACKED, Stack, StackError

# How long everything may take to become quiet, and to be so without any job ending meanwhile.
QUIET_SECONDS = 600.0
NO_PROGRESS_SECONDS = 120.0
# What is left when everything is quiet (messages, processes without a parent) has so long to go.
SETTLE_SECONDS = 20.0


def main() -> int:
    """0 if nothing was lost, doubled, stuck or else wrong; 1 if something was; 2 if the stack never stood."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0, help="throw no more faults after so long")
    parser.add_argument("--only", help="only the kinds of faults that have this text in their name")
    parser.add_argument("--keep", action="store_true", help="keep the folder with database, files and logs")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    say(f"seed {arguments.seed}, {arguments.faults} faults, in {folder}")
    try:
        violations = run(folder, arguments.seed, arguments.faults, arguments.minutes, arguments.only)
    except StackError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say(f"interrupted; everything is ended, {folder} is kept")
        return 130
    broken = any(violation.column not in checker.NOTED for violation in violations)
    if arguments.keep or broken:
        say(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if broken else 0


def run(
    folder: Path, seed: int, count: int, minutes: float = 60.0, only: str | None = None
) -> list[Violation]:
    """Start the stack, throw the faults, check everything, print the report. Returns what is wrong."""
    begun = time.monotonic()
    record = Record(folder / "answers.jsonl")
    with Stack(folder) as stack:
        say("the stack is up")
        material = prepare(stack, record, seed)
        with Load(stack, record, material, seed):
            thrown = _throw(stack, record, seed, count, begun + 60 * minutes, only)
            say("the load ends")
        quiet = _wait_until_quiet(stack)
        say("everything is quiet" if quiet else "it does not become quiet")
        violations = [*_unrecovered(thrown), *_refused(record), *_left_over(stack)]
        with stack.database() as database, database.read() as session:
            violations += checker.check(session, stack.storage, record.asked, record.answers)
            rescued = report.rescued_after(session, thrown)
            tables = [report.jobs_table(session), report.faults_table(thrown, rescued)]
        violations += [_survivor(process) for process in stack.stop()]
    tables += [report.submits_table(record.seconds, thrown), report.violations_table(violations)]
    seconds = time.monotonic() - begun
    say(f"seed {seed}: {len(thrown)} faults, {len(record.answers)} answers, {seconds:.0f} s\n")
    say("\n\n".join(tables))
    return violations


def _throw(
    stack: Stack, record: Record, seed: int, count: int, until: float, only: str | None
) -> list[Thrown]:
    thrower = Thrower(stack, record)
    thrown = []
    faults = draw(seed, count)
    if only is not None:
        faults = [fault for fault in draw(seed, 100 * count) if only in fault.kind][:count]
    for number, fault in enumerate(faults, 1):
        if time.monotonic() > until:
            say(f"the time is over after {number - 1} faults")
            break
        one = thrower.throw(fault)
        thrown.append(one)
        took = f"{one.recovered - one.over:.1f} s" if one.recovered else f"not within {PROBE_SECONDS:g} s"
        at = time.strftime("%H:%M:%S", time.localtime(one.at))
        hit = f"{one.hit:18} {took:8} {len(one.victims)} jobs"
        say(f"{number:4} {at} {fault.kind:25} {hit}  {one.note}".rstrip())
    return thrown


def _wait_until_quiet(stack: Stack) -> bool:
    """Wait until every job has ended; False if that takes too long or goes nowhere."""
    deadline = time.monotonic() + QUIET_SECONDS
    fewest, last_progress = sys.maxsize, time.monotonic()
    with stack.database() as database:
        while time.monotonic() < min(deadline, last_progress + NO_PROGRESS_SECONDS):
            with database.read() as session:
                query = sa.select(sa.func.count()).where(Job.state.not_in(checker.TERMINAL))
                left = session.scalar(query) or 0
            if left == 0:
                return True
            if left < fewest:
                fewest, last_progress = left, time.monotonic()
            time.sleep(0.5)
    return False


def _left_over(stack: Stack) -> list[Violation]:
    """Messages and processes that belong to nobody, once they had time to go."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        messages, strays = stack.messages(), stack.strays()
        over = time.monotonic() > deadline
        waiting = sum(count for where, count in messages.items() if where != UNACKED)
        if over or not (waiting or strays):
            break
        time.sleep(0.5)
    return [
        Violation(
            "rubbish" if where == UNACKED else "orphans",
            f"{count} messages",
            f"in {where} when everything was quiet",
        )
        for where, count in messages.items()
        if count
    ] + [_survivor(process) for process in strays]


def _survivor(process: psutil.Process) -> Violation:
    try:
        line = " ".join(process.cmdline())[-120:]
    except psutil.Error:
        line = "?"
    return Violation("orphans", f"process {process.pid}", f"runs without its parent: {line}")


def _unrecovered(thrown: list[Thrown]) -> list[Violation]:
    return [
        Violation(
            "stuck", f"fault {number} ({one.fault.kind})", f"no text was scored for {PROBE_SECONDS:g} s"
        )
        for number, one in enumerate(thrown, 1)
        if one.recovered is None
    ]


def _refused(record: Record) -> list[Violation]:
    whats = collections.Counter(refusal.partition(": ")[2] for refusal in record.refusals)
    return [
        Violation("spoiled", f"{count} submits", f"were refused: {what}") for what, count in whats.items()
    ]


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the report


if __name__ == "__main__":
    sys.exit(main())
