import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from jobyard.shared.errors import Cancelled, WorkError
from jobyard.shared.kinds.train import TrainSpec
from jobyard.shared.pictures import prepared
from jobyard.workers.networks import building
from jobyard.workers.networks.model_file import ModelFile
from jobyard.workers.training import data, splits
from jobyard.workers.training.batches import training_batches
from jobyard.workers.training.fit import Training, train
from jobyard.workers.training.monitor import Monitor
from jobyard.workers.training.sources import PictureSource
from tests.factories import draw_colours
from tests.reports import Recorder

METRICS = ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]


def spec_of(**changes: Any) -> TrainSpec:
    """Of the network that is quicker to build, unless it is said."""
    return TrainSpec.model_validate(
        {
            "dataset": "drawn",
            "network": "classic",
            "epochs": 2,
            "batch_size": 8,
            "image_size": 32,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> tuple[Training, Any]:
    """One training of three epochs that several tests look at."""
    progress = Recorder()
    spec = spec_of(epochs=3, precision="float32")
    return train(spec, dataset, tmp_path_factory.mktemp("work"), progress), progress


def progress_by_epoch(progress: Any) -> list[list[int]]:
    """The numbers of the batches that were done in each epoch."""
    epochs: list[list[int]] = []
    for event in progress.events:
        if event[0] == "phase" and str(event[1]).startswith("training"):
            epochs.append([])
        elif event[0] == "progress" and event[3] == "batches" and event[1] > 0:
            epochs[-1].append(event[1])
    return epochs


def test_each_epochs_metrics_are_reported_as_soon_as_it_ends(run: tuple[Training, Any]) -> None:
    training, progress = run
    metrics = progress.of("metric")

    assert [(name, step, epoch) for name, step, _, epoch in metrics] == [
        (name, epoch, epoch) for epoch in (1, 2, 3) for name in METRICS
    ]
    kinds = [event for event in progress.events if event[0] != "check"]
    second = kinds.index(("phase", "training epoch 2/3"))
    assert [event[0] for event in kinds[second - 5 : second]] == ["metric"] * 5
    assert training.metrics["final"] == {"epoch": 3} | {name: value for name, _, value, _ in metrics[-5:]}


def test_progress_moves_within_the_epoch_up_to_the_total(run: tuple[Training, Any]) -> None:
    _, progress = run

    assert progress_by_epoch(progress) == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]]
    assert {event[1] for event in progress.of("progress") if event[2] == "batches"} == {15}


def test_phases_say_what_is_done(run: tuple[Training, Any]) -> None:
    phases = [name for (name,) in run[1].of("phase")]

    training = [f"training epoch {epoch}/3" for epoch in (1, 2, 3)]
    assert phases == ["decoding", *training, "evaluating", "saving"]


def test_the_network_learns_to_tell_colours_apart(run: tuple[Training, Any]) -> None:
    training, _ = run

    assert training.metrics["best"]["val_accuracy"] >= 0.9
    assert np.trace(training.evaluation["confusion"]) >= 9


def test_the_record_is_json_and_complete(run: tuple[Training, Any]) -> None:
    training, _ = run
    record = {name: value for name, value in asdict(training).items() if name != "model_path"}

    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert training.classes == ["blue", "red"]
    assert training.counts == {"train": {"blue": 18, "red": 18}, "validation": {"blue": 5, "red": 5}}
    assert (training.epochs_run, training.stopped_early) == (3, None)
    assert set(training.environment) == {
        *("jobyard", "tensorflow", "keras", "numpy", "python"),
        *("device", "processor", "cores", "precision", "seed"),
    }
    assert min(training.timings.values()) > 0
    assert "pictures_per_second" in training.timings


