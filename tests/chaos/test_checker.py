"""The checker of the fault test finds what is planted: one that can't fail is worthless."""

import csv
import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs, metrics, registry, storage
from jobyard.shared.database import Database, utcnow
from tests import factories
from tests.chaos import __main__ as chaos
from tests.chaos import asks, checker, faults, operators, timelines, told
from tests.chaos.findings import VERBS, Answer, Wish
from tests.chaos.keys import check_vanished, present

ROWS = 5
EPOCHS = 3
NAMES = ("accuracy", "loss", "val_accuracy", "val_loss")


@dataclass
class World:
    """What a good run leaves: a text, a scored file, a training, and jobs that were cancelled, rescued,
    paused, retried, or that could not be done.
    """

    session: Session
    folder: Path
    answers: list[Answer] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    doomed: set[str] = field(default_factory=set)
    named: dict[str, jobs.Job] = field(default_factory=dict)

    def submit(self, name: str, kind: str, spec: dict[str, Any]) -> jobs.Job:
        job = factories.submit(
            self.session, kind=kind, queue="cpu", spec=spec, idempotency_key=name, request_sha256="0" * 64
        )
        self.answers.append(Answer(name, job.id))
        self.named[name] = job
        return job

    def claim(self, job: jobs.Job, worker: str = "cpu@here/1") -> uuid.UUID:
        self.session.flush()
        claimed = factories.claim(self.session, job.id, worker=worker)
        assert claimed is not None
        return claimed.lease

    def wish(self, job: jobs.Job, verb: str) -> None:
        """As its owner, who is granted it."""
        self.session.flush()
        more = (3,) if verb == "retry" else ()
        getattr(jobs, verb)(self.session, job.id, *more)
        self.wishes.append(Wish(job.id, verb, 0.0, granted=True))

    def put(self, folder: str, path: Path) -> storage.Stored:
        # The bytes alone: this test's transaction is open.
        with path.open("rb") as stream:
            return storage.Objects(self.folder.as_uri()).write(f"{folder}/{uuid.uuid4()}", stream)

    def event(self, name: str, state: str, worker: str, attempt: int = 1) -> None:
        """A row in a timeline, as no verb would write it."""
        row = jobs.JobEvent(
            job_id=self.named[name].id, at=utcnow(), state=state, attempt=attempt, worker=worker
        )
        self.session.add(row)
        self.session.flush()

    def check(self) -> list[str]:
        """The findings as lines."""
        self.session.flush()
        asked = [answer.key for answer in self.answers]
        found = checker.check(self.session, self.folder, asked, self.answers, self.wishes, self.doomed)
        return [str(one) for one in found]

    def events(self, name: str) -> list[jobs.JobEvent]:
        self.session.flush()
        return jobs.events(self.session, self.named[name].id)


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    database = Database(sqlite_url)
    folder = tmp_path / "storage"
    folder.mkdir()
    with database.write() as session:
        made = World(session, folder)
        _text(made)
        _scored(made, tmp_path)
        _training(made, tmp_path)
        _cancelled(made)
        _rescued(made)
        _paused(made)
        _retried(made)
        _doomed(made)
        yield made
    database.dispose()


def _text(world: World) -> None:
    job = world.submit("text", "sentiment", {"texts": ["good"]})
    assert jobs.succeed(world.session, job.id, world.claim(job), {"scores": [{"compound": 0.4}]})


def _scored(world: World, tmp_path: Path) -> None:
    source, scored = tmp_path / "table.csv", tmp_path / "scored.parquet"
    with source.open("w", newline="") as file:
        csv.writer(file).writerows([("number", "text"), *((number, "good") for number in range(ROWS))])
    pq.write_table(pa.table({"number": [str(number) for number in range(ROWS)]}), scored)
    upload = storage.add_file(world.session, world.put("files", source), name="t.csv", media_type="text/csv")
    job = world.submit("file", "sentiment", {"file": str(upload.id), "format": "parquet"})
    lease = world.claim(job)
    stored = world.put("scored", scored)
    storage.add_file(world.session, stored, name="scored.parquet", media_type="x/y", job_id=job.id)
    assert jobs.succeed(world.session, job.id, lease, {"rows": ROWS, "file": "scored.parquet"})


