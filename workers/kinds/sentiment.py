"""sentiment: texts become scores, a file becomes a scored file.

A large file is read once and split: its bytes stay where they are, each child scores a range of them, and
the file's own job puts the parts together.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from shared import jobs, storage
from shared.errors import LeaseLost, WorkError
from shared.specs import SentimentPart, SentimentSpec
from workers.attempt import Attempt, Finish, Split
from workers.sentiment.files import MIN_PARTS, Plan, put_together, read_file, score_part, score_whole
from workers.sentiment.scorer import Scorer
from workers.sentiment.texts import score_texts

MEDIA_TYPES = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
}

# So many processes can be at one file. It need not be fewer for the sake of small jobs: parts come after
# them, a priority lower, and are short.
WINDOW = 16

scorer_of = functools.cache(Scorer)


def work(attempt: Attempt, spec: SentimentSpec | SentimentPart) -> Finish | Split:
    """Score the texts of the spec, or those of a file, or a part of one."""
    if isinstance(spec, SentimentPart):
        return _score_part(attempt, spec)
    if spec.file is None:
        scored = score_texts(spec, _scorer(attempt), attempt.report)
        return lambda _: scored

    output = attempt.scratch / f"scored.{spec.format}"
    if attempt.claim.child_window is not None:
        return _finish(attempt, spec, output, _put_together(attempt, spec, output))
    with attempt.here.database.read() as session:
        file = storage.get_file(session, spec.file)
    with attempt.here.storage.local(file.storage_key, attempt.scratch) as source:
        plan = read_file(spec, source, file.name, attempt.report)
        if len(plan.parts) >= MIN_PARTS:
            return _split(attempt, plan)
        result = score_whole(spec, plan, source, output, _scorer(attempt), attempt.report)
    return _finish(attempt, spec, output, result)


def _scorer(attempt: Attempt) -> Scorer:
    return scorer_of(attempt.here.settings.lexicon)


def _finish(attempt: Attempt, spec: SentimentSpec, output: Path, result: dict[str, Any]) -> Finish:
    stored = attempt.store("scored", output)

    def finish(session: Session) -> dict[str, Any]:
        storage.add_file(
            session,
            stored,
            name=result["file"],
            media_type=MEDIA_TYPES[spec.format],
            job_id=attempt.job_id,
        )
        return result

    return finish


# ---- in parts


def _split(attempt: Attempt, plan: Plan) -> Split:
    path = attempt.scratch / "plan.json"
    path.write_text(plan.to_json())
    parts = [
        SentimentPart(part=number, parts=len(plan.parts), rows=rows).model_dump()
        for number, rows in enumerate(plan.part_rows)
    ]
    return Split(
        parts,
        window=WINDOW,
        progress=jobs.Progress("scoring in parts", 0, plan.rows, "rows", None),
        checkpoint_key=attempt.store("plans", path).key,
    )


def _score_part(attempt: Attempt, spec: SentimentPart) -> Finish:
    storage_ = attempt.here.storage
    whole, file, plan = _whole(attempt)
    source, output = attempt.scratch / "part", attempt.scratch / "scored"
    part = plan.parts[spec.part]
    with storage_.open(file.storage_key) as bytes_, source.open("wb") as target:
        bytes_.seek(part.start)
        target.write(bytes_.read(part.end - part.start))
    result = score_part(whole, plan, spec.part, source, output, _scorer(attempt), attempt.report)
    stored = attempt.store("parts", output)

    def finish(session: Session) -> dict[str, Any]:
        jobs.keep_for_parent(session, attempt.job_id, attempt.claim.lease, stored.key)
        return result

    return finish


def _whole(attempt: Attempt) -> tuple[SentimentSpec, storage.File, Plan]:
    """What a part needs to know of its parent. Raises LeaseLost if that began anew: this job is gone then."""
    with attempt.here.database.read() as session:
        found = session.get(jobs.Job, attempt.claim.parent_id)
        if found is None:
            raise LeaseLost
        spec = SentimentSpec.model_validate(found.spec)
        file = storage.get_file(session, spec.inputs[0])
    return spec, file, _plan(attempt, found.checkpoint_key)


def _plan(attempt: Attempt, key: str | None) -> Plan:
    if key is None:
        raise LeaseLost
    with attempt.here.storage.open(key) as stream:
        return Plan.from_json(stream.read().decode())


def _put_together(attempt: Attempt, spec: SentimentSpec, output: Path) -> dict[str, Any]:
    with attempt.here.database.read() as session:
        children = jobs.children(session, attempt.job_id)
    _refuse_broken(children)
    parts = [(child.checkpoint_key or "", child.result or {}) for child in children]
    attempt.unwanted += [key for key, _ in parts]
    plan = _plan(attempt, attempt.claim.checkpoint_key)
    return put_together(spec, plan, _local(attempt, parts), output, attempt.report)


def _refuse_broken(children: list[jobs.Job]) -> None:
    """Raises WorkError with what the first part that failed says."""
    for child in children:
        if child.state == jobs.State.FAILED:
            where = "" if child.error_type == WorkError.__name__ else f"part {child.spec['part'] + 1}: "
            raise WorkError(f"{where}{child.error_message}")
    for child in children:
        if child.state != jobs.State.SUCCEEDED:
            raise WorkError(f"part {child.spec['part'] + 1} was {child.state}")


def _local(
    attempt: Attempt, parts: list[tuple[str, dict[str, Any]]]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    for key, result in parts:
        with attempt.here.storage.local(key, attempt.scratch) as path:
            yield path, result
