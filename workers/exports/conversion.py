"""A network becomes a file of another format, with the same input and output whatever the format.

The input is `pixels`, float32 (n, size, size, 3) of 0…255, for any n; the output is `probabilities`
(n, classes) or, of a network with one output, `probability` (n, 1). Preprocessing is inside, as in the
`.keras` file.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import keras
import tensorflow as tf

from jobyard.shared.kinds.export import Format, Quantize
from jobyard.workers.exports.checks import compare
from jobyard.workers.exports.packing import pack
from jobyard.workers.exports.task import Task
from jobyard.workers.networks import custom
from jobyard.workers.networks.classifier import output_name

# What runtimes of the last years read.
ONNX_OPSET: Final = 15
PIXELS: Final = "pixels"
# Types that neither ONNX Runtime nor LiteRT computes convolutions in on a CPU.
LOW_PRECISION: Final = frozenset({"mixed_bfloat16", "mixed_float16", "bfloat16", "float16"})


def export(network: Any, task: Task) -> dict[str, Any]:
    """Write `task.target`; returns what is known of it.

    Raises WorkError where the file computes something else than the network, and what the converters raise.
    """
    converted = network if task.format == "savedmodel" else in_float32(network)
    named = with_names(converted, task.image_size)
    target = Path(task.target)
    WRITERS[task.format](named, target, task)
    difference = compare(network, converted, target, task)
    outputs = network.output_shape[-1]
    return {
        "input": f"{PIXELS}: float32 (n, {task.image_size}, {task.image_size}, 3), RGB, 0…255",
        "output": f"{output_name(outputs)}: float32 (n, {outputs})",
        "precision": precision(converted),
        "largest_difference": difference,
        "made_with": _versions(task.format),
    }


def with_names(network: Any, image_size: int) -> Any:
    """The same network with the names of input and output that are promised."""
    pixels = keras.Input((image_size, image_size, 3), name=PIXELS)
    return keras.Model(pixels, {output_name(network.output_shape[-1]): network(pixels)}, name="exported")


def in_float32(network: Any) -> Any:
    """The same weights in a network that computes in float32; the network itself if it does."""
    config = keras.saving.serialize_keras_object(network)
    if not _replace_low_precision(config):
        return network
    copy = keras.saving.deserialize_keras_object(config, safe_mode=True)
    copy.set_weights(network.get_weights())
    custom.settle(copy)
    return copy


def precision(network: Any) -> str:
    """The dtype policy of low precision that layers of the network have, if any has one; else float32."""
    found = _replace_low_precision(keras.saving.serialize_keras_object(network))
    return found[0] if found else "float32"


def _replace_low_precision(config: Any) -> list[str]:
    """Replace dtypes and policies of low precision in a configuration; returns what they were."""
    if isinstance(config, list | tuple):
        return [policy for value in config for policy in _replace_low_precision(value)]
    if not isinstance(config, dict):
        return []
    found = []
    policy = config["config"] if config.get("class_name") == "DTypePolicy" else {}
    for holder, key in ((policy, "name"), (config, "dtype")):
        if isinstance(holder.get(key), str) and holder[key] in LOW_PRECISION:
            found.append(holder[key])
            holder[key] = "float32"
    return found + [policy for value in config.values() for policy in _replace_low_precision(value)]


def _write_savedmodel(named: Any, target: Path, task: Task) -> None:
    pack(_savedmodel(named, task), target, f"{task.name}/{task.version}")


def _savedmodel(named: Any, task: Task) -> Path:
    """A folder. `model.export` would write the same with every weight twice."""
    folder = task.folder / "savedmodel"
    archive = keras.export.ExportArchive()
    shape = (None, task.image_size, task.image_size, 3)
    archive.add_endpoint(
        "serve",
        partial(named.__call__, training=False),
        [keras.InputSpec(dtype="float32", shape=shape, name=PIXELS)],
    )
    archive.write_out(folder, verbose=False)
    return folder


def _write_tflite(named: Any, target: Path, task: Task) -> None:
    # What needs TensorFlow's own operations is refused: the interpreters that people install have none.
    ops = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    named.export(target, format="litert", verbose=False, **QUANTIZING[task.quantize](ops))


QUANTIZING: Final[dict[Quantize, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "none": lambda ops: {"target_spec": ops},
    "float16": lambda ops: {
        "target_spec": ops | {"supported_types": [tf.float16]},
        "optimizations": [tf.lite.Optimize.DEFAULT],
    },
    "dynamic": lambda ops: {"target_spec": ops, "optimizations": [tf.lite.Optimize.DEFAULT]},
}


def _write_onnx(named: Any, target: Path, task: Task) -> None:
    from jobyard.workers.exports.onnx_file import write

    properties = {"model": f"{task.name}@{task.version}", "classes": json.dumps(task.classes)}
    write(_savedmodel(named, task), target, ONNX_OPSET, properties)


WRITERS: Final[dict[Format, Callable[[Any, Path, Task], None]]] = {
    "savedmodel": _write_savedmodel,
    "tflite": _write_tflite,
    "onnx": _write_onnx,
}


def _versions(format_: Format) -> dict[str, str]:
    found = {"keras": str(keras.__version__), "tensorflow": str(tf.__version__)}
    if format_ == "onnx":
        import onnx
        import tf2onnx

        found |= {"tf2onnx": tf2onnx.__version__, "onnx": onnx.__version__, "opset": str(ONNX_OPSET)}
    return found
