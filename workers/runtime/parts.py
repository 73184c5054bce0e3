"""What the kinds of work that is done in parts have in common."""

from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.errors import LeaseLost, WorkError


def whole_of(session: Session, claim: jobs.Claim) -> jobs.Job:
    """The job of which the claimed one is a part. Raises LeaseLost if it starts over, without this part."""
    whole = session.get(jobs.Job, claim.parent_id)
    if whole is None:
        raise LeaseLost
    return whole


def refuse_broken(children: list[jobs.Job]) -> None:
    """Raises WorkError with what the first part that failed says."""
    for child in children:
        if child.state == jobs.State.FAILED:
            where = "" if child.error_type == WorkError.__name__ else f"part {child.spec['part'] + 1}: "
            raise WorkError(f"{where}{child.error_message}")
    for child in children:
        if child.state != jobs.State.SUCCEEDED:
            raise WorkError(f"part {child.spec['part'] + 1} was {child.state}")
