"""Checkpoints: all that a training needs to continue as if it had not been interrupted.

One is a single file: an uncompressed zip of a JSON header and NumPy arrays, whose every part carries a
CRC. Nothing in it is ever executed (no pickle).
"""

import json
import logging
import struct
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import ValidationError

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.training.monitor import Epoch

log = logging.getLogger(__name__)

# How this file is laid out.
FORMAT = 2
# Grows whenever the same spec and data would compute something else from then on: the order or the changes
# of the pictures, a network, the loop. A training begun before can't continue exactly, so it is refused.
TRAINING = 3

# What does not decide what is computed. The data set's name may; its content is compared, too.
IRRELEVANT = {"dataset", "model_name", "deadline_seconds"}

# What reading a torn or altered file may raise.
_DAMAGES = (OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError, struct.error)

Array = NDArray[Any]


class CheckpointStore(Protocol):
    """Where a job's checkpoints are kept.

    Both raise `shared.errors.Interrupted` where the job is no longer this worker's. Whatever else `save`
    raises costs that checkpoint, not the training.
    """

    def load(self) -> Path | None:
        """The newest file that an earlier attempt saved; None if there is none."""

    def save(self, path: Path) -> None:
        """Make this complete file the newest, all at once. It may be moved away; it is gone after the call.

        Called on a thread beside the training, one call at a time.
        """


class Damaged(Exception):
    """The file is not a checkpoint, or not a complete one."""


class Abandoned(Exception):
    """The file that is being written is no longer needed."""


@dataclass(frozen=True)
class Position:
    """How far a training is: epochs ended, and within the running one the batches done.

    `before` are the epochs of the stages that ended, of which there are `stage`.
    """

    epoch: int = 0
    batch: int = 0
    validated: int = 0
    stage: int = 0
    before: int = 0


@dataclass(frozen=True)
class Spent:
    """Seconds of the clock and of this process's processors."""

    wall: float = 0.0
    compute: float = 0.0

    @classmethod
    def now(cls) -> Self:
        """From some moment in the past on: only differences mean something."""
        return cls(time.monotonic(), time.process_time())

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.wall + other.wall, self.compute + other.compute)

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.wall - other.wall, self.compute - other.compute)


@dataclass(frozen=True)
class Checkpoint:
    """A training at one moment.

    `state` has all variables (weights, random state, optimizer with loss scale and the count of steps that
    the learning rate follows from, accumulators of the running epoch's metrics), `best_weights` those of
    the best epoch (none before one has ended), of the model of that epoch's stage. `precision` is the one
    that "auto" led to; `spent` is what the training has taken so far.
    """

    identity: dict[str, Any]
    precision: str
    position: Position
    history: list[Epoch]
    stopped_early: str | None
    spent: Spent
    state: Sequence[Any]
    best_weights: Sequence[Any]

    @property
    def background(self) -> str | None:
        """What is transparent is laid on it. None: it keeps its colour, as before there were backgrounds."""
        found: str | None = self.identity.get("background")
        return found

    def write(self, path: Path, unwanted: Callable[[], bool] = lambda: False) -> None:
        """Write the file. Raises Abandoned soon after `unwanted` returns True."""
        header = {
            "format": FORMAT,
            "identity": self.identity,
            "precision": self.precision,
            "position": asdict(self.position),
            "history": self.history,
            "stopped_early": self.stopped_early,
            "spent": asdict(self.spent),
            "state": len(self.state),
            "best_weights": len(self.best_weights),
        }
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
            file.writestr("header.json", json.dumps(header))
            for folder, values in (("state", self.state), ("best_weights", self.best_weights)):
                for index, value in enumerate(values):
                    if unwanted():
                        raise Abandoned
                    _write_array(file, f"{folder}/{index}.npy", np.asarray(value))


def read(path: Path) -> Checkpoint:
    """Read a file back whole. Raises Damaged, and WorkError for one that another version wrote."""
    try:
        with zipfile.ZipFile(path) as file:
            header = json.loads(file.read("header.json"))
            if header["format"] != FORMAT:
                raise WorkError(
                    f"the checkpoint of this training has format {header['format']}, this worker reads "
                    f"{FORMAT}: retry the job to train from the start"
                )
            return Checkpoint(
                identity=header["identity"],
                precision=header["precision"],
                position=Position(**header["position"]),
                history=header["history"],
                stopped_early=header["stopped_early"],
                spent=Spent(**header["spent"]),
                state=_read_arrays(file, "state", header["state"]),
                best_weights=_read_arrays(file, "best_weights", header["best_weights"]),
            )
    except (*_DAMAGES, zipfile.BadZipFile) as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error


def identity_of(spec: TrainSpec, dataset_version: str, backbone: str | None = None) -> dict[str, Any]:
    """What must be the same for a training to continue exactly; `backbone` says which one it is."""
    return {
        "backbone": backbone,
        "data set": dataset_version,
        "training code": TRAINING,
        "TensorFlow": version("tensorflow"),
        "Keras": version("keras"),
        **spec.model_dump(mode="json", exclude=IRRELEVANT),
    }


def find(checkpoints: CheckpointStore | None, identity: dict[str, Any]) -> Checkpoint | None:
    """The checkpoint to continue from; None to start: there is none, or it is damaged.

    Raises WorkError for one of another data set, spec or version: what came of going on from it would be
    neither this training nor the other.
    """
    path = None if checkpoints is None else checkpoints.load()
    if path is None:
        return None
    try:
        found = read(path)
    except Damaged as error:
        log.warning("training starts over, its checkpoint is damaged: %s", error)
        return None
    earlier = _with_defaults(found.identity)
    for what in earlier | identity:
        was, now = earlier.get(what), identity.get(what)
        if was != now:
            raise WorkError(
                f"this training can't continue from its checkpoint: {what} changed in between "
                f"(was {was}, is {now}): retry the job to train from the start"
            )
    return found


def _with_defaults(identity: dict[str, Any]) -> dict[str, Any]:
    """The identity, with fields that specs did not have yet when it was written.

    They had no effect then; but for the background, without which a training continues
    (`Checkpoint.background`).
    """
    fields = {name: value for name, value in identity.items() if name in TrainSpec.model_fields}
    with suppress(ValidationError):  # of a spec with fields that there are no longer
        spec = TrainSpec.model_validate({"dataset": "any", **fields})
        return identity | spec.model_dump(mode="json", exclude=IRRELEVANT)
    return identity


def _write_array(file: zipfile.ZipFile, name: str, array: Array) -> None:
    with file.open(name, "w", force_zip64=True) as part:
        npy.write_array(part, array, allow_pickle=False)


def _read_arrays(file: zipfile.ZipFile, folder: str, count: int) -> list[Array]:
    return [_read_array(file, f"{folder}/{index}.npy") for index in range(count)]


def _read_array(file: zipfile.ZipFile, name: str) -> Array:
    with file.open(name) as part:
        array: Array = npy.read_array(part, allow_pickle=False)
        if part.read(1):  # at the end, zipfile compares the CRC
            raise Damaged(f"{name} is longer than it says")
        return array
