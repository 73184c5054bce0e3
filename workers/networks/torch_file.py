"""Tensors out of a file that PyTorch's `torch.save` wrote in its first format, without PyTorch.

Such a file is five pickles (a magic number, the format's version, facts about the machine, the object, and
the keys of its storages), and then each storage: its number of elements as int64, and the elements. Python's
`pickle` would call what a file names. This reader calls nothing: it knows four names, all of which only
describe tensors, and the operations that a dictionary of tensors takes.
"""

import io
import pickletools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jobyard.shared.errors import WorkError

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
MACHINE = {"protocol_version": VERSION, "little_endian": True}

MAX_BYTES = 1 << 30
MAX_OPERATIONS = 1_000_000
MAX_AXES = 8

DICTIONARY = "collections OrderedDict"
TENSOR = "torch._utils _rebuild_tensor_v2"
ELEMENT_TYPES: dict[str, np.dtype[Any]] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch LongStorage": np.dtype("<i8"),
}


class _Name(NamedTuple):
    """One of the four that a file may name."""

    name: str


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype[Any]
    elements: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a saved state dictionary, by name, float32 or int64, contiguous.

    Raises WorkError for a file that is another kind of file, is not complete, or names anything else.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WorkError(f"it has more than {MAX_BYTES} bytes")
        return _tensors(path.read_bytes())
    except WorkError as error:
        raise WorkError(f"{path.name} can't be read as weights of PyTorch: {error.message}") from None
    except OSError as error:
        raise WorkError(f"{path.name} can't be read: {error.strerror}") from error


def _tensors(content: bytes) -> dict[str, NDArray[Any]]:
    file = io.BytesIO(content)
    if _unpickle(file) != MAGIC or _unpickle(file) != VERSION:
        raise WorkError("it is not a file of torch.save's first format")
    machine = _unpickle(file)
    if not isinstance(machine, dict) or machine | MACHINE != machine:
        raise WorkError("it is not of a little-endian machine")
    described = _unpickle(file)
    if not isinstance(described, dict) or not all(isinstance(one, _Tensor) for one in described.values()):
        raise WorkError("it holds something other than tensors by name")
    storages = {tensor.storage.key: tensor.storage for tensor in described.values()}
    if len(storages) < len(described):
        raise WorkError("two tensors share a storage")
    keys = _unpickle(file)
    if (
        not isinstance(keys, list)
        or not all(isinstance(key, str) for key in keys)
        or sorted(keys) != sorted(storages)
    ):
        raise WorkError("its storages are not those of its tensors")
    elements = {key: _elements(content, file, storages[key]) for key in keys}
    if file.tell() != len(content):
        raise WorkError(f"{len(content) - file.tell()} bytes follow its last storage")
    return {name: _array(name, tensor, elements[tensor.storage.key]) for name, tensor in described.items()}


def _elements(content: bytes, file: io.BytesIO, storage: _Storage) -> NDArray[Any]:
    count = int.from_bytes(file.read(8), "little", signed=True)
    start = file.tell()
    if count != storage.elements or not 0 <= count * storage.dtype.itemsize <= len(content) - start:
        raise WorkError(f"the storage {storage.key} has another length than it says")
    file.seek(count * storage.dtype.itemsize, io.SEEK_CUR)
    return np.frombuffer(content, storage.dtype, count, start)


def _array(name: str, tensor: _Tensor, elements: NDArray[Any]) -> NDArray[Any]:
    """The tensor's places in its storage, each once, whatever the order of its axes there."""
    shape, strides = tensor.shape, tensor.strides
    if (
        len(shape) != len(strides)
        or len(shape) > MAX_AXES
        or min((tensor.offset, *strides), default=0) < 0
        or min(shape, default=1) < 1
    ):
        raise WorkError(f"{name} has an impossible shape")
    # Of an axis with one place, the stride means nothing.
    strides = tuple(stride if length > 1 else 0 for stride, length in zip(strides, shape, strict=True))
    reach = 1
    for stride, length in sorted(zip(strides, shape, strict=True)):
        if length > 1 and stride < reach:
            raise WorkError(f"places of {name} overlap")
        reach += (length - 1) * stride
    if tensor.offset + reach > len(elements):
        raise WorkError(f"{name} is larger than its storage")
    view = np.lib.stride_tricks.as_strided(
        elements[tensor.offset :],
        shape,
        tuple(stride * elements.itemsize for stride in strides),
        writeable=False,
    )
    return view.copy(order="C")


def _unpickle(file: io.BytesIO) -> Any:
    """The object of the next pickle."""
    try:
        return _evaluated(file)
    except WorkError:
        raise
    # What is no pickle can fail in as many ways as there are operations.
    except Exception as error:
        raise WorkError(f"its pickle is broken ({type(error).__name__})") from error


def _evaluated(file: io.BytesIO) -> Any:  # noqa: C901 - a case for each operation
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        taken = stack[start:]
        del stack[start:]
        return taken

    argument: Any
    for number, (operation, argument, _) in enumerate(pickletools.genops(file)):
        if number > MAX_OPERATIONS:
            raise WorkError(f"its pickle has more than {MAX_OPERATIONS} operations")
        match operation.name:
            case "PROTO":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                marks.append(len(stack))
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(operation.name == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINUNICODE":
                stack.append(argument)
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(operation.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                last = stack.pop()
                stack[-1].append(last)
            case "APPENDS":
                more = since_mark()
                stack[-1].extend(more)
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                marks.append(len(stack) - 2)
                _fill(since_mark(), stack)
            case "SETITEMS":
                _fill(since_mark(), stack)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                if argument not in (DICTIONARY, TENSOR, *ELEMENT_TYPES):
                    raise WorkError(f"it names {argument.replace(' ', '.')}, which no weights need")
                stack.append(_Name(argument))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(_made(stack.pop(), arguments))
            case "BUILD":  # PyTorch keeps the versions of layers there.
                stack.pop()
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case other:
                raise WorkError(f"its pickle uses {other}, which no weights need")
    raise WorkError("its pickle has no end")


def _fill(pairs: list[Any], stack: list[Any]) -> None:
    keys = pairs[::2]
    # The hash of a tuple of tuples can take for ever.
    if not isinstance(stack[-1], dict) or not all(isinstance(key, str) for key in keys):
        raise WorkError("it holds something other than tensors by name")
    stack[-1].update(zip(keys, pairs[1::2], strict=True))


def _made(what: Any, arguments: Any) -> Any:
    match what, arguments:
        case _Name(name), () if name == DICTIONARY:
            return {}
        case _Name(name), (_Storage() as storage, offset, tuple() as shape, tuple() as strides, _, _) if (
            name == TENSOR
        ):
            if all(type(number) is int for number in (offset, *shape, *strides)):
                return _Tensor(storage, offset, shape, strides)
    raise WorkError("it calls something other than the making of a tensor")


def _storage(description: Any) -> _Storage:
    match description:
        case ("storage", _Name(name), str() as key, _, int() as elements, None) if name in ELEMENT_TYPES:
            return _Storage(key, ELEMENT_TYPES[name], elements)
    raise WorkError("it describes a storage that is unknown")
