"""predict: a registered model classifies pictures."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from pydantic import Field, model_validator

from jobyard.shared.errors import BadInput
from jobyard.shared.kinds.base import Kind, Queue, Reference, Source, Spec
from jobyard.shared.kinds.fields import DatasetReference, ModelReference
from jobyard.shared.kinds.parts import PicturePart

if TYPE_CHECKING:
    from jobyard.shared.kinds.findings import Findings

MAX_IMAGES = 10_000
MAX_EXPLAINED_PICTURES = 100
# Of a model with more classes than these, so many are kept of each picture unless the spec says otherwise.
MAX_ALL_CLASSES = 20
TOP_OF_MANY = 5


class PredictSpec(Spec):
    """Classify pictures with a registered model."""

    model: ModelReference
    images: list[UUID] | None = Field(
        default=None, min_length=1, max_length=MAX_IMAGES, description="Ids of uploaded files"
    )
    dataset: DatasetReference | None = Field(
        default=None, description="Predict every picture of this data set"
    )
    archive: UUID | None = Field(
        default=None, description="Id of an uploaded zip or tar archive of pictures, in any folders"
    )
    top: int | None = Field(
        default=None,
        ge=1,
        description="Keep only the most probable classes; default: all, or "
        f"{TOP_OF_MANY} of a model with more than {MAX_ALL_CLASSES}",
    )
    explain: bool = Field(
        default=False,
        description="Mark the regions of each picture that support its label (Grad-CAM): files of the job; "
        f"for at most {MAX_EXPLAINED_PICTURES} pictures",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.images, self.dataset, self.archive)) != 1:
            raise ValueError("should have either images, dataset or archive")
        self.check_explained(len(self.images or []))
        return self

    def check_explained(self, pictures: int) -> None:
        """Raises ValueError if so many are too many to explain."""
        if self.explain and pictures > MAX_EXPLAINED_PICTURES:
            raise ValueError(
                f"with explain, there should be at most {MAX_EXPLAINED_PICTURES} pictures, not {pictures:,}"
            )


def overlay_name(row: int) -> str:
    """The file of the job in which the picture of that row is explained."""
    return f"overlay-{row}.png"


class Predict(Kind[PredictSpec]):
    """Predict pictures."""

    name = "predict"
    queue = Queue.PREDICT
    Spec = PredictSpec
    Part = PicturePart
    work = "jobyard.workers.kinds.predict:work"
    label = "Prediction"
    action = "Predict pictures"
    icon = "image"
    starting = "starting TensorFlow"
    sources = (
        Source("pictures", "images", "choose at least one picture"),
        Source("archive", "archive", "choose a zip or tar archive"),
        Source("dataset", "dataset", "choose a data set"),
    )
    order = 2

    def inputs(self, spec: PredictSpec) -> Mapping[str, UUID | None]:
        images = {f"images.{number}": file_id for number, file_id in enumerate(spec.images or [])}
        return {**images, "archive": spec.archive}

    def references(self, spec: PredictSpec) -> Sequence[Reference]:
        return [Reference("model", "model", spec.model), Reference("dataset", "dataset", spec.dataset)]

    def resolve(self, spec: PredictSpec, found: "Findings") -> PredictSpec:
        """There are not too many pictures to explain; and of many classes the most probable are enough."""
        dataset = found.datasets.get("dataset")
        if dataset is not None:
            try:
                spec.check_explained(dataset.pictures)
            except ValueError as error:
                raise BadInput("spec.explain", str(error)) from None
        if spec.top is None and len(found.models["model"].classes) > MAX_ALL_CLASSES:
            return spec.model_copy(update={"top": TOP_OF_MANY})
        return spec

    def title(self, spec: Mapping[str, Any], files: Mapping[str, str]) -> str:
        if spec.get("archive") is not None:  # older ones have no such field
            return f"{files.get(spec['archive'], 'an archive')} by {spec['model']}"
        count = len(spec["images"] or ())
        counted = "1 picture" if count == 1 else f"{count:,} pictures"
        return f"{spec['dataset'] or counted} by {spec['model']}"

    def links(self, spec: str) -> Sequence[str]:
        return ["predictions", "predictions.csv", "predictions.parquet"]
