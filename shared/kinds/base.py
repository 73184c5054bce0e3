"""What all kinds of job have in common.

Validation messages are for people: they reach the user as problem details, with the field's dotted path.
"""

import enum
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Queue(enum.StrEnum):
    """Where a kind of job waits, and which workers take it."""

    GPU = "gpu"
    PREDICT = "predict"
    CPU = "cpu"


class Parameters(BaseModel):
    """Strict about names: an unknown field is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Spec(Parameters):
    """What a job is to do."""

    kind: ClassVar[str]
    queue: ClassVar[Queue]

    deadline_seconds: float | None = Field(
        default=None, ge=1, le=366 * 86_400, description="Fails so long after its first start; default: never"
    )

    @property
    def inputs(self) -> list[UUID]:
        """The uploads that the job reads."""
        return []
