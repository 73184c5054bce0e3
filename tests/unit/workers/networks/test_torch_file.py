"""Files as `torch.save` wrote them, made by Python's own pickle; PyTorch is not needed."""

import io
import pickle
import re
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.shared.errors import WorkError
from jobyard.workers.networks import torch_file

MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
ROAMING = []  # what a hostile file did


class Storage:
    def __init__(self, key: str, values: np.ndarray, elements: int | None = None, kind: str = "FloatStorage"):
        self.key, self.values, self.kind = key, values, kind
        self.elements = values.size if elements is None else elements


class Tensor:
    """Pickled as PyTorch pickles one: a call of `_rebuild_tensor_v2`."""

    def __init__(self, storage: Any, offset: Any, shape: Any, strides: Any):
        self.arguments = (storage, offset, shape, strides, False, OrderedDict())


class Named:
    """Something in a module, whether or not it exists."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name


class _Pickler(pickle._Pickler):  # type: ignore[name-defined]  # the one in Python can write any name
    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def persistent_id(self, thing: Any) -> Any:
        if isinstance(thing, Storage):
            return ("storage", Named("torch", thing.kind), thing.key, "cpu", thing.elements, None)
        return None

    def save_named(self, thing: Named) -> None:
        self.write(b"c" + f"{thing.module}\n{thing.name}\n".encode())

    def save_tensor(self, tensor: Tensor) -> None:
        self.save(Named("torch._utils", "_rebuild_tensor_v2"))
        self.save(tensor.arguments)
        self.write(b"R")

    dispatch[Named] = save_named
    dispatch[Tensor] = save_tensor


def pickled(thing: Any) -> bytes:
    target = io.BytesIO()
    _Pickler(target, 2).dump(thing)
    return target.getvalue()


def content(state: Any, storages: list[Storage], *, machine: Any = MACHINE, version: int = 1001) -> bytes:
    parts = [pickled(part) for part in (torch_file.MAGIC, version, machine, state)]
    parts.append(pickled([storage.key for storage in storages]))
    parts += [struct.pack("<q", storage.values.size) + storage.values.tobytes() for storage in storages]
    return b"".join(parts)


def read(tmp_path: Path, written: bytes) -> dict[str, Any]:
    path = tmp_path / "weights.pth"
    path.write_bytes(written)
    return torch_file.read(path)


def floats(count: int, key: str = "1") -> Storage:
    return Storage(key, np.arange(count, dtype=np.float32))


def refusal(tmp_path: Path, written: bytes) -> str:
    with pytest.raises(WorkError, match=r"weights\.pth can't be read as weights of PyTorch") as caught:
        read(tmp_path, written)
    return caught.value.message


def test_tensors_have_the_order_that_their_strides_give_them(tmp_path: Path) -> None:
    first, second = floats(24), Storage("2", np.array([7], np.int64), kind="LongStorage")
    state = OrderedDict(weight=Tensor(first, 0, (2, 3, 4), (1, 2, 6)), count=Tensor(second, 0, (), ()))
    state._metadata = OrderedDict()  # type: ignore[attr-defined]  # as torch's have

    tensors = read(tmp_path, content(state, [second, first]))

    assert list(tensors) == ["weight", "count"]
    np.testing.assert_array_equal(
        tensors["weight"], np.arange(24, dtype=np.float32).reshape(4, 3, 2).transpose(2, 1, 0)
    )
    assert tensors["weight"].flags.c_contiguous
    assert (tensors["count"].dtype, tensors["count"].shape, int(tensors["count"])) == (np.int64, (), 7)


def test_a_tensor_may_begin_within_its_storage(tmp_path: Path) -> None:
    storage = floats(10)

    tensors = read(tmp_path, content({"part": Tensor(storage, 4, (3,), (2,))}, [storage]))

    np.testing.assert_array_equal(tensors["part"], [4, 6, 8])


class Roaming:
    """Python's pickle would call this."""

    def __reduce__(self) -> Any:
        return (ROAMING.append, ("called",))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("torch", "load"),
        ("torch", "HalfStorage"),
        ("collections", "deque"),
        ("collections.OrderedDict", "fromkeys"),
        ("torch._utils", "_rebuild_tensor"),
    ],
)
def test_another_name_is_refused(tmp_path: Path, module: str, name: str) -> None:
    assert f"it names {module}.{name}" in refusal(tmp_path, content({"a": Named(module, name)}, []))


def test_nothing_that_a_file_names_is_called(tmp_path: Path) -> None:
    commands = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."
    start = b"".join(map(pickled, (torch_file.MAGIC, 1001, MACHINE)))

    assert "it names os.system" in refusal(tmp_path, start + commands)
    assert "it names os.system" in refusal(tmp_path, commands)
    refusal(tmp_path, content({"a": Roaming()}, []))
    assert not ROAMING