def _training(world: World, tmp_path: Path) -> None:
    job = world.submit("train", "train", {"dataset": "shapes"})
    lease = world.claim(job, "gpu@here/2")
    points = [metrics.Point(name, step, 0.5, step) for name in NAMES for step in range(1, EPOCHS + 1)]
    metrics.write(world.session, job.id, points)
    bytes_ = tmp_path / "model.keras"
    bytes_.write_bytes(b"weights")
    stored = world.put("models", bytes_)
    model = registry.Model(
        name="shapes",
        job_id=job.id,
        network="classic",
        classes=["discs", "squares"],
        image_size=32,
        metrics={},
        storage_key=stored.key,
        bytes=stored.bytes,
        sha256=stored.sha256,
    )
    registry.add(world.session, model)
    storage.add_file(world.session, stored, name="model.keras", media_type="x/y", job_id=job.id)
    assert jobs.succeed(world.session, job.id, lease, {"epochs": EPOCHS})


def _cancelled(world: World) -> None:
    world.wish(world.submit("cancelled", "sentiment", {"texts": ["good"]}), "cancel")


def _rescued(world: World) -> None:
    """Released by one worker, then done by another: the same attempt number twice, and no double run."""
    job = world.submit("rescued", "sentiment", {"texts": ["good"]})
    assert jobs.release(world.session, job.id, world.claim(job))
    lease = world.claim(job, "cpu@there/9")
    assert jobs.succeed(world.session, job.id, lease, {"scores": [{"compound": 0.4}]})


def _paused(world: World) -> None:
    """Paused while it ran, resumed, and done by another worker."""
    job = world.submit("paused", "sentiment", {"texts": ["good"]})
    lease = world.claim(job)
    world.wish(job, "pause")
    assert jobs.release(world.session, job.id, lease)
    world.wish(job, "resume")
    assert jobs.succeed(world.session, job.id, world.claim(job, "cpu@there/9"), {"scores": [{}]})


def _retried(world: World) -> None:
    """Cancelled while it ran, and then done after all."""
    job = world.submit("retried", "sentiment", {"texts": ["good"]})
    lease = world.claim(job)
    world.wish(job, "cancel")
    assert jobs.finish_cancel(world.session, job.id, lease)
    world.wish(job, "retry")
    assert jobs.succeed(world.session, job.id, world.claim(job, "cpu@there/9"), {"scores": [{}]})


def _doomed(world: World) -> None:
    """It fails each time."""
    job = world.submit("doomed", "sentiment", {"texts": ["good"]})
    world.doomed.add("doomed")
    for again in (True, False):
        lease = world.claim(job)
        assert jobs.fail(world.session, job.id, lease, error_type="WorkError", message="no such column")
        if again:
            world.wish(job, "retry")


def test_a_good_run_is_found_good(world: World) -> None:
    assert world.check() == []


# ---- one planted wrong each, and what must be said of it


def _lose(world: World) -> None:
    world.answers.append(Answer("text", uuid.UUID(int=7)))


def _delete_a_job(world: World) -> None:
    world.session.execute(sa.delete(jobs.JobEvent).where(jobs.JobEvent.job_id == world.named["text"].id))
    world.session.execute(sa.delete(jobs.Job).where(jobs.Job.id == world.named["text"].id))


def _answer_a_key_with_two_jobs(world: World) -> None:
    world.answers.append(Answer("text", world.named["cancelled"].id))


def _make_a_job_for_nobody(world: World) -> None:
    job = world.submit("unasked", "sentiment", {"texts": ["good"]})
    world.wish(job, "cancel")
    world.answers.pop()


