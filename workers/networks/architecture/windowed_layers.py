"""The layers that pass over places: convolutions, poolings, margins; each for one and for two dimensions."""

from typing import Any

from jobyard.workers.networks.architecture import shapes, windows
from jobyard.workers.networks.architecture.declarations import (
    COUNT,
    FORMAT,
    INTERPOLATION,
    MARGIN,
    RATE,
    WINDOW,
    Layer,
    pair,
    weighted,
)
from jobyard.workers.networks.architecture.objects import (
    SEED,
    activation,
)
from jobyard.workers.networks.architecture.values import (
    Check,
    Place,
    boolean,
    choice,
    either,
    items,
    nothing,
    optional,
    tuple_of,
)


def _margins_of(rank: int) -> Check:
    """One number, one for each dimension, or a pair for each; returns the pairs."""
    pairs = either(lambda one, place: [MARGIN(one, place)] * 2, pair(MARGIN))

    def check(value: Any, place: Place) -> Any:
        if rank == 1:
            return pairs(value, place)
        return items(pairs, rank, rank)(value if isinstance(value, list) else [value] * rank, place)

    return check


def _windowed(rank: int, kernel: str) -> dict[str, Check]:
    return {
        kernel: tuple_of(WINDOW, rank),
        "strides": optional(tuple_of(WINDOW, rank)),
        "padding": choice("valid", "same", "causal") if rank == 1 else choice("valid", "same"),
        **FORMAT,
    }


def _convolutional(rank: int, *weights: str) -> dict[str, Check]:
    return {
        **_windowed(rank, "kernel_size"),
        **weighted(*weights, "bias"),
        "dilation_rate": tuple_of(WINDOW, rank),
        "activation": activation,
        "use_bias": boolean,
    }


_FILTERS = frozenset({"filters", "kernel_size"})


def windowed_layers(rank: int) -> dict[str, Layer]:
    """The classes that there are for one and for two dimensions."""
    filters: dict[str, Check] = {"filters": COUNT}
    multiplier: dict[str, Check] = {"depth_multiplier": COUNT}
    keep: dict[str, Check] = {**FORMAT, "keepdims": boolean}
    found = {
        "Conv#": Layer(
            {**_convolutional(rank, "kernel"), **filters, "groups": COUNT},
            windows.convolution(rank),
            required=_FILTERS,
            convolves=True,
        ),
        "Conv#Transpose": Layer(
            {
                **_convolutional(rank, "kernel"),
                **filters,
                "output_padding": optional(tuple_of(MARGIN, rank)),
            },
            windows.transposed(rank),
            required=_FILTERS,
            convolves=True,
        ),
        "DepthwiseConv#": Layer(
            {**_convolutional(rank, "depthwise"), **multiplier},
            windows.depthwise(rank),
            required=frozenset({"kernel_size"}),
            convolves=True,
        ),
        "SeparableConv#": Layer(
            {**_convolutional(rank, "depthwise", "pointwise"), **filters, **multiplier},
            windows.separable(rank),
            required=_FILTERS,
            convolves=True,
        ),
        "UpSampling#": Layer(
            {
                "size": tuple_of(WINDOW, rank) if rank == 2 else WINDOW,
                **({**FORMAT, "interpolation": INTERPOLATION} if rank == 2 else {}),
            },
            windows.upsampling(rank),
        ),
        "ZeroPadding#": Layer(
            {"padding": _margins_of(rank), **FORMAT},
            windows.margins(rank, "padding", 1),
            required=frozenset({"padding"}),
        ),
        "Cropping#": Layer(
            {"cropping": _margins_of(rank), **(FORMAT if rank == 2 else {})},
            windows.margins(rank, "cropping", -1),
            required=frozenset({"cropping"}),
        ),
        "SpatialDropout#": Layer(
            {"rate": RATE, "seed": SEED, "noise_shape": nothing, **(FORMAT if rank == 2 else {})},
            shapes.same,
            required=frozenset({"rate"}),
        ),
    }
    for kind in ("Average", "Max"):
        found[f"{kind}Pooling#"] = Layer(
            _windowed(rank, "pool_size"), windows.pooling(rank), required=frozenset({"pool_size"})
        )
        found[f"Global{kind}Pooling#"] = Layer(keep, windows.global_pooling(rank))
        found[f"Adaptive{kind}Pooling#"] = Layer(
            {"output_size": tuple_of(WINDOW, rank), **FORMAT},
            windows.adaptive_pooling(rank),
            required=frozenset({"output_size"}),
        )
    return {one.replace("#", f"{rank}D"): layer for one, layer in found.items()}
