"""What comes of trainings of several networks on several sizes of training set: summaries, and goals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

from jobyard.workers.training.evaluate import wilson

# From here on a size stands for all of 1,000 pictures a class, of which some judge where nothing else does.
LARGE = 800

PRETRAINED, FINE_TUNED = "efficientnet-lite0", "efficientnet-lite0, fine-tuned"

# What each is trained with, beside its own defaults. The reference is what the tutorials have.
CONTENDERS: dict[str, dict[str, Any]] = {
    PRETRAINED: {"network": "efficientnet-lite0"},
    FINE_TUNED: {"network": "efficientnet-lite0", "fine_tune_epochs": 4},
    "compact": {"network": "compact"},
    "classic": {"network": "classic", "precision": "float32"},
}


@dataclass(frozen=True)
class Trial:
    """One training: what it got right of `pictures` that it never saw, what it took, and its file's bytes.

    `cpu_seconds` are those of all cores together, which depend less on what else the machine does.
    """

    right: int
    pictures: int
    seconds: float
    cpu_seconds: float
    bytes: int

    @property
    def accuracy(self) -> float:
        return self.right / self.pictures


# By contender and pictures a class.
Trials = Mapping[tuple[str, int], list[Trial]]


@dataclass(frozen=True)
class Summary:
    """Trials of one contender and size.

    `low` and `high` are the 95 % interval for the pictures of one draw: those of several draws are largely
    the same. `worst` is the least accurate draw.
    """

    accuracy: float
    low: float
    high: float
    worst: float
    seconds: float
    cpu_seconds: float
    bytes: int
    draws: int


def summary(trials: list[Trial]) -> Summary:
    accuracy, pictures = mean(trial.accuracy for trial in trials), trials[0].pictures
    low, high = wilson(round(accuracy * pictures), pictures)
    return Summary(
        accuracy,
        low,
        high,
        worst=min(trial.accuracy for trial in trials),
        seconds=median(trial.seconds for trial in trials),
        cpu_seconds=median(trial.cpu_seconds for trial in trials),
        bytes=trials[0].bytes,
        draws=len(trials),
    )


@dataclass(frozen=True)
class Goal:
    """At least so accurate, trained on `size` pictures a class (LARGE: on as many as there were)."""

    contender: str
    size: int
    accuracy: float


@dataclass(frozen=True)
class TimeGoal:
    """At most `share` of the other's seconds, trained on as many pictures as there were."""

    contender: str
    other: str
    share: float


GOALS: tuple[Goal | TimeGoal, ...] = (
    Goal(PRETRAINED, LARGE, 0.975),
    Goal(PRETRAINED, 20, 0.955),
    Goal(FINE_TUNED, LARGE, 0.985),
    Goal("compact", LARGE, 0.84),
    TimeGoal(PRETRAINED, "classic", 1 / 3),
    TimeGoal("compact", "classic", 1),
)


@dataclass(frozen=True)
class Verdict:
    """Whether a goal was met; `text` is for people."""

    met: bool
    text: str


def verdicts(trials: Trials) -> list[Verdict]:
    """Of the goals for which there are trials."""
    return [verdict for goal in GOALS if (verdict := _verdict(goal, trials)) is not None]


def _verdict(goal: Goal | TimeGoal, trials: Trials) -> Verdict | None:
    large = max((size for _, size in trials if size >= LARGE), default=LARGE)
    if isinstance(goal, Goal):
        size = large if goal.size == LARGE else goal.size
        if not (found := trials.get((goal.contender, size))):
            return None
        accuracy = summary(found).accuracy
        what = f"{goal.contender}, {size} a class: accuracy {accuracy:.3f}, ≥ {goal.accuracy}"
        return _judged(accuracy >= goal.accuracy, what)
    ours, theirs = trials.get((goal.contender, large)), trials.get((goal.other, large))
    if not ours or not theirs:
        return None
    share = summary(ours).seconds / summary(theirs).seconds
    what = f"{goal.contender} to {goal.other}, {large} a class: time {share:.2f}, ≤ {goal.share:.2f}"
    return _judged(share <= goal.share, what)


def _judged(met: bool, what: str) -> Verdict:
    return Verdict(met, f"{what}: {'met' if met else 'MISSED'}")


def lines(trials: Trials, cores: int, judged: str) -> Iterable[str]:
    """A table in Markdown: a row for each contender of each size, the smallest size first."""
    yield f"{cores} cores; judged by {judged}"
    yield ""
    yield "| pictures a class | network | accuracy (95 %) | worst draw | seconds | CPU seconds | model |"
    yield "| ---: | --- | --- | --- | ---: | ---: | ---: |"
    for (contender, size), found in sorted(trials.items(), key=lambda trial: trial[0][1]):
        row = summary(found)
        worst = f"{row.worst:.3f} of {row.draws}" if row.draws > 1 else ""
        yield (
            f"| {size:,} | {contender} | {row.accuracy:.3f} ({row.low:.3f} to {row.high:.3f}) | {worst} "
            f"| {row.seconds:.0f} | {row.cpu_seconds:.0f} | {row.bytes / 1e6:.1f} MB |"
        )
