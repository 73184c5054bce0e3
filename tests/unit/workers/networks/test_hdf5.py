from pathlib import Path

import h5py
import numpy as np
import pytest

from jobyard.shared.errors import WorkError
from jobyard.workers.networks import hdf5


def write_weights(path: Path) -> None:
    with h5py.File(path, "w") as file:
        values = file.create_group("layers/conv2d/vars")
        values.attrs["name"] = "first"
        values.create_dataset("0", data=np.arange(6, dtype=np.float32).reshape(2, 3), compression="gzip")
        values.create_dataset("1", data=np.zeros(3, np.float32))


def alter(path: Path, how: str) -> None:  # noqa: C901 - a case for each trick
    group = "layers/conv2d/vars"
    with h5py.File(path, "a") as file:
        if how != "unknown layer":
            del file[f"{group}/1"]
        values = file[group]
        match how:
            case "unknown layer":
                values.attrs["name"] = "other"
            case "external link":
                values["1"] = h5py.ExternalLink("other.h5", "/secret")
            case "soft link":
                values["1"] = h5py.SoftLink("/layers/conv2d/vars/0")
            case "external storage":
                values.create_dataset("1", (3,), np.float32, external=[(str(path.parent / "secret"), 0, 12)])
            case "virtual":
                layout = h5py.VirtualLayout((3,), np.float32)
                layout[:] = h5py.VirtualSource("other.h5", "secret", (3,))
                values.create_virtual_dataset("1", layout)
            case "huge":
                values.create_dataset("1", (2**40,), np.float32, chunks=(2**20,), compression="gzip")
            case "filter":
                values.create_dataset("1", data=np.zeros(3, np.float32), chunks=(3,), compression="lzf")
            case "type":
                values.create_dataset("1", data=np.zeros(3, np.float64))
            case "group":
                values.create_group("1")


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("unknown layer", "it has no layer first"),
        ("missing", "1 is a link, or missing"),
        ("external link", "1 is a link, or missing"),
        ("soft link", "1 is a link, or missing"),
        ("external storage", "not in the file as plain numbers"),
        ("virtual", "not in the file as plain numbers"),
        ("huge", r"float32 \(1099511627776,\): should be float32 \(3,\)"),
        ("filter", "not in the file as plain numbers"),
        ("type", r"float64 \(3,\): should be float32 \(3,\)"),
        ("group", "1 is something else"),
    ],
)
def test_weights_of_keras_are_read_as_numbers_of_that_file_only(tmp_path: Path, how: str, why: str) -> None:
    path = tmp_path / "own.weights.h5"
    write_weights(path)
    (tmp_path / "secret").write_bytes(bytes(12))
    shapes = {"first": [(2, 3), (3,)]}
    np.testing.assert_array_equal(hdf5.read(path, shapes)["first"][0], [[0, 1, 2], [3, 4, 5]])

    alter(path, how)

    with pytest.raises(WorkError, match=rf"own\.weights\.h5 can't be read as weights of Keras: .*{why}"):
        hdf5.read(path, shapes)


@pytest.mark.parametrize("size", [0, 7, 500])
def test_a_torn_file_of_weights_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "own.weights.h5"
    write_weights(path)
    path.write_bytes(path.read_bytes()[:size])

    with pytest.raises(WorkError, match="broken or missing"):
        hdf5.read(path, {"first": [(2, 3), (3,)]})
