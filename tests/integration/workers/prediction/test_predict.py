import io
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

from jobyard.shared.errors import Cancelled, NotFound
from jobyard.shared.pictures import prepared
from jobyard.workers.prediction.predict import Picture, PicturePrediction, predict
from tests.reports import Recorder

Png = Callable[[int], bytes]


def pictures_of(png: Png, count: int) -> list[Picture]:
    return [(f"{number}.png", lambda number=number: io.BytesIO(png(number))) for number in range(count)]


def pixels_of(png: Png, count: int) -> Any:
    arrays = [prepared(io.BytesIO(png(number)), 32) for number in range(count)]
    return np.stack(arrays).astype("float32")


def test_a_single_pictures_probability_is_exactly_what_keras_predicts(
    load: Callable[..., Any], png: Png
) -> None:
    model, path = load(["cat", "dog"])
    expected = keras.models.load_model(path, compile=False).predict(pixels_of(png, 1), verbose=0)
    (prediction,) = predict(model, pictures_of(png, 1), 1, None, Recorder())

    assert prediction.probabilities["dog"] == float(expected[0, 0])
    assert prediction.probabilities["cat"] == 1 - float(expected[0, 0])


@pytest.mark.parametrize("classes", [["cat", "dog"], ["ant", "bee", "cow"]])
def test_many_pictures_come_out_in_order_and_as_keras_predicts(
    load: Callable[..., Any], png: Png, classes: list[str]
) -> None:
    model, path = load(classes)
    expected = keras.models.load_model(path, compile=False).predict(pixels_of(png, 70), verbose=0)
    progress = Recorder()
    predictions = list(predict(model, pictures_of(png, 70), 70, None, progress))

    assert [prediction.image for prediction in predictions] == [f"{number}.png" for number in range(70)]
    outputs = [
        [prediction.probabilities[name] for name in (classes[1:] if len(classes) == 2 else classes)]
        for prediction in predictions
    ]
    np.testing.assert_allclose(outputs, expected, rtol=1e-5)
    assert progress.steps == [(32, 70, "pictures"), (64, 70, "pictures"), (70, 70, "pictures")]


def test_probabilities_are_sorted_limited_and_headed_by_the_label(load: Callable[..., Any], png: Png) -> None:
    model, _ = load(["ant", "bee", "cow"])
    (whole,) = predict(model, pictures_of(png, 1), 1, None, Recorder())
    (limited,) = predict(model, pictures_of(png, 1), 1, 2, Recorder())

    values = list(whole.probabilities.values())
    assert set(whole.probabilities) == {"ant", "bee", "cow"}
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1)
    assert (whole.label, whole.probability) == next(iter(whole.probabilities.items()))
    assert list(limited.probabilities.items()) == list(whole.probabilities.items())[:2]


def test_a_picture_that_can_not_be_read_costs_its_own_row_only(load: Callable[..., Any], png: Png) -> None:
    def gone() -> Any:
        raise NotFound("there is no file 'gone.png'")

    model, _ = load(["cat", "dog"])
    good = pictures_of(png, 2)
    pictures = [
        good[0],
        ("text.png", lambda: io.BytesIO(b"hello")),
        ("cut.png", lambda: io.BytesIO(png(0)[:-400])),
        ("gone.png", gone),
        good[1],
    ]
    predictions = list(predict(model, pictures, 5, None, Recorder()))
    alone = list(predict(model, good, 2, None, Recorder()))

    assert [predictions[0], predictions[4]] == alone
    assert predictions[1] == PicturePrediction(
        "text.png", None, None, {}, "not a picture: should be JPEG, PNG, GIF, BMP, WebP, TIFF or AVIF"
    )
    assert predictions[2].label is None
    assert "can't be decoded" in str(predictions[2].error)
    assert predictions[3].error == "there is no file 'gone.png'"


def test_only_broken_pictures_and_none_at_all_are_fine(load: Callable[..., Any]) -> None:
    model, _ = load(["cat", "dog"])
    broken = [("broken.png", lambda: io.BytesIO(b""))]

    assert [row.label for row in predict(model, broken, 1, None, Recorder())] == [None]
    assert list(predict(model, [], 0, None, Recorder())) == []


def test_pictures_are_taken_as_they_are_needed_and_a_cancelled_job_takes_no_more(
    load: Callable[..., Any], png: Png
) -> None:
    model, _ = load(["cat", "dog"])
    taken = []

    def endless() -> Iterator[Picture]:
        while True:
            taken.append(len(taken))
            yield "same.png", lambda: io.BytesIO(png(0))

    progress = Recorder(stop_at_progress=("pictures", 64))
    rows = []
    with pytest.raises(Cancelled):
        rows.extend(predict(model, endless(), 10**9, None, progress))
    assert len(taken) <= 4 * 32
    assert [done for done, _, _ in progress.steps] == [32, 64]


def test_a_shorter_last_batch_is_not_traced_again(load: Callable[..., Any], png: Png) -> None:
    model, _ = load(["cat", "dog"])
    for count in (1, 33, 5):
        list(predict(model, pictures_of(png, count), count, None, Recorder()))

    assert model.function.experimental_get_tracing_count() == 1
