"""import: an archive or a folder of pictures becomes a data set."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from jobyard.shared.kinds.base import Kind, Queue, Reference, Source, Spec
from jobyard.shared.kinds.fields import PATH, Name

if TYPE_CHECKING:
    from jobyard.shared.kinds.findings import Findings


class ImportSpec(Spec):
    """Make a data set from an archive or a folder of pictures."""

    name: Name
    file: UUID | None = Field(default=None, description="Id of an uploaded zip or tar archive")
    path: Annotated[str, StringConstraints(min_length=1, max_length=4_096, pattern=PATH)] | None = Field(
        default=None,
        description="A folder on the worker's machine, as an absolute path, in JOBYARD_IMPORT_ROOTS",
    )
    labels: Literal["auto", "folders", "table"] = Field(
        default="auto",
        description="Where the classes come from: `folders`, or the `table` beside the pictures (labels.csv, "
        "metadata.csv or metadata.jsonl); `auto`: the table, if there is one with labels",
    )
    allow_partial: bool = Field(
        default=False,
        description="Import what can be, even if more than a fifth of the files, or an archive among them, "
        "is left out",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.path is None):
            raise ValueError("should have either file or path")
        return self


class Import(Kind[ImportSpec]):
    """Import pictures."""

    name = "import"
    queue = Queue.CPU
    Spec = ImportSpec
    work = "jobyard.workers.kinds.imports:work"
    label = "Import"
    action = "Import pictures"
    icon = "box-seam"
    # An archive of some 10 GB may take long to be stored.
    stall_seconds = 3_600.0
    sources = (
        Source("file", "file", "choose a zip or tar archive"),
        Source("path", "path", "name a folder"),
    )
    order = 5

    def inputs(self, spec: ImportSpec) -> Mapping[str, UUID | None]:
        return {"file": spec.file}

    def references(self, spec: ImportSpec) -> Sequence[Reference]:
        return []

    def resolve(self, spec: ImportSpec, found: "Findings") -> ImportSpec:
        """The folder is one that may be read."""
        if spec.path is not None:
            found.check_path("path", spec.path)
        return spec

    def made(self, spec: ImportSpec) -> Sequence[str | None]:
        return [spec.name]

    def title(self, spec: Mapping[str, Any], files: Mapping[str, str]) -> str:
        return f"{spec['name']} from {spec['path'] or files.get(spec['file'], 'a file')}"
