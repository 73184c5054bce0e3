"""Models in the format `.keras`, made without Keras: a small one that is right, and many made to do harm.

Each of the latter is one known hole of the format, or one trick of zip or HDF5.
"""

import base64
import functools
import io
import json
import marshal
import pickle
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5g, h5p, h5s, h5t

from tests import hostile
from tests.factories import zipped

METADATA = {"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}
FLOAT32 = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "float32"},
    "registered_name": None,
}

Json = dict[str, Any]


def layer(class_name: str, name: str, module: str = "keras.layers", **config: Any) -> Json:
    """A layer as Keras 3 writes it."""
    full = {"name": name, "trainable": True, "dtype": FLOAT32, **config}
    return {"module": module, "class_name": class_name, "config": full, "registered_name": None}


def input_layer(*shape: Any) -> Json:
    config = {
        "batch_shape": [None, *shape],
        "dtype": "float32",
        "sparse": False,
        "ragged": False,
        "name": "pixels",
    }
    return {"module": "keras.layers", "class_name": "InputLayer", "config": config, "registered_name": None}


def dense(units: int = 2, activation: Any = "softmax", name: str = "dense", **changes: Any) -> Json:
    initializers = {
        "kernel_initializer": _initializer("GlorotUniform", seed=None),
        "bias_initializer": _initializer("Zeros"),
    }
    return layer("Dense", name, units=units, activation=activation, use_bias=True, **initializers | changes)


def _initializer(class_name: str, **config: Any) -> Json:
    return {
        "module": "keras.initializers",
        "class_name": class_name,
        "config": config,
        "registered_name": None,
    }


def network(*layers: Json, size: int = 32, **changes: Any) -> Json:
    """A Sequential of pictures, which pools and then has these layers; by default one Dense."""
    pool = layer("GlobalAveragePooling2D", "pool", data_format="channels_last", keepdims=False)
    config = {
        "name": "network",
        "trainable": True,
        "dtype": FLOAT32,
        "layers": [input_layer(size, size, 3), pool, *(layers or (dense(),))],
        "build_input_shape": [None, size, size, 3],
    }
    made = {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}
    return made | {"build_config": {"input_shape": [None, size, size, 3]}, "compile_config": None} | changes


def plain_arrays() -> dict[str, Any]:
    """The weights of `network()`."""
    draw = np.random.default_rng(0)
    return {
        "layers/dense/vars/0": draw.normal(size=(3, 2)).astype("f4"),
        "layers/dense/vars/1": draw.normal(size=2).astype("f4"),
    }


def weights(
    change: Callable[[h5py.File], None] | None = None, arrays: Mapping[str, Any] | None = None, **options: Any
) -> bytes:
    """A file of weights, in which something is changed."""
    target = io.BytesIO()
    with h5py.File(target, "w", **options) as file:
        for path, values in (plain_arrays() if arrays is None else arrays).items():
            file[path] = values
        if change is not None:
            change(file)
    return target.getvalue()


def keras_file(
    config: Json | bytes | None = None,
    h5: bytes | None = None,
    metadata: Any = METADATA,
    members: Mapping[str, bytes] | None = None,
    method: int = zipfile.ZIP_STORED,
) -> bytes:
    """A `.keras` file of these parts; what is not given is right. `members` come on top."""
    given = (
        config if isinstance(config, bytes) else json.dumps(network() if config is None else config).encode()
    )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr("metadata.json", metadata if isinstance(metadata, bytes) else json.dumps(metadata))
        archive.writestr("config.json", given)
        archive.writestr("model.weights.h5", weights() if h5 is None else h5)
        for name, content in (members or {}).items():
            archive.writestr(name, content)
    return target.getvalue()


@dataclass(frozen=True)
class Attack:
    """A file that should be refused with these words; `make` is given one whose bytes it should not get."""

    name: str
    words: str
    make: Callable[[Path], bytes]
    file_name: str = "model.keras"


