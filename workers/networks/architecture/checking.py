"""The check of an architecture, from JSON to what Keras may build."""

from dataclasses import dataclass
from typing import Any

from jobyard.workers.networks.architecture.graph import Model
from jobyard.workers.networks.architecture.inference import Inference, Limits, Tensor
from jobyard.workers.networks.architecture.reading import Reader
from jobyard.workers.networks.architecture.shapes import Shape, Size, text
from jobyard.workers.networks.architecture.writing import model_config

# The sides that an architecture's pictures may have, in pixels.
MIN_SIDE, MAX_SIDE = 8, 1024


@dataclass(frozen=True)
class Architecture:
    """A checked architecture.

    `image_size` is the side of its pictures, None if it takes any. `output_shape` is without the batch.
    `parameters` and `values` (computed for one picture, in all layers) are None where they depend on the size
    and that is open. `convolution` is the place of the last convolution, `scaling` of what scales pixels of
    0…255 by numbers of its own, `adapted` of a Normalization whose numbers are weights; None without one.
    """

    model: Model
    image_size: int | None
    output_shape: Shape
    layers: int
    parameters: Size
    values: Size
    convolution: str | None
    scaling: str | None
    adapted: str | None

    def config(self) -> dict[str, Any]:
        """What `keras.saving.deserialize_keras_object` builds the network from: only what was checked."""
        return model_config(self.model)


def check(document: Any, limits: Limits | None = None, image_size: int | None = None) -> Architecture:
    """Check what `model.to_json()` of Keras 3 wrote, as parsed from JSON (see `parse`).

    `image_size` is the side of the pictures where the architecture takes any. Raises Refusal, a WorkError,
    with the place in the file and what would be right; raises nothing else, whatever the document is.
    """
    limits = limits or Limits()
    reader = Reader(limits.layers)
    model = reader.read(document)
    size = _pictures(model, image_size)
    inference = Inference(limits)
    output = inference.run(model, Tensor((None, size, size, 3), pixels=True))
    if len(output.shape) not in (2, 3, 4):
        raise model.place.refuse(
            f"has an output of {text(output.shape)}: should be features of a picture, (n,), (places, n) or "
            "(height, width, n)"
        )
    return Architecture(
        model=model,
        image_size=size,
        output_shape=output.shape[1:],
        layers=reader.layers,
        parameters=inference.parameters,
        values=inference.values,
        convolution=inference.convolution,
        scaling=inference.scaling,
        adapted=inference.adapted,
    )


def _pictures(model: Model, wanted: int | None) -> int | None:
    """The side of the pictures, written into the input where the file leaves it open."""
    element = model.input
    shape = element.config["batch_shape"]
    place = element.place.key("batch_shape")
    if len(shape) != 4 or shape[3] != 3:
        raise place.refuse(f"is {text(tuple(shape))}: should be pictures, (height, width, 3)")
    _, height, width, _ = shape
    if None in (height, width):
        fixed = height if height is not None else width
        size = wanted if fixed is None else fixed
    elif height != width:
        raise place.refuse(f"is {text(tuple(shape))}: should be a square, as Jobyard resizes pictures to one")
    else:
        size = height
    if wanted is not None and size != wanted:
        raise place.refuse(
            f"is {text(tuple(shape))}, but image_size is {wanted}: should be the same, or left out"
        )
    if size is not None and not MIN_SIDE <= size <= MAX_SIDE:
        raise place.refuse(f"has pictures of {size} pixels: should be {MIN_SIDE} to {MAX_SIDE}")
    element.config["batch_shape"] = [None, size, size, 3]
    return int(size) if size is not None else None
