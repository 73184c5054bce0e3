"""Other formats than `.keras`, recognized by their first bytes, and the command that converts each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jobyard.shared.errors import WorkError

HEAD_BYTES: Final = 4_096

SHOULD: Final = "should be a .keras file of Keras 3"
GUIDE: Final = "the guide 'Bring a model from elsewhere' says how"

H5 = (
    "is HDF5 (.h5), Keras' old format; convert it where it was made: python -c \"import keras; "
    "keras.saving.load_model('model.h5', compile=False).save('model.keras')\""
)
KERAS_2 = (
    'was written by Keras 2; convert it where it was made: python -c "import tf_keras; '
    "tf_keras.models.load_model('model.keras', compile=False).save('model.h5')\", and then: "
    "python -c \"import keras; keras.saving.load_model('model.h5', compile=False).save('model.keras')\""
)
SAVED_MODEL = (
    'is a SavedModel of TensorFlow; convert it where it was made: python -c "import tf_keras; '
    "tf_keras.models.load_model('FOLDER', compile=False).save('model.h5')\", and then: "
    "python -c \"import keras; keras.saving.load_model('model.h5', compile=False).save('model.keras')\""
)
TFLITE = f"is a TFLite model, which has no layers left to load; save the network it was made from: {GUIDE}"
TORCH = f"is a PyTorch file, which has weights and no network that Keras knows; {GUIDE}"
ONNX = f"is an ONNX model, which has no layers of Keras; save the network it was made from: {GUIDE}"
TFJS = f"is a TensorFlow.js model; save the network that it was made from: {GUIDE}"
ARCHITECTURE = (
    "is JSON, a network without weights; train it with network: custom, or save it with its weights: "
    "model.save('model.keras')"
)
PICKLE = f"is a pickle, which can run any code; {GUIDE}"
WEIGHTS_ONLY = "has weights and no network; save both: model.save('model.keras')"

# What a zip has inside that is something else: the end of a member's name, and what it is then.
INSIDE: Final = (
    ("saved_model.pb", SAVED_MODEL),
    ("data.pkl", TORCH),
    ("model.json", TFJS),
    ("model.weights.json", "has its weights in several files; save them in one: model.save('model.keras')"),
    ("model.weights.npz", "has its weights as NumPy arrays; save it with Keras 3: model.save('model.keras')"),
)


def refuse_others(path: Path, name: str) -> None:
    """Raises WorkError where a file, uploaded as `name`, is not a zip: what it is, and how to convert it."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(b"PK"):
        return
    raise WorkError(f"the file {_kind_of(head, name.lower())}")


def kind_inside(names: Sequence[str]) -> str | None:
    """What a zip with members of these names is, if it is known and no `.keras` file."""
    inside = (what for end, what in INSIDE for name in names if name == end or name.endswith(f"/{end}"))
    return next(inside, None)


def _kind_of(head: bytes, name: str) -> str:
    """HDF5 may also begin after a block of the user's own, of 512 bytes or a power of 2 times that."""
    if b"\x89HDF\r\n\x1a\n" in (head[:8], head[512:520], head[1024:1032], head[2048:2056]):
        return WEIGHTS_ONLY + f"; or, if it has both, it {H5}" if name.endswith(".weights.h5") else H5
    if head[4:8] == b"TFL3":
        return TFLITE
    if head.startswith(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."):
        return TORCH
    if head.startswith(b"\x80") and head[1:2] in b"\x02\x03\x04\x05":
        return PICKLE
    if head.lstrip()[:1] in (b"{", b"["):
        return TFJS if b'"weightsManifest"' in head or b'"layers-model"' in head else ARCHITECTURE
    if name.endswith(".onnx"):
        return ONNX
    if name.endswith((".pb", ".pbtxt")):
        return SAVED_MODEL
    if name.endswith((".pt", ".pth", ".bin", ".safetensors")):
        return TORCH
    if head[257:262] == b"ustar" or head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        return f"is a tar archive, or packed; {SHOULD}, a zip. If it holds a SavedModel, it {SAVED_MODEL}"
    return f"is in no format that is known; {SHOULD}"
