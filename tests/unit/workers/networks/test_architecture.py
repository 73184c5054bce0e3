"""What the check of an architecture accepts, and that it refuses the rest with its place."""

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobyard.workers.networks.architecture import Limits, Refusal, check, parse
from jobyard.workers.networks.architecture.layers import LAYERS
from jobyard.workers.networks.architecture.operations import OPERATIONS
from tests.architectures import (
    Json,
    branched,
    called,
    changed,
    conv,
    functional,
    layer,
    operation,
    pictures,
    plain,
    sequential,
    tensor,
)


def refusal(document: Any, **options: Any) -> str:
    with pytest.raises(Refusal) as caught:
        check(document, **options)
    message = str(caught.value)
    assert message.startswith("architecture: ")
    assert "\n" not in message
    assert len(message) < 500
    return message


def with_layer(made: Json) -> Json:
    """A network whose second layer is this one."""
    return sequential(pictures(), made, layer("GlobalAveragePooling2D", "mean"))


def test_a_chain_is_counted_without_keras() -> None:
    found = check(plain())

    assert found.image_size == 32
    assert found.output_shape == (10,)
    assert found.parameters == 3 * 3 * 3 * 8 + 8 + 16 * 16 * 8 * 10 + 10
    assert found.convolution == "layers[2] 'first'"
    assert found.scaling == "layers[1] 'scale'"


def test_branches_shared_layers_and_nested_models_are_counted_once() -> None:
    found = check(branched())

    shared, inner, spectral = 3 * 9 * 3 + 3, 3 * 9 * 4 + 4, 3 * 9 * 4 + 4 + 4
    attention = 3 * (8 + 1) * 8 + (8 + 1) * 8
    assert found.parameters == shared + inner + spectral + attention + 9 * 3
    assert found.scaling == "layers[1] 'halved'"
    assert found.output_shape == (3,)


def test_an_open_size_is_the_callers() -> None:
    document = sequential(
        pictures(None), conv("first"), layer("Flatten", "flat"), layer("Dense", "d", units=2)
    )

    assert check(sequential(pictures(None), conv("first"))).image_size is None
    assert check(document, image_size=10).parameters == 3 * 9 * 4 + 4 + 8 * 8 * 4 * 2 + 2
    assert "should be the same, or left out" in refusal(plain(), image_size=64)


def test_what_is_built_has_no_more_than_was_checked() -> None:
    document = plain()
    document["compile_config"] = {"optimizer": {"module": "os", "class_name": "system", "config": "x"}}
    document["build_config"] = {"input_shape": [None, 7]}
    document["config"]["layers"][2]["build_config"] = {"input_shape": 10**9}

    built = json.dumps(check(document).config())

    assert not [word for word in ('"os"', "system", "build_config", "compile_config") if word in built]
    assert check(json.loads(built)).parameters == check(plain()).parameters


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            layer("Lambda", "evil", function={}),
            "layers[1] 'evil': is a Lambda, which Jobyard doesn't build: it holds",
        ),
        (layer("TFSMLayer", "saved", filepath="/etc"), "layers[1] 'saved': is a TFSMLayer, which Jobyard"),
        (layer("StringLookup", "words", vocabulary="/etc/passwd"), "is a StringLookup"),
        (
            layer("Conv2D", "x", filters=2**70, kernel_size=[3, 3]),
            "filters: should be a whole number from 1 to",
        ),
        (layer("Conv2D", "x", filters=True, kernel_size=[3, 3]), "filters: should be a whole number"),
        (layer("Conv2D", "x", filters=2), "has no 'kernel_size', which this class needs"),
        (conv("x", lora_rank=3), "has the key 'lora_rank', which this class doesn't have"),
        (conv("x", activation="os.system"), "should be an activation of Keras"),
        (
            conv("x", activation={"module": "os", "class_name": "function", "config": "system"}),
            "keras.activations",
        ),
        (conv("x", activation={"class_name": "__lambda__", "config": {"value": "x"}}), "class '__lambda__'"),
        (conv("x", kernel_initializer={"module": "os", "class_name": "Zeros", "config": {}}), "module 'os'"),
        (conv("x", data_format="channels_first"), "should be 'channels_last', is 'channels_first'"),
        (conv("x", dtype="float64"), "should be 'float32' or"),
        (
            conv("x", dtype={"module": "keras", "class_name": "QuantizedDTypePolicy", "config": {}}),
            "DTypePolicy",
        ),
        (conv("x\u200b"), "should be a name of letters"),
        (layer("Conv2D\u200b", "x"), "which Jobyard doesn't build"),
        (layer("Соnv2D", "x"), "which Jobyard doesn't build"),
        (layer("Conv2D", "x", module="keras.src.layers", filters=1, kernel_size=3), "'keras.src.layers'"),
        (layer("ReLU", "x", max_value=float("inf")), "should be a number"),
        (layer("ReLU", "x", max_value=float("nan")), "should be a number"),
        (layer("ReLU", "x", max_value=10**400), "should be a number"),
        ({**conv("x"), "registered_name": "my>Conv2D"}, "registered objects are code"),
        (conv("x", kernel_size=[40, 40]), "passes a window of 40 over 32"),
        ([], "should be a layer, is []"),
    ],
)
def test_what_is_refused_is_named_with_its_place(made: Any, message: str) -> None:
    if isinstance(made, dict):
        made["config"].setdefault("name", "x")
    assert message in refusal(with_layer(made))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (layer("Dense", "big", units=10**6), "parameters"),
        (layer("Embedding", "big", input_dim=10**6, output_dim=10**6), "parameters"),
        (layer("UpSampling2D", "big", size=[4096, 4096]), "values for each picture"),
        (layer("ZeroPadding2D", "big", padding=4097), "should be a whole number from 0 to 4096"),
    ],
)
def test_limits_are_counted_before_anything_is_built(made: Json, message: str) -> None:
    flat = sequential(pictures(), layer("Reshape", "flat", target_shape=[1, 1, 3072]), made)
    assert message in refusal(flat if made["class_name"] == "Dense" else with_layer(made))


