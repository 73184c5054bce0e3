"""Weights in HDF5, a format that can do far more than hold numbers: read by a list of what is allowed.

A file may have groups, each reached by one name, and in them arrays of plain numbers that lie in the file,
whole, packed by gzip or not. There are no links to other places, no arrays made of other files, and no filter
runs but zlib within bounds: what HDF5 itself unpacks has no limit. Attributes are not read.
"""

import math
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5d, h5f, h5g, h5l, h5o, h5p, h5s, h5t, h5z
from numpy.typing import NDArray

from jobyard.shared.archives.members import printable
from jobyard.shared.errors import WorkError
from jobyard.workers.networks.foreign import bounds

# In the paths of random states, which older versions of Keras save and newer ones don't.
SEEDS = "seed_generator/"

SIGNATURE = b"\x89HDF\r\n\x1a\n"

# Floats, and what counts steps and keeps random states.
DTYPES = frozenset(
    np.dtype(name) for name in ("<f2", "<f4", "<f8", "u1", "<u4", "<u8", "i1", "<i4", "<i8", "?")
)

LINKS = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}
LAYOUTS = {h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED}
FILTERS = {h5z.FILTER_SHUFFLE: "shuffle", h5z.FILTER_SZIP: "szip", h5z.FILTER_FLETCHER32: "fletcher32"}

# What HDF5 raises for a damaged file, whatever it stumbles over.
DAMAGED = (OSError, RuntimeError, ValueError, TypeError, KeyError, OverflowError)


