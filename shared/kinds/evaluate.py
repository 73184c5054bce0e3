"""evaluate: a registered model is judged on the pictures of a data set."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from pydantic import Field

from jobyard.shared.errors import BadInput
from jobyard.shared.kinds.base import Kind, Queue, Reference, Spec
from jobyard.shared.kinds.fields import DatasetReference, ModelReference
from jobyard.shared.kinds.parts import PicturePart

if TYPE_CHECKING:
    from jobyard.shared.kinds.findings import Findings
    from jobyard.shared.registry.datasets import Dataset
    from jobyard.shared.registry.models import Model

MAX_SHOWN = 10


class EvaluateSpec(Spec):
    """Judge a registered model on the pictures of a data set."""

    model: ModelReference
    dataset: DatasetReference
    split: Literal["auto", "test", "validation", "train", "all"] = Field(
        default="auto",
        description="Which of its pictures. `auto`: those of test/; else those of validation/, or those that "
        "the model's own training held out; else all",
    )


class Evaluate(Kind[EvaluateSpec]):
    """Evaluate a model."""

    name = "evaluate"
    queue = Queue.PREDICT
    Spec = EvaluateSpec
    Part = PicturePart
    work = "jobyard.workers.kinds.evaluate:work"
    label = "Evaluation"
    action = "Evaluate a model"
    icon = "clipboard-check"
    # As a training.
    stall_seconds = 3_600.0
    starting = "starting TensorFlow"
    order = 3

    def inputs(self, spec: EvaluateSpec) -> Mapping[str, UUID | None]:
        return {}

    def references(self, spec: EvaluateSpec) -> Sequence[Reference]:
        return [Reference("model", "model", spec.model), Reference("dataset", "dataset", spec.dataset)]

    def resolve(self, spec: EvaluateSpec, found: "Findings") -> EvaluateSpec:
        """The data set has such pictures, and the model knows their classes."""
        model, dataset = found.models.get("model"), found.datasets.get("dataset")
        if model is None or dataset is None:
            return spec
        if spec.split not in ("auto", "all", *dataset.classes) and not (
            spec.split == "validation" and was_trained_on(model, dataset)
        ):
            raise BadInput(
                "spec.split",
                f"{dataset.reference} has no {spec.split} pictures; should be auto, all or one of "
                f"{', '.join(dataset.classes)}",
            )
        if strange := unknown_classes(model, dataset):
            raise BadInput("spec.dataset", strange)
        return spec

    def title(self, spec: Mapping[str, Any], files: Mapping[str, str]) -> str:
        return f"{spec['model']} on {spec['dataset']}"


def unknown_classes(model: "Model", dataset: "Dataset") -> str | None:
    """What is wrong if the data set has classes that the model can't answer: it would be wrong about each."""
    strange = sorted({*dataset.class_names} - {*model.classes})
    if not strange:
        return None
    return (
        f"{dataset.reference} has {_list(strange)}, of which {model.reference} knows nothing: its classes "
        f"are {_list(model.classes)}; classes are matched by their names"
    )


def was_trained_on(model: "Model", dataset: "Dataset") -> bool:
    """Whether the model is of a training on these very pictures."""
    return bool(((model.card or {}).get("data") or {}).get("sha256") == dataset.sha256)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:MAX_SHOWN]))
    return f"{shown} and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else shown
