"""Registered models, as a process that predicts keeps them: in memory, or else as a copy on its machine."""

import hashlib
import shutil
from pathlib import Path
from typing import Final

from jobyard.shared import registry
from jobyard.workers.prediction.models import LoadedModel, ModelCache
from jobyard.workers.runtime.attempt import Attempt

models: Final = ModelCache()


def find_model(attempt: Attempt, reference: str) -> registry.Model:
    """Raises NotFound."""
    with attempt.context.database.read() as session:
        return registry.find(session, registry.Model, reference)


def load_model(attempt: Attempt, model: registry.Model) -> LoadedModel:
    """From memory, or from a copy on this machine; checked against its SHA-256 before it is opened."""
    path = attempt.context.cache / "models" / f"{model.sha256}.keras"
    # A missing or damaged copy is no reason to refuse the model: get it (once more).
    if model.sha256 not in models and not _is_whole(path, model.sha256):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = attempt.scratch / "model.keras"
        with attempt.context.storage.open(model.storage_key) as source, draft.open("wb") as target:
            shutil.copyfileobj(source, target)
        draft.replace(path)
    return models.get(path, model.sha256, model.classes, model.image_size)


def _is_whole(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False
