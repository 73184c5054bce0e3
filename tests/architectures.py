"""Architectures as Keras 3 writes them, made without Keras: small ones, for tests to change."""

import copy
from typing import Any

Json = dict[str, Any]


def layer(class_name: str, name: str, /, module: str = "keras.layers", **config: Any) -> Json:
    """One layer of a Sequential model."""
    public = module == "keras.layers"
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": name, **config},
        "registered_name": None if public else class_name,
    }


def pictures(size: int | None = 32, name: str = "pixels") -> Json:
    return layer("InputLayer", name, batch_shape=[None, size, size, 3], dtype="float32")


def conv(name: str, filters: int = 4, **config: Any) -> Json:
    return layer("Conv2D", name, **{"filters": filters, "kernel_size": [3, 3], **config})


def sequential(*layers: Json, name: str = "net") -> Json:
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": name, "trainable": True, "layers": list(layers)},
        "registered_name": None,
    }


def tensor(name: str, call: int = 0) -> Json:
    """The output of a layer, as an argument."""
    config = {"shape": [None], "dtype": "float32", "keras_history": [name, call, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def called(made: Json, *arguments: Any, **options: Any) -> Json:
    """A layer of a functional model, called once; names stand for the outputs of layers."""
    args = [_argument(one) for one in arguments]
    node = {"args": args, "kwargs": options}
    return {**made, "name": made["config"]["name"], "inbound_nodes": [node] if arguments else []}


def _argument(given: Any) -> Any:
    if isinstance(given, str):
        return tensor(given)
    return [_argument(one) for one in given] if isinstance(given, list) else given


def functional(*layers: Json, name: str = "net") -> Json:
    """From the first layer's output to the last one's."""
    config = {
        "name": name,
        "trainable": True,
        "layers": list(layers),
        "input_layers": [layers[0]["name"], 0, 0],
        "output_layers": [layers[-1]["name"], 0, 0],
    }
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }


def operation(class_name: str, name: str, /, module: str = "keras.src.ops.numpy", **config: Any) -> Json:
    return layer(class_name, name, module=module, **config)


def plain() -> Json:
    """A chain, as most people write it."""
    return sequential(
        pictures(),
        layer("Rescaling", "scale", scale=1 / 255, offset=0.0),
        conv("first", 8, activation="relu", padding="same"),
        layer("MaxPooling2D", "pool", pool_size=[2, 2], strides=[2, 2], padding="valid"),
        layer("Dropout", "drop", rate=0.2, seed=None, noise_shape=None),
        layer("Flatten", "flat"),
        layer("Dense", "classes", units=10, activation="softmax"),
    )


def branched() -> Json:
    """With arithmetic, branches, a shared layer, a nested model, an index, a wrapper and attention."""
    inner = sequential(conv("inner_conv", 4, padding="same"), name="inner")
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}
    shared = called(conv("shared", 3, padding="same", dtype={**policy, "registered_name": None}), "flipped")
    shared["inbound_nodes"].append({"args": [tensor("shared")], "kwargs": {}})
    both = [tensor("inner"), tensor("wrapped")]
    index = [{"class_name": "__ellipsis__", "config": {}}, {"class_name": "__slice__", "config": dict(_BACK)}]
    return functional(
        called(pictures()),
        called(operation("TrueDivide", "halved"), "pixels", 127.5),
        called(operation("Subtract", "shifted"), "halved", _array([1.0, 1.0, 1.0])),
        called(operation("GetItem", "flipped"), "shifted", index),
        shared,
        {**called(inner, "flipped", mask=None), "name": "inner"},
        called(
            layer(
                "SpectralNormalization",
                "wrapped",
                power_iterations=1,
                layer=conv("spectral", 4, padding="same"),
            ),
            {**tensor("shared", 1)},
            training=False,
        ),
        called(layer("Concatenate", "joined", axis=-1), both),
        called(layer("Reshape", "tokens", target_shape=[1024, 8]), "joined"),
        called(layer("MultiHeadAttention", "attention", num_heads=2, key_dim=4), "tokens", "tokens"),
        called(layer("GlobalAveragePooling1D", "mean"), "attention"),
        called(layer("Dense", "classes", units=3, kernel_regularizer=_l2()), "mean"),
        called(operation("Softmax", "probabilities", module="keras.src.ops.nn", axis=-1), "classes"),
    )


_BACK = {"start": None, "stop": None, "step": -1}


def _array(value: list[float]) -> Json:
    return {"class_name": "__tensor__", "config": {"value": value, "dtype": "float32"}}


def _l2() -> Json:
    config = {"l2": 0.01}
    return {"module": "keras.regularizers", "class_name": "L2", "config": config, "registered_name": None}


def changed(document: Json, path: list[Any], value: Any) -> Json:
    """A copy with another value at a path of keys and numbers."""
    copied = copy.deepcopy(document)
    target: Any = copied
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return copied
