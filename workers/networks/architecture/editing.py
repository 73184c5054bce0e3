"""Changes to a checked graph: layers put behind its input or after its output, and a classifier taken off."""

from collections.abc import Iterator
from typing import Any

from jobyard.workers.networks.architecture.graph import (
    Call,
    Element,
    LayerElement,
    Model,
    ModelElement,
    OperationElement,
    Reference,
)
from jobyard.workers.networks.architecture.layers import LAYERS
from jobyard.workers.networks.architecture.objects import dtype_policy

# What may stand between a classifier's weights and its output, and leaves the order of classes as it is.
_BETWEEN = frozenset(
    {
        "Activation",
        "AlphaDropout",
        "Cast",
        "Dropout",
        "Flatten",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "Identity",
        "LogSoftmax",
        "Reshape",
        "Sigmoid",
        "Softmax",
    }
)
_CLASSIFIERS = frozenset({"Conv1D", "Conv2D", "Dense"})


def layers(model: Model) -> Iterator[LayerElement]:
    """All layers, those of nested models and in wrappers, too."""
    for element in model.elements.values():
        if isinstance(element, ModelElement):
            yield from layers(element.model)
        elif isinstance(element, LayerElement):
            yield element
            if element.wrapped is not None:
                yield element.wrapped


def ending(model: Model) -> tuple[str, list[Element]]:
    """How a network ends: the name of the activation that its output went through last ("linear" without
    one), and the elements from the output back to the layer whose weights made it, that one included.

    Of a nested model at the end the elements are its own. The list has no such layer where the output is a
    sum, or another thing that no single layer made.
    """
    found: list[Element] = []
    activation = "linear"
    reference = model.output
    while True:
        element = model.elements[reference.layer]
        if isinstance(element, ModelElement):
            inner, more = ending(element.model)
            return activation if activation != "linear" else inner, found + more
        own = _activation(element)
        if activation == "linear":
            activation = own
        class_name = element.kind[1]
        if class_name in _CLASSIFIERS:
            return activation, [*found, element]
        before = element.calls[reference.call].arguments if element.calls else []
        if class_name not in _BETWEEN or not before or not isinstance(before[0], Reference):
            return activation, found
        found.append(element)
        reference = before[0]


def take_off(model: Model, element: Element) -> bool:
    """End the network before a layer that `ending` found; False if something else of it needs that layer.

    A nested model that consists of nothing else is taken off whole.
    """
    for holder in model.elements.values():
        if isinstance(holder, ModelElement) and _has(holder.model, element):
            if len(holder.calls) != 1:
                return False
            if not take_off(holder.model, element):
                return False
            if holder.model.output.layer == holder.model.input.name:
                _end_at(model, holder)
            return True
    if len(element.calls) != 1:
        return False
    _end_at(model, element)
    return True


def put_in_front(model: Model, class_name: str, name: str, **config: Any) -> None:
    """Put a layer between the input and all that takes from it."""
    entry = Reference(model.input.name, 0)
    added = _made(model, class_name, name, entry, config)
    instead = Reference(added.name, 0)
    for call in (call for element in model.elements.values() for call in element.calls):
        for at, argument in enumerate(call.arguments):
            if isinstance(argument, list):
                call.arguments[at] = [instead if one == entry else one for one in argument]
            elif argument == entry:
                call.arguments[at] = instead
    if model.output == entry:
        model.output = instead
    rest = {name: element for name, element in model.elements.items() if element is not model.input}
    model.elements = {model.input.name: model.input, added.name: added, **rest}


def put_at_the_end(model: Model, class_name: str, name: str, **config: Any) -> None:
    """Have the output go through one more layer."""
    added = _made(model, class_name, name, model.output, config)
    model.elements[added.name] = added
    model.output = Reference(added.name, 0)


def set_policies(model: Model, precision: str, exact: list[Element]) -> None:
    """Have all layers compute with a dtype policy; those that scale pixels, and `exact`, with float32."""
    kept = {id(element) for element in exact}
    model.input.config["dtype"] = "float32"
    for layer in layers(model):
        named = "float32" if layer.declaration.scales or id(layer) in kept else precision
        layer.config["dtype"] = dtype_policy(named)
        activation = layer.config.get("activation")
        if isinstance(activation, dict):
            activation["config"]["dtype"] = dtype_policy(named)


def _activation(element: Element) -> str:
    class_name = element.kind[1]
    if class_name in ("Sigmoid", "Softmax", "LogSoftmax"):
        return {"LogSoftmax": "log_softmax"}.get(class_name, class_name.lower())
    if isinstance(element, OperationElement):
        return "linear"
    given = element.config.get("activation") or "linear"
    return given if isinstance(given, str) else str(given["class_name"]).lower()


def _has(model: Model, wanted: Element) -> bool:
    inner = (one.model for one in model.elements.values() if isinstance(one, ModelElement))
    return any(one is wanted for one in model.elements.values()) or any(_has(one, wanted) for one in inner)


def _end_at(model: Model, element: Element) -> None:
    """The output is what `element` takes; what nothing needs any more is left out."""
    before = element.calls[0].arguments[0]
    if not isinstance(before, Reference):
        raise element.place.refuse("takes several inputs")
    model.output = before
    needed = {model.input.name}
    waiting = [before.layer]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [one.layer for call in model.elements[name].calls for one in call.references()]
    model.elements = {name: one for name, one in model.elements.items() if name in needed}


def _made(model: Model, class_name: str, name: str, after: Reference, config: dict[str, Any]) -> LayerElement:
    """A layer of float32 that takes from another, under a name that is free."""
    while name in model.elements:
        name += "_"
    kind = ("keras.layers", class_name)
    place = model.place.key(name)
    full = {**config, "dtype": dtype_policy("float32")}
    return LayerElement(place, kind, name, full, [Call(place, [after])], declaration=LAYERS[kind])
