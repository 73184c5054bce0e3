"""Charts by matplotlib, by what is drawn in them."""

import subprocess
import sys
from collections.abc import Iterator

import matplotlib as mpl
import pytest
from matplotlib import pyplot

from jobyard.client import plots
from jobyard.client.errors import JobyardClientError
from tests.unit.jobyard.client.jobs import history

POINTS = history(
    loss=[0.7, 0.5, 0.4], val_loss=[0.8, 0.6, None], accuracy=[0.5, 0.8, 0.9], val_accuracy=[0.4, 0.7, 0.6]
)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    mpl.use("agg")
    yield
    pyplot.close("all")


def test_a_training_has_two_axes_by_whole_epochs_and_its_best_epoch() -> None:
    loss, accuracy = plots.training(POINTS, monitor="val_accuracy")
    training, validation, best = loss.lines
    assert list(training.get_xdata()) == [1, 2, 3]
    assert list(training.get_ydata()) == [0.7, 0.5, 0.4]
    assert str(validation.get_ydata()[2]) == "nan"
    # The highest accuracy; of a loss it would be the lowest.
    assert best.get_label() == "best epoch: 2"
    assert best.get_xdata()[0] == 2
    assert [line.get_label() for line in accuracy.lines] == ["training", "validation", "best epoch: 2"]
    assert accuracy.get_xlabel() == "epoch"
    accuracy.figure.canvas.draw()
    assert all(tick == int(tick) for tick in accuracy.get_xticks())
    assert plots.training(POINTS)[0].lines[-1].get_label() == "best epoch: 2"
    assert plots.training(POINTS, best=3)[0].lines[-1].get_label() == "best epoch: 3"


def test_it_draws_in_axes_that_are_given() -> None:
    mine = pyplot.subplots(1, 2)[1]
    assert list(plots.training(POINTS, ax=mine)) == list(mine)
    with pytest.raises(JobyardClientError, match="ax: should be two axes of matplotlib"):
        plots.training(POINTS, ax=mine[0])
    within: list[object] = []
    within.append(within)
    for odd in (within, [[1], [2, 3]]):
        with pytest.raises(JobyardClientError, match="ax: should be two axes of matplotlib"):
            plots.training(POINTS, ax=odd)


def test_the_histogram_is_coloured_by_the_thresholds_of_the_job() -> None:
    scores = [{"compound": 0.6}, {"compound": -1.0}, {"compound": 1.0}]
    result = {"scores": scores, "labels": {"positive": 2, "neutral": 0, "negative": 1}}
    positive, neutral, negative = plots.sentiment(result).containers
    assert [sum(bar.get_height() for bar in one) for one in (positive, neutral, negative)] == [2, 0, 1]
    assert positive.get_label() == "positive (2)"
    strict = plots.sentiment(result, thresholds={"positive": 0.8, "negative": -0.8}).containers
    assert [sum(bar.get_height() for bar in one) for one in strict] == [1, 1, 1]


def test_a_confusion_matrix_has_its_counts_by_class_and_label() -> None:
    evaluation = {
        "classes": ["cats", "$d_o$gs"],
        "confusion": [[5, 1], [0, 6]],
        "accuracy": 11 / 12,
        "pictures": 12,
    }
    axes = plots.confusion(evaluation)
    axes.figure.canvas.draw()
    assert [(text.get_position(), text.get_text()) for text in axes.texts][1] == ((1, 0), "1")
    # A name is no formula.
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["cats", "$d_o$gs"]
    assert axes.get_title() == "91.7% of 12 pictures are right"


def test_what_can_not_be_plotted_is_said() -> None:
    with pytest.raises(JobyardClientError, match="of the kind 'import', of which there is no plot"):
        plots.check("import", "succeeded", {}, "1")
    with pytest.raises(JobyardClientError, match=r"is running and has no result to plot; wait\(\) for it"):
        plots.check("sentiment", "running", None, "1")
    with pytest.raises(JobyardClientError, match="no metrics to plot yet"):
        plots.training([])


def test_without_matplotlib_the_error_says_how_to_install_it() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from jobyard.client import JobyardClientError, plots\n"
        "try: plots.training([dict(name='loss', step=1, epoch=1, value=.5)])\n"
        "except JobyardClientError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 'pip install "jobyard[notebook]"' in said