def test_the_evaluation_is_of_the_best_epochs_weights(run: tuple[Training, Any]) -> None:
    training, _ = run

    assert training.evaluation["loss"] == pytest.approx(training.metrics["best"]["val_loss"], rel=1e-4)
    assert training.evaluation["accuracy"] == training.metrics["best"]["val_accuracy"]
    assert training.evaluation["split"] == "validation"
    for mistake in training.evaluation["mistakes"]:
        assert mistake["picture"].startswith(f"validation/{mistake['class']}/")


def test_the_saved_model_is_the_one_that_was_evaluated(run: tuple[Training, Any], dataset: Path) -> None:
    training, _ = run
    content = training.model_path.read_bytes()
    model = keras.models.load_model(training.model_path, compile=False)

    assert training.model_path.name == "model.keras"
    assert (training.bytes, training.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    losses = []
    for name in ("blue", "red"):
        for path in (dataset / "validation" / name).iterdir():
            with path.open("rb") as file:
                red = float(model.predict(prepared(file, 32)[None].astype("float32"), verbose=0)[0, 0])
            losses.append(-np.log(red if name == "red" else 1 - red))
    assert np.mean(losses) == pytest.approx(training.evaluation["loss"], rel=1e-4)


def test_the_same_spec_and_seed_give_the_same_weights_again(
    run: tuple[Training, Any], dataset: Path, tmp_path: Path
) -> None:
    again = train(spec_of(epochs=3, precision="float32"), dataset, tmp_path, Recorder())

    assert again.metrics == run[0].metrics
    first, second = (keras.models.load_model(one.model_path, compile=False) for one in (run[0], again))
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_epoch_has_all_its_steps_though_the_data_is_smaller(dataset: Path, tmp_path: Path) -> None:
    progress = Recorder()
    train(spec_of(epochs=3, steps_per_epoch=7, validation_steps=3), dataset, tmp_path, progress)

    assert [len(epoch) for epoch in progress_by_epoch(progress)] == [7, 7, 7]
    checks = [
        sum(event[0] == "check" for event in progress.events[start:end])
        for start, end in zip(*_validation_bounds(progress.events), strict=True)
    ]
    assert checks == [3, 3, 3]
    assert len(progress.of("metric")) == 15


def _validation_bounds(events: list[Any]) -> tuple[list[int], list[int]]:
    last_batches = [events.index(("progress", 7 * epoch, 21, "batches")) for epoch in (1, 2, 3)]
    losses = [index for index, event in enumerate(events) if event[0] == "metric" and event[1] == "loss"]
    return last_batches, losses


def test_counting_batches_begins_before_the_first_is_done(run: tuple[Training, Any]) -> None:
    _, progress = run

    assert next(event for event in progress.of("progress") if event[2] == "batches") == (0, 15, "batches")


def test_a_cancelled_training_ends_at_that_batch(dataset: Path, tmp_path: Path) -> None:
    progress = Recorder(stop_at_progress=("batches", 2))

    with pytest.raises(Cancelled):
        train(spec_of(), dataset, tmp_path, progress)
    assert progress_by_epoch(progress) == [[1, 2]]
    assert not progress.of("metric")


def test_a_cancelled_training_ends_within_the_validation_too(dataset: Path, tmp_path: Path) -> None:
    progress = Recorder(stop_at_check=1)

    with pytest.raises(Cancelled):
        train(spec_of(), dataset, tmp_path, progress)
    assert progress_by_epoch(progress) == [[1, 2, 3, 4, 5]]
    assert not progress.of("metric")


def test_too_little_memory_is_explained(dataset: Path, tmp_path: Path) -> None:
    error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    progress = Recorder(stop_at_progress=("batches", 1), error=error)

    with pytest.raises(
        WorkError, match=r"out of memory: lower batch_size \(now 8\) or image_size \(now 32\)"
    ):
        train(spec_of(), dataset, tmp_path, progress)


def test_patience_stops_early_and_keeps_the_best_epochs_weights(tmp_path: Path) -> None:
    draw_colours(tmp_path / "noise", ["a", "b"], train=8, validation=4, colour="red")
    spec = spec_of(epochs=40, patience=2, augment={"shear": 0, "zoom": 0, "crop": 0, "flip": False})
    training = train(spec, tmp_path / "noise", tmp_path, Recorder())
    best = training.metrics["best"]

    assert training.epochs_run == best["epoch"] + 2 < 40
    assert training.stopped_early == f"val_loss has not fallen in the 2 epochs after epoch {best['epoch']}"
    assert training.evaluation["loss"] == pytest.approx(best["val_loss"], rel=1e-4)
    assert training.last_path == tmp_path / "last.keras"

    last = keras.models.load_model(training.last_path, compile=False)
    folders = [(label, tmp_path / "noise" / "validation" / name) for label, name in enumerate("ab")]
    losses = []
    for label, folder in folders:
        for path in folder.iterdir():
            with path.open("rb") as file:
                second = float(last.predict_on_batch(prepared(file, 32)[None].astype("float32"))[0, 0])
            losses.append(-np.log(second if label else 1 - second))
    assert np.mean(losses) == pytest.approx(training.metrics["final"]["val_loss"], rel=1e-4)


def test_pictures_of_a_test_folder_judge_the_model_and_nothing_else(dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset, tmp_path / "data")
    for name in ("blue", "red"):
        shutil.copytree(dataset / "train" / name, tmp_path / "data" / "test" / name)
    training = train(spec_of(epochs=1), tmp_path / "data", tmp_path, Recorder())

    assert (training.evaluation["split"], training.evaluation["pictures"]) == ("test", 36)
    assert all(one["picture"].startswith("test/") for one in training.evaluation["mistakes"])


def test_an_epoch_that_is_both_best_and_last_is_kept_once(dataset: Path, tmp_path: Path) -> None:
    training = train(spec_of(epochs=1), dataset, tmp_path, Recorder())

    assert training.last_path is None
    assert not (tmp_path / "last.keras").exists()


def test_smoothed_labels_and_a_schedule_change_the_training_but_not_what_it_is_judged_by(
    dataset: Path, tmp_path: Path
) -> None:
    # The evaluation is in float32, so to compare it with the validation the training has to be, too.
    recipe = {"schedule": "cosine", "warmup_epochs": 0.4, "label_smoothing": 0.4, "weight_decay": 0.01}
    spec = spec_of(epochs=3, patience=1, precision="float32", **recipe)
    training = train(spec, dataset, tmp_path, progress := Recorder())
    rates = [value for name, _, value, _ in progress.of("metric") if name == "learning_rate"]

    # 15 steps, 2 of them warming up: the last ones of the epochs are the numbers 4, 9 and 14.
    expected = [0.0005 * (1 + np.cos(np.pi * (step - 2) / 13)) for step in (4, 9, 14)]
    assert rates == pytest.approx(expected[: len(rates)], rel=1e-4)
    assert training.evaluation["loss"] == pytest.approx(training.metrics["best"]["val_loss"], rel=1e-4)


@pytest.mark.parametrize("minimised", [{"class_weight": {"red": 5}}, {"label_smoothing": 0.4}])
def test_class_weights_and_smoothed_labels_move_the_weights_as_keras_would_and_are_not_in_the_loss(
    dataset: Path, tmp_path: Path, minimised: dict[str, Any]
) -> None:
    """One batch of all pictures, against `train_on_batch`."""
    nothing = {"shear": 0, "zoom": 0, "crop": 0, "flip": False}
    changes = {"epochs": 1, "batch_size": 36, "precision": "float32", "augment": nothing}
    spec = spec_of(**changes, **minimised)
    progress = Recorder()
    training = train(spec, dataset, tmp_path, progress)
    (loss,) = (value for name, _, value, _ in progress.of("metric") if name == "loss")

    split = splits.find(dataset, spec.validation_split, spec.seed)
    pictures, _, _ = data.decode_all(split, 32, tmp_path, Recorder())
    source = PictureSource(pictures, spec.augment)
    ((pixels, labels),) = training_batches(source, 36, None, spec.seed).take(1)
    weighted = "class_weight" in minimised
    keras.utils.set_random_seed(spec.seed)
    model = building.build("classic", 32, 2, "float32", for_training=True)
    plain = float(keras.losses.BinaryCrossentropy()(labels[:, None], model(pixels, training=True)))
    model.compile("adam", keras.losses.BinaryCrossentropy(label_smoothing=spec.label_smoothing))
    weights = {0: 1.0, 1: 5.0} if weighted else None
    found = float(model.train_on_batch(pixels, labels, class_weight=weights))

    assert training.class_weight == ({"blue": 1, "red": 5} if weighted else None)
    assert loss == pytest.approx(plain, rel=1e-5)
    assert found != pytest.approx(plain, rel=1e-4)
    kept = keras.models.load_model(training.model_path, compile=False)
    for mine, theirs in zip(kept.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_balanced_classes_are_judged_as_others(tmp_path: Path) -> None:
    draw_colours(tmp_path / "data", ["red", "blue"], train=6, validation=4)
    draw_colours(tmp_path / "more", ["blue"], train=18)
    for path in (tmp_path / "more/train/blue").iterdir():
        path.rename(tmp_path / "data/train/blue" / f"more-{path.name}")
    training = train(
        spec_of(class_weight="balanced", precision="float32", monitor="val_accuracy"),
        tmp_path / "data",
        tmp_path,
        Recorder(),
    )

    assert training.class_weight == {"blue": 30 / (2 * 24), "red": 30 / (2 * 6)}
    assert training.evaluation["loss"] == pytest.approx(training.metrics["best"]["val_loss"], rel=1e-4)


def test_a_weight_of_no_class_is_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkError, match=r"names the class 'green': the data set's classes are blue, red$"):
        train(spec_of(class_weight={"green": 2}), dataset, tmp_path, Recorder())


def saved_from(training: Training, reference: str = "earlier@1", **changes: Any) -> ModelFile:
    known = {name: getattr(training, name) for name in ("sha256", "classes", "image_size")}
    return ModelFile(reference, training.model_path, **(known | changes))


def test_going_on_from_a_model_begins_where_that_one_ended(
    run: tuple[Training, Any], dataset: Path, tmp_path: Path
) -> None:
    earlier, _ = run
    spec = spec_of(epochs=1, init_from="earlier@1", learning_rate=1e-12)
    training = train(spec, dataset, tmp_path, Recorder(), init_from=saved_from(earlier))

    assert training.head == "kept"
    assert training.evaluation["loss"] == pytest.approx(earlier.evaluation["loss"], rel=1e-4)


def test_for_other_classes_all_but_the_last_layer_goes_on(run: tuple[Training, Any], tmp_path: Path) -> None:
    earlier, _ = run
    draw_colours(tmp_path / "data", ["red", "blue", "green"], train=10)
    spec = spec_of(epochs=1, init_from="earlier@1", learning_rate=1e-12)
    training = train(spec, tmp_path / "data", tmp_path, Recorder(), init_from=saved_from(earlier))

    assert training.head == "new"
    assert keras.models.load_model(training.model_path, compile=False).output_shape == (None, 3)
    assert_same_but_for_the_head(earlier, training)


def test_compact_goes_on_with_pictures_of_another_size(tmp_path: Path) -> None:
    draw_colours(tmp_path / "data", ["red", "blue", "green"], train=10)
    draw_colours(tmp_path / "two", ["red", "blue"], train=10)
    (tmp_path / "small").mkdir()
    recipe = {"network": "compact", "epochs": 1, "precision": "float32"}
    small = train(spec_of(**recipe), tmp_path / "two", tmp_path / "small", Recorder())
    spec = spec_of(**recipe, image_size=48, init_from="earlier@1", learning_rate=1e-12)
    training = train(spec, tmp_path / "data", tmp_path, Recorder(), init_from=saved_from(small))

    assert training.head == "new"
    assert keras.models.load_model(training.model_path, compile=False).input_shape == (None, 48, 48, 3)
    assert_same_but_for_the_head(small, training)


def test_compact_learns_and_what_is_kept_is_what_was_judged(dataset: Path, tmp_path: Path) -> None:
    spec = spec_of(network="compact", epochs=12, precision="float32")
    training = train(spec, dataset, tmp_path, Recorder())
    best = training.metrics["best"]

    assert training.evaluation["accuracy"] == best["val_accuracy"] == 1
    assert training.evaluation["loss"] == pytest.approx(best["val_loss"], rel=1e-4)
    kept = keras.models.load_model(training.model_path, compile=False, safe_mode=True)
    for label, name in enumerate(["blue", "red"]):
        for path in (dataset / "validation" / name).iterdir():
            with path.open("rb") as file:
                pixels = prepared(file, 32)[None].astype("float32")
            assert round(float(kept(pixels)[0, 0])) == label


def assert_same_but_for_the_head(one: Training, other: Training) -> None:
    """In what is trained: what normalisations have seen of the pictures moves with every batch."""
    before, after = (keras.models.load_model(each.model_path, compile=False) for each in (one, other))
    for a, b in zip(before.trainable_weights[:-2], after.trainable_weights[:-2], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6, err_msg=a.path)


@pytest.mark.parametrize(
    ("spec", "changes", "message"),
    [
        (
            {"image_size": 64},
            {},
            "of earlier@1: image_size should be 32, but is 64",
        ),
        ({}, {"sha256": "0" * 64}, "the model file does not match its SHA-256"),
        ({}, {"classes": ["a", "b", "c"]}, "should fit pictures of 32 pixels and 3 classes"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_before_anything_is_decoded(
    run: tuple[Training, Any],
    dataset: Path,
    tmp_path: Path,
    spec: dict[str, Any],
    changes: dict[str, Any],
    message: str,
) -> None:
    progress = Recorder()

    with pytest.raises(WorkError, match=message):
        train(
            spec_of(init_from="earlier@1", **spec),
            dataset,
            tmp_path,
            progress,
            init_from=saved_from(run[0], **changes),
        )
    assert not progress.of("phase")


def test_three_classes_train_without_a_validation_folder_and_in_mixed_precision(tmp_path: Path) -> None:
    draw_colours(tmp_path / "data", ["red", "blue", "green"], train=10)
    training = train(
        spec_of(precision="mixed_bfloat16", validation_split=0.3), tmp_path / "data", tmp_path, Recorder()
    )
    model = keras.models.load_model(training.model_path, compile=False)

    assert training.classes == ["blue", "green", "red"]
    assert training.counts["validation"] == {"blue": 3, "green": 3, "red": 3}
    assert np.array(training.evaluation["confusion"]).sum(axis=1).tolist() == [3, 3, 3]
    assert training.environment["precision"] == "mixed_bfloat16"
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    assert model.predict(np.zeros((1, 32, 32, 3)), verbose=0).sum() == pytest.approx(1)


@pytest.mark.parametrize(("value", "what"), [(float("nan"), "NaN"), (float("inf"), "infinite")])
def test_a_loss_that_blows_up_is_explained(value: float, what: str) -> None:
    monitor = Monitor(Recorder())
    monitor.enter("training", spec_of(learning_rate=0.5), steps=5, before=0)
    monitor.on_epoch_end(0, dict.fromkeys(METRICS, 1.0))

    with pytest.raises(
        WorkError, match=rf"^loss became {what} in epoch 2; try a lower learning_rate \(now 0\.5\)"
    ):
        monitor.on_train_batch_end(0, {"loss": value})


def test_importing_the_packages_does_not_import_tensorflow() -> None:
    code = (
        "import sys, jobyard.workers.training, jobyard.workers.prediction; "
        "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
