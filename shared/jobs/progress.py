"""How far a job is."""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Progress:
    """How far a running job is, as its worker last wrote."""

    phase: str | None
    done: int | None
    total: int | None
    unit: str | None
    eta_seconds: float | None

    def columns(self) -> dict[str, Any]:
        """As a job's row has it."""
        return {
            "phase": self.phase,
            "progress_done": self.done,
            "progress_total": self.total,
            "progress_unit": self.unit,
            "eta_seconds": self.eta_seconds,
        }


NO_PROGRESS: Final = Progress(None, None, None, None, None).columns()
