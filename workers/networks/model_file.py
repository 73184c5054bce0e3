"""Model files of the registry: how they are read, and how a training starts from the weights of one."""

import hashlib
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import keras
import numpy as np

from jobyard.shared.errors import WorkError
from jobyard.workers.networks import custom
from jobyard.workers.networks.architecture import parse
from jobyard.workers.networks.older_keras import for_older_keras, least_version

# The member of a `.keras` file that describes the network.
CONFIG: Final = "config.json"


@dataclass(frozen=True)
class ModelFile:
    """A registered model: its file, and what the registry knows of it."""

    reference: str
    path: Path
    sha256: str
    classes: list[str]
    image_size: int

    @property
    def identity(self) -> str:
        """What the weights are."""
        return self.sha256


def save(model: Any, path: Path) -> str:
    """Write a `.keras` file that older Keras can read, too; returns the oldest that can, as "3.8"."""
    model.save(path)
    draft = path.with_suffix(".draft")
    with zipfile.ZipFile(path) as saved, zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as target:
        description = for_older_keras(json.loads(saved.read(CONFIG)))
        for info in saved.infolist():
            kept = zipfile.ZipInfo(info.filename, info.date_time)
            kept.file_size = info.file_size
            if info.filename == CONFIG:
                target.writestr(kept, json.dumps(description))
            else:
                with saved.open(info) as source, target.open(kept, "w") as copied:
                    shutil.copyfileobj(source, copied, 1 << 20)
    draft.replace(path)
    return least_version(description)


def load(path: Path, sha256: str, classes: list[str], image_size: int) -> Any:
    """The keras.Model of that SHA-256, uncompiled, from a file `.keras`.

    A model file can hold code: only what this server wrote is loaded, and no format but the one it writes.
    Raises WorkError if the file is another one, is not a .keras file, or does not fit its record.
    """
    _check(path, sha256)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise WorkError(f"the model file can't be loaded: {str(error).splitlines()[0]}") from error

    # A network that was made elsewhere may have a softmax for two classes.
    outputs = {(None, len(classes)), (None, 1)} if len(classes) == 2 else {(None, len(classes))}
    if model.input_shape != (None, image_size, image_size, 3) or model.output_shape not in outputs:
        raise WorkError(
            f"the model has inputs {model.input_shape} and outputs {model.output_shape}: "
            f"should fit pictures of {image_size} pixels and {len(classes)} classes"
        )
    return model


def architecture(saved: ModelFile) -> dict[str, Any]:
    """The model's architecture, as `model.to_json()` writes it. Raises WorkError as `load` does."""
    _check(saved.path, saved.sha256)
    with zipfile.ZipFile(saved.path) as file:
        return parse(file.read(CONFIG))


def _check(path: Path, sha256: str) -> None:
    """Whether the file is the one of the registry. Raises WorkError."""
    if path.suffix != ".keras":
        raise WorkError(f"the model file is '{path.name}': should be a .keras file")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise WorkError(f"the model file does not match its SHA-256 (should be {sha256}, is {found})")


def initialize(model: Any, classes: list[str], saved: ModelFile) -> Literal["kept", "new"]:
    """Give `model`, a fresh network for `classes`, the weights of a saved one of the same network.

    Returns what became of the last layer: it is kept where the classes are the same, else stays new.
    Raises WorkError where the file is not to be trusted (see `load`) or another network's, and where weights
    are NaN or infinite.
    """
    source = load(saved.path, saved.sha256, saved.classes, saved.image_size)
    count = None if classes == saved.classes else -1
    mine, theirs = _weighted(model)[:count], _weighted(source)[:count]
    if [_shapes(layer) for layer in mine] != [_shapes(layer) for layer in theirs]:
        size = model.input_shape[1]
        why = (
            f"image_size should be {saved.image_size}, but is {size}"
            if size != saved.image_size
            else "its layers differ: it should have the same network and version"
        )
        raise WorkError(f"can't start from the weights of {saved.reference}: {why}")
    for layer, other in zip(mine, theirs, strict=True):
        weights = other.get_weights()
        if not all(np.isfinite(weight).all() for weight in weights):
            raise WorkError(
                f"can't start from the weights of {saved.reference}: layer '{other.name}' has NaN or "
                "infinite ones: should be a model whose weights are all finite"
            )
        layer.set_weights(weights)
    custom.settle(model)
    return "kept" if count is None else "new"


def _weighted(model: Any) -> list[Any]:
    """The layers that have weights, those of nested models, too; the last one is the head."""
    found = []
    for layer in model.layers:
        found += _weighted(layer) if isinstance(layer, keras.Model) else [layer] if layer.weights else []
    return found


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
