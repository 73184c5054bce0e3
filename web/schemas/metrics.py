"""Metrics of jobs, and comparisons of them, as the API answers them."""

import uuid
from typing import Any, Self

from pydantic import Field

from jobyard.web.schemas.base import Moment, Out
from jobyard.web.services import comparisons


class Metric(Out):
    name: str
    step: int
    epoch: int | None
    value: float | None = Field(description="null where the number was not finite")
    at: Moment


class ComparedPoint(Out):
    step: int
    epoch: int | None
    value: float | None


class ComparedJob(Out):
    """One job of a comparison."""

    id: uuid.UUID
    label: str = Field(description="Its name; else its model's reference, or its kind and the end of its id")
    state: str
    points: list[ComparedPoint]
    best: ComparedPoint | None
    last: ComparedPoint | None


class Comparison(Out):
    """One metric of several jobs."""

    name: str
    names: list[str] = Field(description="Names of the metrics that at least one of the jobs has")
    lower_is_better: bool
    jobs: list[ComparedJob]
    differences: dict[str, list[Any]] = Field(
        description="Fields in which the specs differ: the value of each job, in the order of `jobs`"
    )
    truncated: list[str] = Field(description="Those of them whose values are there only in part")

    @classmethod
    def of(cls, found: comparisons.Comparison) -> Self:
        runs = [
            ComparedJob(
                id=run.job.id,
                label=run.label,
                state=run.job.state,
                points=[ComparedPoint.model_validate(point) for point in run.points],
                best=None if run.best is None else ComparedPoint.model_validate(run.best),
                last=None if run.last is None else ComparedPoint.model_validate(run.last),
            )
            for run in found.runs
        ]
        return cls(
            name=found.name,
            names=found.names,
            lower_is_better=found.lower_is_better,
            jobs=runs,
            differences=found.differences,
            truncated=found.truncated,
        )
