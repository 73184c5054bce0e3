"""evaluate: a registered model is judged on the pictures of a data set.

Many pictures are split: each child has the model answer some hundred of them, and the parent's last run
judges all answers.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy.orm import Session

from jobyard.shared import jobs, registry
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.evaluate import EvaluateSpec, unknown_classes, was_trained_on
from jobyard.shared.kinds.parts import PicturePart, picture_parts
from jobyard.workers.evaluation.pictures import StreamedPictures
from jobyard.workers.evaluation.selection import ALL, TRAIN, Selection, Trained, select
from jobyard.workers.kinds.model_cache import find_model, load_model
from jobyard.workers.kinds.open_zip import open_zip
from jobyard.workers.kinds.whole_evaluation import keep_whole
from jobyard.workers.prediction.archives import ZipOfPictures
from jobyard.workers.runtime.attempt import Attempt, Finish, Split
from jobyard.workers.runtime.dataset_cache import find_dataset
from jobyard.workers.runtime.parts import refuse_broken, whole_of
from jobyard.workers.training.evaluate import Answers, answer, judge_answers

# Of a part: some seconds of work, so that predictions, which come before the next part, need not wait long.
PART_PICTURES = 512
WINDOW = 16
# Of models that no training of ours made.
BATCH_SIZE = 32

# Of the zip that parts are read from one after the other: which of its pictures are evaluated.
_selected: WeakKeyDictionary[ZipOfPictures, tuple[Any, Selection]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Subject:
    """What is evaluated on what. `is_training_data`: the model was trained on this very data set."""

    model: registry.Model
    dataset: registry.Dataset
    is_training_data: bool
    pictures: ZipOfPictures
    selection: Selection
    batch_size: int


def work(attempt: Attempt, spec: EvaluateSpec | PicturePart) -> Finish | Split:
    """Judge the model, and register the evaluation."""
    if isinstance(spec, PicturePart):
        return _answer_part(attempt, spec)
    subject = _subject(attempt, spec)
    if attempt.claim.child_window is not None:
        return _judge(attempt, subject, _answers_of_parts(attempt), None)
    count = len(subject.selection.places)
    size = _part_size(subject)
    if count >= 2 * size:
        return _split(count, size)
    started = time.monotonic()
    answers = _answer(attempt, subject, 0, count)
    return _judge(attempt, subject, answers, time.monotonic() - started)


def _subject(attempt: Attempt, spec: EvaluateSpec) -> Subject:
    model = find_model(attempt, spec.model)
    dataset = find_dataset(attempt, spec.dataset)
    if strange := unknown_classes(model, dataset):
        raise WorkError(strange)
    training = (model.card or {}).get("spec") or {}
    is_training_data = was_trained_on(model, dataset)
    pictures = open_zip.get(attempt.context.storage, dataset.storage_key)
    trained = None
    if is_training_data:
        trained = Trained(training["validation_split"], training["seed"], pictures.identical())
    return Subject(
        model,
        dataset,
        is_training_data,
        pictures,
        _select(pictures, spec.split, model.classes, trained),
        # As its training did: sums of floats depend on the size of a batch.
        training.get("batch_size", BATCH_SIZE),
    )


def _select(
    pictures: ZipOfPictures, split: str, classes: Sequence[str], trained: Trained | None
) -> Selection:
    asked = split, tuple(classes), trained
    known = _selected.get(pictures)
    if known is None or known[0] != asked:
        known = _selected[pictures] = asked, select(pictures.files, split, classes, trained)
    return known[1]


def _answer(attempt: Attempt, subject: Subject, start: int, stop: int) -> Answers:
    """The model's answers for the pictures of these numbers."""
    attempt.progress.phase("loading the model")
    loaded = load_model(attempt, subject.model)
    attempt.progress.phase("evaluating")
    names, labels = subject.selection.places[start:stop], subject.selection.labels[start:stop]
    open_picture = subject.pictures.open
    size, background = loaded.image_size, subject.model.background
    with StreamedPictures(names, labels, open_picture, size, attempt.progress, background) as pictures:
        return answer(loaded.network, pictures, subject.batch_size, attempt.progress)


def _judge(attempt: Attempt, subject: Subject, answers: Answers, seconds: float | None) -> Finish:
    selection, model, dataset = subject.selection, subject.model, subject.dataset
    evaluation = judge_answers(answers, selection.labels, model.classes, selection.places, selection.split)
    in_result = keep_whole(attempt, evaluation)
    is_known = subject.is_training_data and selection.split in (TRAIN, ALL)

    def finish(session: Session) -> dict[str, Any]:
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
            "evaluation": in_result,
            "warnings": ["the model was trained on some of these pictures: it knows them"]
            if is_known
            else [],
            # Whether the best epoch of the model's training was chosen by its pictures for validation.
            "is_training_data": subject.is_training_data,
            "seconds": seconds,
        }

    return finish


# ---- in parts


def _part_size(subject: Subject) -> int:
    """Whole batches, so that a part gives the numbers that the whole would."""
    return max(PART_PICTURES // subject.batch_size, 1) * subject.batch_size


def _split(count: int, size: int) -> Split:
    return Split(
        picture_parts(count, size),
        window=WINDOW,
        progress=jobs.Progress("evaluating in parts", 0, count, "pictures", None),
    )


def _answer_part(attempt: Attempt, part: PicturePart) -> Finish:
    with attempt.context.database.read() as session:
        whole = whole_of(session, attempt.claim)
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
