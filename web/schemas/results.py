"""Predictions and scores, as the API answers them."""

from typing import Any

from pydantic import Field

from jobyard.web.schemas.base import Out, Page


class Prediction(Out):
    image: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float] | None
    error: str | None
    overlay: str | None = Field(
        default=None,
        description="Name of the job's file that shows which regions support the label; with `explain`",
    )


class Predictions(Page[Prediction]):
    """A page of the rows of a prediction."""

    previous: str | None = Field(
        default=None, description="The `cursor` of the page before it; null if it is the first"
    )


class ScoredRow(Out):
    """A row of a scored file; the scores are null if the text is null."""

    row: int = Field(description="Number of the row in the scored file, from 0")
    columns: dict[str, Any] = Field(
        description="The original columns by name; times, decimals, NaN and infinities as text. "
        "Texts within a column, as user.name, come first"
    )
    neg: float | None
    neu: float | None
    pos: float | None
    compound: float | None
    label: str | None


class ScoredRows(Page[ScoredRow]):
    """A page of a scored file's rows."""

    previous: str | None = Field(
        default=None, description="The `cursor` of the page before it; null if it is the first"
    )
    total: int | None = Field(
        default=None, description="How many rows there are on all pages, if `count` was asked for"
    )


class ScoreGroup(Out):
    """Summary of the rows of a scored file that have one value in the column `group_by`."""

    value: str | None = Field(description="The value as text; null for rows without a value")
    rows: int
    nulls: int = Field(description="Rows without a text; they have no scores")
    labels: dict[str, int]
    mean: float | None = Field(description="Mean of the compound score")
    std: float | None = Field(description="Standard deviation of the compound score")
    histogram: list[int] = Field(
        description="Counts of compound scores between the edges in the result's `histogram`"
    )
