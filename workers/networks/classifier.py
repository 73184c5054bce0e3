"""The last layer of every network: its size, activation and name, without Keras."""

from typing import Literal, NamedTuple


class Classifier(NamedTuple):
    """A Dense layer that makes probabilities of features."""

    units: int
    activation: Literal["sigmoid", "softmax"]
    name: str


def classifier(classes: int) -> Classifier:
    """For two classes the probability of the second, else one for each class."""
    units = 1 if classes == 2 else classes
    return Classifier(units, "sigmoid" if units == 1 else "softmax", output_name(units))


def output_name(units: int) -> str:
    """Of an output with so many numbers."""
    return "probability" if units == 1 else "probabilities"
