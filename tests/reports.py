"""Reports that write down what a job's work tells them, and ask it to stop where a test wants."""

from dataclasses import dataclass, field

from jobyard.shared.errors import Cancelled


@dataclass
class Recorder:
    """A Report that keeps what it is told, and raises `error` at a chosen call."""

    stop_at_progress: tuple[str, int] | None = None
    stop_at_check: int | None = None
    error: Exception = field(default_factory=Cancelled)
    events: list[tuple[object, ...]] = field(default_factory=list)
    # Counted beside: work in small blocks checks some ten thousand times.
    checks: int = 0

    def phase(self, name: str) -> None:
        self.events.append(("phase", name))

    def update(self, done: int, total: int | None, unit: str) -> None:
        self.events.append(("progress", done, total, unit))
        if self.stop_at_progress == (unit, done):
            raise self.error

    def metric(self, name: str, step: int, value: float, epoch: int | None = None) -> None:
        self.events.append(("metric", name, step, value, epoch))

    def check(self, *, waiting: bool = False) -> None:
        self.events.append(("check",))
        self.checks += 1
        if self.checks == self.stop_at_check:
            raise self.error

    def of(self, kind: str) -> list[tuple[object, ...]]:
        """What it was told of that kind, in order."""
        return [event[1:] for event in self.events if event[0] == kind]

    @property
    def phases(self) -> list[object]:
        return [name for (name,) in self.of("phase")]

    @property
    def steps(self) -> list[tuple[object, ...]]:
        """Each progress: done, total, unit."""
        return self.of("progress")


class NoMetrics(Recorder):
    """For work that has none."""

    def metric(self, name: str, step: int, value: float, epoch: int | None = None) -> None:
        raise AssertionError(f"this work has no metrics, but reported {name}")
