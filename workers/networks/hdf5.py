"""The weights in a file `.weights.h5` of Keras, read as numbers and nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from jobyard.shared.errors import WorkError

Shapes = Sequence[tuple[int, ...]]


def read(path: Path, shapes: Mapping[str, Shapes]) -> dict[str, list[NDArray[Any]]]:
    """The weights of the layers named, each of float32 and of the shapes given.

    An HDF5 file can refer to other files, unpack to any size, and name types of its own: each value has to
    be in this file, of the shape and type that is expected, and not compressed but by gzip. Raises WorkError.
    """
    try:
        with h5py.File(path, "r") as file:
            groups = _groups(file)
            return {name: _weights(groups, name, expected) for name, expected in shapes.items()}
    except WorkError as error:
        raise WorkError(f"{path.name} can't be read as weights of Keras: {error.message}") from None
    # h5py raises these for what is broken.
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise WorkError(f"{path.name} can't be read as weights of Keras: it is broken or missing") from error


def _groups(file: Any) -> dict[str, Any]:
    """The group of each layer's values; Keras names it by its class, and notes the layer's own name."""
    groups = {}
    layers = _child(file, "layers", h5py.Group)
    for key in layers:
        values = _child(_child(layers, key, h5py.Group), "vars", h5py.Group)
        groups[str(values.attrs["name"])] = values
    return groups


def _weights(groups: dict[str, Any], layer: str, shapes: Shapes) -> list[NDArray[Any]]:
    if layer not in groups:
        raise WorkError(f"it has no layer {layer}")
    return [_value(groups[layer], layer, str(index), shape) for index, shape in enumerate(shapes)]


def _value(group: Any, layer: str, key: str, shape: tuple[int, ...]) -> NDArray[Any]:
    value = _child(group, key, h5py.Dataset)
    if value.shape != shape or value.dtype != np.dtype("<f4"):
        raise WorkError(f"{layer} has weights {value.dtype} {value.shape}: should be float32 {shape}")
    properties = value.id.get_create_plist()
    filters = {properties.get_filter(index)[0] for index in range(properties.get_nfilters())}
    if value.is_virtual or value.external or filters - {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE}:
        raise WorkError(f"the weights of {layer} are not in the file as plain numbers")
    return np.asarray(value[()])


def _child(group: Any, key: str, kind: type) -> Any:
    if not isinstance(group.get(key, getlink=True), h5py.HardLink):
        raise WorkError(f"{key} is a link, or missing")
    found = group[key]
    if not isinstance(found, kind):
        raise WorkError(f"{key} is something else")
    return found
