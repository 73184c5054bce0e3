"""How work reports its progress, and how it learns that it should stop."""

from typing import Protocol


class Progress(Protocol):
    """Callbacks for the work. Each is cheap: it keeps its arguments in memory and writes nothing itself.

    `phase`, `update` and `check` raise a `shared.errors.Interrupted` when the job was cancelled,
    its worker is being stopped, or its lease is lost: let it pass through. Work calls one of them at
    least every second. Each call is a step: work that takes none for as long as its kind's `stall_seconds`
    has hung.
    """

    def phase(self, name: str) -> None:
        """Set what is being done now, in a word or two: "decoding", "training", "evaluating"."""

    def update(self, done: int, total: int | None, unit: str) -> None:
        """Set how far it is: `done` of `total` (None if unknown) `unit`s ("batches", "rows", "pictures")."""

    def metric(self, name: str, step: int, value: float, epoch: int | None = None) -> None:
        """Add one point to the metric history; (name, step) is its key within the job."""

    def check(self, *, waiting: bool = False) -> None:
        """Raise Interrupted if the work should stop. `waiting` for something else is no step."""


class NoProgress:
    """The Progress of work that is not shown."""

    def phase(self, name: str) -> None:
        return None

    def update(self, done: int, total: int | None, unit: str) -> None:
        return None

    def metric(self, name: str, step: int, value: float, epoch: int | None = None) -> None:
        return None

    def check(self, *, waiting: bool = False) -> None:
        return None