@dataclass
class Attacks:
    """A list of attacks, as decorated functions add to it."""

    found: list[Attack] = field(default_factory=list)

    def add(
        self, name: str, words: str, file_name: str = "model.keras"
    ) -> Callable[[Callable[[Path], bytes]], Callable[[Path], bytes]]:
        def keep(make: Callable[[Path], bytes]) -> Callable[[Path], bytes]:
            self.found.append(Attack(name, words, make, file_name))
            return make

        return keep

    def add_weights(self, name: str, words: str) -> Callable[[Callable[[h5py.File, Path], None]], None]:
        """A file of weights that the function changes."""

        def keep(change: Callable[[h5py.File, Path], None]) -> None:
            self.found.append(
                Attack(name, words, lambda secret: keras_file(h5=weights(lambda file: change(file, secret))))
            )

        return keep


KERNEL = "layers/dense/vars/0"
BIAS = "layers/dense/vars/1"


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

IN_ZIP = Attacks()


@IN_ZIP.add(
    "a description that unpacks to 64 MiB", "config.json unpacks to 67,108,864 bytes; should have at most"
)
def _long_config(secret: Path) -> bytes:
    return keras_file(b" " * (64 << 20), method=zipfile.ZIP_DEFLATED)


@IN_ZIP.add(
    "weights that unpack to 300 MB", "model.weights.h5 unpacks to 300,000,000 bytes; should have at most"
)
def _long_weights(secret: Path) -> bytes:
    return keras_file(h5=bytes(300 * 10**6), method=zipfile.ZIP_DEFLATED)


@IN_ZIP.add("bzip2 that says a kilobyte and is 64 MiB", "it has more than the 1,000 bytes that it says")
def _lying_bzip2(secret: Path) -> bytes:
    return _zip(
        (b"config.json", hostile.bzip2_of_zeros(64 << 20), hostile.BZIP2, 1_000), *_others("config.json")
    )


@IN_ZIP.add("deflate that says a kilobyte and is 64 MiB", "damaged")
def _lying_deflate(secret: Path) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(64 << 20)) + packer.flush()
    return _zip((b"config.json", packed, 8, 1_000), *_others("config.json"))


@IN_ZIP.add("config.json twice", "has 'config.json' 2 times; should have it once")
def _twice(secret: Path) -> bytes:
    config = json.dumps(network()).encode()
    return _zip((b"config.json", config, 0, None), (b"config.json", b"{}", 0, None), *_others("config.json"))


def _renamed(name: bytes, secret: Path) -> bytes:
    """A right file whose description has another name, as it stands in the zip."""
    return _zip((name, json.dumps(network()).encode(), 0, None), *_others("config.json"))


AT_THE_TOP, NOTHING_ELSE = "the members should lie at the top", "and nothing else"
ODD_NAMES = {
    "with a folder above": (b"../config.json", AT_THE_TOP),
    "from the root": (b"/config.json", AT_THE_TOP),
    "with a dot": (b"./config.json", AT_THE_TOP),
    "in a folder": (b"pets/config.json", AT_THE_TOP),
    "from a drive": (b"C:\\config.json", NOTHING_ELSE),
    "with backslashes": (b"x\\..\\config.json", NOTHING_ELSE),
    "with a NUL": (b"config.json\0.txt", NOTHING_ELSE),
    "in capitals": (b"CONFIG.JSON", NOTHING_ELSE),
    "with a blank": (b"config.json ", NOTHING_ELSE),
}
for _what, (_name, _words) in ODD_NAMES.items():
    IN_ZIP.found.append(Attack(f"a name {_what}", _words, functools.partial(_renamed, _name)))


@IN_ZIP.add(
    "one more member", "has 'x.py'; should have metadata.json, config.json, model.weights.h5 and nothing"
)
def _one_more(secret: Path) -> bytes:
    return keras_file(members={"x.py": b"print(1)"})


@IN_ZIP.add("files of layers", "files of layers, such as vocabularies, are not taken")
def _assets(secret: Path) -> bytes:
    return keras_file(members={"assets/layers/string_lookup/vocabulary.txt": b"a"})