@pytest.mark.parametrize(
    ("operations", "why"),
    [
        (b"\x80\x02ccollections\nOrderedDict\nX\x01\x00\x00\x00a\x85R.", "it calls something other"),
        (b"\x80\x02ctorch\nFloatStorage\n)R.", "it calls something other"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "storages|broken"),
        (b"\x80\x02" + b"(" * 1000 + b".", "broken"),
        (b"\x80\x02}(K\x01)" + b"\x85" * 100_000 + b"K\x02u.", "something other than tensors"),
        (b"\x80\x02}()" + b"\x85" * 100_000 + b"K\x02u.", "something other than tensors"),
        (b"\x80\x02X\xff\xff\xff\xffabc.", "broken"),
        (b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x0fabc.", "broken|BYTEARRAY8"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02}" + b"NNN" * 400_000 + b".", "operations"),
        (b"\x80\x02", "broken"),
        (b"", "broken"),
    ],
)
def test_operations_that_weights_do_not_need_are_refused(tmp_path: Path, operations: bytes, why: str) -> None:
    start = b"".join(map(pickled, (torch_file.MAGIC, 1001, MACHINE)))

    assert re.search(why, refusal(tmp_path, start + operations))


@pytest.mark.parametrize(
    ("offset", "shape", "strides", "why"),
    [
        (0, (11,), (1,), "larger than its storage"),
        (5, (6,), (1,), "larger than its storage"),
        (0, (2, 2), (9, 1), "larger than its storage"),
        (0, (2,), (2**62,), "larger than its storage"),
        (2**70, (1,), (1,), "larger than its storage"),
        (0, (2**40, 2**40), (0, 0), "overlap"),
        (0, (4, 4), (1, 1), "overlap"),
        (0, (3, 2), (2, 3), "overlap"),
        (-1, (1,), (1,), "impossible"),
        (0, (2,), (-1,), "impossible"),
        (0, (-2,), (1,), "impossible"),
        (0, (0, 2**62), (1, 1), "impossible"),
        (0, (2, 2), (1,), "impossible"),
        (0, (1,) * 100, (1,) * 100, "impossible"),
        (0, [2], (1,), "other than the making of a tensor"),
        (0, (True,), (1,), "other than the making of a tensor"),
        ("0", (1,), (1,), "other than the making of a tensor"),
    ],
)
def test_a_tensor_has_to_be_within_its_storage(
    tmp_path: Path, offset: Any, shape: Any, strides: Any, why: str
) -> None:
    storage = floats(10)

    assert why in refusal(tmp_path, content({"a": Tensor(storage, offset, shape, strides)}, [storage]))


def test_lengths_have_to_be_those_of_the_file(tmp_path: Path) -> None:
    def state(storage: Storage) -> dict[str, Tensor]:
        return {"a": Tensor(storage, 0, (10,), (1,))}

    whole = content(state(floats(10)), [floats(10)])
    says_more = Storage("1", np.arange(10, dtype=np.float32), elements=2**60)
    shared = floats(10)

    for end in range(len(whole)):
        refusal(tmp_path, whole[:end])
    assert "1 bytes follow" in refusal(tmp_path, whole + b"\0")
    assert "another length" in refusal(tmp_path, content(state(says_more), [says_more]))
    assert "not those of its tensors" in refusal(tmp_path, content(state(floats(10)), []))
    assert "not those of its tensors" in refusal(tmp_path, content(state(floats(10)), [floats(10)] * 2))
    assert "share a storage" in refusal(
        tmp_path, content({name: Tensor(shared, 0, (10,), (1,)) for name in "ab"}, [shared])
    )


def test_another_machine_or_version_is_refused(tmp_path: Path) -> None:
    big = MACHINE | {"little_endian": False}

    assert "little-endian" in refusal(tmp_path, content({}, [], machine=big))
    assert "first format" in refusal(tmp_path, content({}, [], version=1002))
    assert "first format" in refusal(tmp_path, pickled("PK"))
    refusal(tmp_path, b"PK\x03\x04" + bytes(100))


@given(st.data())
def test_an_altered_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    storage = floats(6)
    whole = bytearray(content({"a": Tensor(storage, 0, (2, 3), (3, 1))}, [storage]))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "altered.pth"
    path.write_bytes(whole)

    try:
        tensors = torch_file.read(path)
    except WorkError:
        return
    assert sum(tensor.size for tensor in tensors.values()) <= 6
