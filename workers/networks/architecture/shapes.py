"""What a layer makes of its inputs' shapes, and how many parameters it has then: arithmetic, without Keras.

A shape is that of a batch: (None, height, width, channels). None beyond the first place is a size that the
architecture leaves open.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

Size = int | None
Shape = tuple[Size, ...]
Config = Mapping[str, Any]


class Misfit(Exception):
    """A layer can't take inputs of these shapes; the message is for people."""


@dataclass(frozen=True)
class Result:
    """The output's shape, the number of parameters (None: it depends on an open size), and the values that
    a layer computes for each picture beside its output, if these may be many."""

    shape: Shape
    parameters: Size = 0
    values: Size = 0


# The result of one call with inputs of these shapes, by a config whose values are checked.
Infer = Callable[[Config, Sequence[Shape]], Result]


def times(*sizes: Size) -> Size:
    """Their product; None where one is open."""
    known = [size for size in sizes if size is not None]
    return prod(known) if len(known) == len(sizes) else None


def plus(*sizes: Size) -> Size:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def text(shape: Shape) -> str:
    """A shape as a message has it."""
    return f"({', '.join('any' if size is None else str(size) for size in shape[1:])})"


def of_rank(shape: Shape, *ranks: int) -> Shape:
    if len(shape) not in ranks:
        numbers = " or ".join(str(rank - 1) for rank in ranks)
        raise Misfit(f"takes inputs of {numbers} dimensions, but gets {text(shape)}")
    return shape


def channels(shape: Shape) -> int:
    if shape[-1] is None:
        raise Misfit("needs to know the last dimension of its input")
    return shape[-1]


def axis_of(axis: int, shape: Shape) -> int:
    """An axis counted from the front; the batch's is none."""
    found = axis + len(shape) if axis < 0 else axis
    if not 0 < found < len(shape):
        raise Misfit(f"has the axis {axis}, but gets inputs {text(shape)}")
    return found


def axes_of(config: Config, shape: Shape, key: str = "axis", default: int = -1) -> list[int]:
    given = config.get(key, default)
    return sorted({axis_of(axis, shape) for axis in (given if isinstance(given, list) else [given])})


def same(config: Config, inputs: Sequence[Shape]) -> Result:
    return Result(inputs[0])


# Dense layers and embeddings.


def dense(config: Config, inputs: Sequence[Shape]) -> Result:
    shape, units = of_rank(inputs[0], *range(2, 9)), config["units"]
    parameters = (channels(shape) + config.get("use_bias", True)) * units
    return Result((*shape[:-1], units), parameters)


def embedding(config: Config, inputs: Sequence[Shape]) -> Result:
    size = config["output_dim"]
    return Result((*inputs[0], size), config["input_dim"] * size)


# Normalisation and activation.


def normalised(vectors: Callable[[Config], int]) -> Infer:
    """As many vectors of the size of the axis as the config has."""

    def infer(config: Config, inputs: Sequence[Shape]) -> Result:
        sizes = [inputs[0][axis] for axis in axes_of(config, inputs[0])]
        return Result(inputs[0], times(vectors(config), *sizes))

    return infer


def scale_and_centre(config: Config) -> int:
    return int(config.get("scale", True)) + int(config.get("center", True))


def groups(config: Config, inputs: Sequence[Shape]) -> Result:
    size = inputs[0][axes_of(config, inputs[0])[0]]
    count = config.get("groups", 32)
    if size is not None and count not in (-1, 1) and (count < 1 or size % count):
        raise Misfit(f"has {count} groups, which don't divide its {size} channels")
    return Result(inputs[0], times(scale_and_centre(config), size))


def pixel_normalisation(config: Config, inputs: Sequence[Shape]) -> Result:
    """With mean and variance given there is nothing to keep; else both, and a count."""
    if config.get("mean") is not None:
        return Result(inputs[0])
    given = config.get("axis", -1)
    axes = [] if given is None else axes_of(config, inputs[0])
    return Result(inputs[0], plus(times(2, *(inputs[0][axis] for axis in axes)), 1))


def prelu(config: Config, inputs: Sequence[Shape]) -> Result:
    shared = set(config.get("shared_axes") or ())
    sizes = [size for axis, size in enumerate(inputs[0]) if axis and axis not in shared]
    return Result(inputs[0], times(*sizes))


def with_axis(config: Config, inputs: Sequence[Shape]) -> Result:
    axes_of(config, inputs[0])
    return Result(inputs[0])


def layer_scale(config: Config, inputs: Sequence[Shape]) -> Result:
    size = config["projection_dim"]
    return Result(broadcast([inputs[0], (None, size)]), size)


# Reshaping.


def flattened(config: Config, inputs: Sequence[Shape]) -> Result:
    return Result((None, times(*inputs[0][1:])))


def reshaped(config: Config, inputs: Sequence[Shape], key: str = "target_shape") -> Result:
    total, target = times(*inputs[0][1:]), list(config[key])
    open_places = [index for index, size in enumerate(target) if size in (-1, None)]
    if len(open_places) > 1:
        raise Misfit("has more than one open dimension: should have one -1 at most")
    rest = prod(size for size in target if size not in (-1, None))
    if total is None:
        return Result((None, *(None if size == -1 else size for size in target)))
    if (total % rest if open_places else total != rest) or not rest:
        raise Misfit(f"makes {tuple(target)} of inputs {text(inputs[0])}: should have as many values")
    if open_places:
        target[open_places[0]] = total // rest
    return Result((None, *target))


