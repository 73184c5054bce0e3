"""predict: a registered model says what is on pictures."""

from typing import Self
from uuid import UUID

from pydantic import Field, model_validator

from jobyard.shared.kinds.base import Parameters, Queue, Spec
from jobyard.shared.kinds.fields import ModelReference, Reference

MAX_IMAGES = 10_000
MAX_EXPLAINED_PICTURES = 100


class PredictSpec(Spec):
    """Say what is on pictures, by a registered model."""

    kind = "predict"
    queue = Queue.PREDICT

    model: ModelReference
    images: list[UUID] | None = Field(
        default=None, min_length=1, max_length=MAX_IMAGES, description="Ids of uploaded files"
    )
    dataset: Reference | None = Field(default=None, description="Predict every picture of this data set")
    archive: UUID | None = Field(
        default=None, description="Id of an uploaded zip or tar archive of pictures, in whatever folders"
    )
    top: int | None = Field(
        default=None, ge=1, description="Keep only the most probable classes; default: all"
    )
    explain: bool = Field(
        default=False,
        description="Draw over each picture what speaks for its label (Grad-CAM): a file of the job; "
        f"for at most {MAX_EXPLAINED_PICTURES} pictures",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.images, self.dataset, self.archive)) != 1:
            raise ValueError("should have either images, dataset or archive")
        self.check_explained(len(self.images or []))
        return self

    @property
    def inputs(self) -> list[UUID]:
        return [self.archive] if self.archive is not None else self.images or []

    def check_explained(self, pictures: int) -> None:
        """Raises ValueError if so many are too many to explain."""
        if self.explain and pictures > MAX_EXPLAINED_PICTURES:
            raise ValueError(
                f"with explain, there should be at most {MAX_EXPLAINED_PICTURES} pictures, not {pictures:,}"
            )


def overlay_name(row: int) -> str:
    """The file of the job in which the picture of that row is explained."""
    return f"overlay-{row}.png"


class PredictPart(Parameters):
    """Some of the pictures of a prediction in parts: what a child is to do. Nobody can submit it."""

    part: int = Field(ge=0, description="Which, from 0")
    parts: int = Field(ge=1)
    start: int = Field(ge=0, description="The first picture's number in the whole")
    count: int = Field(ge=1)
