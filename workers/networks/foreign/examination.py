"""All that is checked of a foreign model before Keras is there: zip, description, file of weights."""

import math
from dataclasses import dataclass
from pathlib import Path

from jobyard.shared.errors import WorkError
from jobyard.workers.networks import architecture
from jobyard.workers.networks.architecture import Architecture
from jobyard.workers.networks.foreign.archive import CONFIG, WEIGHTS, unpack
from jobyard.workers.networks.foreign.formats import refuse_others
from jobyard.workers.networks.foreign.task import Task
from jobyard.workers.networks.foreign.weights import SEEDS, WeightsFile

# At the top of the file of weights, and not the network's.
OPTIMIZER = frozenset({"optimizer"})


@dataclass(frozen=True)
class Examined:
    """A file that is what it should be, as far as that can be seen without building its network."""

    keras_version: str
    architecture: Architecture
    weights: WeightsFile


def examine(task: Task) -> Examined:
    """Check the file; its weights are unpacked into the task's folder.

    Raises WorkError with the first thing that is not allowed, and what would be right.
    """
    path, folder = Path(task.path), Path(task.folder)
    refuse_others(path, task.name)
    unpacked = unpack(path, folder, task.unpacked_bytes)
    try:
        document = architecture.parse(unpacked.config)
        network = architecture.check(document, task.limits, task.image_size)
    except WorkError as error:
        raise WorkError(f"{CONFIG}: {error.message.removeprefix('architecture: ')}") from None
    if network.image_size is None:
        raise WorkError(f"{CONFIG}: the network takes pictures of any size; image_size should say of which")
    try:
        weights = WeightsFile(unpacked.weights, task.unpacked_bytes, left_out=OPTIMIZER)
        _check_count(network, weights)
    except WorkError as error:
        raise WorkError(f"{WEIGHTS}: {error.message}") from None
    return Examined(unpacked.keras_version, network, weights)


def _check_count(network: Architecture, weights: WeightsFile) -> None:
    """Nothing is built that is larger than the file: which arrays are whose shows when it is built."""
    found = sum(math.prod(array.shape) for path, array in weights.arrays.items() if SEEDS not in path)
    if found != network.parameters:
        raise WorkError(
            f"has {found:,} numbers, where the network of {CONFIG} has {network.parameters:,} parameters"
        )