def test_each_limit_is_a_setting() -> None:
    assert "limit" in refusal(plain(), limits=Limits(layers=6))
    assert "MAX_NETWORK_PARAMETERS" in refusal(plain(), limits=Limits(parameters=100))
    assert "MAX_NETWORK_VALUES" in refusal(plain(), limits=Limits(values=100))


def test_a_million_layers_are_refused_by_their_number() -> None:
    few = [layer("ReLU", f"r{number}") for number in range(3_000)]
    assert "more than 2000 layers" in refusal(sequential(pictures(), *few, *[few[0]] * 1_000_000))


def test_nested_models_that_call_each_other_twice_are_counted_as_they_run() -> None:
    inner = sequential(layer("ReLU", "relu"), name="m0")
    for depth in range(1, 9):
        name = f"m{depth - 1}"
        twice = {**called(inner, "pixels"), "name": name}
        for number in range(3):
            twice["inbound_nodes"].append({"args": [tensor(name, number)], "kwargs": {}})
        inner = functional(called(pictures()), twice, name=f"m{depth}")
        inner["config"]["output_layers"] = [name, 3 + (depth > 1), 0]
    assert "calls its layers more than 2000 times" in refusal(inner)


def test_models_are_nested_only_so_deep() -> None:
    inner = sequential(layer("ReLU", "relu"))
    for _ in range(30):
        inner = sequential(inner)
    inner["config"]["layers"].insert(0, pictures())
    assert "nested more than 10 deep" in refusal(inner)


def test_loops_and_strangers_in_the_graph_are_refused() -> None:
    first, second = called(conv("a"), "b"), called(conv("b"), "a")
    assert "loop" in refusal(functional(called(pictures()), first, second))
    assert "not in this model" in refusal(functional(called(pictures()), called(conv("a"), "who")))
    assert "not in this model" in refusal(
        functional(called(pictures()), called(conv("a"), tensor("pixels", 1)))
    )
    assert "has the name of another layer" in refusal(sequential(pictures(), conv("a"), conv("a")))


def test_pictures_go_in_and_features_come_out() -> None:
    assert "should be pictures" in refusal(
        sequential(layer("InputLayer", "x", batch_shape=[None, 8]), layer("ReLU", "a"))
    )
    grey = sequential(layer("InputLayer", "x", batch_shape=[None, 32, 32, 1]), conv("a"))
    assert "should be pictures, (height, width, 3)" in refusal(grey)
    wide = sequential(layer("InputLayer", "x", batch_shape=[None, 32, 48, 3]), conv("a"))
    assert "should be a square" in refusal(wide)
    assert "has no input" in refusal(sequential(conv("a")))
    assert "should begin with null" in refusal(
        sequential(layer("InputLayer", "x", batch_shape=[8, 32, 32, 3]), conv("a"))
    )
    deep = [pictures(), *(layer("Reshape", "r", target_shape=[32, 32, 3, 1]) for _ in range(1))]
    assert "has an output of (32, 32, 3, 1)" in refusal(sequential(*deep))


def test_operations_leave_the_batch_alone() -> None:
    def of(made: Json, *arguments: Any) -> str:
        return refusal(functional(called(pictures()), called(made, "pixels", *arguments)))

    assert "batch" in of(operation("Mean", "m", axis=None))
    assert "axis 0" in of(operation("Mean", "m", axis=[0]))
    assert "batch" in of(operation("GetItem", "g"), 0)
    assert "batch" in of(operation("Reshape", "r", newshape=[32, -1]))
    assert "don't fit together" in of(
        operation("Add", "a"),
        {"class_name": "__tensor__", "config": {"value": [1.0, 2.0], "dtype": "float32"}},
    )
    assert "at most 4 dimensions" in of(
        operation("Add", "a"),
        {"class_name": "__numpy__", "config": {"value": [[[[[[1.0]]]]]], "dtype": "float32"}},
    )
    assert "should be an array of 1 to 4096" in of(
        operation("Add", "a"),
        {"class_name": "__tensor__", "config": {"value": [0.0] * 5000, "dtype": "float32"}},
    )


