"""Small charts as inline SVG, for notebooks: no script, no style sheet, readable on light and on dark."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

from jobyard.client.errors import Json

# Each has a contrast of at least 3 on white and on the dark themes of Jupyter and VS Code.
TRAINING: Final = "#3b82f6"
VALIDATION: Final = "#ea580c"
LABEL_COLOURS: Final = {"positive": "#2da44e", "neutral": "#848d97", "negative": "#e5534b"}

WIDTH, HEIGHT = 270, 130
# Around what is drawn: left, top, right, bottom.
LEFT, TOP, RIGHT, BOTTOM = 46, 22, 10, 20


class Line(NamedTuple):
    """Values by epoch; None and what is not finite is a gap."""

    colour: str
    points: Sequence[tuple[int, float | None]]


def by_name(history: Iterable[Json]) -> dict[str, list[tuple[int, float | None]]]:
    """A training's metric history by the names of its metrics: (epoch, value), by epoch."""
    found: dict[str, list[tuple[int, float | None]]] = {}
    for row in history:
        found.setdefault(row["name"], []).append((row["epoch"] or row["step"], row["value"]))
    return {name: sorted(points, key=lambda point: point[0]) for name, points in found.items()}


def training(history: Iterable[Json], best: int | None) -> str:
    """Loss and accuracy side by side, of training and validation; the epoch `best` is marked. "" without."""
    metrics = by_name(history)
    charts = []
    for name in ("loss", "accuracy"):
        lines = [Line(TRAINING, metrics.get(name, [])), Line(VALIDATION, metrics.get(f"val_{name}", []))]
        if drawn := _curves(name, lines, best):
            charts.append(drawn)
    if not charts:
        return ""
    legend = _legend({"training": TRAINING, "validation": VALIDATION}, best)
    return f'<div style="margin-top:.5em">{"".join(charts)}</div>{legend}'


def labels(counts: Mapping[str, int], histogram: Json | None) -> str:
    """The shares of the labels of scored texts as one bar, above the histogram of their compounds."""
    total = sum(counts.values())
    if not total:
        return ""
    left, parts = 0.0, []
    for name, colour in LABEL_COLOURS.items():
        width = 100 * counts.get(name, 0) / total
        parts.append(f'<rect x="{left:.3f}%" width="{width:.3f}%" height="12" fill="{colour}"/>')
        left += width
    said = {f"{name} {counts.get(name, 0):,} ({counts.get(name, 0) / total:.0%})": colour
            for name, colour in LABEL_COLOURS.items()}  # fmt: skip
    bar = _svg("100%", 12, f"Labels of {total:,} texts", "".join(parts), "max-width:560px")
    bins = _histogram(histogram) if histogram else ""
    return f'<div style="margin-top:.5em">{bar}</div>{_legend(said)}{bins}'


def _curves(name: str, lines: Sequence[Line], best: int | None) -> str:
    """One chart of lines over whole epochs; "" where no line has a value."""
    known = [(epoch, value) for line in lines for epoch, value in line.points if value is not None]
    if not known:
        return ""
    first, last = min(epoch for epoch, _ in known), max(epoch for epoch, _ in known)
    low, high = min(value for _, value in known), max(value for _, value in known)
    across = (WIDTH - LEFT - RIGHT) / max(last - first, 1)
    up = (HEIGHT - TOP - BOTTOM) / ((high - low) or 1.0)

    def at(epoch: int, value: float) -> tuple[float, float]:
        return round(LEFT + (epoch - first) * across, 1), round(HEIGHT - BOTTOM - (value - low) * up, 1)

    floor = HEIGHT - BOTTOM
    parts = [
        f'<path d="M{LEFT} {TOP}V{floor}H{WIDTH - RIGHT}" fill="none" stroke="currentColor" opacity=".5"/>',
        _words(LEFT, 13, name, weight="600"),
        _words(LEFT - 5, TOP + 8, f"{high:.3g}", anchor="end"),
        _words(LEFT - 5, floor, f"{low:.3g}", anchor="end"),
        _words(LEFT, HEIGHT - 6, f"epoch {first}"),
    ]
    if last > first:
        parts.append(_words(WIDTH - RIGHT, HEIGHT - 6, f"{last}", anchor="end"))
    if best is not None and first <= best <= last:
        x = at(best, low)[0]
        parts.append(
            f'<path d="M{x} {TOP}V{floor}" stroke="currentColor" stroke-dasharray="3 3" opacity=".6">'
            f"<title>best epoch: {best}</title></path>"
        )
    for line in lines:
        for run in _runs(line.points):
            drawn = " ".join(f"{x},{y}" for x, y in (at(*point) for point in run))
            if len(run) > 1:
                parts.append(
                    f'<polyline points="{drawn}" fill="none" stroke="{line.colour}" stroke-width="1.8"/>'
                )
            else:
                x, y = at(*run[0])
                parts.append(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{line.colour}"/>')
    return _svg(WIDTH, HEIGHT, f"{name} by epoch, {first} to {last}", "".join(parts))


def _runs(points: Iterable[tuple[int, float | None]]) -> list[list[tuple[int, float]]]:
    """The points between gaps."""
    runs: list[list[tuple[int, float]]] = [[]]
    for epoch, value in points:
        if value is not None:
            runs[-1].append((epoch, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _histogram(histogram: Json) -> str:
    """Of compounds from −1 to 1, as bars."""
    edges, counts = histogram.get("edges") or [], histogram.get("counts") or []
    most = max(counts, default=0)
    # A job of a list may lack some of them.
    if not most or len(edges) != len(counts) + 1:
        return ""
    wide, tall = 560 / len(counts), 50
    bars = "".join(
        f'<rect x="{place * wide:.1f}" y="{tall * (1 - count / most):.1f}" width="{max(wide - 1, 1):.1f}" '
        f'height="{tall * count / most:.1f}" fill="{TRAINING}">'
        f"<title>{edges[place]:.2f} to {edges[place + 1]:.2f}: {count:,}</title></rect>"
        for place, count in enumerate(counts)
    )
    words = (
        _words(0, 66, "compound −1")
        + _words(280, 66, "0", anchor="middle")
        + _words(560, 66, "1", anchor="end")
    )
    drawn = _svg(560, 70, "Histogram of the compound scores", bars + words)
    return f'<div style="margin-top:.5em">{drawn}</div>'


def _legend(entries: Mapping[str, str], best: int | None = None) -> str:
    """What the colours mean: colours by words; and the dashed line at the epoch `best`."""
    dashed = "" if best is None else f"<span>┆ best epoch: {best}</span>"
    return '<div style="font-size:.85em">' + "".join(
        '<span style="margin-right:1.2em;white-space:nowrap"><span style="display:inline-block;width:.8em;'
        f'height:.8em;border-radius:2px;margin-right:.4em;background:{colour}"></span>{escape(words)}</span>'
        for words, colour in entries.items()
    ) + f"{dashed}</div>"  # fmt: skip


def _words(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-weight="{weight}" font-size="11" '
        f'fill="currentColor">{escape(text)}</text>'
    )


def _svg(width: int | str, height: int, label: str, inside: str, style: str = "") -> str:
    box = "" if isinstance(width, str) else f' viewBox="0 0 {width} {height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"{box} role="img" '
        f'aria-label="{escape(label)}" style="max-width:100%;{style}">{inside}</svg>'
    )
