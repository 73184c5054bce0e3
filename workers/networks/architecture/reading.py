"""From the JSON of a model to a graph of checked elements; what is not known is refused."""

from collections.abc import Mapping
from typing import Any

from jobyard.workers.networks.architecture.calls import read_call, read_end
from jobyard.workers.networks.architecture.declarations import COMMON
from jobyard.workers.networks.architecture.graph import (
    Call,
    Element,
    InputElement,
    LayerElement,
    Model,
    ModelElement,
    OperationElement,
    Reference,
    counts_from_one,
)
from jobyard.workers.networks.architecture.layers import LAYERS, REASONS
from jobyard.workers.networks.architecture.objects import kind_of, policy
from jobyard.workers.networks.architecture.operations import (
    OPERATIONS,
)
from jobyard.workers.networks.architecture.values import (
    Check,
    Place,
    Refusal,
    boolean,
    choice,
    integer,
    items,
    mapping,
    name,
    no,
    optional,
    shown,
)

FUNCTIONAL = ("keras.src.models.functional", "Functional")
SEQUENTIAL = ("keras", "Sequential")
INPUT = ("keras.layers", "InputLayer")

# How deep models may be within each other.
MAX_DEPTH = 10
_SIDE = integer(1, 10**6)

_ENVELOPE = frozenset(
    {
        "module",
        "class_name",
        "config",
        "registered_name",
        "build_config",
        "compile_config",
        "name",
        "inbound_nodes",
        "shared_object_id",
    }
)

_INPUT_CONFIG: Mapping[str, Check] = {
    "name": name,
    "batch_shape": items(optional(_SIDE), 2, 8),
    "dtype": choice("float32", "float16", "bfloat16", "uint8", "int32"),
    "sparse": no,
    "ragged": no,
    "optional": no,
}


