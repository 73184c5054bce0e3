"""Initializers, regularizers, constraints, activations and dtype policies, as configs name them."""

from collections.abc import Mapping
from typing import Any

from jobyard.workers.networks.architecture.values import (
    Check,
    Place,
    boolean,
    choice,
    either,
    integer,
    items,
    mapping,
    name,
    nothing,
    number,
    optional,
    shown,
)

# Numbers that are not bounded by what they mean; float32 ends at 3.4e38.
REAL = number(-1e30, 1e30)
POSITIVE = number(0, 1e30)
AXIS = integer(-8, 8)
SEED = optional(integer(0, 2**63 - 1))

_AXES = optional(either(AXIS, items(AXIS, 1, 8)))
_SCALED: Mapping[str, Check] = {"seed": SEED, "input_axes": _AXES, "output_axes": _AXES}

INITIALIZERS: Mapping[str, Mapping[str, Check]] = {
    "Constant": {"value": REAL},
    "GlorotNormal": _SCALED,
    "GlorotUniform": _SCALED,
    "HeNormal": _SCALED,
    "HeUniform": _SCALED,
    "LecunNormal": _SCALED,
    "LecunUniform": _SCALED,
    "Ones": {},
    "Orthogonal": {"seed": SEED, "gain": REAL},
    "RandomNormal": {"seed": SEED, "mean": REAL, "stddev": POSITIVE},
    "RandomUniform": {"seed": SEED, "minval": REAL, "maxval": REAL},
    "TruncatedNormal": {"seed": SEED, "mean": REAL, "stddev": POSITIVE},
    "VarianceScaling": {
        **_SCALED,
        "scale": number(1e-30, 1e30),
        "mode": choice("fan_in", "fan_out", "fan_avg"),
        "distribution": choice("normal", "truncated_normal", "untruncated_normal", "uniform"),
    },
    "Zeros": {},
}

REGULARIZERS: Mapping[str, Mapping[str, Check]] = {
    "L1": {"l1": POSITIVE},
    "L1L2": {"l1": POSITIVE, "l2": POSITIVE},
    "L2": {"l2": POSITIVE},
    "OrthogonalRegularizer": {"factor": POSITIVE, "mode": choice("rows", "columns")},
}

_NORM_AXIS = either(AXIS, items(AXIS, 1, 8))
CONSTRAINTS: Mapping[str, Mapping[str, Check]] = {
    "MaxNorm": {"max_value": POSITIVE, "axis": _NORM_AXIS},
    "MinMaxNorm": {
        "min_value": POSITIVE,
        "max_value": POSITIVE,
        "rate": number(0, 1),
        "axis": _NORM_AXIS,
    },
    "NonNeg": {},
    "UnitNorm": {"axis": _NORM_AXIS},
}

# Those that leave the shape as it is: `glu` halves it.
ACTIVATIONS = frozenset(
    {
        "celu",
        "elu",
        "exponential",
        "gelu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "hard_tanh",
        "leaky_relu",
        "linear",
        "log_sigmoid",
        "log_softmax",
        "mish",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "soft_shrink",
        "softmax",
        "softplus",
        "softsign",
        "sparse_plus",
        "sparse_sigmoid",
        "sparsemax",
        "squareplus",
        "swish",
        "tanh",
        "tanh_shrink",
    }
)

# Layers that are an activation, which another layer may hold in its config.
ACTIVATION_LAYERS: Mapping[str, Mapping[str, Check]] = {
    "ELU": {"alpha": REAL},
    "LeakyReLU": {"negative_slope": REAL},
    "ReLU": {"max_value": optional(POSITIVE), "negative_slope": REAL, "threshold": REAL},
    "Softmax": {"axis": AXIS},
}

# A policy's name, and the dtype of the variables under it. Without float64, which would be trained as less.
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16", "bfloat16", "float16")
_POLICY_CLASSES = {
    ("keras", "DTypePolicy"),
    ("keras.dtype_policies", "DTypePolicy"),
    ("keras.dtype_policies", "FloatDTypePolicy"),  # before Keras 3.4
}

