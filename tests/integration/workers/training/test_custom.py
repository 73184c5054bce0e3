"""A network of somebody's own is trained as those of this program are."""

import hashlib
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from jobyard.shared.errors import Stopping, WorkError
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.networks import model_file
from jobyard.workers.networks.architecture import Limits
from jobyard.workers.networks.model_file import ModelFile
from jobyard.workers.prediction.explain import Explainer
from jobyard.workers.training.fit import Training, train
from tests.architectures import conv, layer, pictures, sequential
from tests.integration.workers.training.resumable import Folder, Upserts, assert_same, run

ID = "00000000-0000-0000-0000-000000000000"
SPEC = TrainSpec.model_validate(
    {"dataset": "drawn", "network": "custom", "architecture": ID, "epochs": 2, "batch_size": 8}
)


def everything() -> dict[str, Any]:
    """What has a state beside its weights: random layers, normalisations, wrappers, also in nested models."""
    pixels = keras.Input((None, None, 3))
    x = layers.RandomContrast(0.1)(layers.RandomFlip()(layers.RandomRotation(0.1)(pixels)))
    x = layers.Rescaling(1 / 127.5, -1)(x)
    inner = keras.Sequential(
        [layers.SpectralNormalization(layers.Conv2D(8, 3, strides=2)), layers.SpatialDropout2D(0.2)]
    )
    x = layers.BatchNormalization(momentum=0.8)(layers.GaussianNoise(0.1)(inner(x)))
    x = layers.ReLU()(x) * ops_mean(x)
    x = layers.Conv2D(8, 3, strides=2, kernel_regularizer="l2", kernel_constraint="max_norm")(x)
    x = layers.Reshape((-1, 8))(x)
    x = layers.MultiHeadAttention(2, 4, dropout=0.2)(x, x)
    x = layers.AlphaDropout(0.1)(layers.GaussianDropout(0.1)(layers.Dropout(0.1)(x)))
    document: dict[str, Any] = json.loads(keras.Model(pixels, x).to_json())
    return document


def ops_mean(x: Any) -> Any:
    return keras.ops.sigmoid(keras.ops.mean(x, axis=[1, 2], keepdims=True))


def test_an_interrupted_training_ends_as_one_that_was_not(dataset: Path, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"precision": "mixed_bfloat16", "image_size": 32})
    options = {"architecture": everything()}
    whole = run(spec, dataset, tmp_path / "whole", Upserts(), **options)
    kept = Folder(tmp_path / "kept")
    with pytest.raises(Stopping):
        run(spec, dataset, tmp_path / "part", Upserts(until=48 + 7), kept, **options)
    progress = Upserts()
    resumed = run(spec, dataset, tmp_path / "resumed", progress, kept, **options)
    assert progress.phases[0].startswith("resuming after epoch")
    assert_same(resumed, whole)


def test_a_layer_that_counts_in_whole_numbers_is_trained_too(dataset: Path, tmp_path: Path) -> None:
    network = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, strides=2),
            layers.Normalization(),
            layers.GlobalAveragePooling2D(),
        ]
    )
    spec = SPEC.model_copy(update={"epochs": 1, "precision": "float32"})
    training = train(spec, dataset, tmp_path, Upserts(), architecture=json.loads(network.to_json()))

    model = keras.models.load_model(training.model_path, compile=False)
    assert "int64" in {weight.dtype for weight in model.weights}


@pytest.fixture(scope="module")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Training, ModelFile]:
    """A model of a Sequential network that ends in ten classes, which are none of the data set's."""
    network = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    folder = tmp_path_factory.mktemp("trained")
    spec = SPEC.model_copy(update={"epochs": 12, "precision": "mixed_bfloat16", "learning_rate": 0.01})
    found = train(spec, dataset, folder, Upserts(), architecture=json.loads(network.to_json()))
    return found, ModelFile("own@1", found.model_path, found.sha256, found.classes, found.image_size)


def test_it_learns_and_its_model_is_plain_keras(trained: tuple[Training, ModelFile]) -> None:
    training, saved = trained
    assert training.evaluation["accuracy"] == 1
    assert training.image_size == 24

    model = keras.models.load_model(saved.path, compile=False)
    assert (model.input_shape, model.output_shape) == ((None, 24, 24, 3), (None, 1))
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    assert "jobyard" not in json.dumps(model.get_config())
    maps = Explainer(model).maps(np.zeros((2, 24, 24, 3), np.uint8), np.array([0, 1]))
    assert maps.shape[0] == 2


