"""Summary of many scores: labels, mean, deviation, histogram, extremes; and the same per group."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import Thresholds
from jobyard.workers.sentiment.vader.labels import LABELS

NO_LABEL = -1
BINS = 40
EXTREMES = 10
SHOWN_CHARACTERS = 500
MAX_GROUPS = 10_000
MAX_GROUP_CHARACTERS = 1_000

# NLTK rounds the compound to 4 decimals. Counted in these units every sum and bin edge is exact.
UNITS = 10_000
EDGES = [round(2 * edge / BINS - 1, 2) for edge in range(BINS + 1)]

# What is counted of each group, in columns: nulls, one per label, sum, sum of squares, one per bin.
NULLS, LABEL, SUM, SQUARES, BIN = 0, 1, 4, 5, 6
WIDTH = BIN + BINS

Ints = npt.NDArray[np.int64]


def labels_of(compound: npt.NDArray[np.float64], thresholds: Thresholds) -> npt.NDArray[np.int8]:
    """The index in LABELS of each score's label; NO_LABEL for NaN."""
    labels = np.ones(len(compound), np.int8)
    labels[compound >= thresholds.positive] = 0
    labels[compound <= thresholds.negative] = 2
    labels[np.isnan(compound)] = NO_LABEL
    return labels


def count(groups: Ints, size: int, compound: npt.NDArray[np.float64], labels: npt.NDArray[np.int8]) -> Ints:
    """What is counted of rows of groups 0 to `size`: [size, WIDTH], whole numbers all."""
    is_scored = labels != NO_LABEL
    nulls = np.bincount(groups[~is_scored], minlength=size)
    groups, scored = groups[is_scored], labels[is_scored]
    units = np.rint(compound[is_scored] * UNITS).astype(np.int64)
    # A bin holds its left edge; the last one holds both, as in numpy.histogram.
    bins = np.minimum((units + UNITS) * BINS // (2 * UNITS), BINS - 1)
    cells = np.concatenate([groups * WIDTH + LABEL + scored, groups * WIDTH + BIN + bins])
    table = np.bincount(cells, minlength=size * WIDTH).reshape(size, WIDTH)
    table[:, NULLS] = nulls
    # Sums of a batch are far below 2^53: floats hold them exactly.
    table[:, SUM] = np.bincount(groups, units, size)
    table[:, SQUARES] = np.bincount(groups, units * units, size)
    return table


def counted(row: Ints) -> dict[str, Any]:
    """The summary of one group, for people and for SQL."""
    counts = [int(count) for count in row]
    scored = sum(counts[LABEL : LABEL + len(LABELS)])
    mean = std = None
    if scored:
        mean = counts[SUM] / UNITS / scored
        # Of whole numbers up to the root: nothing cancels.
        variance = scored * counts[SQUARES] - counts[SUM] ** 2
        std = math.sqrt(variance) / scored / UNITS
    labels = dict(zip(LABELS, counts[LABEL:], strict=False))
    return {
        "rows": scored + counts[NULLS],
        "nulls": counts[NULLS],
        "labels": labels,
        "mean": mean,
        "std": std,
        "histogram": counts[BIN:],
    }


class Summary:
    """Counts batches of rows as they come. Memory grows with the groups alone."""

    def __init__(self, group_by: str | None = None) -> None:
        self.rows = 0
        self._group_by = group_by
        self._total = np.zeros((1, WIDTH), np.int64)
        self._groups: dict[str | None, int] = {}
        self._table = np.zeros((0, WIDTH), np.int64)
        # Highest and lowest: (compound, row, text).
        self._extremes: list[list[tuple[float, int, str]]] = [[], []]

    def add(
        self,
        texts: Any,
        compound: npt.NDArray[np.float64],
        labels: npt.NDArray[np.int8],
        groups: Any = None,
    ) -> None:
        """Count rows: their texts and groups are Arrow arrays of strings. Raises WorkError at too many."""
        self._total += count(np.zeros(len(labels), np.int64), 1, compound, labels)
        for extremes, sign in zip(self._extremes, (1, -1), strict=True):
            found = [
                (float(compound[row]), self.rows + row, _shown(texts[row].as_py()))
                for row in _highest(sign * compound)
            ]
            extremes[:] = _first(extremes + found, sign)
        if groups is not None:
            encoded = pc.dictionary_encode(groups, null_encoding="encode")
            numbers = [self._group(value) for value in encoded.dictionary.to_pylist()]
            indices = np.array(numbers, np.int64)[encoded.indices.to_numpy()]
            self._table += count(indices, len(self._table), compound, labels)
        self.rows += len(labels)

    def _group(self, value: str | None) -> int:
        """Its number. Raises WorkError for one too many, or one that is too long to be a group's name."""
        if value is not None and len(value) > MAX_GROUP_CHARACTERS:
            raise WorkError(
                f"column {self._group_by!r} has values of {len(value):,} characters; to group by, "
                f"they should have at most {MAX_GROUP_CHARACTERS:,}"
            )
        value = None if value is None else value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        number = self._groups.setdefault(value, len(self._groups))
        if number >= MAX_GROUPS:
            raise WorkError(
                f"column {self._group_by!r} has over {MAX_GROUPS:,} values; should have fewer, to group by"
            )
        if number >= len(self._table):
            self._table = np.concatenate([self._table, np.zeros((max(number, 8), WIDTH), np.int64)])
        return number

    def note(self) -> dict[str, Any]:
        """What was counted, for `add_note`: small, and whole numbers all, so that no order matters."""
        return {
            "rows": self.rows,
            "total": _sparse(self._total[0]),
            "groups": [[value, _sparse(self._table[number])] for value, number in self._groups.items()],
            "extremes": self._extremes,
        }

    def add_note(self, note: dict[str, Any]) -> None:
        """Count what another Summary has counted, of the rows that come next."""
        for column, number in note["total"]:
            self._total[0, column] += number
        for value, counts in note["groups"]:
            group = self._group(value)
            for column, number in counts:
                self._table[group, column] += number
        for extremes, found, sign in zip(self._extremes, note["extremes"], (1, -1), strict=True):
            more = [(compound, self.rows + row, text) for compound, row, text in found]
            extremes[:] = _first(extremes + more, sign)
        self.rows += note["rows"]

    def result(self) -> dict[str, Any]:
        """The summary of all rows: see `score_file`."""
        total = counted(self._total[0])
        scored = total["rows"] - total["nulls"]
        labels = total["labels"]
        most = [
            [{"row": row, "text": text, "compound": compound} for compound, row, text in extremes]
            for extremes in self._extremes
        ]
        return total | {
            "shares": {label: labels[label] / scored if scored else None for label in LABELS},
            "histogram": {"edges": EDGES, "counts": total["histogram"]},
            "most_positive": most[0],
            "most_negative": most[1],
        }

    def groups(self) -> list[dict[str, Any]]:
        """The summary of each group, most rows first, then by value, null last."""
        found = [{"value": value, **counted(self._table[number])} for value, number in self._groups.items()]
        return sorted(found, key=lambda group: (-group["rows"], group["value"] is None, group["value"] or ""))


def _highest(scores: npt.NDArray[np.float64]) -> list[int]:
    """The rows of the EXTREMES highest scores above 0, which NaN isn't; of equal ones, the first."""
    rows = np.flatnonzero(scores > 0)
    scores = scores[rows]
    if len(rows) > EXTREMES:
        least = np.partition(scores, -EXTREMES)[-EXTREMES]
        above = np.flatnonzero(scores > least)
        equal = np.flatnonzero(scores == least)[: EXTREMES - len(above)]
        rows = rows[np.concatenate([above, equal])]
    return rows.tolist()


def _first(extremes: list[tuple[float, int, str]], sign: int) -> list[tuple[float, int, str]]:
    return sorted(extremes, key=lambda one: (-sign * one[0], one[1]))[:EXTREMES]


def _shown(text: str) -> str:
    return text[:SHOWN_CHARACTERS].replace("\0", "\N{REPLACEMENT CHARACTER}")


def _sparse(row: Ints) -> list[list[int]]:
    return [[int(column), int(row[column])] for column in np.flatnonzero(row)]
