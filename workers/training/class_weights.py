"""What the pictures of each class count in the loss."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.train import unknown_classes


def class_weights(
    wanted: Literal["balanced"] | Mapping[str, float] | None,
    classes: Sequence[str],
    labels: NDArray[np.integer[Any]],
) -> dict[str, float] | None:
    """The weight of each class, by name; None if all count the same because nothing else is wanted.

    "balanced" gives a class with k_c of the n training pictures n / (k · k_c), k being the number of
    classes, as scikit-learn's `compute_class_weight` does; `labels` (n,) are those of the training pictures,
    of which each class has one. A class that a map doesn't name weighs 1. Raises WorkError for one that
    names no class.
    """
    if wanted is None:
        return None
    if wanted == "balanced":
        counts = np.bincount(labels, minlength=len(classes))
        return dict(zip(classes, (len(labels) / (len(classes) * counts)).tolist(), strict=True))
    if unknown := unknown_classes(wanted, classes):
        raise WorkError(f"class_weight {unknown}")
    return {name: float(wanted.get(name, 1)) for name in classes}