def permuted(config: Config, inputs: Sequence[Shape]) -> Result:
    dims = config["dims"]
    if sorted(dims) != list(range(1, len(inputs[0]))):
        raise Misfit(f"has the order {tuple(dims)}, but gets inputs {text(inputs[0])}")
    return Result((None, *(inputs[0][axis] for axis in dims)))


def repeated(config: Config, inputs: Sequence[Shape]) -> Result:
    shape = of_rank(inputs[0], 2)
    return Result((None, config["n"], shape[1]))


# Several inputs.


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape of an operation on each pair of values, as NumPy stretches it."""
    longest = max(len(shape) for shape in shapes)
    stretched: list[Size] = []
    for index in range(1, longest):
        # Of shorter shapes the batch is at another place: their places count from the back.
        sizes = [shape[index - longest] for shape in shapes if len(shape) + index - longest >= 1]
        known = {size for size in sizes if size is not None and size != 1}
        if len(known) > 1:
            raise Misfit(f"has inputs {' and '.join(map(text, shapes))}, which don't fit together")
        stretched.append(known.pop() if known else None if None in sizes else 1)
    return (None, *stretched)


def merged(config: Config, inputs: Sequence[Shape]) -> Result:
    if len({len(shape) for shape in inputs}) > 1:
        raise Misfit(f"has inputs {' and '.join(map(text, inputs))}: should have as many dimensions")
    return Result(broadcast(inputs))


def concatenated(config: Config, inputs: Sequence[Shape]) -> Result:
    axis = axis_of(config.get("axis", -1), inputs[0])
    first = inputs[0]
    for shape in inputs[1:]:
        fits = len(shape) == len(first) and all(
            index == axis or None in (one, other) or one == other
            for index, (one, other) in enumerate(zip(first, shape, strict=True))
        )
        if not fits:
            raise Misfit(f"has inputs {text(first)} and {text(shape)}, which differ beside the axis {axis}")
    places = list(first)
    for index in range(len(first)):
        sizes = [shape[index] for shape in inputs]
        known = next((one for one in sizes if one is not None), None)
        places[index] = plus(*sizes) if index == axis else known
    return Result(tuple(places))


def dotted(config: Config, inputs: Sequence[Shape]) -> Result:
    if len(inputs) != 2:
        raise Misfit(f"takes two inputs, but gets {len(inputs)}")
    given = config["axes"]
    first, second = given if isinstance(given, list) else (given, given)
    one, other = axis_of(first, inputs[0]), axis_of(second, inputs[1])
    if None not in (inputs[0][one], inputs[1][other]) and inputs[0][one] != inputs[1][other]:
        raise Misfit(f"has inputs {text(inputs[0])} and {text(inputs[1])}, whose axes differ in size")
    left = [size for axis, size in enumerate(inputs[0]) if axis not in (0, one)]
    right = [size for axis, size in enumerate(inputs[1]) if axis not in (0, other)]
    return Result((None, *(left + right or [1])))


# Attention.


def attention(config: Config, inputs: Sequence[Shape]) -> Result:
    """Query, value and perhaps key, as one list."""
    if len(inputs) not in (2, 3):
        raise Misfit(f"takes a query, a value and perhaps a key, but gets {len(inputs)} inputs")
    query, value = of_rank(inputs[0], 3), of_rank(inputs[1], 3)
    if inputs[-1][-1] != query[-1]:
        raise Misfit(f"has a query {text(query)} and a key {text(inputs[-1])}, whose last sizes differ")
    parameters = int(config.get("use_scale", False)) + (config.get("score_mode") == "concat")
    return Result((None, query[1], value[2]), parameters, times(3, query[1], value[1]))


def additive_attention(config: Config, inputs: Sequence[Shape]) -> Result:
    found = attention(config, inputs)
    sizes = (inputs[0][1], inputs[1][1], inputs[0][2])
    return Result(found.shape, channels(inputs[0]) if config.get("use_scale", True) else 0, times(3, *sizes))


def multi_head_attention(config: Config, inputs: Sequence[Shape]) -> Result:
    """Query, value and key (Vaswani et al., 2017, arXiv:1706.03762)."""
    query, value, key = inputs[0], inputs[1], inputs[-1]
    if len(query) not in (3, 4) or len(value) != len(query) or len(key) != len(query):
        raise Misfit(f"takes inputs of 2 or 3 dimensions, but gets {text(query)} and {text(value)}")
    axes = config.get("attention_axes")
    if axes is not None and sorted(axes) != list(range(1, len(query) - 1)):
        raise Misfit("attends over some axes only: attention_axes should be null or name all but the last")
    heads, size = config["num_heads"], config["key_dim"]
    made = config.get("value_dim") or size
    out = config.get("output_shape") or channels(query)
    bias = int(config.get("use_bias", True))
    parameters = (
        (channels(query) + bias) * heads * size
        + (channels(key) + bias) * heads * size
        + (channels(value) + bias) * heads * made
        + (heads * made + bias) * out
    )
    scores = times(3, heads, *query[1:-1], *value[1:-1])
    return Result((*query[:-1], out), parameters, plus(scores, times(heads * (size + made), *query[1:-1])))
