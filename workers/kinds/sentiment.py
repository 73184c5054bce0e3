"""sentiment: texts become scores, a file becomes a scored file.

A large file is split: its bytes stay where they are (or lie unpacked beside the plan), each child scores a
range of them, and the file's own job puts the parts together. What reads files is imported with the first
one: a process that scores single texts stays small, and starts soon.
"""

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING
from uuid import UUID

from sqlalchemy.orm import Session

from jobyard.shared import jobs, needs, registry, storage
from jobyard.shared.disk import Room
from jobyard.shared.errors import LeaseLost
from jobyard.shared.kinds.sentiment import SentimentPart, SentimentSpec
from jobyard.workers.kinds import wait_for
from jobyard.workers.kinds.fetching import fetch, provenance
from jobyard.workers.runtime.attempt import Attempt, Finish, Made, Split
from jobyard.workers.runtime.parts import refuse_broken, whole_of
from jobyard.workers.sentiment.trial import try_file, try_part
from jobyard.workers.sentiment.vader.scorer import Scorer
from jobyard.workers.sentiment.vader.texts import score_texts

if TYPE_CHECKING:
    from jobyard.workers.sentiment.outcome import Outcome
    from jobyard.workers.sentiment.plans import Plan
    from jobyard.workers.sentiment.several import PlanOfSeveral
    from jobyard.workers.sentiment.vader.bulk import BulkScorer

MEDIA_TYPES = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
}

# So many processes can be at one file. It need not be fewer for the sake of small jobs: parts come after
# them, a priority lower, and are short.
WINDOW = 16

SCORED_FILE = "the scored file"

# How many lexicons' scorers are kept: the plain one, the normalizing one, and those of jobs
# with words of their own.
SCORERS = 4


def work(attempt: Attempt, spec: SentimentSpec | SentimentPart) -> Made:
    """Score the texts of the spec, or those of a file, or a part of one."""
    if isinstance(spec, SentimentSpec) and spec.texts is not None:
        return score_texts(spec, _scorer(attempt, spec), attempt.progress)
    wait_for(compiling(), attempt, "starting")
    if isinstance(spec, SentimentPart):
        return _score_part(attempt, spec)
    if attempt.claim.child_window is not None:
        return _put_together(attempt, spec)
    return _score_file(attempt, spec)


def _scorer(attempt: Attempt, spec: SentimentSpec) -> Scorer:
    return _scorer_of(attempt.context.settings.lexicon, _words(spec), _is_normalized(spec))


def _bulk_scorer(attempt: Attempt, spec: SentimentSpec) -> "BulkScorer":
    return _bulk_scorer_of(attempt.context.settings.lexicon, _words(spec), _is_normalized(spec))


def _is_normalized(spec: SentimentSpec) -> bool:
    return spec.normalize == "standard"


def _words(spec: SentimentSpec) -> tuple[tuple[str, float], ...]:
    return tuple((spec.lexicon or {}).items())


@functools.cache
def compiling() -> "Future[None]":
    """What reads and scores files, once per process: in a thread, for where it was never compiled that takes
    seconds, and a cancelled job doesn't wait for it."""

    def compile_all() -> None:
        from jobyard.workers.sentiment.files import compile_all

        with TemporaryDirectory() as folder:
            compile_all(Path(folder))

    return ThreadPoolExecutor(1, "compiling").submit(compile_all)


@functools.lru_cache(SCORERS)
def _scorer_of(lexicon: str, words: tuple[tuple[str, float], ...], normalize: bool) -> Scorer:
    return Scorer(lexicon, dict(words) or None, normalize=normalize)


@functools.lru_cache(SCORERS)
def _bulk_scorer_of(lexicon: str, words: tuple[tuple[str, float], ...], normalize: bool) -> "BulkScorer":
    from jobyard.workers.sentiment.vader.bulk import BulkScorer

    return BulkScorer(_scorer_of(lexicon, words, normalize))


