"""Data sets and models, as the API answers them."""

import uuid
from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field

from jobyard.shared import registry
from jobyard.web.schemas.base import API, TRUNCATED, Moment, Out


class Dataset(Out):
    id: uuid.UUID
    name: str
    version: int
    reference: str
    classes: dict[str, dict[str, int]] = Field(description="Pictures by split and class")
    pictures: int
    rejected: list[dict[str, str]]
    rejected_count: int
    report: dict[str, Any] | None = Field(
        description="Findings of the import: sizes, formats, duplicates, leaks between splits, pictures "
        "under two classes, imbalance, and `warnings` as texts; null for imports by versions without reports"
    )
    bytes: int
    sha256: str = Field(description="SHA-256 of the contents; equal for equal pictures")
    job_id: uuid.UUID | None
    created_at: Moment
    truncated: list[str] = TRUNCATED


class ModelExport(Out):
    """A file of a model in another format."""

    format: str
    quantize: str
    file: str = Field(description="The name under which it is saved")
    bytes: int
    sha256: str
    created_at: Moment
    link: str

    @classmethod
    def of(cls, export: registry.ModelExport, model: registry.Model) -> Self:
        how = "" if export.quantize == "none" else f"&quantize={export.quantize}"
        return cls(
            format=export.format,
            quantize=export.quantize,
            file=export.file_name(model),
            bytes=export.bytes,
            sha256=export.sha256,
            created_at=export.created_at,
            link=f"{API}/models/{model.reference}/file?format={export.format}{how}",
        )


class Model(Out):
    id: uuid.UUID
    name: str
    version: int
    reference: str
    network: str
    classes: list[str] = Field(description="In the order of the model's outputs")
    image_size: int
    aliases: list[str] = Field(
        [], description="`latest` and `best` where they apply, then the aliases that were set"
    )
    accuracy: float | None = Field(description="Accuracy of its evaluation; the highest of a name is `best`")
    metrics: dict[str, Any]
    bytes: int
    sha256: str
    dataset_id: uuid.UUID | None
    job_id: uuid.UUID | None
    created_at: Moment
    exports: list[ModelExport] = Field(
        [], description="Its files in other formats; a job of kind `export` makes one"
    )
    truncated: list[str] = TRUNCATED
    links: dict[str, str] = Field(default={})

    @classmethod
    def of(
        cls, model: registry.Model, aliases: list[str], exports: Sequence[registry.ModelExport] = ()
    ) -> Self:
        out = cls.model_validate(model)
        out.aliases = aliases
        out.exports = [ModelExport.of(one, model) for one in exports]
        own = f"{API}/models/{model.reference}"
        out.links = {
            "self": own,
            "file": f"{own}/file",
            "card": f"{own}/card",
            "evaluations": f"{own}/evaluations",
        }
        return out


class ModelEvaluation(Out):
    """An evaluation of a model on a data set, in short; the result of its job has the whole of it."""

    id: uuid.UUID
    dataset: str = Field(description="`name@version` of the data set")
    dataset_sha256: str
    dataset_id: uuid.UUID | None = Field(description="null after the data set was deleted")
    split: str
    pictures: int
    accuracy: float
    accuracy_interval: list[float] = Field(description="Wilson's, at 95 %")
    loss: float
    job_id: uuid.UUID | None = Field(description="null after the job was deleted")
    created_at: Moment


class ModelCard(Out):
    """What a model is, how good it is, and how to use its file without this server."""

    name: str
    version: int
    reference: str
    aliases: list[str]
    created_at: str
    format: str
    least_keras: str | None = Field(description="The oldest version of Keras that reads the file: `3.8`")
    bytes: int
    sha256: str = Field(description="SHA-256 of the file; verify it before loading the file")
    network: str
    image_size: int
    preprocessing: str
    background: str | None = Field(
        description="What is transparent is laid on it; null: it keeps the colour that the file has there"
    )
    classes: list[str]
    outputs: str
    accuracy: float | None
    metrics: dict[str, Any]
    data: dict[str, Any] | None = Field(
        description="The data set it was trained on: reference, SHA-256, pictures"
    )
    source: dict[str, Any] | None = Field(
        description="Of a model that was made elsewhere: the file, its SHA-256, what its network is, warnings"
    )
    warnings: list[str] = Field(
        description="About its training: that it diverged, or that the model is no better than guessing"
    )
    backbone: dict[str, str] | None = Field(
        description="Name and SHA-256 of the pretrained weights that its training began with"
    )
    class_weight: dict[str, float] | None = Field(
        description="What the pictures of each class counted in the loss; null if all the same"
    )
    evaluation: dict[str, Any] | None = Field(description="That of its training")
    evaluations: list[dict[str, Any]] = Field(
        description="The newest 50 on data sets, by jobs of kind `evaluate`, newest first"
    )
    environment: dict[str, Any] | None
    timings: dict[str, Any] | None
    exports: list[dict[str, Any]] = Field(
        description="Its files in other formats: names and shapes of input and output, SHA-256, precision, "
        "and the largest difference between a probability of the file's and one of the `.keras` file's"
    )
    spec: dict[str, Any] | None = Field(description="Spec of the job that made it")
