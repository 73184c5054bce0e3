"""`python -m tests.chaos --seed 1 --faults 200`: random faults on the real stack, and what they broke."""

import argparse
import collections
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil
import sqlalchemy as sa

from jobyard.shared.jobs import Job
from tests.chaos import checker, operators, report
from tests.chaos.asks import check_answers
from tests.chaos.broker import UNACKED
from tests.chaos.faults import Fault, Thrown, draw, kinds
from tests.chaos.findings import NOTED, TERMINAL, Violation
from tests.chaos.keys import KeyWatch, check_vanished
from tests.chaos.load import Load, prepare
from tests.chaos.owner import resume_paused
from tests.chaos.record import Record
from tests.chaos.stack import Stack, StackError
from tests.chaos.thrower import PROBE_SECONDS, Thrower, check_beside
from tests.chaos.told import listening

# How long everything may take to become quiet, and to be so without any job ending meanwhile.
QUIET_SECONDS = 600.0
NO_PROGRESS_SECONDS = 120.0
# What is left when everything is quiet (messages, processes without a parent) has so long to go.
SETTLE_SECONDS = 20.0
# How many wake-ups may lie in a queue that has no job, and how many a fault may leave unconfirmed.
WAKE_UPS = 64
UNACKED_BY_FAULT = 4


@dataclass(frozen=True)
class Scale:
    """How large a run is, but for the number of its faults."""

    clients: int
    # The load before the first fault, and how long the database or the store are away for long.
    calm_seconds: float
    away_seconds: float
    # Which workers and sweepers there are: all, or these.
    names: frozenset[str] | None = None


WHOLE = Scale(clients=3, calm_seconds=10.0, away_seconds=20.0)
SHORT = Scale(
    clients=2,
    calm_seconds=2.0,
    away_seconds=6.0,
    names=frozenset({"gpu1", "predict1", "cpu1", "cpu2", "sweeper1", "sweeper2"}),
)


def main() -> int:
    """0 if nothing was lost, doubled, stuck or else wrong; 1 if something was; 2 if the stack never stood."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0, help="throw no more faults after so long")
    parser.add_argument(
        "--kinds", type=_names, default=(), help="only these kinds of faults: kill web,failover redis"
    )
    parser.add_argument(
        "--store", choices=("s3", "folder"), default="folder", help="where the files lie; only s3 can be away"
    )
    parser.add_argument("--short", action="store_true", help="with fewer processes, clients and pauses")
    parser.add_argument("--keep", action="store_true", help="keep the folder with database, files and logs")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    say(f"seed {arguments.seed}, {arguments.faults} faults, in {folder}")
    try:
        violations = run(folder, arguments)
    except StackError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say(f"interrupted; everything is ended, {folder} is kept")
        return 130
    broken = any(violation.column not in NOTED for violation in violations)
    if arguments.keep or broken:
        say(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if broken else 0


def run(folder: Path, arguments: argparse.Namespace) -> list[Violation]:
    """Start the stack, throw the faults, check everything, print the report. Returns what is wrong."""
    begun = time.monotonic()
    seed = arguments.seed
    scale = SHORT if arguments.short else WHOLE
    record = Record(folder / "answers.jsonl")
    with Stack(folder, scale.names, on_s3=arguments.store == "s3") as stack, ExitStack() as opened:
        say("the stack is up")
        told = opened.enter_context(listening(stack))
        material = prepare(stack, record, seed)
        thrower = Thrower(stack, record, material)
        if arguments.store == "s3":  # whose recovery is told by a table
            thrower.warm_up()
        with (
            KeyWatch(stack.store.present, stack.store.look_seconds) as watch,
            Load(stack, record, material, seed, scale.clients) as load,
        ):
            time.sleep(scale.calm_seconds)
            weights = kinds(on_s3=arguments.store == "s3")
            faults = draw(seed, arguments.faults, weights, arguments.kinds, scale.away_seconds)
            thrown = _throw(thrower, faults, begun + 60 * arguments.minutes)
            say("the load ends")
        operators.settle(stack)
        quiet = _wait_until_quiet(stack, record)
        say("everything is quiet" if quiet else "it does not become quiet")
        violations = [*_unrecovered(thrown), *_refused(record), *_strays(stack)]
        told.wait(stack)
        stack.stop_workers()
        violations += check_messages(stack.broker.messages(), len(thrown))
        for number, one in enumerate(thrown, 1):
            violations += [*check_answers(number, one), *check_beside(number, one)]
        storage = stack.store.copy()
        with stack.database() as database, database.read() as session:
            violations += checker.check(
                session,
                storage,
                record.asked,
                [one for one in record.answers if one.job_id not in record.deleted],
                record.wishes,
                record.doomed,
            )
            violations += operators.check_paused(session, load.operator.paused)
            violations += operators.check_revoked(load.operator.accepted)
            violations += told.check(session)
            violations += check_vanished(session, storage, watch.seen, stack.logs)
            rescued = report.rescued_after(session, thrown)
            tables = [
                report.jobs_table(session),
                report.wishes_table(record.wishes),
                report.faults_table(thrown, rescued),
                report.outages_table(thrown),
                report.cancels_table(session, record.wishes, thrown),
            ]
        violations += [_survivor(process) for process in stack.stop()]
    tables += [report.submits_table(record.seconds, thrown), report.violations_table(violations)]
    seconds = time.monotonic() - begun
    say(told.counts)
    say(f"the operator: {load.operator.counts}, {len(record.deleted)} jobs to be deleted")
    say(f"seed {seed}: {len(thrown)} faults, {len(record.answers)} answers, {seconds:.0f} s\n")
    say("\n\n".join(tables))
    return violations


def _throw(thrower: Thrower, faults: Sequence[Fault], until: float) -> list[Thrown]:
    thrown = []
    for number, fault in enumerate(faults, 1):
        if time.monotonic() > until:
            say(f"the time is over after {number - 1} faults")
            break
        one = thrower.throw(fault)
        thrown.append(one)
        took = f"{one.recovered - one.over:.1f} s" if one.recovered else f"not within {PROBE_SECONDS:g} s"
        hit = f"{one.hit:18} {took:8} {len(one.victims)} jobs"
        say(f"{number:4} {fault.kind:26} {hit}  {one.note}".rstrip())
    return thrown


def _wait_until_quiet(stack: Stack, record: Record) -> bool:
    """Wait until every job has ended; none stays paused. False if that takes too long or goes nowhere."""
    deadline = time.monotonic() + QUIET_SECONDS
    fewest, last_progress = sys.maxsize, time.monotonic()
    with stack.database() as database:
        while time.monotonic() < min(deadline, last_progress + NO_PROGRESS_SECONDS):
            with database.read() as session:
                postponed = Job.available_at > sa.func.clock_timestamp()
                counts = sa.select(sa.func.count(), sa.func.count().filter(postponed))
                left, later = session.execute(counts.where(Job.state.not_in(TERMINAL))).one()
            if left == 0:
                return True
            if left < fewest or later:  # what is put off is nobody's to do yet
                fewest, last_progress = left, time.monotonic()
            resume_paused(stack, record)
            time.sleep(0.5)
    return False


def _strays(stack: Stack) -> list[Violation]:
    """Processes that belong to nobody, once they had time to go; and the messages had time to be taken."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        waiting = sum(count for where, count in stack.broker.messages().items() if where != UNACKED)
        if not (waiting or stack.strays()):
            return []
        time.sleep(0.5)
    return [_survivor(process) for process in stack.strays()]