@IN_ZIP.add("keras#23055: weights as NumPy arrays", "has its weights as NumPy arrays")
def _npz(secret: Path) -> bytes:
    return _zip((b"model.weights.npz", b"x", 0, None), *_others("model.weights.h5"))


@IN_ZIP.add("a link", "the archive should have no links or devices")
def _link(secret: Path) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content, *_ in _others("model.weights.h5"):
            archive.writestr(name.decode(), content)
        info = zipfile.ZipInfo("model.weights.h5")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, str(secret))
    return target.getvalue()


@IN_ZIP.add("encrypted", "the archive should not be encrypted")
def _encrypted(secret: Path) -> bytes:
    whole = bytearray(keras_file())
    whole[whole.rindex(b"PK\1\2") + 8] |= 1
    return bytes(whole)


@IN_ZIP.add("a rare way to pack", "compression method 14 is not supported")
def _lzma(secret: Path) -> bytes:
    return keras_file(method=zipfile.ZIP_LZMA)


@IN_ZIP.add("members that overlap", "has members that overlap")
def _overlapping(secret: Path) -> bytes:
    return hostile.overlapping_zip(1_000, 100_000)


@IN_ZIP.add("more members than a zip may have", "at most 500,000 members")
def _zip64_lies(secret: Path) -> bytes:
    return hostile.zip64_of(hostile.entry(b"config.json", b""), 10**9)


@IN_ZIP.add("thousands of members", "has 5,000 members; should have 3")
def _thousands(secret: Path) -> bytes:
    return hostile.zip_of(b"".join(hostile.entry(b"%d" % number, b"") for number in range(5_000)), 5_000)


