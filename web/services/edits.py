"""What may be changed of a job that is there, as requests bring it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from jobyard.shared import jobs
from jobyard.shared.kinds.marks import JobName, LabelKey, LabelValue, Note


class Changes(BaseModel):
    """What should change of a job; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: JobName | None = Field(default=None, description="null: the job is called by what it does")
    labels: dict[LabelKey, LabelValue | None] | None = Field(
        default=None,
        max_length=2 * jobs.MAX_LABELS,
        description=f"Labels to set, and with null those to remove; null removes all. At most "
        f"{jobs.MAX_LABELS} together",
    )
    note: Note | None = None
    priority: int = Field(default=5, ge=0, le=9, description="Of a queued or paused job: 9 runs first")
    keep: bool = Field(default=False, description="Retention leaves the job, and all that is its own")


def edit_of(changes: Changes) -> jobs.Edit:
    """The fields that the request has."""
    given: dict[str, Any] = {name: getattr(changes, name) for name in changes.model_fields_set}
    forget_labels = "labels" in given and given["labels"] is None
    labels = given.pop("labels", None) or {}
    return jobs.Edit(given, labels, forget_labels)
