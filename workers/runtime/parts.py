"""What the kinds of work that is done in parts have in common."""

from jobyard.shared import jobs
from jobyard.shared.errors import WorkError


def refuse_broken(children: list[jobs.Job]) -> None:
    """Raises WorkError with what the first part that failed says."""
    for child in children:
        if child.state == jobs.State.FAILED:
            where = "" if child.error_type == WorkError.__name__ else f"part {child.spec['part'] + 1}: "
            raise WorkError(f"{where}{child.error_message}")
    for child in children:
        if child.state != jobs.State.SUCCEEDED:
            raise WorkError(f"part {child.spec['part'] + 1} was {child.state}")
