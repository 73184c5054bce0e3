"""What the head of a file tells, as the API answers it."""

from typing import Any

from pydantic import BaseModel, Field


class PreviewProblem(BaseModel):
    """Why the file can't be scored as it is asked for."""

    field: str = Field(description="The field of the spec that would change that, or `file`")
    message: str


class PreviewBroken(BaseModel):
    """Rows that can't be read."""

    count: int
    first: list[dict[str, Any]]


class FilePreview(BaseModel):
    """What a sentiment job would read a file of texts as, as far as its head tells."""

    bytes: int
    is_whole: bool = Field(default=False, description="Whether that is known of the whole file")
    read_as: dict[str, Any] = Field(default={}, description="As in the job's result: `format`, `delimiter`")
    columns: list[str] = []
    within: list[str] = Field(default=[], description="Names of what is within columns: `user.name`")
    column: str | None = Field(default=None, description="The column of texts; null if it is yet to be said")
    group_by: str | None = None
    sheets: list[str] | None = Field(default=None, description="Of a workbook, the names of its sheets")
    rows: list[list[str | None]] = Field(
        default=[], description="Up to five rows, with up to 30 columns; long texts are cut"
    )
    row_estimate: int | None = Field(default=None, description="Rows of the whole file, or about so many")
    seconds_estimate: float | None = Field(
        default=None, description="Seconds of scoring, by the jobs of files that ended last"
    )
    broken: PreviewBroken = PreviewBroken(count=0, first=[])
    warnings: list[str] = []
    problem: PreviewProblem | None = Field(default=None, description="null: nothing is known against it")
