"""A small model in the format `.keras`, made without Keras, and what may be changed of it."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np

METADATA = {"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}
FLOAT32 = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "float32"},
    "registered_name": None,
}

Json = dict[str, Any]

# Its arrays.
KERNEL = "layers/dense/vars/0"
BIAS = "layers/dense/vars/1"


def layer(class_name: str, name: str, module: str = "keras.layers", **config: Any) -> Json:
    """A layer as Keras 3 writes it."""
    full = {"name": name, "trainable": True, "dtype": FLOAT32, **config}
    return {"module": module, "class_name": class_name, "config": full, "registered_name": None}


def input_layer(*shape: Any) -> Json:
    config = {
        "batch_shape": [None, *shape],
        "dtype": "float32",
        "sparse": False,
        "ragged": False,
        "name": "pixels",
    }
    return {"module": "keras.layers", "class_name": "InputLayer", "config": config, "registered_name": None}


def dense(units: int = 2, activation: Any = "softmax", name: str = "dense", **changes: Any) -> Json:
    initializers = {
        "kernel_initializer": _initializer("GlorotUniform", seed=None),
        "bias_initializer": _initializer("Zeros"),
    }
    return layer("Dense", name, units=units, activation=activation, use_bias=True, **initializers | changes)


def _initializer(class_name: str, **config: Any) -> Json:
    return {
        "module": "keras.initializers",
        "class_name": class_name,
        "config": config,
        "registered_name": None,
    }


def network(*layers: Json, size: int = 32, **changes: Any) -> Json:
    """A Sequential of pictures, which pools and then has these layers; by default one Dense."""
    pool = layer("GlobalAveragePooling2D", "pool", data_format="channels_last", keepdims=False)
    config = {
        "name": "network",
        "trainable": True,
        "dtype": FLOAT32,
        "layers": [input_layer(size, size, 3), pool, *(layers or (dense(),))],
        "build_input_shape": [None, size, size, 3],
    }
    made = {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}
    return made | {"build_config": {"input_shape": [None, size, size, 3]}, "compile_config": None} | changes


def plain_arrays() -> dict[str, Any]:
    """The weights of `network()`."""
    draw = np.random.default_rng(0)
    return {
        "layers/dense/vars/0": draw.normal(size=(3, 2)).astype("f4"),
        "layers/dense/vars/1": draw.normal(size=2).astype("f4"),
    }


def weights(
    change: Callable[[h5py.File], None] | None = None, arrays: Mapping[str, Any] | None = None, **options: Any
) -> bytes:
    """A file of weights, in which something is changed."""
    target = io.BytesIO()
    with h5py.File(target, "w", **options) as file:
        for path, values in (plain_arrays() if arrays is None else arrays).items():
            file[path] = values
        if change is not None:
            change(file)
    return target.getvalue()


def keras_file(
    config: Json | bytes | None = None,
    h5: bytes | None = None,
    metadata: Any = METADATA,
    members: Mapping[str, bytes] | None = None,
    method: int = zipfile.ZIP_STORED,
) -> bytes:
    """A `.keras` file of these parts; what is not given is right. `members` come on top."""
    given = (
        config if isinstance(config, bytes) else json.dumps(network() if config is None else config).encode()
    )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr("metadata.json", metadata if isinstance(metadata, bytes) else json.dumps(metadata))
        archive.writestr("config.json", given)
        archive.writestr("model.weights.h5", weights() if h5 is None else h5)
        for name, content in (members or {}).items():
            archive.writestr(name, content)
    return target.getvalue()