class Reader:
    """Reads one document. `layers` counts the elements, to end soon in a file of millions."""

    def __init__(self, max_layers: int) -> None:
        self.layers = 0
        self._max_layers = max_layers
        self._shared: set[int] = set()

    def read(self, document: Any) -> Model:
        """The model. Raises Refusal."""
        place = Place()
        if not isinstance(document, dict):
            raise place.refuse(f"should be an object, is {shown(document)}")
        _not_of_keras_2(document, place)
        kind = _kind(document, place)
        if kind not in (FUNCTIONAL, SEQUENTIAL):
            raise place.refuse(
                f"is of {_of(kind)}: should be a Functional or Sequential model of Keras 3, as "
                "model.to_json() writes it; a subclass of keras.Model is code"
            )
        return self._model(document, kind, place, 0)

    def _model(self, given: dict[str, Any], kind: tuple[str, str], place: Place, depth: int) -> Model:
        if depth > MAX_DEPTH:
            raise place.refuse(f"is nested more than {MAX_DEPTH} deep")
        config = given.get("config")
        if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
            raise place.refuse("has no config with a list of layers")
        if kind == SEQUENTIAL:
            return self._sequential(config, place, depth)
        return self._functional(config, place, depth)

    def _sequential(self, config: dict[str, Any], place: Place, depth: int) -> Model:
        known: dict[str, Check] = {
            "name": name,
            "trainable": boolean,
            "dtype": policy,
            "layers": _as_it_is,
            "build_input_shape": optional(items(optional(_SIDE), 2, 8)),
        }
        checked = mapping(config, place, known, frozenset({"name"}))
        elements: dict[str, Element] = {}
        last: Element | None = None
        for number, one in enumerate(config["layers"]):
            element = self._element(one, place.layer(number, one), depth)
            if isinstance(element, InputElement) and number:
                raise element.place.refuse("should be the first layer of a Sequential model")
            if last is not None:
                element.calls = [Call(element.place, [Reference(last.name, 0)])]
            _add(elements, element)
            last = element
        first = next(iter(elements.values()), None)
        if first is None or last is None or (first is last and isinstance(first, InputElement)):
            raise place.refuse("has no layers")
        if not isinstance(first, InputElement):
            made = _input(checked.get("build_input_shape"), _unused("input", elements), place, depth)
            first.calls = [Call(first.place, [Reference(made.name, 0)])]
            elements, first = {made.name: made, **elements}, made
        trainable = checked.get("trainable", True)
        return Model(place, True, checked["name"], trainable, elements, first, Reference(last.name, 0))

    def _functional(self, config: dict[str, Any], place: Place, depth: int) -> Model:
        known: dict[str, Check] = {
            "name": name,
            "trainable": boolean,
            "dtype": policy,
            "layers": _as_it_is,
            "input_layers": read_end,
            "output_layers": read_end,
        }
        required = frozenset({"name", "input_layers", "output_layers"})
        checked = mapping(config, place, known, required)
        elements: dict[str, Element] = {}
        for number, one in enumerate(config["layers"]):
            at = place.layer(number, one)
            element = self._element(one, at, depth)
            nodes = one.get("inbound_nodes")
            if not isinstance(nodes, list):
                raise at.refuse("has no list of inbound_nodes")
            element.calls = [
                read_call(node, element, at.key("inbound_nodes").item(index))
                for index, node in enumerate(nodes)
            ]
            if isinstance(element, InputElement) and element.calls:
                raise at.refuse("is an input: should take from no other layer")
            if not isinstance(element, InputElement) and not element.calls:
                raise at.refuse("is never called: should take from another layer")
            _add(elements, element)
        first, last = checked["input_layers"], checked["output_layers"]
        inputs = [one for one in elements.values() if isinstance(one, InputElement)]
        if [one.name for one in inputs] != [first.layer]:
            raise place.refuse(f"has {len(inputs)} inputs: should have one, which input_layers names")
        at, source = place.key("output_layers"), elements.get(last.layer)
        if source is None:
            raise at.refuse(f"names '{last.layer}', which is not in this model")
        output = Reference(last.layer, last.call - counts_from_one(source))
        if not 0 <= output.call < len(source.calls):
            raise at.refuse(f"names call {last.call} of '{last.layer}', which is not there")
        trainable = checked.get("trainable", True)
        return Model(place, False, checked["name"], trainable, elements, inputs[0], output)

    def _element(self, given: Any, place: Place, depth: int) -> Element:
        """One layer, without its calls."""
        self.layers += 1
        if self.layers > self._max_layers:
            raise Refusal(
                f"architecture: has more than {self._max_layers} layers, which is the limit "
                "(JOBYARD_MAX_NETWORK_LAYERS)"
            )
        if not isinstance(given, dict):
            raise place.refuse(f"should be a layer, is {shown(given)}")
        kind = _kind(given, place)
        config = given.get("config")
        if not isinstance(config, dict):
            raise place.refuse("has no config")
        if "name" not in config:
            raise place.refuse("has no name in its config")
        named = name(config["name"], place.key("config").key("name"))
        if given.get("name", named) != named:
            raise place.refuse("has another name than its config: should have one")
        element = self._of_kind(kind, named, given, place, depth)
        self._is_not_shared(given, place)
        return element

    def _is_not_shared(self, given: dict[str, Any], place: Place) -> None:
        """Keras gives an object that is in several places a number."""
        number = given.get("shared_object_id")
        if number is None:
            return
        if integer(-(2**63), 2**64)(number, place.key("shared_object_id")) in self._shared:
            raise place.refuse("is one with a layer elsewhere in the file: should be in one model only")
        self._shared.add(number)

    def _of_kind(
        self, kind: tuple[str, str], named: str, given: dict[str, Any], place: Place, depth: int
    ) -> Element:
        if kind in (FUNCTIONAL, SEQUENTIAL):
            model = self._model(given, kind, place, depth + 1)
            return ModelElement(place, kind, named, {}, model=model)
        config, at = given["config"], place.key("config")
        if kind == INPUT:
            checked = mapping(config, at, _INPUT_CONFIG, frozenset({"batch_shape"}))
            if checked["batch_shape"][0] is not None:
                raise at.key("batch_shape").refuse("has a fixed batch size: should begin with null")
            return InputElement(place, kind, named, checked)
        if kind in OPERATIONS:
            operation = OPERATIONS[kind]
            return OperationElement(
                place, kind, named, mapping(config, at, operation.config), declaration=operation
            )
        if kind not in LAYERS:
            raise _unknown(kind, place)
        layer = LAYERS[kind]
        checks = {**COMMON, **layer.config, **({"layer": _as_it_is} if layer.wraps else {})}
        checked = mapping(config, at, checks, layer.required)
        wrapped = self._wrapped(checked.pop("layer"), at.key("layer")) if layer.wraps else None
        return LayerElement(place, kind, named, checked, declaration=layer, wrapped=wrapped)

    def _wrapped(self, given: Any, place: Place) -> LayerElement:
        """The layer that a wrapper applies: no model and no wrapper again, so that it has no depth."""
        element = self._element(given, place, 0) if _may_be_wrapped(given) else None
        if not isinstance(element, LayerElement):
            raise place.refuse("should be a layer of one input, no model and no wrapper")
        return element