def check_messages(messages: dict[str, int], faults: int) -> list[Violation]:
    """What the broker holds when no job waits and the workers have been stopped gently.

    A message is only a wake-up, so a few too many do no harm; but their number depends neither on the
    jobs there were nor on the time that went by. `messages` counts them by queue, and UNACKED are those
    that nobody confirmed: each fault may leave the few that a process held at the time.
    """
    found = []
    for where, count in messages.items():
        most = UNACKED_BY_FAULT * faults if where == UNACKED else WAKE_UPS
        if count:
            column = "rubbish" if count <= most else "orphans"
            found.append(Violation(column, f"{count} messages", f"in {where} when everything was quiet"))
    return found


def _survivor(process: psutil.Process) -> Violation:
    try:
        line = " ".join(process.cmdline())[-120:]
    except psutil.Error:
        line = "?"
    return Violation("orphans", f"process {process.pid}", f"runs without its parent: {line}")


def _unrecovered(thrown: list[Thrown]) -> list[Violation]:
    return [
        Violation(
            "stuck", f"fault {number} ({one.fault.kind})", f"nothing was scored for {PROBE_SECONDS:g} s"
        )
        for number, one in enumerate(thrown, 1)
        if one.recovered is None
    ]


def _refused(record: Record) -> list[Violation]:
    whats = collections.Counter(refusal.partition(": ")[2] for refusal in record.refusals)
    return [
        Violation("spoiled", f"{count} submits", f"were refused: {what}") for what, count in whats.items()
    ]


def _names(given: str) -> tuple[str, ...]:
    """Of kinds of faults, by commas."""
    known = {" ".join(kind) for kind in kinds(on_s3=True)}
    names = tuple(name.strip() for name in given.split(","))
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(
            f"no kind of fault: {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    return names


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def say(line: str) -> None:
    at = time.strftime("%H:%M:%S ") if "\n" not in line else ""
    print(f"{at}{line}", flush=True)  # noqa: T201 - the report


if __name__ == "__main__":
    sys.exit(main())
