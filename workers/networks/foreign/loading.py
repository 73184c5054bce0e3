"""How a network that was built gets the weights of a checked file: what Keras reads, Keras has written."""

from pathlib import Path
from typing import Any

import h5py

from jobyard.shared.archives.members import printable
from jobyard.shared.errors import WorkError
from jobyard.workers.networks.foreign.weights import SEEDS, Array, WeightsFile, copy


def load(network: Any, source: WeightsFile, own: Path, *, others: bool = False) -> None:
    """Copy the weights into `own`, a new file `.weights.h5` that the network writes, and have it read that.

    The file may have arrays of `others`. Raises WorkError where one of the network's is missing, of another
    shape or type, or has a value that is no number; and for arrays of others that should not be there.
    """
    network.save_weights(own)
    expected = _arrays(own)
    unknown = sorted(path for path in source.arrays if path not in expected and SEEDS not in path)
    if unknown and not others:
        more = f", nor do {len(unknown) - 1:,} others" if len(unknown) > 1 else ""
        raise WorkError(f"the array {printable(unknown[0])!r} belongs to no layer{more}")
    copy(source, own, {path: array for path, array in expected.items() if SEEDS not in path})
    network.load_weights(own)


def _arrays(own: Path) -> dict[str, Array]:
    """Those of a file that Keras wrote."""
    found: dict[str, Array] = {}

    def keep(path: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            found[path] = Array(tuple(thing.shape), thing.dtype)

    with h5py.File(own) as file:
        file.visititems(keep)
    return found