def test_a_training_goes_on_from_the_model_without_its_file(
    trained: tuple[Training, ModelFile], dataset: Path, tmp_path: Path
) -> None:
    _, saved = trained
    spec = SPEC.model_copy(
        update={"architecture": None, "epochs": 1, "learning_rate": 1e-7, "init_from": "own@1"}
    )
    again = train(
        spec,
        dataset,
        tmp_path,
        Upserts(),
        init_from=saved,
        architecture=model_file.architecture(saved),
    )
    assert again.head == "kept"
    before, after = (keras.models.load_model(path, compile=False) for path in (saved.path, again.model_path))
    for old, new in zip(before.get_weights(), after.get_weights(), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-4)


@pytest.mark.parametrize("first", ["none", "Normalization"])
def test_pixels_of_a_registered_model_are_scaled_as_they_were(
    first: str, dataset: Path, tmp_path: Path
) -> None:
    """Its file has all that is done to pixels of 0…255: nothing, or what it has learned of them."""
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((24, 24, 3))])
    if first == "Normalization":
        network.add(layers.Normalization())
        network.layers[-1].adapt(np.array([[[[60.0, 70, 80]]], [[[140.0, 130, 120]]]]))
    network.add(layers.Conv2D(4, 3, strides=2, activation="relu"))
    network.add(layers.GlobalAveragePooling2D())
    network.add(layers.Dense(1, activation="sigmoid"))
    path = tmp_path / "registered.keras"
    network.save(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    saved = ModelFile("own@1", path, sha256, ["blue", "red"], 24)
    spec = TrainSpec.model_validate(
        {
            "dataset": "drawn",
            "network": "custom",
            "init_from": "own@1",
            "epochs": 1,
            "batch_size": 8,
            "learning_rate": 1e-9,
            "precision": "float32",
        }
    )
    trained = train(
        spec, dataset, tmp_path, Upserts(), init_from=saved, architecture=model_file.architecture(saved)
    )

    after = keras.models.load_model(trained.model_path, compile=False)
    pixels = np.random.default_rng(0).uniform(0, 255, (4, 24, 24, 3)).astype(np.float32)
    np.testing.assert_allclose(after(pixels), network(pixels), rtol=0, atol=1e-5)


def test_two_outputs_of_a_softmax_are_trained_as_they_are(dataset: Path, tmp_path: Path) -> None:
    document = sequential(
        pictures(),
        conv("first", activation="relu"),
        layer("Flatten", "flat"),
        layer("Dense", "classes", units=2, activation="softmax"),
    )
    spec = SPEC.model_copy(
        update={"head": "keep", "epochs": 8, "label_smoothing": 0.1, "learning_rate": 0.01}
    )
    found = train(spec, dataset, tmp_path, Upserts(), architecture=document)
    assert keras.models.load_model(found.model_path, compile=False).output_shape == (None, 2)
    assert found.evaluation["accuracy"] == 1


def test_what_cannot_be_trained_fails_with_its_place(dataset: Path, tmp_path: Path) -> None:
    def failing(document: Any, **changed: Any) -> str:
        limits = changed.pop("limits", None)
        spec = SPEC.model_copy(update=changed)
        with pytest.raises(WorkError) as caught:
            train(spec, dataset, tmp_path, Upserts(), architecture=document, limits=limits)
        return str(caught.value)

    evil = sequential(pictures(), layer("Lambda", "evil", function={}))
    assert failing(evil).startswith("architecture: layers[1] 'evil': is a Lambda")
    small = sequential(pictures(), conv("first"))
    assert "image_size is 64: should be the same, or left out" in failing(small, image_size=64)
    assert "JOBYARD_MAX_NETWORK_PARAMETERS" in failing(small, limits=Limits(parameters=9))
    odd = sequential(pictures(), conv("first", strides=[2, 2], dilation_rate=[2, 2]))
    assert failing(odd).startswith("architecture: Keras can't build it: ")
