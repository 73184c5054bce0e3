"""export: a registered model becomes a file of another format."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from jobyard.shared.kinds.base import Kind, Queue, Reference, Spec
from jobyard.shared.kinds.fields import ModelReference

Format = Literal["onnx", "tflite", "savedmodel"]
Quantize = Literal["none", "float16", "dynamic"]

# As people call them.
FORMATS: Final[dict[Format, str]] = {
    "onnx": "ONNX",
    "tflite": "TFLite (LiteRT)",
    "savedmodel": "TensorFlow SavedModel",
}


class ExportSpec(Spec):
    """Make a file of a model for another program; a file that there is already is kept."""

    model: ModelReference
    format: Format = Field(
        description="`onnx`: for ONNX Runtime and others; `tflite`: for LiteRT, on phones; "
        "`savedmodel`: for TensorFlow Serving, as a zip"
    )
    quantize: Quantize = Field(
        default="none",
        description="How weights of `tflite` are kept. `float16`: half the size; `dynamic`: whole numbers of "
        "8 bits, a quarter of the size, and probabilities that differ more",
    )
    force: bool = Field(default=False, description="Make the file again, and replace the one that there is")

    @model_validator(mode="after")
    def _only_tflite_is_quantized(self) -> Self:
        if self.quantize != "none" and self.format != "tflite":
            raise ValueError("with quantize, format should be 'tflite'")
        return self


class Export(Kind[ExportSpec]):
    """Make a file of a model for another program."""

    name = "export"
    # Where TensorFlow is, and no training is waited for.
    queue = Queue.PREDICT
    Spec = ExportSpec
    work = "jobyard.workers.kinds.export:work"
    label = "Export"
    action = "Export a model"
    icon = "box-arrow-up"
    # Longer than a conversion may take.
    stall_seconds = 3_600.0
    order = 7

    def inputs(self, spec: ExportSpec) -> Mapping[str, UUID | None]:
        return {}

    def references(self, spec: ExportSpec) -> Sequence[Reference]:
        return [Reference("model", "model", spec.model)]

    def title(self, spec: Mapping[str, Any], files: Mapping[str, str]) -> str:
        how = "" if spec["quantize"] == "none" else f", {spec['quantize']}"
        return f"{spec['model']} as {FORMATS[spec['format']]}{how}"