def _as_it_is(value: Any, place: Place) -> Any:
    return value


def _add(elements: dict[str, Element], element: Element) -> None:
    if element.name in elements:
        raise element.place.refuse(f"has the name of another layer, '{element.name}': should have its own")
    elements[element.name] = element


def _unused(wanted: str, elements: Mapping[str, Element]) -> str:
    while wanted in elements:
        wanted += "_"
    return wanted


def _input(shape: list[int | None] | None, named: str, place: Place, depth: int) -> InputElement:
    """The input of a Sequential model without one: a nested model takes what it is given."""
    if shape is None and depth == 0:
        raise place.refuse("has no input: should begin with keras.Input((height, width, 3))")
    if shape is not None and shape[0] is not None:
        raise place.key("build_input_shape").refuse("has a fixed batch size: should begin with null")
    return InputElement(place, INPUT, named, {} if shape is None else {"batch_shape": shape})


def _may_be_wrapped(given: Any) -> bool:
    kind = kind_of(given) if isinstance(given, dict) else None
    layer = LAYERS.get(kind) if kind is not None else None
    return layer is not None and layer.inputs == "one" and not layer.wraps


def _kind(given: dict[str, Any], place: Place) -> tuple[str, str]:
    """Module and class as written, where what is around them is as Keras 3 writes it."""
    kind = kind_of(given)
    if kind is None:
        raise place.refuse("has no module and class_name: should be as Keras 3 writes it")
    registered = given.get("registered_name")
    if registered is not None and registered != kind[1]:
        raise place.refuse(
            f"registered_name should be null, is {shown(registered)}: registered objects are code"
        )
    unknown = next((key for key in given if key not in _ENVELOPE), None)
    if unknown is not None:
        raise place.refuse(f"has the key {shown(unknown)}: should be as Keras 3 writes it")
    return kind


def _unknown(kind: tuple[str, str], place: Place) -> Refusal:
    module, class_name = kind
    if module == "keras.layers" and class_name in REASONS:
        return place.refuse(f"is a {class_name}, which Jobyard doesn't build: {REASONS[class_name]}")
    if module.startswith(("keras.engine", "keras.src.engine", "tf_keras", "tensorflow")):
        return place.refuse(f"is of {_of(kind)}, of Keras 2: should be what Keras 3 writes")
    what = "a layer of keras.layers that Jobyard knows" if module != "keras.layers" else "another layer"
    return place.refuse(f"is of {_of(kind)}, which Jobyard doesn't build: should be {what}")


def _not_of_keras_2(document: dict[str, Any], place: Place) -> None:
    module = document.get("module")
    old = isinstance(module, str) and ".engine" in module
    if old or (module is None and "keras_version" in document):
        version = shown(document.get("keras_version", "2"))
        raise place.refuse(
            f"was written by Keras 2 (version {version}): should be what Keras 3 writes: build the model "
            "with Keras 3, or load its .h5 file with it, and write model.to_json() again"
        )


def _of(kind: tuple[str, str]) -> str:
    return f"module {shown(kind[0])}, class {shown(kind[1])}"
