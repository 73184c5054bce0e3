"""What makes a network of an architecture: pixels that are scaled once, and outputs that are the classes."""

import copy
from dataclasses import dataclass
from typing import Any, Final, Literal

from jobyard.workers.networks.architecture.checking import Architecture, check
from jobyard.workers.networks.architecture.editing import (
    ending,
    put_at_the_end,
    put_in_front,
    set_policies,
    take_off,
)
from jobyard.workers.networks.architecture.inference import Limits
from jobyard.workers.networks.architecture.shapes import text
from jobyard.workers.networks.architecture.writing import model_config
from jobyard.workers.networks.classifier import classifier

Head = Literal["auto", "keep"]
Rescale = Literal["auto", "0..1", "-1..1", "none"]

# Of pictures, where the architecture takes any and the caller does not say.
DEFAULT_SIDE: Final = 128

# Scale and offset of what makes these of pixels of 0…255.
SCALES: Final = {"0..1": (1 / 255, 0.0), "-1..1": (1 / 127.5, -1.0)}

# What an output that is one probability for each class went through last.
_OF_CLASSES = ("sigmoid", "softmax", "log_softmax")


@dataclass(frozen=True)
class Fitted:
    """An architecture for certain classes and pictures. `head` says what became of its last layers:

    "own": they gave the classes; "replaced": they gave others; "added": it gave features.
    """

    architecture: Architecture
    image_size: int
    head: Literal["own", "replaced", "added"]

    def config(self, precision: str) -> dict[str, Any]:
        """What Keras builds, to compute with a dtype policy; scaling and probabilities are float32."""
        model = copy.deepcopy(self.architecture.model)
        set_policies(model, precision, ending(model)[1])
        return model_config(model)


def fit(
    document: Any,
    classes: int,
    *,
    image_size: int | None = None,
    head: Head = "auto",
    rescale: Rescale = "auto",
    limits: Limits | None = None,
) -> Fitted:
    """Check an architecture (see `check`) and fit it to a number of classes.

    Its output is (1,), the probability of the second of two classes, or (classes,). `image_size` is the side
    of the pictures, for architectures that take any. Raises Refusal.
    """
    found = check(document, limits, image_size)
    if found.image_size is None:
        found = check(document, limits, DEFAULT_SIDE)
    model = copy.deepcopy(found.model)
    _rescale(found, rescale, model)
    outcome = _fit_head(found, head, classes, model)
    # Again, as it is now: what is built is what was checked and counted.
    fitted = check(model_config(model), limits)
    if outcome != "own" and len(fitted.output_shape) > 1:
        put_at_the_end(model, f"GlobalAveragePooling{len(fitted.output_shape) - 1}D", "mean")
    if outcome != "own":
        units, activation, name = classifier(classes)
        put_at_the_end(model, "Dense", name, units=units, activation=activation)
        fitted = check(model_config(model), limits)
    return Fitted(fitted, int(fitted.image_size or DEFAULT_SIDE), outcome)


def _rescale(found: Architecture, rescale: Rescale, model: Any) -> None:
    if rescale in SCALES and found.scaling is not None:
        raise model.place.refuse(
            f"scales pixels itself, at {found.scaling}: rescale should be left out, or none, is {rescale}"
        )
    wanted = "0..1" if rescale == "auto" and found.scaling is None else rescale
    if wanted in SCALES:
        scale, offset = SCALES[wanted]
        put_in_front(model, "Rescaling", "rescaling", scale=scale, offset=offset)


def _fit_head(
    found: Architecture, head: Head, classes: int, model: Any
) -> Literal["own", "replaced", "added"]:
    """Take off a head for other classes; returns what is to be done, or was."""
    activation, last = ending(model)
    shape = found.output_shape
    right = [((classes,), "softmax")] + ([((1,), "sigmoid")] if classes == 2 else [])
    if (shape, activation) in right:
        return "own"
    if head == "keep":
        wanted = " or ".join(f"{size[0]} with {name}" for size, name in right)
        raise model.place.refuse(
            f"has an output of {text((None, *shape))} with {activation}: should be {wanted} for {classes} "
            "classes; head 'auto' replaces the last layer"
        )
    logits = activation == "linear" and shape in [size for size, _ in right]
    if activation not in _OF_CLASSES and not logits:
        return "added"
    for element in reversed(last):
        # The layer with the weights; where it is needed elsewhere, what comes after it.
        if take_off(model, element):
            return "replaced"
    return "added"
