"""Functions of keras.ops that a functional model may contain, as Keras writes them: `x / 127.5 - 1`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from jobyard.workers.networks.architecture import shapes
from jobyard.workers.networks.architecture.declarations import Class
from jobyard.workers.networks.architecture.objects import AXIS, REAL
from jobyard.workers.networks.architecture.shapes import Config, Misfit, Result, Shape
from jobyard.workers.networks.architecture.values import (
    Check,
    Place,
    boolean,
    choice,
    either,
    integer,
    items,
    name,
    nothing,
    optional,
    shown,
)

# How many numbers an array may have that stands in the graph, in all.
MAX_CONSTANT = 4096
_DTYPES = ("float32", "float16", "bfloat16", "int32")


@dataclass(frozen=True)
class Constant:
    """A number, or an array, that an operation is called with; `value` is as Keras 3 writes it."""

    value: Any
    shape: Shape


@dataclass(frozen=True)
class Key:
    """An index into a tensor: numbers, slices, an ellipsis, null; `value` is as Keras 3 writes it."""

    value: list[Any]
    parts: tuple[Any, ...]


Operand = Shape | Constant | Key


@dataclass(frozen=True)
class Operation:
    """One class: its config, its result, and what it is called with: "tensor", "pair", "list" or "index"."""

    infer: Callable[[Config, Sequence[Any]], Result]
    operands: Literal["tensor", "pair", "list", "index"] = "tensor"
    config: Mapping[str, Check] = field(default_factory=dict)
    # Whether it scales pixels when it is called with them and a constant.
    scales: bool = False


def _pair(config: Config, operands: Sequence[Operand]) -> Result:
    tensors = [one for one in operands if isinstance(one, tuple)]
    fixed = [one.shape for one in operands if isinstance(one, Constant)]
    if len({len(shape) for shape in tensors}) > 1 or any(len(one) > len(tensors[0]) for one in fixed):
        found = " and ".join(map(shapes.text, tensors + fixed))
        raise Misfit(f"has inputs {found}, which don't fit together")
    return Result(shapes.broadcast(tensors + fixed))


def _reduced(config: Config, operands: Sequence[Shape]) -> Result:
    shape, given = operands[0], config.get("axis")
    if given is None:
        raise Misfit("reduces all axes and with them the batch: should name its axes")
    axes = shapes.axes_of(config, shape)
    kept = config.get("keepdims", False)
    sizes = [1 if axis in axes else size for axis, size in enumerate(shape) if axis not in axes or kept]
    return Result(tuple(sizes))


def _transposed(config: Config, operands: Sequence[Shape]) -> Result:
    axes, shape = config.get("axes"), operands[0]
    if axes is None or sorted(axes) != list(range(len(shape))) or axes[0] != 0:
        raise Misfit(f"should give all {len(shape)} axes an order, with the batch's first")
    return Result(tuple(shape[axis] for axis in axes))


def _reshaped(config: Config, operands: Sequence[Shape]) -> Result:
    target = list(config["newshape"])
    if not target or target[0] not in (-1, None):
        raise Misfit("should keep the batch: the first of newshape should be -1")
    return shapes.reshaped({"target_shape": target[1:]}, operands)


def _expanded(config: Config, operands: Sequence[Shape]) -> Result:
    shape, axis = list(operands[0]), config["axis"]
    axis = axis + len(shape) + 1 if axis < 0 else axis
    if not 0 < axis <= len(shape):
        raise Misfit(f"has the axis {config['axis']}, but gets inputs {shapes.text(operands[0])}")
    return Result((*shape[:axis], 1, *shape[axis:]))


def _squeezed(config: Config, operands: Sequence[Shape]) -> Result:
    shape = operands[0]
    if config.get("axis") is None:
        raise Misfit("should name the axis")
    axes = shapes.axes_of(config, shape)
    if any(shape[axis] != 1 for axis in axes):
        raise Misfit(f"drops an axis of {shapes.text(shape)} that is not 1")
    return Result(tuple(size for axis, size in enumerate(shape) if axis not in axes))


def _indexed(config: Config, operands: Sequence[Any]) -> Result:
    shape, key = operands
    parts = list(key.parts)
    taken = sum(part is not None and part is not ... for part in parts)
    if taken > len(shape) or parts.count(...) > 1:
        raise Misfit(f"has an index of {taken} axes, but gets inputs {shapes.text(shape)}")
    here = parts.index(...) if ... in parts else len(parts)
    rest = [slice(None)] * (len(shape) - taken)
    parts = parts[:here] + rest + parts[here + 1 :]
    if parts[0] != slice(None):
        raise Misfit("takes a part of the batch: the index should begin with ':' or '...'")
    sizes: list[shapes.Size] = []
    remaining = iter(shape)
    for part in parts:
        if part is None:
            sizes.append(1)
            continue
        size = next(remaining)
        if isinstance(part, slice):
            sizes.append(None if size is None else len(range(*part.indices(size))))
        elif size is not None and not -size <= part < size:
            raise Misfit(f"takes the place {part} of {size}")
    if 0 in sizes:
        raise Misfit("takes nothing of its input")
    return Result((None, *sizes[1:]))


_ONE = Operation(shapes.same)
_SCALING = Operation(_pair, "pair", scales=True)
_PAIR = Operation(_pair, "pair")
_AXES = either(AXIS, items(AXIS, 1, 8))
_REDUCTION: Mapping[str, Check] = {"axis": optional(_AXES), "keepdims": boolean}
_SOFTMAX = Operation(shapes.with_axis, config={"axis": AXIS})

_BY_MODULE: Mapping[str, Mapping[str, Operation]] = {
    "keras.src.ops.numpy": {
        **dict.fromkeys(("Add", "Multiply", "Subtract", "TrueDivide"), _SCALING),
        **dict.fromkeys(("Maximum", "Minimum", "Power"), _PAIR),
        **dict.fromkeys(("Absolute", "Exp", "Log", "Negative", "Sqrt", "Square", "Tanh"), _ONE),
        **dict.fromkeys(("Mean", "Sum"), Operation(_reduced, config=_REDUCTION)),
        **dict.fromkeys(("Max", "Min"), Operation(_reduced, config={**_REDUCTION, "initial": nothing})),
        "Clip": Operation(shapes.same, config={"x_min": REAL, "x_max": REAL}),
        "Concatenate": Operation(shapes.concatenated, "list", {"axis": AXIS}),
        "ExpandDims": Operation(_expanded, config={"axis": AXIS}),
        "GetItem": Operation(_indexed, "index"),
        "Reshape": Operation(_reshaped, config={"newshape": items(optional(integer(-1, 10**9)), 1, 8)}),
        "Squeeze": Operation(_squeezed, config={"axis": optional(_AXES)}),
        "Transpose": Operation(_transposed, config={"axes": optional(items(integer(0, 7), 1, 8))}),
    },
    "keras.src.ops.nn": {
        **dict.fromkeys(
            (
                "HardSigmoid",
                "HardSilu",
                "Relu",
                "Relu6",
                "Selu",
                "Sigmoid",
                "Silu",
                "Softplus",
                "Softsign",
            ),
            _ONE,
        ),
        "Elu": Operation(shapes.same, config={"alpha": REAL}),
        "Gelu": Operation(shapes.same, config={"approximate": boolean}),
        "LeakyRelu": Operation(shapes.same, config={"negative_slope": REAL}),
        "LogSoftmax": _SOFTMAX,
        "Softmax": _SOFTMAX,
    },
    "keras.src.ops.core": {
        "Cast": Operation(shapes.same, config={"dtype": choice("float32", "float16", "bfloat16", "int32")}),
    },
}

OPERATIONS: Mapping[Class, Operation] = {
    (module, one): Operation(found.infer, found.operands, {"name": name, **found.config}, found.scales)
    for module, operations in _BY_MODULE.items()
    for one, found in operations.items()
}


def constant(value: Any, place: Place) -> Constant:
    """A number, or a small array of them."""
    if isinstance(value, dict):
        kind = value.get("class_name")
        if kind not in ("__tensor__", "__numpy__") or set(value) != {"class_name", "config"}:
            raise place.refuse(f"should be a number or an array, is {shown(value)}")
        config = value["config"]
        if not isinstance(config, dict) or set(config) != {"value", "dtype"}:
            raise place.refuse("should be an array with its value and dtype")
        dtype = choice(*_DTYPES)(config["dtype"], place.key("dtype"))
        given = config["value"]
        shape = _array(given, place.key("value"), [MAX_CONSTANT])
        array = {"class_name": "__tensor__", "config": {"value": given, "dtype": dtype}}
        return Constant(array, (None, *shape))
    return Constant(REAL(value, place), (None,))


def _array(value: Any, place: Place, left: list[int], depth: int = 0) -> tuple[int, ...]:
    """The shape of nested lists of numbers, all of one length."""
    if not isinstance(value, list):
        left[0] -= 1
        REAL(value, place)
        return ()
    if not value or depth == 4 or len(value) > left[0]:
        raise place.refuse(f"should be an array of 1 to {MAX_CONSTANT} numbers and at most 4 dimensions")
    inner = {_array(one, place, left, depth + 1) for one in value}
    if len(inner) > 1 or left[0] < 0:
        raise place.refuse(f"should be an array of 1 to {MAX_CONSTANT} numbers, its rows of one length")
    return (len(value), *inner.pop())


_INDEX = integer(-(2**31), 2**31 - 1)


def index(value: Any, place: Place) -> Key:
    """What stands between the brackets of x[..., ::-1]."""
    given = value if isinstance(value, list) else [value]
    if not 1 <= len(given) <= 8:
        raise place.refuse(f"should be an index of 1 to 8 parts, is {shown(value)}")
    written, parts = zip(*(_part(one, place.item(number)) for number, one in enumerate(given)), strict=True)
    return Key(list(written), parts)


def _part(value: Any, place: Place) -> tuple[Any, Any]:
    if value is None:
        return None, None
    if not isinstance(value, dict):
        return (found := _INDEX(value, place)), found
    config = value.get("config")
    if value.get("class_name") == "__ellipsis__":
        return {"class_name": "__ellipsis__", "config": {}}, ...
    if value.get("class_name") != "__slice__" or not isinstance(config, dict):
        raise place.refuse(f"should be a number, a slice or an ellipsis, is {shown(value)}")
    if set(config) != {"start", "stop", "step"}:
        raise place.refuse("should be a slice with start, stop and step")
    ends = {key: optional(_INDEX)(one, place.key(key)) for key, one in config.items()}
    if ends["step"] == 0:
        raise place.key("step").refuse("should not be 0")
    return {"class_name": "__slice__", "config": ends}, slice(ends["start"], ends["stop"], ends["step"])
