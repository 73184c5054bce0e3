"""What became of many jobs, as the API answers it."""

import uuid
from typing import Self

from pydantic import Field

from jobyard.web.schemas.base import Out
from jobyard.web.services import bulk


class RefusedJob(Out):
    """A job that was left as it is."""

    id: uuid.UUID
    message: str


class Refused(Out):
    """Jobs that were left as they are, for one reason."""

    reason: str = Field(description="Their state, or `a part`, `kept`, `changed`, `not found`, …")
    count: int
    examples: list[RefusedJob] = Field(description="The first few of them")


class Moved(Out):
    """What became of many jobs."""

    matched: int
    moved: int = Field(description="How many were changed or asked to stop, or with `dry_run` would be")
    refused: list[Refused]
    next: uuid.UUID | None = Field(description="Not null if there are more: send it as `cursor`")
    dry_run: bool

    @classmethod
    def of(cls, done: bulk.Outcome, *, dry_run: bool) -> Self:
        refused = [
            Refused(
                reason=reason,
                count=one.count,
                examples=[RefusedJob(id=job_id, message=message) for job_id, message in one.examples],
            )
            for reason, one in done.refused.items()
        ]
        return cls(matched=done.matched, moved=done.moved, refused=refused, next=done.next, dry_run=dry_run)
