"""A checked graph as the JSON that Keras builds from: it has nothing that was not checked."""

import copy
from typing import Any

from jobyard.workers.networks.architecture.graph import (
    Argument,
    Element,
    LayerElement,
    Model,
    ModelElement,
    Reference,
)
from jobyard.workers.networks.architecture.objects import serialized
from jobyard.workers.networks.architecture.reading import FUNCTIONAL

# Only its keras_history means anything when a model is built.
_TENSOR = {"shape": [None], "dtype": "float32"}


def model_config(model: Model) -> dict[str, Any]:
    """What `keras.saving.deserialize_keras_object` builds the model from."""
    if model.sequential:
        written = [one for one in model.elements.values() if one is not model.input or one.config]
        elements = [_element(element) for element in written]
        config: dict[str, Any] = {"name": model.name, "trainable": model.trainable, "layers": elements}
        return serialized("keras", "Sequential", config)
    # In the order of the first calls, as Keras then builds the graph in one pass.
    called = dict.fromkeys(element.name for element, _ in model.order())
    layers = []
    for name in (model.input.name, *called):
        element = model.elements[name]
        nodes = [
            {"args": [_argument(one) for one in call.arguments], "kwargs": dict(call.options)}
            for call in element.calls
        ]
        layers.append({**_element(element), "name": name, "inbound_nodes": nodes})
    config = {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": [model.input.name, 0, 0],
        "output_layers": [model.output.layer, model.output_index, 0],
    }
    return {**serialized(*FUNCTIONAL, config), "registered_name": FUNCTIONAL[1]}


def _element(element: Element) -> dict[str, Any]:
    if isinstance(element, ModelElement):
        written = model_config(element.model)
        written["config"]["name"] = element.name
    else:
        config = {**copy.deepcopy(element.config), "name": element.name}
        if isinstance(element, LayerElement) and element.wrapped is not None:
            config["layer"] = _element(element.wrapped)
        written = serialized(*element.kind, config)
        if element.kind[0] != "keras.layers":  # Keras names what is not public twice
            written["registered_name"] = element.kind[1]
    return written


def _argument(argument: Argument) -> Any:
    if isinstance(argument, Reference):
        return {
            "class_name": "__keras_tensor__",
            "config": {**_TENSOR, "keras_history": [argument.layer, argument.call, 0]},
        }
    if isinstance(argument, list):
        return [_argument(one) for one in argument]
    return argument.value