def _files_of(session: Session, job_id: UUID, spec: SentimentSpec) -> list[storage.File]:
    """The uploads, also those that were fetched from addresses."""
    fetched = {name: one.file_id for name, one in needs.addresses_of(session, job_id).items()}
    if spec.file is not None:
        ids = [fetched.get("file", spec.file)]
    else:
        ids = [fetched.get(f"files.{number}", one) for number, one in enumerate(spec.files or [])]
    return storage.get_files(session, [one for one in ids if isinstance(one, UUID)])


def _room(attempt: Attempt, files: Sequence[storage.File]) -> Room:
    """What the scored file may take."""
    most = attempt.context.settings.max_output_bytes(_bytes_of(files))
    return Room(most, attempt.context.disk, SCORED_FILE)


def _limit(attempt: Attempt, files: Sequence[storage.File]) -> int:
    """What the files may unpack to."""
    return attempt.context.settings.max_unpacked_bytes_of(_bytes_of(files))


def _bytes_of(files: Sequence[storage.File]) -> int:
    return sum(file.bytes for file in files)


def _score_file(attempt: Attempt, spec: SentimentSpec) -> Finish | Split:
    from jobyard.workers.sentiment.plans import read_file

    fetch(attempt)
    with attempt.context.database.read() as session:
        files = _files_of(session, attempt.job_id, spec)
    copy, limit, room = attempt.scratch / "plain", _limit(attempt, files), _room(attempt, files)
    if spec.files is not None:
        return _split_or_score(attempt, spec, _read_several(attempt, spec, files, copy), copy, copy, room)
    (file,) = files
    with attempt.context.storage.local(file.storage_key, attempt.scratch) as source:
        if attempt.claim.attempt > 1:
            try_file(spec, source, file.name, limit, attempt.scratch, attempt.progress)
        plan = read_file(spec, source, file.name, copy, limit, attempt.progress, room)
        return _split_or_score(attempt, spec, plan, copy, copy if plan.is_copied else source, room)


def _read_several(
    attempt: Attempt, spec: SentimentSpec, files: Sequence[storage.File], copy: Path
) -> "PlanOfSeveral":
    from jobyard.workers.sentiment.several import Upload, read_files

    limit = _limit(attempt, files)

    @contextmanager
    def opened(file: storage.File) -> Iterator[Path]:
        with attempt.context.storage.local(file.storage_key, attempt.scratch) as source:
            if attempt.claim.attempt > 1:
                alone = spec.model_copy(update={"group_by": None})
                try_file(alone, source, file.name, limit, attempt.scratch, attempt.progress)
            yield source

    # Of what was fetched the address says more than a name, which many parts may have.
    names = [
        file.name if isinstance(given, UUID) else given
        for given, file in zip(spec.files or [], files, strict=True)
    ]
    uploads = [Upload(name, functools.partial(opened, file)) for name, file in zip(names, files, strict=True)]
    return read_files(spec, uploads, copy, limit, attempt.progress, _room(attempt, files))


def _split_or_score(
    attempt: Attempt, spec: SentimentSpec, plan: "Plan", copy: Path, plain: Path, room: Room
) -> Finish | Split:
    """`plain` has the bytes that the plan's parts are ranges of; `copy` is for the plan, behind them."""
    from jobyard.workers.sentiment.files import score_whole
    from jobyard.workers.sentiment.plans import MIN_PARTS

    if len(plan.parts) >= MIN_PARTS and plan.is_large:
        return _split(attempt, plan, copy)
    output = _output(attempt, spec)
    outcome = score_whole(spec, plan, plain, output, _bulk_scorer(attempt, spec), attempt.progress, room)
    return _finish(attempt, spec, output, outcome)


def _output(attempt: Attempt, spec: SentimentSpec) -> Path:
    return attempt.scratch / f"scored.{spec.format}"


def _finish(attempt: Attempt, spec: SentimentSpec, output: Path, outcome: "Outcome") -> Finish:
    stored = attempt.store("scored", output)

    def finish(session: Session) -> dict[str, object]:
        storage.add_file(
            session,
            stored,
            name=outcome.result["file"],
            media_type=MEDIA_TYPES[spec.format],
            job_id=attempt.job_id,
        )
        registry.keep_score_groups(session, attempt.job_id, outcome.groups)
        return outcome.result | provenance(session, attempt.job_id)

    return finish


