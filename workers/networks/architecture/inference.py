"""Walks through a graph with the shape of a picture: shapes, parameters, values, and what is where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobyard.workers.networks.architecture.graph import (
    Call,
    Element,
    InputElement,
    LayerElement,
    Model,
    ModelElement,
    OperationElement,
    Reference,
)
from jobyard.workers.networks.architecture.operations import Constant
from jobyard.workers.networks.architecture.shapes import Misfit, Result, Shape, Size, plus, text, times
from jobyard.workers.networks.architecture.values import Refusal


@dataclass(frozen=True)
class Limits:
    """What an architecture may have; `values` are those that it computes for one picture, in all layers."""

    layers: int = 2_000
    parameters: int = 150_000_000
    values: int = 600_000_000


@dataclass(frozen=True)
class Tensor:
    """A symbolic output: its shape, and whether it is still pixels of 0…255."""

    shape: Shape
    pixels: bool


class Inference:
    """Counts while it goes. `parameters` and `values` are None when they depend on an open size."""

    def __init__(self, limits: Limits) -> None:
        self.parameters: Size = 0
        self.values: Size = 0
        # Where the last convolution is, and where pixels are scaled: by numbers in the file, or by weights.
        self.convolution: str | None = None
        self.scaling: str | None = None
        self.adapted: str | None = None
        self._limits = limits
        self._calls = 0
        self._counted: set[int] = set()

    def run(self, model: Model, given: Tensor) -> Tensor:
        """The model's output for that input. Raises Refusal with the place."""
        first = Tensor(_narrowed(model.input, given.shape), given.pixels)
        outputs = {(model.input.name, 0): first}
        for element, number in model.order():
            call = element.calls[number]
            self._count_call()
            operands = [_operand(one, outputs) for one in call.arguments]
            outputs[element.name, number] = self._call(element, call, operands)
        return outputs[model.output.layer, model.output.call]

    def _call(self, element: Element, call: Call, operands: list[Any]) -> Tensor:
        if isinstance(element, ModelElement):
            return self.run(element.model, operands[0])
        tensors = [
            one
            for operand in operands
            for one in (operand if isinstance(operand, list) else [operand])
            if isinstance(one, Tensor)
        ]
        try:
            result = _result(element, operands, tensors)
        except Misfit as error:
            raise call.place.refuse(f"{element.kind[1]} {error}") from None
        self._count(element, result)
        pixels = all(one.pixels for one in tensors) and not result.parameters
        if pixels:
            pixels = not self._scales(element, operands)
        if _convolves(element):
            self.convolution = element.place.path
        return Tensor(result.shape, pixels)

    def _scales(self, element: Element, operands: Sequence[Any]) -> bool:
        """Whether pixels of 0…255 are other numbers after that."""
        fixed = any(isinstance(one, Constant) for one in operands)
        scales = (isinstance(element, LayerElement) and element.declaration.scales) or (
            isinstance(element, OperationElement) and element.declaration.scales and fixed
        )
        if scales:
            self.scaling = self.scaling or element.place.path
        return scales

    def _count_call(self) -> None:
        self._calls += 1
        if self._calls > self._limits.layers:
            raise Refusal(
                f"architecture: calls its layers more than {self._limits.layers} times, which is the limit "
                "(JOBYARD_MAX_NETWORK_LAYERS)"
            )

    def _count(self, element: Element, result: Result) -> None:
        if id(element) not in self._counted:
            self._counted.add(id(element))
            self.parameters = plus(self.parameters, result.parameters)
            if element.kind[1] == "Normalization" and result.parameters != 0:
                self.adapted = self.adapted or element.place.path
            _within(element, "parameters", result.parameters, self._limits.parameters, "PARAMETERS")
            _within(element, "parameters in all", self.parameters, self._limits.parameters, "PARAMETERS")
        made = plus(times(*result.shape[1:]), result.values)
        self.values = plus(self.values, made)
        _within(element, "values for each picture", made, self._limits.values, "VALUES")
        _within(element, "values for each picture in all", self.values, self._limits.values, "VALUES")


def _within(element: Element, what: str, size: Size, limit: int, setting: str) -> None:
    if size is not None and size > limit:
        count = f"{size:,}" if size < 10**15 else "more than 10^15"
        raise element.place.refuse(
            f"makes {count} {what}: should be at most {limit:,} (JOBYARD_MAX_NETWORK_{setting})"
        )


def _result(element: Element, operands: Sequence[Any], tensors: Sequence[Tensor]) -> Result:
    shapes = [one.shape for one in tensors]
    if isinstance(element, OperationElement):
        if element.declaration.operands == "list":
            return element.declaration.infer(element.config, shapes)
        plain = [one.shape if isinstance(one, Tensor) else one for one in operands]
        return element.declaration.infer(element.config, plain)
    if not isinstance(element, LayerElement):
        raise element.place.refuse("is an input: should take from no other layer")
    if element.wrapped is None:
        return element.declaration.infer(element.config, shapes)
    found = element.wrapped.declaration.infer(element.wrapped.config, shapes)
    # Spectral normalisation keeps one vector, as long as the kernel's last dimension.
    return Result(found.shape, plus(found.parameters, found.shape[-1]), found.values)


def _convolves(element: Element) -> bool:
    if not isinstance(element, LayerElement):
        return False
    return (element.wrapped or element).declaration.convolves


def _operand(argument: Any, outputs: dict[tuple[str, int], Tensor]) -> Any:
    if isinstance(argument, Reference):
        return outputs[argument.layer, argument.call]
    if isinstance(argument, list):
        return [outputs[one.layer, one.call] for one in argument]
    return argument


def _narrowed(element: InputElement, given: Shape) -> Shape:
    """The shape of a nested model's input, of which the file may know more than its caller."""
    own = tuple(element.config.get("batch_shape", given))
    if len(own) != len(given) or any(
        None not in (one, other) and one != other for one, other in zip(own, given, strict=True)
    ):
        raise element.place.refuse(f"takes inputs of {text(own)}, but gets {text(given)}")
    return tuple(one if one is not None else other for one, other in zip(own, given, strict=True))
