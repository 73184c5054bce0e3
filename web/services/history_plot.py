"""history.png: accuracy and loss, training and validation, by epoch."""

import io
from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jobyard.shared.metrics import Metric

COLOURS = {"training": "#2563eb", "validation": "#ea580c"}


def draw(rows: Sequence[Metric]) -> bytes:
    """A PNG of 1200×480 pixels from the metric history; other metrics than these four are left out."""
    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        for label, key in (("training", name), ("validation", f"val_{name}")):
            points = [(row.step, row.value) for row in rows if row.name == key and row.value is not None]
            if points:
                steps, values = zip(*points, strict=True)
                axes.plot(steps, values, marker="o", markersize=3, label=label, color=COLOURS[label])
        axes.set_title(name.capitalize())
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.lines:
            axes.legend(frameon=False)
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()
