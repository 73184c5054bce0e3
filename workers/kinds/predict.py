"""predict: pictures become labels, by a registered model that stays loaded.

Many pictures are split: each child predicts some hundred of them, and writes their rows for the whole.
"""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from jobyard.shared import jobs, registry, storage
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.parts import PicturePart, picture_parts
from jobyard.shared.kinds.predict import PredictSpec, overlay_name
from jobyard.shared.registry.many_classes import MAX_CLASSES
from jobyard.workers.kinds.model_cache import find_model, load_model
from jobyard.workers.kinds.open_zip import open_zip
from jobyard.workers.prediction.archives import ZipOfPictures, check_archive
from jobyard.workers.prediction.predict import Picture, PicturePrediction, predict
from jobyard.workers.runtime.attempt import Attempt, Finish, Split
from jobyard.workers.runtime.dataset_cache import find_dataset
from jobyard.workers.runtime.parts import refuse_broken, whole_of

# The result in the job holds so many; all of them are rows.
MAX_IN_RESULT = 1_000

# Of a part: some seconds of work, so that small jobs, which come before the next part, need not wait long.
PART_PICTURES = 512
WINDOW = 16


def work(attempt: Attempt, spec: PredictSpec | PicturePart) -> Finish | Split:
    """Predict every picture; one that can't be decoded is a row with an error, not a failed job."""
    if isinstance(spec, PicturePart):
        return _predict_part(attempt, spec)
    model = find_model(attempt, spec.model)
    if attempt.claim.child_window is not None:
        return _sum_up(attempt, spec, model)
    return _predict_all(attempt, spec, model)


def _predict_all(attempt: Attempt, spec: PredictSpec, model: registry.Model) -> Finish | Split:
    copied = None if spec.archive is None else _plain_copy(attempt, spec)
    count = len(spec.images or ()) or len(_zip(attempt, spec, copied))
    try:
        spec.check_explained(count)
    except ValueError as error:
        raise WorkError(str(error)) from None
    if count >= 2 * PART_PICTURES:
        return _split(count, copied)
    if copied is not None:
        attempt.unwanted.append(copied)
    rows = _predict(attempt, spec, model, _pictures(attempt, spec, copied, 0, count))
    _refuse_all_broken(rows, Counter(row.label for row in rows))
    overlays = {
        overlay_name(number): _store_overlay(attempt, row.overlay)
        for number, row in enumerate(rows)
        if row.overlay is not None
    }

    def finish(session: Session) -> dict[str, Any]:
        registry.keep_predictions(session, attempt.job_id, [_columns(row) for row in rows])
        for name, stored in overlays.items():
            storage.add_file(session, stored, name=name, media_type="image/png", job_id=attempt.job_id)
        return _result(spec, model, Counter(row.label for row in rows), rows)

    return finish


def _result(
    spec: PredictSpec,
    model: registry.Model,
    labels: Mapping[str | None, int],
    rows: Sequence[PicturePrediction | registry.Prediction],
) -> dict[str, Any]:
    return {
        "model": model.reference,
        "count": sum(labels.values()),
        "failed": labels.get(None, 0),
        "class_count": len(model.classes),
        # Of many classes, those that some picture has.
        "labels": {
            name: labels.get(name, 0)
            for name in model.classes
            if name in labels or len(model.classes) <= MAX_CLASSES
        },
        "predictions": [
            _columns(row) | {"overlay": overlay_name(number) if spec.explain and row.error is None else None}
            for number, row in enumerate(rows[:MAX_IN_RESULT])
        ],
    }


def _refuse_all_broken(
    rows: Sequence[PicturePrediction | registry.Prediction], labels: Mapping[str | None, int]
) -> None:
    """Raises WorkError if no picture could be read: then there is no prediction, and the job has failed."""
    if sum(labels.values()) == labels.get(None, 0) > 0:
        count = labels[None]
        first = f"{rows[0].image}: {rows[0].error}"
        raise WorkError(first if count == 1 else f"none of the {count:,} pictures can be read; {first}")


