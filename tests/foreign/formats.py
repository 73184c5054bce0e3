"""Other formats of models: recognized, and refused with the way to convert them."""

import json
from pathlib import Path

import h5py

from tests import hostile
from tests.factories import zipped
from tests.foreign.attack import Attacks
from tests.foreign.model import keras_file, layer, network, weights

OTHER_FORMATS = Attacks()
CONVERTS_H5 = "keras.saving.load_model('model.h5', compile=False).save('model.keras')"


def _h5(**attributes: str) -> bytes:
    def change(file: h5py.File) -> None:
        for name, text in attributes.items():
            file.attrs[name] = text

    return weights(change)


@OTHER_FORMATS.add("CVE-2025-9905: .h5 with a Lambda", CONVERTS_H5, "model.h5")
def _legacy(secret: Path) -> bytes:
    lambda_layer = layer("Lambda", "evil", function=["4wAAAA==", None, None], function_type="lambda")
    return _h5(keras_version="2.15.0", model_config=json.dumps(network(lambda_layer)))


@OTHER_FORMATS.add("HDF5 that is called .keras", CONVERTS_H5)
def _h5_in_disguise(secret: Path) -> bytes:
    return _h5()


@OTHER_FORMATS.add("HDF5 after a block of the user's own", CONVERTS_H5, "model.hdf5")
def _h5_after_block(secret: Path) -> bytes:
    return bytes(512) + _h5()


@OTHER_FORMATS.add("weights only", "has weights and no network; save both", "pets.weights.h5")
def _weights_only(secret: Path) -> bytes:
    return weights()


@OTHER_FORMATS.add("Keras 2", "was written by Keras 2; convert it where it was made: python -c")
def _keras_2(secret: Path) -> bytes:
    return keras_file(metadata={"keras_version": "2.15.0"})


@OTHER_FORMATS.add("SavedModel in a zip", "is a SavedModel of TensorFlow; convert it", "pets.zip")
def _saved_model(secret: Path) -> bytes:
    return zipped({"pets/saved_model.pb": b"\x08\x01", "pets/variables/variables.index": b""})


@OTHER_FORMATS.add("SavedModel in a tar", "If it holds a SavedModel, it is a SavedModel", "pets.tar.gz")
def _packed_saved_model(secret: Path) -> bytes:
    return hostile.tar_gz([hostile.header("saved_model.pb"), hostile.END_OF_TAR])


@OTHER_FORMATS.add("the .pb of a SavedModel", "is a SavedModel of TensorFlow; convert it", "saved_model.pb")
def _pb(secret: Path) -> bytes:
    return b"\x08\x01\x12\x00"


@OTHER_FORMATS.add("TFLite", "is a TFLite model", "pets.tflite")
def _tflite(secret: Path) -> bytes:
    return b"\x1c\0\0\0TFL3" + bytes(100)


@OTHER_FORMATS.add("PyTorch", "is a PyTorch file", "pets.pt")
def _torch(secret: Path) -> bytes:
    return zipped({"pets/data.pkl": b"\x80\x02cposix\nsystem\n", "pets/data/0": b""})


@OTHER_FORMATS.add("PyTorch of old", "is a PyTorch file", "pets.pth")
def _old_torch(secret: Path) -> bytes:
    return b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."


@OTHER_FORMATS.add("a pickle", "is a pickle, which can run any code", "pets.pkl")
def _pickle(secret: Path) -> bytes:
    return b"\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."


@OTHER_FORMATS.add("ONNX", "is an ONNX model", "pets.onnx")
def _onnx(secret: Path) -> bytes:
    return b"\x08\x07\x12\x07pytorch"


@OTHER_FORMATS.add("TensorFlow.js", "is a TensorFlow.js model", "model.json")
def _tfjs(secret: Path) -> bytes:
    return json.dumps({"format": "layers-model", "weightsManifest": []}).encode()


@OTHER_FORMATS.add("TensorFlow.js in a zip", "is a TensorFlow.js model", "pets.zip")
def _zipped_tfjs(secret: Path) -> bytes:
    return zipped({"model.json": b"{}", "group1-shard1of1.bin": b""})


@OTHER_FORMATS.add("an architecture", "a network without weights; train it with network: custom", "net.json")
def _architecture(secret: Path) -> bytes:
    return json.dumps(network()).encode()


@OTHER_FORMATS.add(
    "a picture", "is in no format that is known; should be a .keras file of Keras 3", "cat.png"
)
def _picture(secret: Path) -> bytes:
    return b"\x89PNG\r\n\x1a\n"


@OTHER_FORMATS.add("any other zip", "has no metadata.json; should be a .keras file of Keras 3", "pets.zip")
def _other_zip(secret: Path) -> bytes:
    return zipped({})
