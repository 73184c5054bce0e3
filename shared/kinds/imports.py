"""import: an archive or a folder of pictures becomes a data set."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from jobyard.shared.kinds.base import Queue, Spec
from jobyard.shared.kinds.fields import Name


class ImportSpec(Spec):
    """Make a data set out of an archive or a folder of pictures."""

    kind = "import"
    queue = Queue.CPU

    name: Name
    file: UUID | None = Field(default=None, description="Id of an uploaded zip or tar archive")
    path: Annotated[str, StringConstraints(min_length=1, max_length=4_096, pattern=r"^/[^\x00]*$")] | None = (
        Field(default=None, description="A folder on the worker's machine, as an absolute path")
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.path is None):
            raise ValueError("should have either file or path")
        return self

    @property
    def inputs(self) -> list[UUID]:
        return [] if self.file is None else [self.file]
