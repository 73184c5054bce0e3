"""What an executor tells of its attempts."""

from typing import Protocol

from jobyard.shared import jobs
from jobyard.workers.runtime.outcome import Outcome


class Watcher(Protocol):
    """Is notified of attempts; it must never fail or block."""

    def started(self, claim: jobs.Claim) -> None:
        """An attempt begins."""

    def ended(self, claim: jobs.Claim, outcome: Outcome | None) -> None:
        """An attempt has ended; None: another worker has the job, or the outcome could not be written."""
