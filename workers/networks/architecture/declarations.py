"""What a declaration of a layer consists of: checks of its config, arithmetic of its shapes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jobyard.workers.networks.architecture.objects import (
    AXIS,
    constraint,
    initializer,
    policy,
    regularizer,
)
from jobyard.workers.networks.architecture.shapes import Infer
from jobyard.workers.networks.architecture.values import (
    Check,
    boolean,
    choice,
    either,
    integer,
    items,
    name,
    number,
)

Class = tuple[str, str]  # module and class_name


@dataclass(frozen=True)
class Layer:
    """One class: the checks of its config's keys, those it can't do without, how it is called.

    `inputs`: "one" tensor, "many" as a list, or "attention": query, value and perhaps key.
    """

    config: Mapping[str, Check]
    infer: Infer
    inputs: Literal["one", "many", "attention"] = "one"
    required: frozenset[str] = field(default_factory=frozenset)
    # Whether Grad-CAM can use its output, and whether it is there to scale pixels.
    convolves: bool = False
    scales: bool = False
    # Whether its config has a layer that it applies.
    wraps: bool = False


# Bounds of single numbers; what they make together is counted (see Limits).
COUNT = integer(1, 10**6)
WINDOW = integer(1, 4096)
MARGIN = integer(0, 4096)
RATE = number(0, 1)
FACTOR = number(-10, 10)

COMMON: Mapping[str, Check] = {
    "name": name,
    "trainable": boolean,
    "dtype": policy,
    "activity_regularizer": regularizer,
}
FORMAT: Mapping[str, Check] = {"data_format": choice("channels_last")}
INTERPOLATION = choice("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")
FILL = choice("constant", "nearest", "wrap", "mirror", "reflect")
FACTORS = either(FACTOR, items(FACTOR, 2, 2))
AXES = either(AXIS, items(AXIS, 1, 4))


def weighted(*weights: str) -> dict[str, Check]:
    checks: dict[str, Check] = {}
    for one in weights:
        checks |= {f"{one}_initializer": initializer, f"{one}_regularizer": regularizer}
        checks |= {f"{one}_constraint": constraint}
    return checks


def pair(check: Check) -> Check:
    return items(check, 2, 2)


def only(check: Check) -> Check:
    """The one value of a list."""
    return lambda value, place: items(check, 1, 1)(value, place)[0]
