"""Weights in HDF5: what Keras writes is read as it is, and what only shows when it is read is refused."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from jobyard.shared.errors import WorkError
from jobyard.workers.networks.foreign import weights
from jobyard.workers.networks.foreign.weights import Array, WeightsFile
from tests import foreign
from tests.foreign import AT_READING, BIAS, KERNEL

ROOT = Path(__file__).parents[5]
MIB = 1 << 20


def opened(folder: Path, content: bytes) -> WeightsFile:
    path = folder / "model.weights.h5"
    path.write_bytes(content)
    return WeightsFile(path, 256 * MIB)


DRAWN = np.random.default_rng(1)
ARRAYS: dict[str, tuple[Any, dict[str, Any]]] = {
    "a number": (np.float32(3), {}),
    "none": (np.zeros((0, 3), "f4"), {}),
    "float16": (DRAWN.normal(size=(4, 5)).astype("f2"), {}),
    "float64": (DRAWN.normal(size=(4, 5)), {}),
    "counts": (DRAWN.integers(0, 9, 7).astype("u4"), {}),
    "flags": (DRAWN.integers(0, 2, 7).astype(bool), {}),
    "chunks": (DRAWN.normal(size=(50, 7, 3)).astype("f4"), {"chunks": (16, 7, 2)}),
    "packed": (DRAWN.integers(0, 9, (50, 7, 3)).astype("f4"), {"chunks": (16, 5, 3), "compression": "gzip"}),
    "packed, but too random for it": (DRAWN.bytes(4_000), {"chunks": (100,), "compression": "gzip"}),
    "one chunk": (np.zeros(10**6, "f4"), {"chunks": (10**6,), "compression": 9}),
}


@pytest.mark.parametrize(("values", "options"), ARRAYS.values(), ids=ARRAYS)
def test_arrays_are_read_as_h5py_reads_them(tmp_path: Path, values: Any, options: dict[str, Any]) -> None:
    values = np.frombuffer(values, "f4") if isinstance(values, bytes) else np.asarray(values)
    content = foreign.weights(lambda file: file.create_dataset("x", data=values, **options), {})
    file = opened(tmp_path, content)
    assert file.arrays == {"x": Array(values.shape, values.dtype)}
    read = file.read("x")
    assert (read.dtype, read.shape, read.tobytes()) == (values.dtype, values.shape, values.tobytes())


@pytest.mark.parametrize(("content", "words"), AT_READING.values(), ids=AT_READING)
def test_what_unpacks_to_something_else_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = opened(tmp_path, content)
    with pytest.raises(WorkError, match=words):
        file.read(KERNEL)


def changed(path: str, values: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[path]
        if values is not None:
            file[path] = values

    return change


WRONG = {
    "missing": (changed(BIAS, None), "'layers/dense/vars/1' is missing; the network has float32 \\(2,\\)"),
    "of another shape": (changed(BIAS, np.zeros(3, "f4")), "'layers/dense/vars/1' is float32 \\(3,\\); the"),
    "of another type": (changed(BIAS, np.zeros(2)), "'layers/dense/vars/1' is float64 \\(2,\\); the network"),
    "NaN": (changed(BIAS, np.array([0, np.nan], "f4")), "has 1 values that are NaN or infinite"),
    "infinite": (changed(KERNEL, np.full((3, 2), -np.inf, "f4")), "has 6 values that are NaN or infinite"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_weights_that_are_not_the_networks_are_refused(
    tmp_path: Path, change: Callable[[h5py.File], None], words: str
) -> None:
    own = tmp_path / "own.h5"
    own.write_bytes(
        foreign.weights(arrays={path: np.zeros_like(one) for path, one in foreign.plain_arrays().items()})
    )
    expected = {path: Array(one.shape, one.dtype) for path, one in foreign.plain_arrays().items()}
    with pytest.raises(WorkError, match=words):
        weights.copy(opened(tmp_path, foreign.weights(change)), own, expected)


def test_copied_weights_are_those_of_the_file(tmp_path: Path) -> None:
    wanted = foreign.plain_arrays()
    own = tmp_path / "own.h5"
    own.write_bytes(foreign.weights(arrays={path: np.zeros_like(one) for path, one in wanted.items()}))
    expected = {path: Array(one.shape, one.dtype) for path, one in wanted.items()}
    weights.copy(opened(tmp_path, foreign.weights()), own, expected)
    with h5py.File(own) as file:
        assert {path: file[path][()].tobytes() for path in wanted} == {
            path: one.tobytes() for path, one in wanted.items()
        }


# In a process of its own: HDF5 may crash it, which is what the job's process is for.
FUZZ = """
import random, sys, tempfile
from pathlib import Path
import numpy as np
from jobyard.shared.errors import WorkError
from jobyard.workers.networks.foreign.weights import WeightsFile
from tests import foreign

def change(file):
    file.create_dataset("packed", data=np.zeros((30, 20), "f4"), chunks=(7, 9), compression="gzip")

seed, count = map(int, sys.argv[1:])
draw = random.Random(seed)
whole = foreign.weights(change)
path = Path(tempfile.mkdtemp()) / "x.h5"
refused = 0
for number in range(count):
    content = bytearray(whole)
    for _ in range(draw.choice([1, 2, 8, 64])):
        content[draw.randrange(len(content))] = draw.choice([0, 1, 127, 255, draw.randrange(256)])
    path.write_bytes(content)
    print(number, flush=True)
    try:
        file = WeightsFile(path, 1 << 28)
        for name in file.arrays:
            file.read(name)
    except WorkError:
        refused += 1
    file = None
print("refused", refused)
"""


def test_damaged_files_are_refused_with_an_error_of_ours(tmp_path: Path) -> None:
    seed = random.randrange(2**31)
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(seed), "100"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, (seed, done.stdout.split()[-1], done.stderr[-2_000:])
    assert int(done.stdout.split()[-1]) > 5
