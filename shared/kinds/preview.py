"""preview: the server's own, which looks at the head of a file of texts before it is uploaded as a whole."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from jobyard.shared.kinds.base import Kind, Parameters, Queue, Reference, Spec
from jobyard.shared.kinds.reading import MAX_NULLS, MAX_SKIPPED, Column, Delimiter, Encoding, NullValue, Sheet


class Reading(Parameters):
    """How a file of texts is to be read: the fields of a sentiment job that say so, with the same meaning."""

    column: Column | None = None
    group_by: Column | None = None
    sheet: Sheet | None = None
    delimiter: Delimiter | None = None
    quote: Literal["auto", "double", "backslash", "none"] = "auto"
    header: Literal["auto", "yes", "no"] = "auto"
    skip_lines: int | None = Field(default=None, ge=0, le=MAX_SKIPPED)
    null_values: list[NullValue] | None = Field(default=None, max_length=MAX_NULLS)
    encoding: Encoding = "utf-8"


class PreviewSpec(Spec):
    """Look at the head of a file of texts: its format, its columns and its first rows."""

    file: UUID = Field(description="Id of the upload, which may have only the file's first and last bytes")
    bytes: int = Field(ge=1, description="Size of the whole file")
    head_bytes: int | None = Field(
        default=None,
        ge=1,
        description="How many of the upload's bytes are the file's first ones, if it is a part of the file; "
        "the others are its last",
    )
    reading: Reading = Reading()


class Preview(Kind[PreviewSpec]):
    """Look at a file."""

    # No other package's kind has an underscore in its name: none of its jobs is deleted as a preview.
    name = "file_preview"
    queue = Queue.CPU
    Spec = PreviewSpec
    work = "jobyard.workers.kinds.preview:work"
    label = "Preview"
    action = "Look at a file"
    icon = "eye"
    stall_seconds = 300.0

    def inputs(self, spec: PreviewSpec) -> Mapping[str, UUID | None]:
        return {"file": spec.file}

    def references(self, spec: PreviewSpec) -> Sequence[Reference]:
        return []

    def title(self, spec: Mapping[str, Any], files: Mapping[str, str]) -> str:
        return f"the head of {files.get(spec['file'], 'a file')}"