@IN_ZIP.add("half of a zip", "truncated or damaged")
def _half(secret: Path) -> bytes:
    whole = keras_file()
    return whole[: len(whole) // 2]


@IN_ZIP.add("two names for the same bytes", "damaged")
def _two_names_in_zip(secret: Path) -> bytes:
    """The list says metadata.json where the member itself says config.json."""
    return keras_file().replace(b"metadata.json", b"config.jsonXX", 1)


@IN_ZIP.add("metadata that is no JSON", "metadata.json is no JSON")
def _no_json(secret: Path) -> bytes:
    return keras_file(metadata=b"\x80\x04.")


@IN_ZIP.add("metadata nested too deeply", "metadata.json is no JSON")
def _nested_metadata(secret: Path) -> bytes:
    return keras_file(metadata=b"[" * 60_000)


@IN_ZIP.add("metadata without a version", "metadata.json has no keras_version")
def _no_version(secret: Path) -> bytes:
    return keras_file(metadata=[])


@IN_ZIP.add("metadata of Keras 4", "has the keras_version '4.0'")
def _keras_4(secret: Path) -> bytes:
    return keras_file(metadata={"keras_version": "4.0"})


def _others(left_out: str) -> list[tuple[bytes, bytes, int, int | None]]:
    """The members of a right file but one."""
    with zipfile.ZipFile(io.BytesIO(keras_file())) as archive:
        return [
            (name.encode(), archive.read(name), 0, None) for name in archive.namelist() if name != left_out
        ]


def _zip(*members: tuple[bytes, bytes, int, int | None]) -> bytes:
    """A zip of these: name, packed bytes, method, and how many bytes it says that they unpack to."""
    data, entries = b"", b""
    for name, packed, method, said in members:
        size = len(packed) if said is None else said
        crc = zlib.crc32(packed) if method == hostile.STORED else 0
        entries += hostile.entry(name, packed, method=method, size=said, at=len(data), crc=crc)
        data += hostile.local_header(name, packed, method=method, size=size, crc=crc) + packed
    return hostile.zip_of(entries, len(members), data)


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


IN_CONFIG = Attacks()


def _adds(name: str, words: str, *layers: Json, **changes: Any) -> None:
    """A network with these layers before its last one; `changes` are of the whole."""
    made = network(*layers, dense(), **changes)
    IN_CONFIG.found.append(Attack(name, words, lambda secret: keras_file(made)))


def _describes(name: str, words: str, make: Callable[[Path], Json | bytes]) -> None:
    IN_CONFIG.found.append(Attack(name, words, lambda secret: keras_file(make(secret))))


def _function(module: str, name: str, registered: str | None = "function") -> Json:
    """A function, as `keras.saving` writes one."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": registered}


def _lambda(function: Any, **config: Any) -> Json:
    return layer("Lambda", "evil", function=function, arguments={}, output_shape=None, mask=None, **config)


class _Shell:
    """Pickled, it runs a program when it is read."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, ("touch pwned",)


CODE = base64.b64encode(marshal.dumps(compile("__import__('os').system('id')", "x", "eval"))).decode()
NO_LAMBDA = "is a Lambda, which Jobyard doesn't build"

_adds(
    "CVE-2024-3660: Lambda of bytecode",
    NO_LAMBDA,
    _lambda({"class_name": "__lambda__", "config": {"code": CODE}}),
)
_adds("CVE-2025-1550: module and function", NO_LAMBDA, _lambda(_function("os", "system")))
_adds(
    "CVE-2025-1550: a class of any module",
    "module 'subprocess', class 'Popen'",
    layer("Popen", "evil", "subprocess"),
)
_adds(
    "CVE-2025-1550: a function in place of a layer",
    "module 'os', class 'function'",
    layer("function", "evil", "os"),
)
_adds(
    "CVE-2025-8747: get_file as an activation",
    "should be a function of keras.activations",
    dense(3, _function("keras.utils", "get_file"), "evil"),
)
_adds("CVE-2025-8747: get_file in a Lambda", NO_LAMBDA, _lambda(_function("keras.utils", "get_file")))
_adds(
    "CVE-2025-12060: get_file that unpacks a tar",
    NO_LAMBDA,
    _lambda(_function("keras.utils", "get_file"), kwargs={"origin": "file:///etc/passwd", "untar": True}),
)
_adds(
    "CVE-2025-9906: safe mode switched off by the file",
    NO_LAMBDA,
    _lambda(_function("keras.config", "enable_unsafe_deserialization")),
)
_adds(
    "CVE-2025-9906: load_model within a file",
    NO_LAMBDA,
    _lambda(_function("keras.models", "load_model"), kwargs={"safe_mode": False}),
)
_adds(
    "keras#23055: Lambda without its module",
    "has no module and class_name",
    {name: value for name, value in _lambda([CODE, None, None]).items() if name != "module"},
)
_adds(
    "CVE-2025-49655: TorchModuleWrapper of a pickle",
    "is a TorchModuleWrapper, which Jobyard doesn't build",
    layer("TorchModuleWrapper", "evil", module_=base64.b64encode(pickle.dumps(_Shell())).decode()),
)
_adds(
    "CVE-2026-1462: TFSMLayer of a path",
    "is a TFSMLayer, which Jobyard doesn't build",
    layer("TFSMLayer", "evil", filepath="/srv/saved", call_endpoint="serve"),
)
for _class in ("StringLookup", "IntegerLookup", "TextVectorization"):
    _adds(
        f"CVE-2025-12058: {_class} of a file",
        f"is a {_class}, which Jobyard doesn't build",
        layer(_class, "evil", vocabulary="/etc/passwd"),
    )
_adds(
    "a layer of a URL",
    "is a TFSMLayer, which Jobyard doesn't build",
    layer("TFSMLayer", "evil", filepath="https://127.0.0.1:1/model"),
)
_adds("a registered object", "registered objects are code", dense(3) | {"registered_name": "evil>Dense"})
_adds(
    "keras#22779: a registered name for one of Keras' own",
    "registered objects are code",
    layer("GlobalAveragePooling2D", "evil") | {"registered_name": "evil"},
)
_adds(
    "keras#22705: a function among a layer's numbers",
    "units",
    dense(_function("os", "getpid")),  # type: ignore[arg-type]
)
_adds(
    "an initializer of another module",
    "should be of keras.initializers",
    dense(3, name="evil", kernel_initializer={"module": "numpy", "class_name": "load", "config": {}}),
)
_adds(
    "a regularizer that is a function",
    "regularizer",
    dense(3, name="evil", kernel_regularizer=_function("os", "system")),
)
_adds(
    "a dtype policy of another class",
    "should be of keras.DTypePolicy",
    layer("ReLU", "evil", dtype={"module": "os", "class_name": "PathLike", "config": {}}),
)
for _tag in ("__lambda__", "__numpy__", "__tensor__", "__typespec__", "__bytes__", "__callable__"):
    _adds(
        f"{_tag} among a layer's numbers",
        "activation",
        dense(3, {"class_name": _tag, "config": {"value": [1], "module": "os", "name": "system"}}, "evil"),
    )
_adds(
    "a class of Keras that is no layer",
    "which Jobyard doesn't build",
    layer("load_model", "evil", "keras.models"),
)
_adds(
    "a private module of Keras",
    "which Jobyard doesn't build",
    layer("Lambda", "evil", "keras.src.layers.core.lambda_layer"),
)
_adds("a layer that nobody knows", "which Jobyard doesn't build", layer("Dens", "evil", "keras.layers"))
_adds("a config key that nobody knows", "has the key 'path'", layer("ReLU", "evil", path="/etc/passwd"))
_adds("2^60 units", "units", dense(2**60, name="evil"))
_adds(
    "10^12 parameters",
    "JOBYARD_MAX_NETWORK_PARAMETERS",
    dense(10**6, name="evil"),
    dense(10**6, name="again"),
)
_adds(
    "a picture of a terabyte",
    "JOBYARD_MAX_NETWORK_VALUES",
    layer("Reshape", "places", target_shape=[1, 1, 3]),
    layer("UpSampling2D", "evil", size=[4_096, 4_096], data_format="channels_last", interpolation="nearest"),
    layer("UpSampling2D", "again", size=[4_096, 4_096], data_format="channels_last", interpolation="nearest"),
    layer("GlobalAveragePooling2D", "pool_again", data_format="channels_last", keepdims=False),
)
_adds("a layer within its own config", "activation", dense(3, dense(3, dense(3)), "evil"))
_describes("an input of 10^9 pixels", "should be", lambda _: network(size=10**9))
_describes(
    "a class of one's own for the whole",
    "should be a Functional or Sequential model",
    lambda _: network() | {"class_name": "Mine"},
)
_describes("no object", "should be a JSON object", lambda _: b"[]")
_describes("no JSON", "is not JSON", lambda _: pickle.dumps(_Shell(), protocol=0))
_describes("NaN in JSON", "which is none", lambda _: b'{"x": NaN}')
_describes(
    "a key that comes twice",
    "twice in one object",
    lambda _: b'{"class_name": "Sequential", "class_name": "Lambda"}',
)
_describes("JSON nested a million deep", "nested too deeply", lambda _: b"[" * 10**6)
_describes("a number of a million digits", "too many digits", lambda _: b'{"x": ' + b"9" * 10**6 + b"}")


def _of_layers(count: int) -> bytes:
    one = json.dumps(layer("ReLU", "%s")).encode()
    layers = b",".join(one.replace(b"%s", b"r%d" % number) for number in range(count))
    return json.dumps(network()).encode().replace(b"}]", b"}," + layers + b"]", 1)


_describes("as many layers as fit into the file", "JOBYARD_MAX_NETWORK_LAYERS", lambda _: _of_layers(20_000))
_describes(
    "10^6 layers",
    "config.json unpacks to",
    lambda _: _of_layers(10).replace(b"}]", b"}," + b"{}," * 10**6 * 3 + b"{}]", 1),
)


def _nested(depth: int) -> Json:
    inner = network()
    for number in range(depth):
        outer = network(inner, dense())
        outer["config"]["name"] = f"n{number}"
        inner = outer
    return inner


_describes("networks nested a hundred deep", "nested more than 10 deep", lambda _: _nested(100))
