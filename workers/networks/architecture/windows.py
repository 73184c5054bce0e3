"""Shapes of what passes over the places of a picture: convolutions, poolings, margins, sizes."""

from collections.abc import Sequence
from math import prod
from typing import Any

from jobyard.workers.networks.architecture.shapes import (
    Config,
    Infer,
    Misfit,
    Result,
    Shape,
    Size,
    channels,
    of_rank,
    plus,
    times,
)


def window(size: Size, kernel: int, stride: int, padding: str, dilation: int = 1) -> Size:
    """The size of a dimension after a window has passed over it."""
    if size is None:
        return None
    if padding == "same":
        return -(-size // stride)
    if padding == "causal":
        return (size - 1) // stride + 1
    reach = dilation * (kernel - 1) + 1
    if size < reach:
        raise Misfit(f"passes a window of {reach} over {size}: should have larger inputs")
    return (size - reach) // stride + 1


def _each(value: Any, rank: int, default: int = 1) -> list[int]:
    if value is None:
        return [default] * rank
    return list(value) if isinstance(value, list) else [value] * rank


def _windows(config: Config, places: Shape, rank: int, kernel: str = "kernel_size") -> Shape:
    sizes = _each(config[kernel], rank)
    strides = _each(config.get("strides"), rank) if kernel == "kernel_size" else sizes
    if config.get("strides") is not None:
        strides = _each(config["strides"], rank)
    dilations = _each(config.get("dilation_rate"), rank)
    padding = config.get("padding", "valid")
    both = zip(places, sizes, strides, dilations, strict=True)
    return tuple(window(size, kernel, stride, padding, dilation) for size, kernel, stride, dilation in both)


def convolution(rank: int) -> Infer:
    def infer(config: Config, inputs: Sequence[Shape]) -> Result:
        shape = of_rank(inputs[0], rank + 2)
        taken, made, groups = channels(shape), config["filters"], config.get("groups", 1)
        if taken % groups or made % groups:
            raise Misfit(f"has {groups} groups: should divide its {taken} channels and {made} filters")
        kernel = prod(_each(config["kernel_size"], rank)) * (taken // groups) * made
        places = _windows(config, shape[1:-1], rank)
        return Result((None, *places, made), kernel + made * config.get("use_bias", True))

    return infer


def depthwise(rank: int) -> Infer:
    def infer(config: Config, inputs: Sequence[Shape]) -> Result:
        shape = of_rank(inputs[0], rank + 2)
        made = channels(shape) * config.get("depth_multiplier", 1)
        parameters = (prod(_each(config["kernel_size"], rank)) + config.get("use_bias", True)) * made
        return Result((None, *_windows(config, shape[1:-1], rank), made), parameters)

    return infer


def separable(rank: int) -> Infer:
    def infer(config: Config, inputs: Sequence[Shape]) -> Result:
        shape = of_rank(inputs[0], rank + 2)
        between, made = channels(shape) * config.get("depth_multiplier", 1), config["filters"]
        places = _windows(config, shape[1:-1], rank)
        parameters = prod(_each(config["kernel_size"], rank)) * between + between * made
        return Result(
            (None, *places, made), parameters + made * config.get("use_bias", True), times(between, *places)
        )

    return infer


def transposed(rank: int) -> Infer:
    def infer(config: Config, inputs: Sequence[Shape]) -> Result:
        shape = of_rank(inputs[0], rank + 2)
        sizes, strides = _each(config["kernel_size"], rank), _each(config.get("strides"), rank)
        dilations = _each(config.get("dilation_rate"), rank)
        extra = config.get("output_padding")
        places: list[Size] = []
        for index, size in enumerate(shape[1:-1]):
            reach = dilations[index] * (sizes[index] - 1) + 1
            if extra is None:
                more = 0 if config.get("padding", "valid") == "same" else max(reach - strides[index], 0)
                places.append(plus(times(size, strides[index]), more))
            else:
                pad = reach // 2 if config.get("padding", "valid") == "same" else 0
                given = _each(extra, rank)[index]
                grown = plus(times(plus(size, -1), strides[index]), reach - 2 * pad + given)
                if grown is not None and grown < 1:
                    raise Misfit("leaves nothing of its input: should have a smaller padding")
                places.append(grown)
        made = config["filters"]
        kernel = prod(sizes) * channels(shape) * made
        return Result((None, *places, made), kernel + made * config.get("use_bias", True))

    return infer


def pooling(rank: int) -> Infer:
    def infer(config: Config, inputs: Sequence[Shape]) -> Result:
        shape = of_rank(inputs[0], rank + 2)
        return Result((None, *_windows(config, shape[1:-1], rank, "pool_size"), shape[-1]))

    return infer


def adaptive_pooling(rank: int) -> Infer:
    def infer(config: Config, inputs: Sequence[Shape]) -> Result:
        shape = of_rank(inputs[0], rank + 2)
        return Result((None, *_each(config["output_size"], rank), shape[-1]))

    return infer


def global_pooling(rank: int) -> Infer:
    def infer(config: Config, inputs: Sequence[Shape]) -> Result:
        shape = of_rank(inputs[0], rank + 2)
        ones = (1,) * rank if config.get("keepdims", False) else ()
        return Result((None, *ones, shape[-1]))

    return infer


def upsampling(rank: int) -> Infer:
    def infer(config: Config, inputs: Sequence[Shape]) -> Result:
        shape = of_rank(inputs[0], rank + 2)
        factors = _each(config.get("size", 2), rank, 2)
        places = [times(size, factor) for size, factor in zip(shape[1:-1], factors, strict=True)]
        return Result((None, *places, shape[-1]))

    return infer


def margins(rank: int, key: str, sign: int) -> Infer:
    """Zeros around the places, or places cut off: `key` has a pair for each dimension."""

    def infer(config: Config, inputs: Sequence[Shape]) -> Result:
        shape = of_rank(inputs[0], rank + 2)
        pairs = [config[key]] if rank == 1 else config[key]
        places = []
        for size, pair in zip(shape[1:-1], pairs, strict=True):
            changed = plus(size, sign * sum(pair))
            if changed is not None and changed < 1:
                raise Misfit(f"cuts {sum(pair)} from {size}: should leave something")
            places.append(changed)
        return Result((None, *places, shape[-1]))

    return infer


def resized(config: Config, inputs: Sequence[Shape]) -> Result:
    shape = of_rank(inputs[0], 4)
    return Result((None, config["height"], config["width"], shape[-1]))
