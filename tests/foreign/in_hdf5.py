"""Tricks of HDF5: links, bombs, types and filters that no file of weights has."""

import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5g, h5p, h5s, h5t

from tests.foreign.attack import Attacks
from tests.foreign.model import KERNEL, dense, keras_file, network, weights


def replaced(file: h5py.File, path: str = KERNEL, **options: Any) -> None:
    """Make an array again, otherwise."""
    del file[path]
    file.create_dataset(path, **options)


IN_HDF5 = Attacks()


@IN_HDF5.add_weights("CVE-2026-1669: external storage", "has its bytes in another file")
def _external_storage(file: h5py.File, secret: Path) -> None:
    replaced(file, shape=(3, 2), dtype="f4", external=[(str(secret), 0, 24)])


@IN_HDF5.add_weights("keras#22900: external link", "is a link to another file")
def _external_link(file: h5py.File, secret: Path) -> None:
    del file[KERNEL]
    file[KERNEL] = h5py.ExternalLink(str(secret), "/x")


@IN_HDF5.add_weights("keras#22900: external link for a group", "is a link to another file")
def _external_group(file: h5py.File, secret: Path) -> None:
    del file["layers"]
    file["layers"] = h5py.ExternalLink(str(secret), "/x")


@IN_HDF5.add_weights("keras#22900: soft link", "is a soft link")
def _soft_link(file: h5py.File, secret: Path) -> None:
    file["layers/dense/vars/2"] = h5py.SoftLink(f"/{KERNEL}")


@IN_HDF5.add_weights("soft link that leads nowhere", "is a soft link")
def _dangling(file: h5py.File, secret: Path) -> None:
    file["layers/dense/vars/2"] = h5py.SoftLink("/nowhere")


@IN_HDF5.add_weights("keras#23055: virtual data set", "is virtual")
def _virtual(file: h5py.File, secret: Path) -> None:
    del file[KERNEL]
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "x", (3, 2), "f4")
    file.create_virtual_dataset(KERNEL, layout)


@IN_HDF5.add_weights("CVE-2026-0897: huge shape, nothing stored", "says 4,000,000,000,000 bytes, but has 0")
def _shape_bomb(file: h5py.File, secret: Path) -> None:
    replaced(file, shape=(10**12,), dtype="f4")


@IN_HDF5.add_weights("huge shape in chunks, nothing stored", "chunks; should be in at most")
def _chunk_bomb(file: h5py.File, secret: Path) -> None:
    replaced(file, shape=(10**12,), dtype="f4", chunks=(1_000,), compression="gzip")


@IN_HDF5.add_weights("some chunks are not stored", "says 10 chunks, but has 1")
def _missing_chunks(file: h5py.File, secret: Path) -> None:
    replaced(file, shape=(1_000,), dtype="f4", chunks=(100,), compression="gzip", fillvalue=7)
    file[KERNEL][0] = 1


@IN_HDF5.add_weights("400 MB of zeros in 100 kB", "the arrays have over")
def _zeros(file: h5py.File, secret: Path) -> None:
    replaced(file, shape=(10**8,), dtype="f4", chunks=(10**6,), compression="gzip")
    packed = zlib.compress(bytes(4 * 10**6), 9)
    for number in range(100):
        file[KERNEL].id.write_direct_chunk((number * 10**6,), packed)


@IN_HDF5.add_weights("chunks that are larger than the array", "that are larger than its shape")
def _large_chunk(file: h5py.File, secret: Path) -> None:
    replaced(file, shape=(2,), maxshape=(None,), chunks=(10**8,), dtype="f4", compression="gzip")


@IN_HDF5.add(
    "fewer numbers than the network has", "has 8 numbers, where the network of config.json has 95,077,002"
)
def _large_network(secret: Path) -> bytes:
    return keras_file(network(dense(5_000, name="a"), dense(19_000, name="b"), dense()))


@IN_HDF5.add_weights("filter lzf", "is packed by filter 32000")
def _lzf(file: h5py.File, secret: Path) -> None:
    replaced(file, data=np.zeros((30, 20), "f4"), compression="lzf")


@IN_HDF5.add_weights("filter shuffle", "is packed by shuffle")
def _shuffle(file: h5py.File, secret: Path) -> None:
    replaced(file, data=np.zeros((30, 20), "f4"), compression="gzip", shuffle=True)


@IN_HDF5.add_weights("filter fletcher32", "is packed by fletcher32")
def _fletcher(file: h5py.File, secret: Path) -> None:
    replaced(file, data=np.zeros((30, 20), "f4"), fletcher32=True)


@IN_HDF5.add_weights("gzip of gzip", "is packed by gzip twice")
def _gzip_twice(file: h5py.File, secret: Path) -> None:
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((30, 20))
    plan.set_deflate(9)
    plan.set_deflate(9)
    space = h5s.create_simple((30, 20))
    h5d.create(file["layers/dense/vars"].id, b"2", h5t.IEEE_F32LE, space, plan)


@IN_HDF5.add_weights("texts of any length", "is not of plain numbers")
def _texts(file: h5py.File, secret: Path) -> None:
    replaced(file, data=["a", "b"], dtype=h5py.string_dtype())


@IN_HDF5.add_weights("lists of any length", "is not of plain numbers")
def _lists(file: h5py.File, secret: Path) -> None:
    replaced(file, shape=(2,), dtype=h5py.vlen_dtype(np.dtype("f4")))


