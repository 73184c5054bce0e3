"""Every file is run by its own runtime before it is kept: a converter that succeeds may still be wrong."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.export import Format
from jobyard.workers.exports.task import Task

# By which a probability may differ from that of the same network in Keras: sums are made in another order.
TOLERANCE: Final = 1e-4

Pixels = NDArray[np.float32]


def compare(network: Any, converted: Any, target: Path, task: Task) -> float:
    """The largest difference between a probability of the file's and one of the network's.

    `converted` is the network that the file was made of, which computes in float32 perhaps where `network`
    does not. Raises WorkError if the file, unless it was quantised, does not compute what that computes, and
    if either gives what is no number.
    """
    pixels = pictures(task.image_size)
    run = RUNTIMES[task.format]
    found = run(target, pixels, task)
    of_one = run(target, pixels[:1], task)
    wanted = np.asarray(converted(pixels, training=False), np.float32)
    whole = (len(pixels), network.output_shape[-1])
    if found.shape != whole or of_one.shape != (1, whole[1]):
        raise WorkError(f"the exported file gives an array {found.shape}: should be {whole}")
    own = np.asarray(network(pixels, training=False), np.float32)
    if not (np.isfinite(wanted).all() and np.isfinite(own).all()):
        raise WorkError("the model's probabilities are no numbers (NaN): it was trained to nothing")
    if not (np.isfinite(found).all() and np.isfinite(of_one).all()):
        why = "" if task.quantize == "none" else f": quantize should not be {task.quantize} for this model"
        raise WorkError(f"the exported file's probabilities are no numbers (NaN){why}")
    difference = _largest(found, wanted)
    if task.quantize == "none" and not max(difference, _largest(of_one, wanted[:1])) <= TOLERANCE:
        raise WorkError(
            f"the exported file's probabilities differ from the model's by {difference:.2g}: "
            f"should be at most {TOLERANCE:g}"
        )
    return _largest(found, own)


def pictures(size: int) -> Pixels:
    """(6, size, size, 3) of 0…255, always the same: noise, coarse noise, black, white."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (2, size, size, 3))
    coarse = random.integers(0, 256, (2, 4, 4, 3)).repeat(-(-size // 4), 1).repeat(-(-size // 4), 2)
    plain = np.stack([np.zeros((size, size, 3)), np.full((size, size, 3), 255)])
    return np.concatenate([noise, coarse[:, :size, :size], plain]).astype(np.float32)


def _largest(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).max())


def _run_savedmodel(target: Path, pixels: Pixels, task: Task) -> NDArray[np.float32]:
    folder = task.folder / "unpacked"
    with zipfile.ZipFile(target) as packed:
        packed.extractall(folder)
    loaded = tf.saved_model.load(folder / task.name / str(task.version))
    (output,) = loaded.signatures["serving_default"](pixels=tf.constant(pixels)).values()
    return np.asarray(output, np.float32)


def _run_tflite(target: Path, pixels: Pixels, task: Task) -> NDArray[np.float32]:
    interpreter = tf.lite.Interpreter(str(target))
    (given,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(given["index"], pixels.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], pixels)
    interpreter.invoke()
    found: NDArray[np.float32] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return found


def _run_onnx(target: Path, pixels: Pixels, task: Task) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: pixels})
    return np.asarray(found, np.float32)


RUNTIMES: Final[dict[Format, Callable[[Path, Pixels, Task], NDArray[np.float32]]]] = {
    "savedmodel": _run_savedmodel,
    "tflite": _run_tflite,
    "onnx": _run_onnx,
}