def test_a_layer_that_is_in_two_places_is_refused() -> None:
    twice = [{**conv(name), "shared_object_id": 7} for name in ("a", "b")]
    assert "layers[2] 'b': is one with a layer elsewhere" in refusal(sequential(pictures(), *twice))
    assert check(sequential(pictures(), twice[0])).parameters == 3 * 9 * 4 + 4


def test_files_of_keras_2_are_told_apart() -> None:
    old = {"class_name": "Sequential", "config": {"name": "s", "layers": []}, "keras_version": "2.15.0"}
    assert "was written by Keras 2 (version '2.15.0')" in refusal(old)
    assert "Keras 2" in refusal(
        {**plain(), "module": "keras.src.engine.functional", "class_name": "Functional"}
    )
    legacy = functional(
        called(pictures()), {**called(conv("a"), "pixels"), "inbound_nodes": [[["pixels", 0, 0, {}]]]}
    )
    assert "as Keras 2 writes it" in refusal(legacy)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04rest", "should be the config.json in it"),
        (b"\x89HDF\r\n", "is an HDF5 file"),
        (b'{"a": 1, "a": 2}', "has the key 'a' twice"),
        (b'{"a": NaN}', "has the number NaN"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number of too many digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"{", "is not JSON (line 1, column 2)"),
        (b"[]", "should be a JSON object, is []"),
        (json.dumps(json.dumps({})).encode(), "JSON within JSON"),
        (b" " * (8 * 1024**2 + 1), "should have at most 8,388,608"),
    ],
)
def test_a_file_is_json_that_means_one_thing(data: bytes, message: str) -> None:
    with pytest.raises(Refusal, match=r"^architecture: ") as caught:
        parse(data)
    assert message in str(caught.value)


CLASSES = [
    *(kind for kind in [*LAYERS, *OPERATIONS]),
    *(("keras.layers", name) for name in ("Lambda", "TFSMLayer", "StringLookup", "LSTM", "Nothing")),
    ("keras", "Sequential"),
    ("keras.src.models.functional", "Functional"),
    ("os", "system"),
    ("builtins", "function"),
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "relu", "same", "__lambda__", "../x", "pixels", "shared", "\ud800", "float32", "1"]),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All paths into a document."""
    steps = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    return [path, *(found for step, inner in steps for found in places(inner, (*path, step)))]


def allowed(value: Any) -> None:
    """Fail at anything in a config to be built that is no class of the tables."""
    if isinstance(value, list):
        for one in value:
            allowed(one)
    if not isinstance(value, dict):
        return
    if "class_name" in value:
        kind = (value.get("module"), value["class_name"])
        known = (
            kind in LAYERS
            or kind in OPERATIONS
            or kind
            in (
                ("keras.layers", "InputLayer"),
                ("keras", "Sequential"),
                ("keras", "DTypePolicy"),
                ("keras.src.models.functional", "Functional"),
                *((None, name) for name in ("__keras_tensor__", "__tensor__", "__slice__", "__ellipsis__")),
            )
        )
        assert known or kind[0] in ("keras.initializers", "keras.regularizers", "keras.constraints"), kind
        assert value.get("registered_name") in (None, value["class_name"])
        assert not value.keys() & {"build_config", "compile_config"}
    for one in value.values():
        allowed(one)


@settings(max_examples=400)
@given(data=st.data())
def test_a_file_changed_at_random_is_built_from_the_tables_or_refused(data: st.DataObject) -> None:
    document: Any = copy.deepcopy(data.draw(st.sampled_from([plain(), branched()])))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(document)))
        target: Any = document
        for step in path[:-1]:
            target = target[step]
        inner: Any = target[path[-1]] if path else document
        how = data.draw(st.sampled_from(["replace", "insert", "class", "delete", "copy"]))
        if how == "class" and isinstance(inner, dict):
            inner["module"], inner["class_name"] = data.draw(st.sampled_from(CLASSES))
        elif how == "insert" and isinstance(inner, dict):
            inner[data.draw(st.sampled_from(["module", "config", "layer", "fn", "lora_rank", "name"]))] = (
                data.draw(VALUES)
            )
        elif not path:
            document = data.draw(VALUES)
        elif how == "delete":
            del target[path[-1]]
        else:
            target[path[-1]] = copy.deepcopy(document) if how == "copy" else data.draw(VALUES)
        if not isinstance(document, dict):
            break
    with contextlib.suppress(Refusal):
        found = check(document)
        built = found.config()
        allowed(built)
        again = check(built)
        assert (again.parameters, again.output_shape) == (found.parameters, found.output_shape)


@settings(max_examples=300)
@given(document=VALUES)
def test_anything_else_is_refused(document: Any) -> None:
    refusal(document)


def test_a_changed_document_is_a_copy() -> None:
    before = plain()
    changed(before, ["config", "layers", 2, "config", "filters"], 9)
    assert before == plain()