@IN_HDF5.add_weights("records", "is not of plain numbers")
def _compound(file: h5py.File, secret: Path) -> None:
    replaced(file, data=np.zeros(2, [("a", "f4"), ("b", "f4")]))


@IN_HDF5.add_weights("opaque bytes", "is not of plain numbers")
def _opaque(file: h5py.File, secret: Path) -> None:
    replaced(file, data=np.zeros(2, "V8"))


@IN_HDF5.add_weights("references", "is not of plain numbers")
def _references(file: h5py.File, secret: Path) -> None:
    replaced(file, data=file.ref, dtype=h5py.ref_dtype)


@IN_HDF5.add_weights("arrays in an array", "is not of plain numbers")
def _array_type(file: h5py.File, secret: Path) -> None:
    space = h5s.create_simple((2,))
    h5d.create(file["layers/dense/vars"].id, b"2", h5t.array_create(h5t.IEEE_F32LE, (10**5, 10**3)), space)


@IN_HDF5.add_weights("a float of odd bits", "is not of plain numbers")
def _odd_float(file: h5py.File, secret: Path) -> None:
    kind = h5t.IEEE_F32LE.copy()
    kind.set_fields(31, 20, 11, 0, 20)
    h5d.create(file["layers/dense/vars"].id, b"2", kind, h5s.create_simple((2,)))


@IN_HDF5.add_weights("big-endian", "is not of plain numbers")
def _big_endian(file: h5py.File, secret: Path) -> None:
    replaced(file, data=np.zeros((3, 2), ">f4"))


@IN_HDF5.add_weights("no shape at all", "is empty")
def _null(file: h5py.File, secret: Path) -> None:
    replaced(file, data=h5py.Empty("f4"))


@IN_HDF5.add_weights("a named type", "is a named type")
def _named_type(file: h5py.File, secret: Path) -> None:
    file["layers/dense/type"] = np.dtype("f4")


@IN_HDF5.add_weights("a group in itself", "is a second name of an object")
def _cycle(file: h5py.File, secret: Path) -> None:
    file["layers/dense/vars/again"] = file["layers"]


@IN_HDF5.add_weights("an array with two names", "is a second name of an object")
def _two_names(file: h5py.File, secret: Path) -> None:
    file["layers/dense/vars/2"] = file[KERNEL]


@IN_HDF5.add_weights("2^40 paths in 40 groups", "is a second name of an object")
def _diamonds(file: h5py.File, secret: Path) -> None:
    group = file.create_group("top")
    for _ in range(40):
        inner = group.create_group("a")
        group["b"] = inner
        group = inner


@IN_HDF5.add_weights("groups a thousand deep", "lies deeper than 32 groups")
def _deep(file: h5py.File, secret: Path) -> None:
    file.create_group("/".join(["g"] * 1_000))


@IN_HDF5.add_weights("more groups than any network has", "there are over 20,000 groups and arrays")
def _many(file: h5py.File, secret: Path) -> None:
    many = file.create_group("many", track_order=False).id
    for number in range(20_001):
        h5g.create(many, b"%d" % number)


@IN_HDF5.add_weights("attributes without end", "has over 16 attributes")
def _attributes(file: h5py.File, secret: Path) -> None:
    for number in range(100):
        file[KERNEL].attrs[str(number)] = np.zeros(1_000)


@IN_HDF5.add_weights("a name with a line feed", "which is no name")
def _odd_name(file: h5py.File, secret: Path) -> None:
    file["layers/dense/vars/0\n1"] = np.zeros(2, "f4")


@IN_HDF5.add_weights("a name in letters that look like others", "has names that are not ASCII")
def _lookalike(file: h5py.File, secret: Path) -> None:
    file["layers/dense/vars/\N{FULLWIDTH DIGIT ZERO}"] = np.zeros(2, "f4")


@IN_HDF5.add("a block of the user's own", "should be HDF5 from its first byte on")
def _user_block(secret: Path) -> bytes:
    # h5py writes into a file only what is none of its own.
    inner = weights()
    return keras_file(h5=b"#!/bin/sh\n".ljust(512, b"\0") + inner)


@IN_HDF5.add("half of a file", "the file of weights is damaged")
def _truncated(secret: Path) -> bytes:
    whole = weights()
    return keras_file(h5=whole[: len(whole) // 2])


@IN_HDF5.add("no HDF5 but its first bytes", "the file of weights is damaged")
def _garbage(secret: Path) -> bytes:
    return keras_file(h5=b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 20)


@IN_HDF5.add("a text", "should be HDF5 from its first byte on")
def _text(secret: Path) -> bytes:
    return keras_file(h5=b"weights")


def _chunk_that_unpacks_to(size: int) -> bytes:
    """A file of weights whose kernel is one chunk of 4,000 bytes that unpacks to more, or less."""

    def change(file: h5py.File) -> None:
        replaced(file, shape=(1_000,), dtype="f4", chunks=(1_000,), compression="gzip")
        file[KERNEL].id.write_direct_chunk((0,), zlib.compress(bytes(size), 9))

    return weights(change)


# What only shows when the numbers are read: these are what HDF5 holds, not a `.keras` file.
AT_READING = {
    "a chunk that unpacks to a MiB": (
        _chunk_that_unpacks_to(1 << 20),
        "unpacks to other than the 4,000",
    ),
    "a chunk that unpacks to 256 MiB": (
        _chunk_that_unpacks_to(256 << 20),
        "a chunk that is not there, or too long",
    ),
    "a chunk that unpacks to less": (_chunk_that_unpacks_to(100), "has a chunk of 100 bytes, not 4,000"),
}