@dataclass(frozen=True)
class Array:
    """An array in the file that was checked, not yet read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype.name} {self.shape}"


class WeightsFile:
    """An HDF5 file of weights. `arrays` has what may be read, by path: `layers/dense/vars/0`."""

    def __init__(self, path: Path, max_bytes: int, *, left_out: frozenset[str] = frozenset()) -> None:
        """Look at every object, and read none. Groups at the top that are `left_out` are not opened.

        Raises WorkError for what is not allowed, and where all arrays together have over `max_bytes`.
        """
        self._size = path.stat().st_size
        self._left_out = left_out
        with path.open("rb") as file:
            if file.read(len(SIGNATURE)) != SIGNATURE:
                raise WorkError("should be HDF5 from its first byte on")
        with _damaged():
            access = h5p.create(h5p.FILE_ACCESS)
            access.set_file_locking(False, True)
            self._file = h5f.open(os.fsencode(path), h5f.ACC_RDONLY, access)
            self._root = h5o.open(self._file, b"/")
        self.arrays: dict[str, Array] = {}
        total = 0
        for name, array in self._walk():
            total += array.bytes
            if total > max_bytes:
                raise WorkError(f"the arrays have over {max_bytes:,} bytes; should have fewer")
            self.arrays[name] = array

    @property
    def bytes(self) -> int:
        return sum(array.bytes for array in self.arrays.values())

    def read(self, path: str) -> NDArray[Any]:
        """One of `arrays`. Raises WorkError where its bytes are not all there."""
        array = self.arrays[path]
        with _damaged(path):
            dataset = h5o.open(self._root, path.encode())
            if dataset.get_create_plist().get_layout() == h5d.CHUNKED:
                return self._read_chunks(path, dataset, array)
            values = np.empty(array.shape, array.dtype)
            if values.size:
                dataset.read(h5s.ALL, h5s.ALL, values)
            return values

    def _walk(self) -> Iterator[tuple[str, Array]]:
        """Every array with its path; an object that has two names is refused, so there is no end to miss."""
        left: list[tuple[str, int, Any]] = [("", 0, self._root)]
        known = {_address(self._root)}
        while left:
            outer, depth, group = left.pop()
            for name in self._names(outer, group, len(known)):
                if not depth and name in self._left_out:
                    continue
                path = f"{outer}/{name}" if outer else name
                found = self._open(path, group, name)
                address = _address(found)
                if address in known:
                    raise WorkError(
                        f"{printable(path)!r} is a second name of an object; each should have one"
                    )
                known.add(address)
                if isinstance(found, h5d.DatasetID):
                    with _damaged(path):
                        yield path, self._checked(path, found)
                elif depth >= bounds.MAX_DEPTH:
                    raise WorkError(f"{printable(path)!r} lies deeper than {bounds.MAX_DEPTH} groups")
                else:
                    left.append((path, depth + 1, found))

    def _names(self, path: str, group: Any, known: int) -> list[str]:
        with _damaged(path):
            # Of an attacker's count of links nothing is believed but that it is too large.
            if group.get_num_objs() + known > bounds.MAX_OBJECTS:
                raise _too_many()
            names: list[bytes] = []

            def keep(name: bytes) -> bool | None:
                names.append(name)
                return True if len(names) + known > bounds.MAX_OBJECTS else None

            group.links.iterate(keep)
            if len(names) + known > bounds.MAX_OBJECTS:
                raise _too_many()
        try:
            decoded = [name.decode("ascii") for name in names]
        except UnicodeDecodeError:
            raise WorkError(f"{printable(path)!r} has names that are not ASCII") from None
        for name in decoded:
            if not name.isprintable() or not 0 < len(name) <= bounds.MAX_NAME_BYTES or name in (".", ".."):
                raise WorkError(f"{printable(path)!r} has the name {printable(name, 40)!r}, which is no name")
        return decoded

    def _open(self, path: str, group: Any, name: str) -> Any:
        """A group or an array; what is only a link is not followed."""
        with _damaged(path):
            link = group.links.get_info(name.encode()).type
            if link != h5l.TYPE_HARD:
                what = LINKS.get(link, "a link of a foreign kind")
                raise WorkError(f"{printable(path)!r} is {what}; should be an array or a group of the file")
            found = h5o.open(group, name.encode())
            if not isinstance(found, h5d.DatasetID | h5g.GroupID):
                raise WorkError(f"{printable(path)!r} is a named type; should be an array or a group")
            if h5o.get_info(found).num_attrs > bounds.MAX_ATTRIBUTES:
                raise WorkError(f"{printable(path)!r} has over {bounds.MAX_ATTRIBUTES} attributes")
        return found

    def _checked(self, path: str, dataset: Any) -> Array:
        """What is declared, if it is plain and all of its bytes lie in this file."""
        shown = f"the array {printable(path)!r}"
        plan = dataset.get_create_plist()
        if plan.get_external_count():
            raise WorkError(f"{shown} has its bytes in another file; should have them in this one")
        layout = plan.get_layout()
        if layout not in LAYOUTS:
            raise WorkError(f"{shown} is virtual, made of other arrays; should have bytes of its own")
        used = [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]
        if used not in ([], [h5z.FILTER_DEFLATE]):
            wrong = next(code for code in used if code != h5z.FILTER_DEFLATE or used.count(code) > 1)
            named = FILTERS.get(wrong, "gzip twice" if wrong == h5z.FILTER_DEFLATE else f"filter {wrong}")
            raise WorkError(f"{shown} is packed by {named}; should be packed by gzip or not at all")
        space = dataset.get_space()
        if space.get_simple_extent_type() not in (h5s.SIMPLE, h5s.SCALAR):
            raise WorkError(f"{shown} is empty; should have a shape")
        array = Array(tuple(map(int, space.get_simple_extent_dims())), _dtype(shown, dataset))
        stored = dataset.get_storage_size()
        if layout == h5d.CHUNKED:
            self._check_chunks(shown, dataset, array)
        elif stored != array.bytes:
            raise WorkError(f"{shown} says {array.bytes:,} bytes, but has {stored:,}; should have them all")
        elif layout == h5d.CONTIGUOUS and array.bytes:
            offset = dataset.get_offset()
            if offset is None or offset + array.bytes > self._size:
                raise WorkError(f"{shown} lies outside of the file")
        return array

    def _check_chunks(self, shown: str, dataset: Any, array: Array) -> None:
        chunk = dataset.get_create_plist().get_chunk()
        if any(size > side for size, side in zip(chunk, array.shape, strict=True)):
            raise WorkError(f"{shown} has chunks {chunk} that are larger than its shape {array.shape}")
        wanted = math.prod(-(-side // size) for side, size in zip(array.shape, chunk, strict=True))
        if wanted > bounds.MAX_CHUNKS:
            raise WorkError(f"{shown} is in {wanted:,} chunks; should be in at most {bounds.MAX_CHUNKS:,}")
        found = dataset.get_num_chunks()
        if found != wanted:
            raise WorkError(f"{shown} says {wanted:,} chunks, but has {found:,}; should have them all")

    def _read_chunks(self, path: str, dataset: Any, array: Array) -> NDArray[Any]:
        values = np.empty(array.shape, array.dtype)
        plan = dataset.get_create_plist()
        chunk, is_packed = plan.get_chunk(), bool(plan.get_nfilters())
        size = math.prod(chunk) * array.dtype.itemsize
        steps = (range(0, side, step) for side, step in zip(array.shape, chunk, strict=True))
        for corner in product(*steps):
            info = dataset.get_chunk_info_by_coord(corner)
            # zlib adds some bytes to what it can't pack.
            if info.byte_offset is None or info.size > size + size // 100 + 100:
                raise WorkError(f"the array {printable(path)!r} has a chunk that is not there, or too long")
            if info.byte_offset + info.size > self._size:
                raise WorkError(f"the array {printable(path)!r} lies outside of the file")
            skipped, data = dataset.read_direct_chunk(corner)
            if is_packed and not skipped & 1:
                data = _inflated(path, data, size)
            if len(data) != size:
                raise WorkError(
                    f"the array {printable(path)!r} has a chunk of {len(data):,} bytes, not {size:,}"
                )
            block = np.frombuffer(data, array.dtype).reshape(chunk)
            inside = tuple(
                slice(start, min(start + step, side))
                for start, step, side in zip(corner, chunk, array.shape, strict=True)
            )
            values[inside] = block[tuple(slice(0, part.stop - part.start) for part in inside)]
        return values


def copy(source: WeightsFile, target: Path, expected: Mapping[str, Array]) -> None:
    """Write the arrays `expected` of a checked file into `target`, an HDF5 file that has them already.

    Raises WorkError for one that is missing, of another shape or type, or has a value that is no number.
    """
    import h5py

    with h5py.File(target, "r+") as file:
        for path, wanted in expected.items():
            found = source.arrays.get(path)
            if found != wanted:
                shown = f"is {found}" if found else "is missing"
                raise WorkError(f"the array {printable(path)!r} {shown}; the network has {wanted}")
            values = source.read(path)
            if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
                count = values.size - int(np.count_nonzero(finite))
                raise WorkError(
                    f"the array {printable(path)!r} has {count:,} values that are NaN or infinite; "
                    "should be weights of a training that ended well"
                )
            file[path][...] = values


def _dtype(shown: str, dataset: Any) -> np.dtype[Any]:
    kind = dataset.get_type()
    allowed = (h5t.FLOAT, h5t.INTEGER, h5t.ENUM)
    found: np.dtype[Any] | None = dataset.dtype if kind.get_class() in allowed else None
    if found not in DTYPES or not kind.equal(h5t.py_create(found)):
        raise WorkError(f"{shown} is not of plain numbers; should be float32 or another of NumPy's own")
    return found


def _inflated(path: str, data: bytes, size: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(data, size + 1)
    except zlib.error as error:
        raise WorkError(f"the array {printable(path)!r} can't be unpacked: {error}") from None
    if len(found) > size or unpacker.unconsumed_tail or not unpacker.eof:
        raise WorkError(
            f"the array {printable(path)!r} unpacks to other than the {size:,} bytes that it says"
        )
    return found


def _address(found: Any) -> int:
    with _damaged():
        return int(h5o.get_info(found).addr)


def _too_many() -> WorkError:
    return WorkError(f"there are over {bounds.MAX_OBJECTS:,} groups and arrays; should be fewer")


@contextmanager
def _damaged(path: str = "") -> Iterator[None]:
    """HDF5's errors as one line for people."""
    try:
        yield
    except DAMAGED as error:
        where = f" at {printable(path)!r}" if path else ""
        lines = str(error).strip().splitlines()
        why = printable(lines[0] if lines else type(error).__name__)
        raise WorkError(f"the file of weights is damaged{where}: {why}") from None
