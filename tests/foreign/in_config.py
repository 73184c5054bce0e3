"""The known holes of the description, and descriptions that are too large."""

import base64
import json
import marshal
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.foreign.attack import Attack, Attacks
from tests.foreign.model import Json, dense, keras_file, layer, network

IN_CONFIG = Attacks()


def _adds(name: str, words: str, *layers: Json, **changes: Any) -> None:
    """A network with these layers before its last one; `changes` are of the whole."""
    made = network(*layers, dense(), **changes)
    IN_CONFIG.found.append(Attack(name, words, lambda secret: keras_file(made)))


def _describes(name: str, words: str, make: Callable[[Path], Json | bytes]) -> None:
    IN_CONFIG.found.append(Attack(name, words, lambda secret: keras_file(make(secret))))


def _function(module: str, name: str, registered: str | None = "function") -> Json:
    """A function, as `keras.saving` writes one."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": registered}


def _lambda(function: Any, **config: Any) -> Json:
    return layer("Lambda", "evil", function=function, arguments={}, output_shape=None, mask=None, **config)


class _Shell:
    """Pickled, it runs a program when it is read."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, ("touch pwned",)


CODE = base64.b64encode(marshal.dumps(compile("__import__('os').system('id')", "x", "eval"))).decode()
NO_LAMBDA = "is a Lambda, which Jobyard doesn't build"

_adds(
    "CVE-2024-3660: Lambda of bytecode",
    NO_LAMBDA,
    _lambda({"class_name": "__lambda__", "config": {"code": CODE}}),
)
_adds("CVE-2025-1550: module and function", NO_LAMBDA, _lambda(_function("os", "system")))
_adds(
    "CVE-2025-1550: a class of any module",
    "module 'subprocess', class 'Popen'",
    layer("Popen", "evil", "subprocess"),
)
_adds(
    "CVE-2025-1550: a function in place of a layer",
    "module 'os', class 'function'",
    layer("function", "evil", "os"),
)
_adds(
    "CVE-2025-8747: get_file as an activation",
    "should be a function of keras.activations",
    dense(3, _function("keras.utils", "get_file"), "evil"),
)
_adds("CVE-2025-8747: get_file in a Lambda", NO_LAMBDA, _lambda(_function("keras.utils", "get_file")))
_adds(
    "CVE-2025-12060: get_file that unpacks a tar",
    NO_LAMBDA,
    _lambda(_function("keras.utils", "get_file"), kwargs={"origin": "file:///etc/passwd", "untar": True}),
)
_adds(
    "CVE-2025-9906: safe mode switched off by the file",
    NO_LAMBDA,
    _lambda(_function("keras.config", "enable_unsafe_deserialization")),
)
_adds(
    "CVE-2025-9906: load_model within a file",
    NO_LAMBDA,
    _lambda(_function("keras.models", "load_model"), kwargs={"safe_mode": False}),
)
_adds(
    "keras#23055: Lambda without its module",
    "has no module and class_name",
    {name: value for name, value in _lambda([CODE, None, None]).items() if name != "module"},
)
_adds(
    "CVE-2025-49655: TorchModuleWrapper of a pickle",
    "is a TorchModuleWrapper, which Jobyard doesn't build",
    layer("TorchModuleWrapper", "evil", module_=base64.b64encode(pickle.dumps(_Shell())).decode()),
)
_adds(
    "CVE-2026-1462: TFSMLayer of a path",
    "is a TFSMLayer, which Jobyard doesn't build",
    layer("TFSMLayer", "evil", filepath="/srv/saved", call_endpoint="serve"),
)
for _class in ("StringLookup", "IntegerLookup", "TextVectorization"):
    _adds(
        f"CVE-2025-12058: {_class} of a file",
        f"is a {_class}, which Jobyard doesn't build",
        layer(_class, "evil", vocabulary="/etc/passwd"),
    )
