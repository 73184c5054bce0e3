"""What many scores come to: counts per label, mean and histogram."""

from typing import Any

from shared.specs import Thresholds
from workers.sentiment.scorer import Scores

LABELS = ("positive", "neutral", "negative")
BINS = 40

# NLTK rounds the compound to 4 decimals. Counted in these units every sum and bin edge is exact.
UNITS = 10_000


class Summary:
    """Counts scores as they come, in constant memory; `thresholds` say which label each gets."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self.labels = dict.fromkeys(LABELS, 0)
        self._bins = [0] * BINS
        self._sum = 0

    def add(self, scores: Scores) -> str:
        """Count one text's scores; returns its label."""
        label = self._thresholds.label(scores.compound)
        self.labels[label] += 1
        units = round(scores.compound * UNITS)
        self._sum += units
        # A bin holds its left edge; the last one holds both, as in numpy.histogram.
        self._bins[min((units + UNITS) * BINS // (2 * UNITS), BINS - 1)] += 1
        return label

    def counted(self) -> dict[str, Any]:
        """What was counted, for `add_counted`; whole numbers all, so that no order of adding matters."""
        return {"labels": dict(self.labels), "units": self._sum, "bins": list(self._bins)}

    def add_counted(self, counted: dict[str, Any]) -> None:
        """Count what another Summary has counted."""
        for label in LABELS:
            self.labels[label] += counted["labels"][label]
        self._sum += counted["units"]
        self._bins = [mine + theirs for mine, theirs in zip(self._bins, counted["bins"], strict=True)]

    @property
    def mean(self) -> float | None:
        """The mean compound; None if there were no scores."""
        count = sum(self.labels.values())
        return self._sum / UNITS / count if count else None

    @property
    def histogram(self) -> dict[str, Any]:
        """{"edges": 41 numbers from −1 to 1, "counts": 40} of the compound."""
        return {
            "edges": [round(2 * edge / BINS - 1, 2) for edge in range(BINS + 1)],
            "counts": list(self._bins),
        }
