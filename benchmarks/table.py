"""What is printed: medians, and ratios taken pair by pair within one round."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison; `goal` is the least ratio that will do (or the largest, where `at_most`)."""

    what: str
    ours: float
    theirs: float
    ratio: float
    lowest: float
    highest: float
    unit: str
    goal: float | None = None
    at_most: bool = False

    @property
    def verdict(self) -> str:
        """Whether the goal is met."""
        if self.goal is None:
            return ""
        met = self.ratio <= self.goal if self.at_most else self.ratio >= self.goal
        return f"{'≤' if self.at_most else '≥'} {self.goal:g} {'met' if met else 'MISSED'}"


def in_turns(
    measures: Mapping[str, Callable[[], float]], rounds: int, *, warm_up: int = 1
) -> dict[str, list[float]]:
    """Measure each once per round, so that a disturbance meets all; the first rounds warm up."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(-warm_up, rounds):
        for name, measure in measures.items():
            value = measure()
            if number >= 0:
                found[name].append(value)
    return found


def compare(
    what: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    unit: str,
    *,
    goal: float | None = None,
    at_most: bool = False,
) -> Row:
    """Ours ÷ theirs, round by round."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Row(
        what=what,
        ours=statistics.median(ours),
        theirs=statistics.median(theirs),
        ratio=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        unit=unit,
        goal=goal,
        at_most=at_most,
    )


HEAD = f"{'':<62}{'Jobyard':>9}{'peer':>9} {'':<7}{'ratio':>7}{'from … to':>18}  goal"


def line(row: Row) -> str:
    """One line of the table."""
    spread = f"{row.lowest:.2f} … {row.highest:.2f}"
    return (
        f"{row.what:<62}{row.ours:>9,.1f}{row.theirs:>9,.1f} {row.unit:<7}{row.ratio:>7.2f}{spread:>18}"
        f"  {row.verdict}"
    ).rstrip()
