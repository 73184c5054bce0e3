"""Archives that are made to do harm: small files that say, or unpack to, far more than they hold."""

import bz2
import gzip
import io
import struct
import tarfile
from collections.abc import Iterable

MIB = 1 << 20
BLOCK = tarfile.BLOCKSIZE
END_OF_TAR = bytes(2 * BLOCK)

# As the tables of a zip name them.
STORED, BZIP2 = 0, 12


def entry(
    name: bytes, packed: bytes, *, method: int = STORED, size: int | None = None, at: int = 0, crc: int = 0
) -> bytes:
    """One entry of a zip's list; `size` is what it says that the member unpacks to."""
    said = len(packed) if size is None else size
    fields = (20, 20, 0, method, 0, 0x21, crc, len(packed), said, len(name), 0, 0, 0, 0, 0, at)
    return b"PK\x01\x02" + struct.pack("<6H3L5H2L", *fields) + name


def local_header(name: bytes, packed: bytes, *, method: int, size: int, crc: int = 0) -> bytes:
    """What stands before a member's packed bytes."""
    fields = (20, 0, method, 0, 0x21, crc, len(packed), size, len(name), 0)
    return b"PK\x03\x04" + struct.pack("<5H3L2H", *fields) + name


def zip_of(entries: bytes, count: int, data: bytes = b"") -> bytes:
    """A zip with that list after `data`; the record at its end says that there are `count` members."""
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entries), len(data), 0)
    return data + entries + tail


def zip64_of(entries: bytes, count: int) -> bytes:
    """The same, with a count that does not fit into two bytes."""
    end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(entries), 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(entries), 1)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return entries + end + locator + last


def zip_of_one(name: bytes, packed: bytes, *, method: int, size: int) -> bytes:
    """A zip of one member, whose packed bytes are as given."""
    data = local_header(name, packed, method=method, size=size) + packed
    return zip_of(entry(name, packed, method=method, size=size), 1, data)


def overlapping_zip(members: int, size: int) -> bytes:
    """Every member is the same bytes: `size` zeros, stored once."""
    zeros = bytes(size)
    name = b"cats/0.png"
    data = local_header(name, zeros, method=STORED, size=size) + zeros
    return zip_of(b"".join(entry(b"cats/%04d" % n, zeros) for n in range(members)), members, data)


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A member's header in a tar."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    """Content to the end of its last block."""
    return content + bytes(-len(content) % BLOCK)


def pax(kind: bytes = tarfile.XHDTYPE, **records: str) -> bytes:
    """A pax header (POSIX.1-2008) with these records; `_` in their names is a dot."""
    content = b""
    for name, value in records.items():
        record = f" {name.replace('_', '.')}={value}\n".encode()
        length = len(record)
        while length != len(record) + len(str(length)):
            length = len(record) + len(str(length))
        content += str(length).encode() + record
    return header("pax", len(content), kind) + padded(content)


def tar_gz(pieces: Iterable[bytes]) -> bytes:
    """A compressed tar of these blocks."""
    target = io.BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=6, mtime=0) as file:
        for piece in pieces:
            file.write(piece)
    return target.getvalue()


def deep_paths(count: int, names: int) -> bytes:
    """A tar.gz of empty files whose paths have so many names, each path another from its first name on."""
    paths = (f"{number}/" + "a/" * (names - 2) + "x.png" for number in range(count))
    longs = (path.encode() + b"\0" for path in paths)
    pieces = (
        header("long", len(long), tarfile.GNUTYPE_LONGNAME) + padded(long) + header("x.png") for long in longs
    )
    return tar_gz([*pieces, END_OF_TAR])


def bzip2_of_zeros(size: int) -> bytes:
    """A bzip2 stream of so many zeros: some 40 bytes for 46 million."""
    packer = bz2.BZ2Compressor()
    return b"".join(packer.compress(bytes(MIB)) for _ in range(size // MIB)) + packer.flush()


def _sparse(blocks: int) -> bytes:
    """A sparse file in GNU tar's old format, whose map is continued in so many blocks."""
    first = bytearray(header("cats/a.png", BLOCK, tarfile.GNUTYPE_SPARSE))
    first[482] = 1  # it is continued
    first[148:156] = b" " * 8
    first[148:156] = b"%06o\0 " % sum(first)
    more = (b"00000000001\0" * 42)[:504] + b"\1" + bytes(7)
    return bytes(first) + more * blocks


# Each is a tar whose headers could take gigabytes: 16 MiB are enough to see whether they do.
LONG = 16
TAR_BOMBS: dict[str, list[bytes]] = {
    "a chain of pax headers": [pax(comment="x" * (MIB - 2 * BLOCK))] * LONG,
    "a chain of long names": [header("n", MIB - BLOCK, tarfile.GNUTYPE_LONGNAME) + b"n" * (MIB - BLOCK)]
    * LONG,
    "headers for all members": [
        pax(tarfile.XGLTYPE, **{f"key{number}": "x" * (MIB - 4 * BLOCK)}) + header(f"{number}.png")
        for number in range(LONG)
    ],
    "small headers for all members": [
        pax(tarfile.XGLTYPE, **{f"key{number}": "x"}) + header(f"{number}.png") for number in range(100)
    ],
    "a sparse map without an end": [
        pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_realsize="9") + header("a.png", BLOCK),
        b"999999999\n",
        *[b"0\n" * (MIB // 2)] * LONG,
    ],
    "an old sparse map without an end": [_sparse(LONG * MIB // BLOCK)],
    "a file that is sparse": [
        pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_realsize="9") + header("a.png", 2 * BLOCK),
        padded(b"1\n0\n9\n") + bytes(BLOCK),
    ],
    "a size below 0": [pax(size="-1024") + header("cats/a.png")],
    "one size for all members": [
        pax(tarfile.XGLTYPE, size="1000000"),
        *(header(f"cats/{number}.png") for number in range(1_000)),
    ],
}
