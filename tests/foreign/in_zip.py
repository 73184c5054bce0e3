"""Tricks of zip, and members that a `.keras` file should not have."""

import functools
import io
import json
import zipfile
import zlib
from pathlib import Path

from tests import hostile
from tests.foreign.attack import Attack, Attacks
from tests.foreign.model import keras_file, network

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
