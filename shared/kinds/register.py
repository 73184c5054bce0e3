"""register: a model that was made elsewhere comes into the registry."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from jobyard.shared.kinds.base import Kind, Queue, Reference, Spec
from jobyard.shared.kinds.fields import LINE, Background, Name

# What the registry says instead of the name of a network of its own.
IMPORTED: Final = "imported"

ClassName = Annotated[str, StringConstraints(min_length=1, max_length=150, pattern=LINE)]


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"should be distinct, but {twice!r} comes twice")
    return names


ClassNames = Annotated[list[ClassName], Field(min_length=2, max_length=10_000), AfterValidator(_distinct)]
# What a network expects pixels as.
Rescale = Literal["0..1", "-1..1", "none"]
ImageSize = Annotated[int, Field(ge=8, le=1_024)]


class RegisterSpec(Spec):
    """Register a model that Keras 3 saved elsewhere."""

    file: UUID = Field(description="Id of an uploaded `.keras` file")
    name: Name
    classes: ClassNames = Field(
        description="Names of the classes, in the order of the network's outputs; of one output with a "
        "sigmoid, the second is the one whose probability it is",
    )
    rescale: Rescale | None = Field(
        default=None,
        description="What the network expects pixels as; a layer that makes it of 0…255 is put in front. Has "
        "to be given if the network has no layer of its own for that",
    )
    image_size: ImageSize | None = Field(
        default=None,
        description="Pictures are resized to this square; default: what the network says",
    )
    background: Background = Field(
        default="white",
        description="What is transparent in pictures is laid on this colour: `white`, `black` or `#rrggbb`",
    )


class Register(Kind[RegisterSpec]):
    """Register a foreign model."""

    name = "register"
    queue = Queue.PREDICT
    Spec = RegisterSpec
    work = "jobyard.workers.kinds.register:work"
    label = "Model import"
    action = "Register a model"
    icon = "box-arrow-in-down"
    order = 6

    def inputs(self, spec: RegisterSpec) -> Mapping[str, UUID | None]:
        return {"file": spec.file}

    def references(self, spec: RegisterSpec) -> Sequence[Reference]:
        return []

    def made(self, spec: RegisterSpec) -> Sequence[str | None]:
        return [spec.name]

    def title(self, spec: Mapping[str, Any], files: Mapping[str, str]) -> str:
        return f"{spec['name']} from {files.get(spec['file'], 'a file')}"
