"""evaluate: a registered model is judged on the pictures of a data set.

Many pictures are split: each child has the model answer some hundred of them, and the parent's last run
judges all answers.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

import numpy as np
from sqlalchemy.orm import Session

from jobyard.shared import jobs, registry
from jobyard.shared.errors import LeaseLost, WorkError
from jobyard.shared.kinds.evaluate import EvaluatePart, EvaluateSpec, unknown_classes, was_trained_on
from jobyard.workers.evaluation.pictures import StreamedPictures
from jobyard.workers.evaluation.selection import ALL, TRAIN, Selection, Trained, select
from jobyard.workers.kinds.model_cache import find_model, load_model
from jobyard.workers.kinds.open_zip import open_zip
from jobyard.workers.runtime.attempt import Attempt, Finish, Split
from jobyard.workers.runtime.dataset_cache import find_dataset
from jobyard.workers.runtime.parts import refuse_broken
from jobyard.workers.training.evaluate import Answers, Evaluation, answer, judge_answers

# Of a part: some seconds of work, so that predictions, which come before the next part, need not wait long.
PART_PICTURES = 512
WINDOW = 16
# Of models that no training of ours made.
BATCH_SIZE = 32

Opener = Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Subject:
    """What is evaluated on what; `openers` has the files of the data set by their places."""

    model: registry.Model
    dataset: registry.Dataset
    selection: Selection
    openers: dict[str, Opener]
    batch_size: int


def work(attempt: Attempt, spec: EvaluateSpec | EvaluatePart) -> Finish | Split:
    """Judge the model, and register the evaluation."""
    if isinstance(spec, EvaluatePart):
        return _answer_part(attempt, spec)
    subject = _subject(attempt, spec)
    if attempt.claim.child_window is not None:
        return _finish(attempt, subject, _answers_of_parts(attempt), None)
    count = len(subject.selection.places)
    size = _part_size(subject)
    if count >= 2 * size:
        return _split(count, size)
    started = time.monotonic()
    answers = _answer(attempt, subject, 0, count)
    return _finish(attempt, subject, answers, time.monotonic() - started)


def _subject(attempt: Attempt, spec: EvaluateSpec) -> Subject:
    model = find_model(attempt, spec.model)
    dataset = find_dataset(attempt, spec.dataset)
    if strange := unknown_classes(model, dataset):
        raise WorkError(strange)
    training = (model.card or {}).get("spec") or {}
    trained = None
    if was_trained_on(model, dataset):
        trained = Trained(training["validation_split"], training["seed"])
    zipped = open_zip.get(attempt.context.storage, dataset.storage_key)
    openers = zipped.files()
    selection = select(openers, spec.split, model.classes, trained)
    # As its training did: sums of floats depend on the size of a batch.
    return Subject(model, dataset, selection, openers, training.get("batch_size", BATCH_SIZE))


def _answer(attempt: Attempt, subject: Subject, start: int, stop: int) -> Answers:
    """The model's answers for the pictures of these numbers."""
    attempt.progress.phase("loading the model")
    loaded = load_model(attempt, subject.model)
    attempt.progress.phase("evaluating")
    names, labels = subject.selection.places[start:stop], subject.selection.labels[start:stop]

    def open_picture(name: str) -> IO[bytes]:
        return subject.openers[name]()

    with StreamedPictures(names, labels, open_picture, loaded.image_size, attempt.progress) as pictures:
        return answer(loaded.network, pictures, subject.batch_size, attempt.progress)


def _finish(attempt: Attempt, subject: Subject, answers: Answers, seconds: float | None) -> Finish:
    selection, model, dataset = subject.selection, subject.model, subject.dataset
    evaluation = judge_answers(answers, selection.labels, model.classes, selection.places, selection.split)
    seen = was_trained_on(model, dataset) and selection.split in (TRAIN, ALL)
    return partial(_register, attempt, subject, evaluation, seen, seconds)


def _register(
    attempt: Attempt,
    subject: Subject,
    evaluation: Evaluation,
    seen: bool,
    seconds: float | None,
    session: Session,
) -> dict[str, Any]:
    model, dataset = subject.model, subject.dataset
    registry.add_evaluation(
        session,
        model_id=model.id,
        dataset=dataset,
        job_id=attempt.job_id,
        split=evaluation["split"],
        pictures=evaluation["pictures"],
        accuracy=evaluation["accuracy"],
        accuracy_interval=evaluation["accuracy_interval"],
        loss=evaluation["loss"],
    )
    return {
        "model": model.reference,
        "dataset": dataset.reference,
        "dataset_sha256": dataset.sha256,
        "evaluation": evaluation,
        "warnings": ["the model was trained on some of these pictures: it knows them"] if seen else [],
        # Whether the best epoch of the model's training was chosen by its pictures for validation.
        "is_training_data": was_trained_on(model, dataset),
        "seconds": seconds,
    }


# ---- in parts


def _part_size(subject: Subject) -> int:
    """Whole batches, so that a part gives the numbers that the whole would."""
    return max(PART_PICTURES // subject.batch_size, 1) * subject.batch_size


def _split(count: int, size: int) -> Split:
    starts = range(0, count, size)
    parts = [
        EvaluatePart(part=part, parts=len(starts), start=start, count=min(size, count - start))
        for part, start in enumerate(starts)
    ]
    return Split(
        [part.model_dump() for part in parts],
        window=WINDOW,
        progress=jobs.Progress("evaluating in parts", 0, count, "pictures", None),
    )


def _answer_part(attempt: Attempt, part: EvaluatePart) -> Finish:
    with attempt.context.database.read() as session:
        whole = session.get(jobs.Job, attempt.claim.parent_id)
    if whole is None:  # it starts over, and this job was deleted
        raise LeaseLost
    subject = _subject(attempt, EvaluateSpec.model_validate(whole.spec))
    answers = _answer(attempt, subject, part.start, part.start + part.count)
    path = attempt.scratch / "answers.npy"
    np.save(path, answers.as_array())
    stored = attempt.store("parts", path)

    def finish(session: Session) -> dict[str, Any]:
        jobs.keep_for_parent(session, attempt.job_id, attempt.claim.lease, stored.key)
        return {"done": part.count}

    return finish


def _answers_of_parts(attempt: Attempt) -> Answers:
    with attempt.context.database.read() as session:
        children = jobs.children(session, attempt.job_id)
    refuse_broken(children)
    answers = []
    for child in children:
        key = child.checkpoint_key or ""
        attempt.unwanted.append(key)
        with attempt.context.storage.open(key) as file:
            answers.append(Answers.from_array(np.load(file)))
    return Answers.joined(answers)