def _leave_queued(world: World) -> None:
    world.submit("waits", "sentiment", {"texts": ["good"]})


def _leave_running(world: World) -> None:
    world.claim(world.submit("runs", "sentiment", {"texts": ["good"]}))


def _run_twice_at_once(world: World) -> None:
    job = world.submit("twice", "sentiment", {"texts": ["good"]})
    lease = world.claim(job)
    world.event("twice", "running", "cpu@there/9")
    assert jobs.succeed(world.session, job.id, lease, {"scores": [{}]})


def _run_twice_at_once_on_one_worker(world: World) -> None:
    job = world.submit("twice", "sentiment", {"texts": ["good"]})
    lease = world.claim(job)
    world.event("twice", "running", "cpu@here/1")
    assert jobs.succeed(world.session, job.id, lease, {"scores": [{}]})


def _end_twice(world: World) -> None:
    world.event("text", "succeeded", "cpu@there/9")


def _go_on_after_the_end(world: World) -> None:
    world.event("text", "running", "cpu@there/9")


def _end_in_two_ways(world: World) -> None:
    world.event("text", "failed", "cpu@there/9")


def _fail_by_the_fault(world: World) -> None:
    job = world.submit("failed", "sentiment", {"texts": ["good"]})
    lease = world.claim(job)
    assert jobs.fail(world.session, job.id, lease, error_type="OperationalError", message="database away")


def _succeed_with_a_score_too_few(world: World) -> None:
    _set(world, "text", result={"scores": []})


def _succeed_with_nothing(world: World) -> None:
    _set(world, "text", result=None)


def _cancel_unasked(world: World) -> None:
    _set(world, "cancelled", cancel_requested_at=None)


def _drop_a_metric(world: World) -> None:
    one = (metrics.Metric.name == "loss") & (metrics.Metric.step == 2)
    world.session.execute(sa.delete(metrics.Metric).where(one))


def _drop_the_last_metrics(world: World) -> None:
    world.session.execute(sa.delete(metrics.Metric).where(metrics.Metric.step == EPOCHS))


def _write_a_metric_without_a_lease(world: World) -> None:
    one = (metrics.Metric.name == "loss") & (metrics.Metric.step == 2)
    world.session.execute(sa.update(metrics.Metric).where(one).values(at=utcnow(60)))


def _write_a_file_without_a_lease(world: World) -> None:
    one = storage.File.name == "scored.parquet"
    world.session.execute(sa.update(storage.File).where(one).values(created_at=utcnow(60)))


def _score(*numbers: int) -> Callable[[World], None]:
    """Another scored file, with a row for it that matches its bytes: only the rows are wrong."""

    def plant(world: World) -> None:
        file = world.session.scalars(
            sa.select(storage.File).where(storage.File.name == "scored.parquet")
        ).one()
        path = world.folder / file.storage_key
        pq.write_table(pa.table({"number": [str(number) for number in numbers]}), path)
        file.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

    return plant


def _tamper_with_the_model(world: World) -> None:
    (path,) = (world.folder / "models").iterdir()
    path.write_bytes(b"wEights")


def _remove_the_model(world: World) -> None:
    (path,) = (world.folder / "models").iterdir()
    path.unlink()


def _register_the_model_twice(world: World) -> None:
    model = world.session.scalars(sa.select(registry.Model)).one()
    same = {name: getattr(model, name) for name in ("name", "job_id", "network", "classes", "image_size")}
    bytes_ = {name: getattr(model, name) for name in ("storage_key", "bytes", "sha256")}
    registry.add(world.session, registry.Model(metrics={}, **same, **bytes_))


def _leave_a_file(world: World) -> None:
    (world.folder / "scored" / "nobodys").write_bytes(b"rows")


def _begin_a_file(world: World) -> None:
    _leave_a_file(world)
    storage.plan_deletion(world.session, ["scored/nobodys"], storage.Reason.UNUSED)


# ---- of what owners asked