# ---- in parts


def _split(attempt: Attempt, plan: "Plan", copy: Path) -> Split:
    """The plan lies at the end of the file's plain bytes, if these had to be written: one key for both."""
    from jobyard.workers.sentiment.tables.trailer import append_trailer

    append_trailer(copy, plan.note())
    count = len(plan.parts)
    return Split(
        [
            SentimentPart(part=number, parts=count, rows=max(rows, 1)).model_dump()
            for number, rows in enumerate(plan.part_rows)
        ],
        window=WINDOW,
        progress=jobs.Progress("scoring in parts", 0, plan.rows, "rows", None),
        checkpoint_key=attempt.store("plans", copy).key,
    )


def _score_part(attempt: Attempt, spec: SentimentPart) -> Finish:
    from jobyard.workers.sentiment.parts import score_part

    with attempt.context.database.read() as session:
        parent = whole_of(session, attempt.claim)
        whole = SentimentSpec.model_validate(parent.spec)
        files = _files_of(session, parent.id, whole)
        siblings = jobs.children(session, parent.id)
    room = _room(attempt, files)
    room.take(sum((child.result or {}).get("bytes", 0) for child in siblings))
    output = attempt.scratch / "scored"
    scorer = _bulk_scorer(attempt, whole)
    with _planned(attempt, parent.checkpoint_key, files) as (plan, stream):
        if attempt.claim.attempt > 1:
            _try_part(attempt, whole, spec.part, plan, parent.checkpoint_key, files)
        done = score_part(whole, plan, spec.part, stream, output, scorer, attempt.progress, room)
    stored = attempt.store("parts", output)

    def finish(session: Session) -> dict[str, object]:
        jobs.keep_for_parent(session, attempt.job_id, attempt.claim.lease, stored.key)
        return {"done": done, "bytes": stored.bytes}

    return finish


def _try_part(
    attempt: Attempt,
    whole: SentimentSpec,
    number: int,
    plan: "Plan",
    plan_key: str | None,
    files: Sequence[storage.File],
) -> None:
    key = plan_key if plan.is_copied and plan_key is not None else files[0].storage_key
    with attempt.context.storage.local(key, attempt.scratch) as source:
        limit = _limit(attempt, files)
        try_part(whole, plan.note(), number, source, limit, attempt.scratch, attempt.progress)


@contextmanager
def _planned(
    attempt: Attempt, key: str | None, files: Sequence[storage.File]
) -> Iterator[tuple["Plan", IO[bytes]]]:
    """The plan, and the bytes that its parts are ranges of. Raises LeaseLost if the parent starts over."""
    from jobyard.workers.sentiment.several import plan_of
    from jobyard.workers.sentiment.tables.trailer import read_trailer

    if key is None:
        raise LeaseLost
    with attempt.context.storage.open(key) as source:
        plan = plan_of(read_trailer(source)[0])
        if plan.is_copied:
            yield plan, source
        else:
            with attempt.context.storage.open(files[0].storage_key) as stream:
                yield plan, stream


def _put_together(attempt: Attempt, spec: SentimentSpec) -> Finish:
    from jobyard.workers.sentiment.outcome import put_together

    with attempt.context.database.read() as session:
        children = jobs.children(session, attempt.job_id)
        files = _files_of(session, attempt.job_id, spec)
    refuse_broken(children)
    keys = [child.checkpoint_key or "" for child in children]
    attempt.unwanted += keys
    output = _output(attempt, spec)
    with _planned(attempt, attempt.claim.checkpoint_key, files) as (plan, _):
        outcome = put_together(
            spec,
            plan,
            lambda number: attempt.context.storage.open(keys[number]),
            output,
            attempt.progress,
            _room(attempt, files),
        )
    return _finish(attempt, spec, output, outcome)
