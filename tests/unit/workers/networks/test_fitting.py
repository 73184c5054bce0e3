"""What becomes of an architecture's input and output when it is fitted to classes."""

from typing import Any

import pytest

from jobyard.workers.networks.architecture import Refusal
from jobyard.workers.networks.architecture.fitting import DEFAULT_SIDE, Fitted, fit
from tests.architectures import (
    Json,
    branched,
    called,
    conv,
    functional,
    layer,
    operation,
    pictures,
    plain,
    sequential,
)


def layers_of(fitted: Fitted, precision: str = "float32") -> list[Json]:
    made: list[Json] = fitted.config(precision)["config"]["layers"]
    return made


def names(fitted: Fitted) -> list[str]:
    return [one["config"]["name"] for one in layers_of(fitted)]


def network(*layers: Json) -> Json:
    return sequential(pictures(), conv("first"), *layers)


def softmax(units: int) -> Json:
    return layer("Dense", "top", units=units, activation="softmax")


def test_a_head_for_these_classes_is_kept() -> None:
    found = fit(network(layer("Flatten", "flat"), softmax(5)), 5)
    assert found.head == "own"
    assert names(found) == ["pixels", "rescaling", "first", "flat", "top"]

    one = fit(network(layer("Flatten", "flat"), layer("Dense", "top", units=1, activation="sigmoid")), 2)
    assert (one.head, one.architecture.output_shape) == ("own", (1,))
    assert fit(network(layer("Flatten", "flat"), softmax(2)), 2).head == "own"


@pytest.mark.parametrize(
    ("top", "left"),
    [
        ([layer("Flatten", "flat"), softmax(1000)], ["flat"]),
        ([layer("Flatten", "flat"), layer("Dense", "top", units=3)], ["flat"]),  # logits
        ([conv("logits", 1000), layer("GlobalAveragePooling2D", "mean"), layer("Softmax", "soft")], ["mean"]),
        (
            [
                conv("logits", 1000, kernel_size=[1, 1]),
                layer("Flatten", "flat"),
                layer("Activation", "soft", activation="softmax"),
            ],
            ["mean"],
        ),
    ],
)
def test_a_head_for_other_classes_is_replaced(top: list[Json], left: list[str]) -> None:
    if len(top) == 3 and top[1]["class_name"] == "Flatten":
        top = [layer("GlobalAveragePooling2D", "small", keepdims=True), *top]
        left = ["small", *left]
    found = fit(network(*top), 3)
    assert found.head == "replaced"
    assert names(found) == ["pixels", "rescaling", "first", *left, "probabilities"]
    assert found.architecture.output_shape == (3,)


def test_features_get_a_head() -> None:
    assert names(fit(network(), 3))[-2:] == ["mean", "probabilities"]
    assert names(fit(network(layer("Reshape", "tokens", target_shape=[900, 4])), 2))[-2:] == [
        "mean",
        "probability",
    ]
    found = fit(network(layer("Flatten", "flat"), layer("Dense", "features", units=64, activation="relu")), 3)
    assert found.head == "added"
    assert names(found)[-2:] == ["features", "probabilities"]


def test_the_head_of_a_nested_model_is_replaced_in_it() -> None:
    inner = sequential(
        pictures(name="inner_pixels"), conv("deep"), layer("Flatten", "flat"), softmax(9), name="inner"
    )
    found = fit(sequential(pictures(), inner), 3)
    assert names(found) == ["pixels", "rescaling", "inner", "probabilities"]
    assert [one["config"]["name"] for one in layers_of(found)[2]["config"]["layers"]] == [
        "inner_pixels",
        "deep",
        "flat",
    ]

    alone = sequential(layer("InputLayer", "i", batch_shape=[None, 3600]), softmax(9), name="top_only")
    found = fit(sequential(pictures(), conv("deep"), layer("Flatten", "flat"), alone), 3)
    assert names(found) == ["pixels", "rescaling", "deep", "flat", "probabilities"]


