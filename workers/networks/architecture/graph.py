"""A checked architecture as a graph: models, their layers, and the calls between them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jobyard.workers.networks.architecture.declarations import Class, Layer
from jobyard.workers.networks.architecture.operations import Constant, Key, Operation
from jobyard.workers.networks.architecture.values import Place


@dataclass(frozen=True)
class Reference:
    """The output of one call of a layer: its name in the same model, and which of its calls."""

    layer: str
    call: int


# What a call is given: the output of another, several of them, or (an operation) what stands in the file.
Argument = Reference | list[Reference] | Constant | Key


@dataclass
class Call:
    """One node of the graph."""

    place: Place
    arguments: list[Argument]
    options: dict[str, Any] = field(default_factory=dict)

    def references(self) -> Iterator[Reference]:
        for argument in self.arguments:
            if isinstance(argument, Reference):
                yield argument
            elif isinstance(argument, list):
                yield from argument


@dataclass
class Element:
    """One part of a model: input, layer, operation or another model. Its `config` has checked values only."""

    place: Place
    kind: Class
    name: str
    config: dict[str, Any]
    calls: list[Call] = field(default_factory=list)


@dataclass
class InputElement(Element):
    """Where a model is given its input; without `batch_shape` it takes any, and is not written."""


@dataclass
class LayerElement(Element):
    """A layer; a wrapper has the layer that it applies."""

    declaration: Layer = field(kw_only=True)
    wrapped: "LayerElement | None" = None


@dataclass
class OperationElement(Element):
    """A function of keras.ops."""

    declaration: Operation = field(kw_only=True)


@dataclass
class ModelElement(Element):
    """A model within another."""

    model: "Model" = field(kw_only=True)


@dataclass
class Model:
    """A Functional or Sequential model; of a Sequential one each element is called once, with the one before.

    A model has one input and one output.
    """

    place: Place
    sequential: bool
    name: str
    trainable: bool
    elements: dict[str, Element]
    input: InputElement
    output: Reference

    @property
    def last(self) -> Element:
        """The element that the output is of."""
        return self.elements[self.output.layer]

    @property
    def output_index(self) -> int:
        """The number of the output's call as `output_layers` has it: Keras counts a nested functional
        model's from 1 there, and only there."""
        return self.output.call + counts_from_one(self.last)

    def order(self) -> list[tuple[Element, int]]:
        """All calls, each after those that it takes from, and those of one layer by their numbers.

        Raises Refusal where the graph has a loop or takes from a call that is not there.
        """
        waiting: dict[tuple[str, int], int] = {}
        followers: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for element in self.elements.values():
            for number, call in enumerate(element.calls):
                needs = self._needs(call)
                if number:
                    needs.add((element.name, number - 1))
                waiting[element.name, number] = len(needs)
                for one in needs:
                    followers.setdefault(one, []).append((element.name, number))
        ready = deque(one for one, count in waiting.items() if not count)
        found = []
        while ready:
            name, number = ready.popleft()
            found.append((self.elements[name], number))
            for follower in followers.get((name, number), ()):
                waiting[follower] -= 1
                if not waiting[follower]:
                    ready.append(follower)
        if len(found) < len(waiting):
            name = next(name for (name, _), count in waiting.items() if count)
            raise self.elements[name].place.refuse("is part of a loop, or takes from one")
        return found

    def _needs(self, call: Call) -> set[tuple[str, int]]:
        """The calls that this one takes from, without the input."""
        needs = set()
        for one in call.references():
            source = self.elements.get(one.layer)
            if source is None or not 0 <= one.call < (1 if source is self.input else len(source.calls)):
                raise call.place.refuse(
                    f"takes from call {one.call} of '{one.layer}', which is not in this model"
                )
            if source is not self.input:
                needs.add((one.layer, one.call))
        return needs


def counts_from_one(element: Element) -> bool:
    return isinstance(element, ModelElement) and not element.model.sequential