def _leave_paused(world: World) -> None:
    world.wish(world.submit("set aside", "sentiment", {"texts": ["good"]}), "pause")


def _forget(verb: str, name: str) -> Callable[[World], None]:
    """What an owner was granted is not in the timeline; the moves are."""

    def plant(world: World) -> None:
        one = next(event for event in world.events(name) if event.message == VERBS[verb])
        one.message = "for another reason"

    return plant


def _do_twice(verb: str, name: str) -> Callable[[World], None]:
    """The timeline tells of one more than was asked."""

    def plant(world: World) -> None:
        world.wishes.remove(next(wish for wish in world.wishes if wish == _of(world, name, verb)))

    return plant


def _of(world: World, name: str, verb: str) -> Wish:
    return Wish(world.named[name].id, verb, 0.0, granted=True)


def _refuse_and_do(world: World) -> None:
    index = world.wishes.index(_of(world, "paused", "pause"))
    world.wishes[index] = Wish(world.named["paused"].id, "pause", 0.0, granted=False)


def _go_on_despite_a_cancel(world: World) -> None:
    job = world.submit("stubborn", "sentiment", {"texts": ["good"]})
    lease = world.claim(job)
    world.wish(job, "cancel")
    _set(world, "stubborn", cancel_requested_at=None)
    assert jobs.release(world.session, job.id, lease)
    assert jobs.succeed(world.session, job.id, world.claim(job), {"scores": [{}]})


def _go_on_despite_a_pause(world: World) -> None:
    job = world.submit("stubborn", "sentiment", {"texts": ["good"]})
    lease = world.claim(job)
    world.wish(job, "pause")
    _set(world, "stubborn", pause_requested_at=None)
    assert jobs.release(world.session, job.id, lease)
    assert jobs.succeed(world.session, job.id, world.claim(job), {"scores": [{}]})


def _lose_the_beginning(world: World) -> None:
    """A retry that began a new timeline."""
    for event in world.events("retried"):
        if event.message == VERBS["retry"]:
            return
        world.session.delete(event)


def _lose_an_attempt(world: World) -> None:
    events = [event for event in world.events("doomed") if event.attempt == 2]
    for event in events:
        event.attempt = 3


def _overlap_leases(world: World) -> None:
    """The second worker claims before the first one's lease has ended."""
    ended = next(event for event in world.events("rescued")[1:] if event.state == "queued")
    ended.at = utcnow(60)
    world.session.flush()
    world.session.expire_all()


def _do_what_cannot_be_done(world: World) -> None:
    world.doomed.add("text")