def test_a_head_that_something_else_needs_stays() -> None:
    twice = called(layer("Dense", "twice", units=9, activation="softmax"), "flat")
    twice["inbound_nodes"].append({"args": [_of("twice")], "kwargs": {}})
    document = functional(called(pictures()), called(layer("Flatten", "flat"), "pixels"), twice)
    document["config"]["output_layers"] = ["twice", 1, 0]
    found = fit(document, 3)
    assert found.head == "added"
    assert names(found)[-2:] == ["twice", "probabilities"]


def _of(name: str) -> Any:
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None], "dtype": "float32", "keras_history": [name, 0, 0]},
    }


def test_keep_wants_outputs_that_are_the_classes() -> None:
    assert fit(plain(), 10, head="keep").head == "own"
    with pytest.raises(
        Refusal, match=r"output of \(10\) with softmax: should be 3 with softmax for 3 classes"
    ):
        fit(plain(), 3, head="keep")
    with pytest.raises(Refusal, match="2 with softmax or 1 with sigmoid"):
        fit(plain(), 2, head="keep")


def test_pixels_are_scaled_once() -> None:
    assert "rescaling" not in names(fit(plain(), 3))
    with pytest.raises(
        Refusal, match=r"scales pixels itself, at layers\[1\] 'scale': rescale should be left out"
    ):
        fit(plain(), 3, rescale="0..1")
    with pytest.raises(Refusal, match=r"at layers\[1\] 'halved'"):
        fit(branched(), 3, rescale="-1..1")
    scales = {
        rescale: layers_of(fit(network(), 3, rescale=rescale))[1]["config"]
        for rescale in ("auto", "0..1", "-1..1", "none")
    }
    assert scales["auto"] == scales["0..1"] | {"scale": 1 / 255, "offset": 0.0}
    assert (scales["-1..1"]["scale"], scales["-1..1"]["offset"]) == (1 / 127.5, -1.0)
    assert scales["none"]["name"] == "first"


def test_scaling_in_the_middle_is_not_that_of_pixels() -> None:
    found = fit(
        network(layer("BatchNormalization", "bn"), layer("Rescaling", "later", scale=0.5, offset=0.0)), 3
    )
    assert names(found)[:2] == ["pixels", "rescaling"]


def test_an_operation_that_takes_pixels_takes_them_scaled() -> None:
    document = functional(
        called(pictures()),
        called(conv("first", 3, padding="same"), "pixels"),
        called(operation("Add", "both"), "first", "pixels"),
    )
    layers = {one["config"]["name"]: one for one in layers_of(fit(document, 3))}
    histories = [one["config"]["keras_history"][0] for one in layers["both"]["inbound_nodes"][0]["args"]]
    assert histories == ["first", "rescaling"]


def test_a_size_that_is_open_has_a_default() -> None:
    document = sequential(pictures(None), conv("first"))
    assert fit(document, 3).image_size == DEFAULT_SIDE
    assert fit(document, 3, image_size=64).image_size == 64
    assert fit(plain(), 3).image_size == 32


def test_all_but_scaling_and_probabilities_compute_with_the_precision() -> None:
    found = fit(branched(), 3)
    policies = {
        one["config"]["name"]: one["config"]["dtype"]["config"]["name"]
        for one in layers_of(found, "mixed_bfloat16")
        if isinstance(one["config"].get("dtype"), dict)
    }
    assert policies == {
        "shared": "mixed_bfloat16",
        "wrapped": "mixed_bfloat16",
        "joined": "mixed_bfloat16",
        "tokens": "mixed_bfloat16",
        "attention": "mixed_bfloat16",
        "mean": "mixed_bfloat16",
        "classes": "float32",
    }
    assert "bfloat16" not in str(found.config("float32"))


def test_an_architecture_of_another_precision_is_trained_with_the_jobs() -> None:
    found = fit(network(conv("half", dtype="float16")), 3)
    assert "float16" not in str(found.config("float32"))
