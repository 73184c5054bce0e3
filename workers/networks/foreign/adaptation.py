"""What a foreign network lacks to be one of the registry's: scaled pixels, and probabilities at its end."""

import copy
from dataclasses import dataclass, field

from jobyard.shared.errors import WorkError
from jobyard.workers.networks.architecture import Architecture
from jobyard.workers.networks.architecture.editing import ending, put_at_the_end, put_in_front
from jobyard.workers.networks.architecture.fitting import SCALES
from jobyard.workers.networks.architecture.graph import Model


@dataclass
class Adapted:
    """A network with what was done to it, in words. `outputs` is "sigmoid" or "softmax"."""

    model: Model
    rescale: str = ""
    head: str = ""
    outputs: str = ""
    warnings: list[str] = field(default_factory=list)


def adapt(network: Architecture, rescale: str | None, classes: list[str]) -> Adapted:
    """A checked network with what it lacks put in front and at its end; its own layers are as they were.

    Raises WorkError where it can't be told what it expects, or its outputs do not fit the classes.
    """
    done = Adapted(copy.deepcopy(network.model))
    _fit_outputs(network, classes, done)
    _scale(network, rescale, done)
    return done


def _scale(network: Architecture, rescale: str | None, done: Adapted) -> None:
    if network.scaling is not None:
        done.rescale = f"the network's own: {network.scaling}"
        if rescale not in (None, "none"):
            done.warnings.append(
                f"the network scales pixels itself ({network.scaling}), so rescale {rescale} was left out"
            )
    elif rescale in SCALES:
        scale, offset = SCALES[rescale]
        put_in_front(done.model, "Rescaling", "rescaling", scale=scale, offset=offset)
        done.rescale = f"{rescale}: a Rescaling was put in front"
    elif rescale == "none":
        done.rescale = "none: 0 to 255, as they are"
    elif network.adapted is not None:
        done.rescale = f"the network's own: {network.adapted}"
    else:
        raise WorkError(
            "no layer of the network scales pixels of 0…255: rescale should say what it expects, 0..1, -1..1 "
            "or none"
        )


def _fit_outputs(network: Architecture, classes: list[str], done: Adapted) -> None:
    shape, count = network.output_shape, len(classes)
    if shape == (1,) and count == 2:
        done.outputs = "sigmoid"
    elif shape == (count,):
        done.outputs = "softmax"
    elif len(shape) == 1:
        right = "2 names" if shape == (1,) else f"{shape[0]:,} names"
        raise WorkError(f"the network has {shape[0]:,} outputs: classes should be {right}, but are {count:,}")
    else:
        raise WorkError(f"the network's output has the shape {shape}: should be a number for each class")
    found, _ = ending(network.model)
    if found == done.outputs:
        done.head = f"{found}, as it was"
    elif found == "linear":
        put_at_the_end(done.model, "Activation", "probabilities", activation=done.outputs)
        done.head = f"{done.outputs}, put at the end of a network of logits"
        done.warnings.append(
            f"the network ends without an activation: its outputs were taken for logits, and a "
            f"{done.outputs} was put at its end"
        )
    else:
        raise WorkError(
            f"the network ends in {found}: should end in {done.outputs} or, with logits, in no activation"
        )
