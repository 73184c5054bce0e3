"""From what was checked to a file of our own: the network is built, given its weights, and saved."""

import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from jobyard.shared.errors import WorkError
from jobyard.workers.networks import architecture, model_file
from jobyard.workers.networks.architecture.writing import model_config
from jobyard.workers.networks.custom import settle
from jobyard.workers.networks.foreign.adaptation import adapt
from jobyard.workers.networks.foreign.archive import WEIGHTS
from jobyard.workers.networks.foreign.examination import Examined
from jobyard.workers.networks.foreign.loading import load
from jobyard.workers.networks.foreign.task import MODEL, Task


def warm_up() -> None:
    """Have TensorFlow allocate what it allocates once."""
    float(keras.ops.sum(keras.ops.ones((2, 2)) @ keras.ops.ones((2, 2))))


def assemble(task: Task, examined: Examined) -> dict[str, Any]:
    """Build the network, give it the foreign weights, and save it as MODEL in the task's folder.

    Returns what the registry and people should know of it. Raises WorkError where weights do not fit.
    """
    original = examined.architecture
    done = adapt(original, task.rescale, task.classes)
    # Again, as it is now: what is built is what was checked. Two layers may have come.
    limits = replace(task.limits, layers=task.limits.layers + 2)
    adapted = architecture.check(model_config(done.model), limits)
    network = _built(original.config())
    try:
        load(network, examined.weights, Path(task.folder) / f"own.{WEIGHTS}")
    except WorkError as error:
        raise WorkError(f"{WEIGHTS}: {error.message}") from None
    parameters, precision = int(network.count_params()), _precision(network)
    finished = _built(adapted.config())
    for layer in network.layers:
        finished.get_layer(layer.name).set_weights(layer.get_weights())
    settle(finished)
    # Saving and loading take the weights' memory several times.
    del network
    path = Path(task.folder) / MODEL
    built = _outputs(finished)
    least_keras = model_file.save(finished, path)
    del finished
    _check(built, _outputs(keras.models.load_model(path, compile=False, safe_mode=True)))
    return {
        "image_size": original.image_size,
        "outputs": done.outputs,
        "least_keras": least_keras,
        "source": {
            "keras_version": examined.keras_version,
            "layers": original.layers,
            "parameters": parameters,
            "precision": precision,
            "rescale": done.rescale,
            "head": done.head,
            "warnings": done.warnings,
        },
        "environment": {
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "python": platform.python_version(),
        },
    }


def _built(config: dict[str, Any]) -> Any:
    return keras.saving.deserialize_keras_object(config, safe_mode=True)


def _outputs(network: Any) -> NDArray[np.float64]:
    """For a picture of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, *network.input_shape[1:])).astype(np.float32)
    return np.asarray(network(pixels, training=False), np.float64)


def _check(built: NDArray[np.float64], loaded: NDArray[np.float64]) -> None:
    """Whether the file is the network that was saved, and predicts. Raises WorkError."""
    if not np.array_equal(built, loaded, equal_nan=True):
        raise WorkError("Keras saves the network as another one than it builds; it can't be registered")
    if not np.isfinite(built).all():
        raise WorkError("the network's output for a picture of noise is NaN or infinite; it can't predict")


def _precision(network: Any) -> str:
    """The name of the dtype policy, the rare one if there are two."""
    names = {layer.dtype_policy.name for layer in network._flatten_layers()}
    return min(names - {"float32"}, default="float32")
