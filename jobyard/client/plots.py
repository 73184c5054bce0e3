"""Charts of results by matplotlib, which is imported when the first one is drawn."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from jobyard.client.display import best_epoch
from jobyard.client.errors import BadRequest, JobyardClientError, Json
from jobyard.client.libraries import needed
from jobyard.client.sparklines import LABEL_COLOURS, TRAINING, VALIDATION, by_name
from jobyard.client.types import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS: Final = ("train", "sentiment", "evaluate")
# As the server draws the histogram of a file: from −1 to 1.
BINS: Final = 40
# From these compounds on VADER calls a text positive, and to the negative one negative.
THRESHOLDS: Final = {"positive": 0.05, "negative": -0.05}
# So many classes have room for their counts.
LABELLED_CLASSES: Final = 20
SMALLER_IS_BETTER: Final = ("loss", "error")


def check(kind: str, state: str, result: Json | None, job_id: str) -> None:
    """Raises JobyardClientError for a job of which there is nothing to plot, or not yet."""
    if kind not in KINDS:
        raise JobyardClientError(
            f"job {job_id} is of the kind {kind!r}, of which there is no plot; should be one of "
            f"{', '.join(KINDS)}"
        )
    if kind != "train" and not result:
        raise JobyardClientError(f"job {job_id} is {state} and has no result to plot; wait() for it first")


def of_job(kind: str, spec: Json, result: Json | None, history: Iterable[Json], ax: Any) -> Any:
    """Draw a job that `check` has let pass. Returns the axes: of a training, an array of two.

    Raises BadRequest where `ax` is nothing that can be drawn on.
    """
    if kind == "train":
        best = best_epoch(result)
        return training(history, best=best, monitor=str(spec.get("monitor") or "val_loss"), ax=ax)
    if kind == "sentiment":
        return sentiment(result or {}, thresholds=spec.get("thresholds"), ax=ax)
    return confusion((result or {})["evaluation"], ax=ax)


def training(
    history: Iterable[Json], *, best: int | None = None, monitor: str = "val_loss", ax: Any = None
) -> Any:
    """Loss and accuracy by whole epochs, of training and validation; the best epoch is marked.

    `best` is its number; without, it is that of the best `monitor`. Returns the two axes. Raises
    JobyardClientError where the history is empty.
    """
    metrics = by_name(history)
    if not metrics:
        raise JobyardClientError(
            "there are no metrics to plot yet; a training has some after its first epoch"
        )
    best = _best(metrics, monitor) if best is None else best
    both = _axes(ax, 2)
    for axes, name in zip(both, ("loss", "accuracy"), strict=True):
        _curves(axes, metrics, name, best)
    return both


def sentiment(result: Json, *, thresholds: Json | None = None, ax: Any = None) -> "Axes":
    """The histogram of the compound scores, coloured by label, with the mean. Returns the axes."""
    axes: Axes = _axes(ax, 1)[0]
    from matplotlib.ticker import MaxNLocator

    edges, counts, mean = _histogram(result)
    limits = {
        **THRESHOLDS,
        **{name: value for name, value in (thresholds or {}).items() if value is not None},
    }
    told = result.get("labels") or {}
    for label, colour in LABEL_COLOURS.items():
        mine = [
            place for place in range(len(counts)) if _label(edges[place], edges[place + 1], limits) == label
        ]
        axes.bar(
            [edges[place] for place in mine],
            [counts[place] for place in mine],
            width=[edges[place + 1] - edges[place] for place in mine],
            align="edge",
            color=colour,
            label=f"{label} ({told.get(label, 0):,})",
        )
    if mean is not None:
        axes.axvline(mean, color="black", linestyle="--", linewidth=1, label=f"mean {mean:+.3f}")
    axes.set(xlim=(-1, 1), xlabel="compound", ylabel="texts", title="Sentiment")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return axes


def confusion(evaluation: Json, *, ax: Any = None) -> "Axes":
    """The confusion matrix: a row for each class, a column for each label. Returns the axes."""
    classes: Sequence[str] = evaluation["classes"]
    counts: Sequence[Sequence[int]] = evaluation["confusion"]
    axes: Axes = _axes(ax, 1)[0]
    image = axes.imshow(counts, cmap="Blues")
    axes.set(xlabel="predicted", ylabel="class")
    axes.set_title(f"{evaluation['accuracy']:.1%} of {evaluation['pictures']:,} pictures are right")
    if len(classes) <= LABELLED_CLASSES:
        names = [_shortened(name) for name in classes]
        axes.set_xticks(
            range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", parse_math=False
        )
        axes.set_yticks(range(len(names)), names, parse_math=False)
        half = max((max(row) for row in counts), default=0) / 2
        for row, line in enumerate(counts):
            for column, count in enumerate(line):
                colour = "white" if count > half else "black"
                axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour)
    else:
        axes.figure.colorbar(image, ax=axes, label="pictures")
    return axes


def _axes(given: Any, count: int) -> Any:
    """Axes to draw in: those that were given, or new ones of pyplot.

    Raises BadRequest, and JobyardClientError without matplotlib.
    """
    np, pyplot = needed("numpy", "plot()"), needed("matplotlib.pyplot", "plot()")
    if given is None:
        width = 10 if count == 2 else 6
        return np.atleast_1d(pyplot.subplots(1, count, figsize=(width, 4), layout="constrained")[1])
    try:
        axes = np.atleast_1d(given).ravel()
    except Exception:  # noqa: BLE001 - lists of different lengths, or within themselves
        axes = np.empty(0)
    if len(axes) != count or not all(hasattr(one, "plot") for one in axes):
        what = "two axes of matplotlib: [loss, accuracy]" if count == 2 else "one axes of matplotlib"
        raise BadRequest(f"ax: should be {what}, but is {shown(given)}")
    return axes


def _curves(
    axes: "Axes", metrics: dict[str, list[tuple[int, float | None]]], name: str, best: int | None
) -> None:
    from matplotlib.ticker import MaxNLocator

    for label, key, colour in (("training", name, TRAINING), ("validation", f"val_{name}", VALIDATION)):
        if points := metrics.get(key):
            values = [float("nan") if value is None else value for _, value in points]
            few = "o" if len(points) <= 50 else None
            axes.plot(
                [epoch for epoch, _ in points], values, color=colour, marker=few, markersize=3, label=label
            )
    if best is not None:
        axes.axvline(best, color="grey", linestyle="--", linewidth=1, label=f"best epoch: {best}")
    axes.set(title=name.capitalize(), xlabel="epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    if axes.lines:
        axes.legend(frameon=False)


def _best(metrics: dict[str, list[tuple[int, float | None]]], monitor: str) -> int | None:
    known = [(value, epoch) for epoch, value in metrics.get(monitor, []) if value is not None]
    if not known:
        return None
    best = min if monitor.endswith(SMALLER_IS_BETTER) else max
    wanted = best(value for value, _ in known)
    return next(epoch for value, epoch in known if value == wanted)


def _histogram(result: Json) -> tuple[list[float], list[int], float | None]:
    """(edges, counts, mean) of a scored file, or of texts, whose scores are in the result."""
    if histogram := result.get("histogram"):
        return histogram["edges"], histogram["counts"], result.get("mean")
    compounds = [score["compound"] for score in result.get("scores") or [] if score]
    if not compounds:
        raise JobyardClientError("there are no scores to plot: none of the texts has one")
    edges = [round(-1 + 2 * place / BINS, 6) for place in range(BINS + 1)]
    counts = [0] * BINS
    for compound in compounds:
        counts[min(max(int((compound + 1) / 2 * BINS), 0), BINS - 1)] += 1
    return edges, counts, sum(compounds) / len(compounds)


def _label(low: float, high: float, limits: Json) -> str:
    middle = (low + high) / 2
    if middle >= limits["positive"]:
        return "positive"
    return "negative" if middle <= limits["negative"] else "neutral"


def _shortened(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