_adds(
    "a layer of a URL",
    "is a TFSMLayer, which Jobyard doesn't build",
    layer("TFSMLayer", "evil", filepath="https://127.0.0.1:1/model"),
)
_adds("a registered object", "registered objects are code", dense(3) | {"registered_name": "evil>Dense"})
_adds(
    "keras#22779: a registered name for one of Keras' own",
    "registered objects are code",
    layer("GlobalAveragePooling2D", "evil") | {"registered_name": "evil"},
)
_adds(
    "keras#22705: a function among a layer's numbers",
    "units",
    dense(_function("os", "getpid")),  # type: ignore[arg-type]
)
_adds(
    "an initializer of another module",
    "should be of keras.initializers",
    dense(3, name="evil", kernel_initializer={"module": "numpy", "class_name": "load", "config": {}}),
)
_adds(
    "a regularizer that is a function",
    "regularizer",
    dense(3, name="evil", kernel_regularizer=_function("os", "system")),
)
_adds(
    "a dtype policy of another class",
    "should be of keras.DTypePolicy",
    layer("ReLU", "evil", dtype={"module": "os", "class_name": "PathLike", "config": {}}),
)
for _tag in ("__lambda__", "__numpy__", "__tensor__", "__typespec__", "__bytes__", "__callable__"):
    _adds(
        f"{_tag} among a layer's numbers",
        "activation",
        dense(3, {"class_name": _tag, "config": {"value": [1], "module": "os", "name": "system"}}, "evil"),
    )
_adds(
    "a class of Keras that is no layer",
    "which Jobyard doesn't build",
    layer("load_model", "evil", "keras.models"),
)
_adds(
    "a private module of Keras",
    "which Jobyard doesn't build",
    layer("Lambda", "evil", "keras.src.layers.core.lambda_layer"),
)
_adds("a layer that nobody knows", "which Jobyard doesn't build", layer("Dens", "evil", "keras.layers"))
_adds("a config key that nobody knows", "has the key 'path'", layer("ReLU", "evil", path="/etc/passwd"))
_adds("2^60 units", "units", dense(2**60, name="evil"))
_adds(
    "10^12 parameters",
    "JOBYARD_MAX_NETWORK_PARAMETERS",
    dense(10**6, name="evil"),
    dense(10**6, name="again"),
)
_adds(
    "a picture of a terabyte",
    "JOBYARD_MAX_NETWORK_VALUES",
    layer("Reshape", "places", target_shape=[1, 1, 3]),
    layer("UpSampling2D", "evil", size=[4_096, 4_096], data_format="channels_last", interpolation="nearest"),
    layer("UpSampling2D", "again", size=[4_096, 4_096], data_format="channels_last", interpolation="nearest"),
    layer("GlobalAveragePooling2D", "pool_again", data_format="channels_last", keepdims=False),
)
_adds("a layer within its own config", "activation", dense(3, dense(3, dense(3)), "evil"))
_describes("an input of 10^9 pixels", "should be", lambda _: network(size=10**9))
_describes(
    "a class of one's own for the whole",
    "should be a Functional or Sequential model",
    lambda _: network() | {"class_name": "Mine"},
)
_describes("no object", "should be a JSON object", lambda _: b"[]")
_describes("no JSON", "is not JSON", lambda _: pickle.dumps(_Shell(), protocol=0))
_describes("NaN in JSON", "which is none", lambda _: b'{"x": NaN}')
_describes(
    "a key that comes twice",
    "twice in one object",
    lambda _: b'{"class_name": "Sequential", "class_name": "Lambda"}',
)
_describes("JSON nested a million deep", "nested too deeply", lambda _: b"[" * 10**6)
_describes("a number of a million digits", "too many digits", lambda _: b'{"x": ' + b"9" * 10**6 + b"}")


def _of_layers(count: int) -> bytes:
    one = json.dumps(layer("ReLU", "%s")).encode()
    layers = b",".join(one.replace(b"%s", b"r%d" % number) for number in range(count))
    return json.dumps(network()).encode().replace(b"}]", b"}," + layers + b"]", 1)


_describes("as many layers as fit into the file", "JOBYARD_MAX_NETWORK_LAYERS", lambda _: _of_layers(20_000))
_describes(
    "10^6 layers",
    "config.json unpacks to",
    lambda _: _of_layers(10).replace(b"}]", b"}," + b"{}," * 10**6 * 3 + b"{}]", 1),
)


def _nested(depth: int) -> Json:
    inner = network()
    for number in range(depth):
        outer = network(inner, dense())
        outer["config"]["name"] = f"n{number}"
        inner = outer
    return inner


_describes("networks nested a hundred deep", "nested more than 10 deep", lambda _: _nested(100))