def _columns(row: PicturePrediction | registry.Prediction) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("image", "label", "probability", "probabilities", "error")}


def _predict(
    attempt: Attempt, spec: PredictSpec, model: registry.Model, pictures: Sequence[Picture]
) -> list[PicturePrediction]:
    attempt.progress.phase("loading the model")
    loaded = load_model(attempt, model)
    attempt.progress.phase("predicting")
    found = predict(
        loaded,
        pictures,
        len(pictures),
        spec.top,
        attempt.progress,
        explain=spec.explain,
        background=model.background,
    )
    return list(found)


def _store_overlay(attempt: Attempt, png: bytes) -> storage.Stored:
    path = attempt.scratch / "overlay.png"
    path.write_bytes(png)
    return attempt.store("overlays", path)


# ---- in parts


def _split(count: int, copied: str | None) -> Split:
    return Split(
        picture_parts(count, PART_PICTURES),
        window=WINDOW,
        progress=jobs.Progress("predicting in parts", 0, count, "pictures", None),
        checkpoint_key=copied,
    )


def _predict_part(attempt: Attempt, part: PicturePart) -> Finish:
    with attempt.context.database.read() as session:
        whole = whole_of(session, attempt.claim)
    spec = PredictSpec.model_validate(whole.spec)
    model = find_model(attempt, spec.model)
    pictures = _pictures(attempt, spec, whole.checkpoint_key, part.start, part.start + part.count)
    rows = [_columns(row) for row in _predict(attempt, spec, model, pictures)]

    def finish(session: Session) -> dict[str, Any]:
        registry.keep_predictions(session, whole.id, rows, part.start)
        return {"done": len(rows)}

    return finish


def _sum_up(attempt: Attempt, spec: PredictSpec, model: registry.Model) -> Finish:
    with attempt.context.database.read() as session:
        refuse_broken(jobs.children(session, attempt.job_id))
        labels = registry.count_predictions(session, attempt.job_id)
        rows = registry.read_predictions(session, attempt.job_id, limit=MAX_IN_RESULT)
    _refuse_all_broken(rows, labels)
    return lambda _: _result(spec, model, labels, rows)


# ---- pictures


def _pictures(
    attempt: Attempt, spec: PredictSpec, copied: str | None, start: int, stop: int
) -> Sequence[Picture]:
    """Those of the numbers `start` to `stop`, in the order of the spec's, or else by their paths."""
    if spec.images is None:
        return _zip(attempt, spec, copied).pictures(start, stop)
    with attempt.context.database.read() as session:
        files = storage.get_files(session, spec.images[start:stop])
    open_key = attempt.context.storage.open
    return [(file.name, functools.partial(open_key, file.storage_key)) for file in files]


def _zip(attempt: Attempt, spec: PredictSpec, copied: str | None) -> ZipOfPictures:
    """Of a data set, or an archive: the copy of it, if it was no zip itself."""
    if spec.dataset is not None:
        key = find_dataset(attempt, spec.dataset).storage_key
    else:
        key = copied or _archive(attempt, spec).storage_key
    return open_zip.get(attempt.context.storage, key)


def _plain_copy(attempt: Attempt, spec: PredictSpec) -> str | None:
    """Check the archive; what is no zip is made one in the storage, and that is its key."""
    attempt.progress.phase("reading the archive")
    copy = attempt.scratch / "copy.zip"
    archive = _archive(attempt, spec)
    limit = attempt.context.settings.max_unpacked_bytes_of(archive.bytes)
    room = attempt.room(archive, "the copy of the archive")
    with attempt.archive(archive) as source:
        is_copied = check_archive(source, copy, limit, attempt.progress, room)
    return attempt.store("plans", copy).key if is_copied else None


def _archive(attempt: Attempt, spec: PredictSpec) -> storage.File:
    if spec.archive is None:
        raise WorkError("the spec has no archive")
    with attempt.context.database.read() as session:
        return storage.get_file(session, spec.archive)