_ENVELOPE = frozenset({"module", "class_name", "config", "registered_name", "shared_object_id"})


def initializer(value: Any, place: Place) -> dict[str, Any]:
    return _serialized(value, place, "keras.initializers", INITIALIZERS)


def regularizer(value: Any, place: Place) -> dict[str, Any] | None:
    return None if value is None else _serialized(value, place, "keras.regularizers", REGULARIZERS)


def constraint(value: Any, place: Place) -> dict[str, Any] | None:
    return None if value is None else _serialized(value, place, "keras.constraints", CONSTRAINTS)


def activation(value: Any, place: Place) -> Any:
    """A name of `keras.activations`, or a layer that is an activation."""
    if isinstance(value, dict) and value.get("class_name") == "function":
        if value.get("module") not in ("builtins", "keras.activations"):
            raise place.refuse(f"should be a function of keras.activations, is of {_of(value)}")
        value = value.get("config")
    if isinstance(value, dict):
        common = {"name": name, "trainable": boolean, "dtype": policy}
        layers = {one: {**common, **keys} for one, keys in ACTIVATION_LAYERS.items()}
        return _serialized(value, place, "keras.layers", layers)
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise place.refuse(f"should be an activation of Keras, such as 'relu', is {shown(value)}")
    return value


def policy(value: Any, place: Place) -> dict[str, Any]:
    """A dtype policy by its name or as an object; returns the object."""
    if isinstance(value, dict):
        place, given = place.key("config"), value
        if kind_of(given) not in _POLICY_CLASSES:
            raise place.refuse(f"should be of keras.DTypePolicy, is of {_of(given)}")
        _no_registered(given, place)
        value = mapping(given.get("config"), place, {"name": _policy_name, "source_name": nothing})
        if "name" not in value:
            raise place.refuse("has no 'name', which this class needs")
        value = value["name"]
    return dtype_policy(_policy_name(value, place))


def dtype_policy(named: str) -> dict[str, Any]:
    """A policy as Keras 3 writes it."""
    return serialized("keras", "DTypePolicy", {"name": named})


def serialized(module: str, class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """An object of a public class of Keras, as Keras 3 writes it."""
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def _policy_name(value: Any, place: Place) -> str:
    return str(choice(*POLICIES)(value, place))


def _serialized(
    value: Any, place: Place, module: str, classes: Mapping[str, Mapping[str, Check]]
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise place.refuse(f"should be an object of {module}, is {shown(value)}")
    found = kind_of(value)
    class_name = found[1] if found is not None else ""
    if found is None or found[0] != module or class_name not in classes:
        known = ", ".join(sorted(classes))
        raise place.refuse(f"is of {_of(value)}: should be of {module}, one of {known}")
    _no_registered(value, place)
    unknown = next((key for key in value if key not in _ENVELOPE and key != "build_config"), None)
    if unknown is not None:
        raise place.refuse(f"has the key {shown(unknown)}: should be as Keras 3 writes it")
    return serialized(module, class_name, mapping(value.get("config"), place, classes[class_name]))


def _no_registered(value: Mapping[str, Any], place: Place) -> None:
    registered = value.get("registered_name")
    if registered is not None and registered != value.get("class_name"):
        raise place.refuse(
            f"registered_name should be null, is {shown(registered)}: registered objects are code"
        )


def kind_of(value: Mapping[str, Any]) -> tuple[str, str] | None:
    """Module and class, where both are texts."""
    module, class_name = value.get("module"), value.get("class_name")
    return (module, class_name) if isinstance(module, str) and isinstance(class_name, str) else None


def _of(value: Mapping[str, Any]) -> str:
    return f"module {shown(value.get('module'))}, class {shown(value.get('class_name'))}"