def _fail_the_doomed_otherwise(world: World) -> None:
    _set(world, "doomed", error_type="KeyError")


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (_lose, ["lost: job 00000000-0000-0000-0000-000000000007: was accepted", "doubled: key text"]),
        (_delete_a_job, ["lost: job "]),
        (_answer_a_key_with_two_jobs, ["doubled: key text: was answered with 2 jobs"]),
        (_make_a_job_for_nobody, ["doubled: key unasked: has a job, but nobody asked"]),
        (_leave_queued, ["stuck: job .* is queued"]),
        (_leave_running, ["stuck: job .* is running, attempt 1 of 3, on cpu@here/1"]),
        (_run_twice_at_once, ["doubled: job .* runs on cpu@there/9 .* while cpu@here/1"]),
        (_run_twice_at_once_on_one_worker, ["doubled: job .* runs on cpu@here/1 .* while cpu@here/1"]),
        (_end_twice, ["doubled: job .* is succeeded twice"]),
        (
            _go_on_after_the_end,
            [
                "doubled: job .* goes from succeeded to running",
                "damaged: job .* ends with",
                "damaged: job .* is claimed as attempt 1 after attempt 1",
            ],
        ),
        (_end_in_two_ways, ["doubled: job .* goes from succeeded to failed", "damaged: job .* ends with"]),
        (_fail_by_the_fault, ["spoiled: job .* failed: OperationalError: database away"]),
        (_succeed_with_a_score_too_few, ["damaged: job .* has 0 scores of 1"]),
        (_succeed_with_nothing, ["spoiled: job .* succeeded without a result"]),
        (_cancel_unasked, ["spoiled: job .* is cancelled without a time"]),
        (_leave_paused, ["stuck: job .* is paused, attempt 0 of 3"]),
        (
            _forget("cancel", "retried"),
            ["spoiled: job .* is cancelled, but nobody", "lost: job .* of 1 granted requests to cancel .* 0"],
        ),
        (
            _forget("pause", "paused"),
            ["spoiled: job .* is paused, but nobody", "lost: job .* of 1 granted requests to pause .* 0"],
        ),
        (
            _forget("resume", "paused"),
            [
                "spoiled: job .* leaves its pause, but nobody resumed it",
                "lost: job .* of 1 granted requests to resume .* 0",
            ],
        ),
        (
            _forget("retry", "doomed"),
            [
                "spoiled: job .* runs again, but nobody retried it",
                "lost: job .* of 1 granted requests to retry .* 0",
            ],
        ),
        *(
            (_do_twice(verb, name), [f"doubled: job .* was asked 0 times to {verb}, its timeline tells of 1"])
            for verb, name in (
                ("cancel", "cancelled"),
                ("pause", "paused"),
                ("resume", "paused"),
                ("retry", "doomed"),
            )
        ),
        (_refuse_and_do, ["doubled: job .* was asked 0 times to pause"]),
        (
            _go_on_despite_a_cancel,
            [
                f"spoiled: job .* goes on to {state}, but was to be cancelled"
                for state in ("queued", "running")
            ],
        ),
        (_go_on_despite_a_pause, ["spoiled: job .* goes back to its queue, but was to pause"]),
        (
            _lose_the_beginning,
            [
                "damaged: job .* the beginning of its timeline is missing",
                "lost: job .* of 1 granted requests to cancel .* 0",
            ],
        ),
        (_lose_an_attempt, ["damaged: job .* is claimed as attempt 3 after attempt 1"]),
        (_overlap_leases, ["doubled: job .* is older than the one before it"]),
        (_do_what_cannot_be_done, ["spoiled: job .* succeeded, but can't be done"]),
        (_fail_the_doomed_otherwise, ["spoiled: job .* failed: KeyError"]),
        (_drop_a_metric, [r"damaged: job .* loss has 2 of 3 steps; missing: \[2\]"]),
        (_drop_the_last_metrics, [f"damaged: job .* {name} has 2 of 3" for name in NAMES]),
        (_write_a_metric_without_a_lease, [r"damaged: job .* 1 metric rows \(loss 2\) without a lease"]),
        (_write_a_file_without_a_lease, ["damaged: file .*scored.parquet.* without a lease"]),
        (_score(0, 1, 2, 2, 3, 4), ["damaged: job .* has 6 rows for 5; doubled: 2$"]),
        (_score(0, 1, 3, 4), ["damaged: job .* has 4 rows for 5; 1 are missing"]),
        (_score(0, 2, 1, 3, 4), ["damaged: job .* has 5 rows for 5, in another order"]),
        (_tamper_with_the_model, ["damaged: model shapes@1: its bytes", "damaged: file .* its bytes"]),
        (_remove_the_model, ["damaged: model shapes@1: its file is missing", "damaged: file .* is missing"]),
        (_register_the_model_twice, ["doubled: job .* succeeded and left 2 models"]),
        (_begin_a_file, ["rubbish: file scored/nobodys: 4 bytes without a row"]),
        (_leave_a_file, ["orphans: file scored/nobodys: 4 bytes without a row or an intent: .*"]),
    ],
)
def test_what_is_planted_is_found(world: World, plant: Callable[[World], None], found: list[str]) -> None:
    plant(world)
    lines = world.check()
    assert len(lines) == len(found), lines
    for pattern, line in zip(found, lines, strict=True):
        assert re.match(pattern, line), f"{line!r} is not like {pattern!r}"


