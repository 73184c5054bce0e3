"""predict: pictures become labels, by a registered model that stays loaded."""

import functools
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from shared import catalog, storage
from shared.specs import PredictSpec
from workers.attempt import Attempt, Finish
from workers.kinds.datasets import find_dataset, folder_of
from workers.prediction.models import LoadedModel, ModelCache
from workers.prediction.predict import predict

# The result in the job holds so many; all of them are rows.
MAX_IN_RESULT = 1_000

_models = ModelCache()

Picture = tuple[str, Callable[[], IO[bytes]]]


def work(attempt: Attempt, spec: PredictSpec) -> Finish:
    """Predict every picture; one that can't be decoded is a row with an error, not a failed job."""
    with attempt.here.database.read() as session:
        model = catalog.find(session, catalog.Model, spec.model)
        files = [storage.get_file(session, file_id) for file_id in spec.images or []]
    attempt.report.phase("loading the model")
    loaded = _load(attempt, model)
    if spec.dataset is not None:
        pictures = _dataset_pictures(attempt, spec.dataset)
    else:
        open_key = attempt.here.storage.open
        pictures = [(file.name, functools.partial(open_key, file.storage_key)) for file in files]
    attempt.report.phase("predicting")
    rows = list(predict(loaded, pictures, len(pictures), spec.top, attempt.report))

    def finish(session: Session) -> dict[str, Any]:
        shown = [
            {
                "image": row.image,
                "label": row.label,
                "probability": row.probability,
                "probabilities": row.probabilities,
                "error": row.error,
            }
            for row in rows
        ]
        # A retried job's earlier rows make room for the new ones.
        session.execute(sa.delete(catalog.Prediction).where(catalog.Prediction.job_id == attempt.job_id))
        session.execute(
            sa.insert(catalog.Prediction),
            [{"job_id": attempt.job_id, "row": index, **row} for index, row in enumerate(shown)],
        )
        return {
            "model": model.reference,
            "count": len(rows),
            "failed": sum(row.error is not None for row in rows),
            "predictions": shown[:MAX_IN_RESULT],
        }

    return finish


def _load(attempt: Attempt, model: catalog.Model) -> LoadedModel:
    """From memory, or from a copy on this machine; checked against its SHA-256 before it is opened."""
    path = attempt.here.cache / "models" / f"{model.sha256}.keras"
    # A missing or damaged copy is no reason to refuse the model: get it (once more).
    if model.sha256 not in _models and not _is_whole(path, model.sha256):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = attempt.scratch / "model.keras"
        with attempt.here.storage.open(model.storage_key) as source, draft.open("wb") as target:
            shutil.copyfileobj(source, target)
        draft.replace(path)
    return _models.get(path, model.sha256, model.classes, model.image_size)


def _is_whole(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def _dataset_pictures(attempt: Attempt, reference: str) -> list[Picture]:
    folder = folder_of(attempt, find_dataset(attempt, reference))
    return list(_walk(folder))


def _walk(folder: Path) -> Iterator[Picture]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        yield path.relative_to(folder).as_posix(), functools.partial(_open, path)


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")
