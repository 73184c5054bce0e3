"""From the JSON of a call, and of a model's ends, to what it takes."""

from collections.abc import Mapping
from typing import Any

from jobyard.workers.networks.architecture.graph import (
    Argument,
    Call,
    Element,
    LayerElement,
    ModelElement,
    OperationElement,
    Reference,
)
from jobyard.workers.networks.architecture.operations import (
    Operation,
    constant,
    index,
)
from jobyard.workers.networks.architecture.values import (
    Check,
    Place,
    boolean,
    integer,
    items,
    mapping,
    name,
    no,
    optional,
    shown,
)

# The most that one call may take together.
_MAX_INPUTS = 4096

# What a layer may be called with beside tensors. Those that are null or false are left out of what is built.
_OPTIONS: Mapping[str, Check] = {
    "training": optional(boolean),
    "mask": lambda value, place: _no_mask(value, place),
}
_ATTENTION_OPTIONS: Mapping[str, Check] = {
    **_OPTIONS,
    **dict.fromkeys(("query_mask", "value_mask", "key_mask", "attention_mask"), _OPTIONS["mask"]),
    "use_causal_mask": boolean,
    "return_attention_scores": no,
}


def read_call(given: Any, element: Element, place: Place) -> Call:
    """One of the inbound_nodes of an element. Raises Refusal."""
    if isinstance(given, list):
        raise place.refuse("is written as Keras 2 writes it: should be what Keras 3 writes")
    if not isinstance(given, dict) or set(given) != {"args", "kwargs"}:
        raise place.refuse("should be an object with args and kwargs")
    arguments, options = given["args"], given["kwargs"]
    if not isinstance(arguments, list) or len(arguments) > 8 or not isinstance(options, dict):
        raise place.refuse("should have a list of args and an object of kwargs")
    if isinstance(element, OperationElement):
        mapping(options, place.key("kwargs"), {})
        return Call(place, _operands(element.declaration, arguments, place.key("args")))
    takes = element.declaration.inputs if isinstance(element, LayerElement) else "one"
    if takes == "attention":
        return _attention(arguments, options, place)
    known = _ATTENTION_OPTIONS if element.kind[1] in ("Attention", "AdditiveAttention") else _OPTIONS
    if len(arguments) != 1:
        raise place.key("args").refuse(f"has {len(arguments)} arguments: should have one")
    argument: Argument
    if takes == "many":
        argument = _several(arguments[0], place.key("args"))
    else:
        # A model may be called with a list of its one input.
        only = arguments[0]
        listed = isinstance(element, ModelElement) and isinstance(only, list) and len(only) == 1
        argument = _reference(only[0] if listed else only, place.key("args"))
    return Call(place, [argument], _given(mapping(options, place.key("kwargs"), known)))


def _attention(arguments: list[Any], options: dict[str, Any], place: Place) -> Call:
    """Query, value and key, by place or by name."""
    by_name = [one for one in ("query", "value", "key") if one in options]
    rest = {key: value for key, value in options.items() if key not in by_name}
    order = ["query", "value", "key"][: len(arguments)]
    if set(order) & set(by_name) or "query" not in order + by_name or "value" not in order + by_name:
        raise place.refuse("should be called with query, value and perhaps key")
    found = dict(zip(order, arguments, strict=False)) | {one: options[one] for one in by_name}
    if found.get("key") is None:
        found.pop("key", None)
    references: list[Argument] = [
        _reference(found[one], place.key(one)) for one in ("query", "value", "key") if one in found
    ]
    return Call(place, references, _given(mapping(rest, place.key("kwargs"), _ATTENTION_OPTIONS)))


def _operands(operation: Operation, given: list[Any], place: Place) -> list[Argument]:
    count = {"tensor": 1, "pair": 2, "list": 1, "index": 2}[operation.operands]
    if len(given) != count:
        raise place.refuse(f"has {len(given)} arguments: should have {count}")
    if operation.operands == "list":
        return [_several(given[0], place)]
    if operation.operands == "index":
        return [_reference(given[0], place.item(0)), index(given[1], place.item(1))]
    found: list[Argument] = []
    for number, one in enumerate(given):
        at = place.item(number)
        found.append(_reference(one, at) if _is_tensor(one) else constant(one, at))
    if not any(isinstance(one, Reference) for one in found):
        raise place.refuse("has no tensor among its arguments")
    return found


def _several(given: Any, place: Place) -> list[Reference]:
    return items(_reference, 1, _MAX_INPUTS)(given, place)  # type: ignore[no-any-return]


def _is_tensor(given: Any) -> bool:
    return isinstance(given, dict) and given.get("class_name") == "__keras_tensor__"


def _reference(given: Any, place: Place) -> Reference:
    if not _is_tensor(given):
        raise place.refuse(f"should be the output of a layer, is {shown(given)}")
    config = given.get("config")
    history = config.get("keras_history") if isinstance(config, dict) else None
    return _history(history, place.key("keras_history"))


def _history(given: Any, place: Place) -> Reference:
    if not isinstance(given, list) or len(given) != 3:
        raise place.refuse(f"should be a layer's name, the number of its call and 0, is {shown(given)}")
    integer(0, 0)(given[2], place.item(2))
    return Reference(name(given[0], place.item(0)), integer(0, 10**6)(given[1], place.item(1)))


def read_end(given: Any, place: Place) -> Reference:
    """The input or output of a model: one, or a list of one."""
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], list):
        given = given[0]
    if isinstance(given, list) and given and all(isinstance(one, list) for one in given):
        raise place.refuse(f"has {len(given)}: should be one")
    return _history(given, place)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _no_mask(value: Any, place: Place) -> None:
    if value is not None and not (isinstance(value, list) and all(one is None for one in value)):
        raise place.refuse(f"should be null: pictures have no mask; is {shown(value)}")