def test_a_key_that_is_gone_is_explained_by_a_log_or_an_intent_or_has_vanished(
    world: World, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    said, pending, vanished = (f"scored/{uuid.uuid4()}" for _ in range(3))
    (logs / "sweeper1.log").write_text(f"INFO x: deleted {said} from the storage: its retention is over\n")
    storage.plan_deletion(world.session, [pending], storage.Reason.DELETED)
    seen = present(world.folder) | {said, pending, vanished}
    found = [str(one) for one in check_vanished(world.session, world.folder, seen, logs)]
    assert found == [f"vanished: file {vanished}: is gone, and no log of this database says so"]


def _set(world: World, name: str, **values: Any) -> None:
    world.session.flush()
    world.session.execute(sa.update(jobs.Job).where(jobs.Job.id == world.named[name].id).values(**values))
    world.session.expire_all()


def test_the_same_seed_draws_the_same_faults_and_every_kind_comes() -> None:
    assert faults.draw(7, 60) == faults.draw(7, 60) != faults.draw(8, 60)
    deck = sum(faults.KINDS.values())
    assert {fault.kind for fault in faults.draw(1, deck)} == {" ".join(kind) for kind in faults.KINDS}
    assert faults.draw(1, deck + 20)[:20] == faults.draw(1, 20)


def test_messages_are_few_whatever_the_number_of_jobs() -> None:
    assert chaos.check_messages({"unacked": 0, "cpu": 0, "gpu": 0}, 3) == []
    noted = chaos.check_messages({"unacked": 12, "cpu": 64, "gpu": 0}, 3)
    assert [one.column for one in noted] == ["rubbish", "rubbish"]
    wrong = chaos.check_messages({"unacked": 13, "cpu": 65, "gpu": 0}, 3)
    assert [one.column for one in wrong] == ["orphans", "orphans"]
    assert [one.column for one in chaos.check_messages({"unacked": 1, "cpu": 0}, 0)] == ["orphans"]


@pytest.mark.parametrize(
    ("kind", "statuses", "found"),
    [
        ("outage postgres", {("list", asks.AWAY): 80, ("submit", asks.AWAY): 80}, []),
        (
            "outage postgres",
            {("list", asks.AWAY): 80},
            ["spoiled: fault 1 .outage postgres.: submit was never answered with 503 with Retry-After"],
        ),
        (
            "outage postgres",
            {("list", asks.AWAY): 80, ("submit", asks.AWAY): 80, ("submit", "500"): 2},
            ["spoiled: fault 1 .*: 2 × submit was answered with 500"],
        ),
        (
            "no connections postgres",
            {("list", asks.AWAY): 80, ("submit", asks.AWAY): 80, ("list", "503"): 1},
            ["spoiled: fault 1 .*: 1 × list was answered with 503$"],
        ),
        ("read-only postgres", {("list", "200"): 80, ("submit", asks.AWAY): 80}, []),
        (
            "read-only postgres",
            {("list", "200"): 80, ("submit", asks.AWAY): 79, ("submit", "202"): 1},
            ["spoiled: fault 1 .*: 1 × submit was answered with 202"],
        ),
        (
            "failover redis",
            {("list", "200"): 80, ("submit", "202"): 79, ("submit", asks.AWAY): 1},
            ["spoiled: fault 1 .*: 1 × submit was answered with 503 with Retry-After"],
        ),
        (
            "frozen store",
            {("list", "200"): 8, ("submit", "202"): 8, ("upload", asks.AWAY): 8, ("download", asks.AWAY): 8},
            [],
        ),
        (
            "frozen store",
            {
                ("list", "200"): 8,
                ("submit", "202"): 8,
                ("upload", asks.AWAY): 8,
                ("download", "ReadTimeout"): 1,
            },
            [
                "spoiled: fault 1 .*: 1 × download was answered with ReadTimeout",
                "spoiled: fault 1 .*: download was never answered with 503 with Retry-After",
            ],
        ),
        ("kill web", {}, []),
    ],
)
def test_a_wrong_answer_while_something_is_away_is_found(
    kind: str, statuses: dict[tuple[str, str], int], found: list[str]
) -> None:
    (fault,) = faults.draw(1, 1, faults.kinds(on_s3=True), [kind])
    thrown = faults.Thrown(fault, 0.0, statuses=Counter(statuses))
    lines = [str(one) for one in asks.check_answers(1, thrown)]
    assert len(lines) == len(found), lines
    for pattern, line in zip(found, lines, strict=True):
        assert re.match(pattern, line), f"{line!r} is not like {pattern!r}"


def test_a_store_is_away_only_where_it_is_a_server() -> None:
    drawn = faults.draw(1, 200, faults.kinds(on_s3=True))
    assert {fault.action for fault in drawn if fault.target == "store"} == {"closed", "frozen", "refusing"}
    assert not [fault for fault in faults.draw(1, 200) if fault.target == "store"]


def test_kinds_that_are_chosen_come_once_each_before_any_comes_again() -> None:
    chosen = ["kill web", "failover redis", "cut postgres"]
    drawn = [fault.kind for fault in faults.draw(1, 6, only=chosen)]
    assert sorted(drawn[:3]) == sorted(drawn[3:]) == sorted(chosen)


def test_an_outage_is_rare() -> None:
    for seed in range(50):
        drawn = faults.draw(seed, 20)
        assert sum(fault.action == "outage" for fault in drawn) <= 1


def test_the_time_to_cancel_is_that_of_a_running_job(world: World) -> None:
    events = world.events("retried")
    asked = next(event for event in events if event.message == VERBS["cancel"])
    ended = next(event for event in events if event.state == "cancelled")
    seconds = timelines.cancelled_after(events, asked.at.timestamp() - 0.1)
    assert seconds == pytest.approx((ended.at - asked.at).total_seconds() + 0.1, abs=0.001)
    assert timelines.cancelled_after(world.events("cancelled"), 0.0) is None, "it did not run"
    assert timelines.cancelled_after(world.events("text"), 0.0) is None, "it was not cancelled"


# ---- the operator


def test_a_claim_from_a_paused_queue_is_found(world: World) -> None:
    text = world.named["text"]
    claimed = next(event for event in world.events("text") if event.state == "running").at.timestamp()

    def found(queue: str, start: float) -> list[str]:
        paused = operators.Paused(queue, claimed + start, claimed + start + 2)
        every = map(str, operators.check_paused(world.session, [paused]))
        return [one for one in every if str(text.id) in one]

    (one,) = found(text.queue, -1)
    assert one.startswith(f"spoiled: job {text.id} (sentiment): was claimed at")
    assert not [*found(text.queue, -900), *found(text.queue, 900), *found("gpu", -1)]


def test_a_token_that_is_accepted_after_it_was_revoked_is_found() -> None:
    (one,) = operators.check_revoked(["ci"])
    assert str(one) == "spoiled: token ci: was accepted 5 s after it was revoked"


# ---- webhooks


def test_a_job_that_nobody_was_told_of_is_found(world: World) -> None:
    world.session.flush()
    ended = sa.select(jobs.Job).where(jobs.Job.parent_id.is_(None), jobs.Job.finished_at.is_not(None))
    ends = {(str(job.id), job.state) for job in world.session.scalars(ended)}
    assert ends
    assert not list(told.check_told(world.session, ends))
    text = world.named["text"]
    (found,) = told.check_told(
        world.session, ends - {(str(text.id), "succeeded")} | {(str(text.id), "failed")}
    )
    assert str(found) == f"lost: job {text.id}: is succeeded, and its webhook was not told"
    assert [str(one) for one in told.check_signed(["msg_1"])] == [
        "damaged: message msg_1: has a wrong signature"
    ]
