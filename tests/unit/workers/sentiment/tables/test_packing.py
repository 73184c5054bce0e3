"""Compressed files are read, in memory that is bounded whatever they ask for."""

import bz2
import contextlib
import gzip
import lzma
import tracemalloc
from collections.abc import Callable

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared.errors import WorkError
from jobyard.workers.sentiment.tables import packing
from jobyard.workers.sentiment.tables.packing import window_of, without_suffix
from tests.unit.workers.sentiment.conftest import Desk

CONTENT = b"id,text\n1,good\n2,bad\n"
LONG_WINDOW = {
    zstd.CompressionParameter.window_log: 31,
    zstd.CompressionParameter.enable_long_distance_matching: 1,
}


def long_window(content: bytes) -> bytes:
    """As `zstd --long=31` packs what is piped to it."""
    machine = zstd.ZstdCompressor(options=LONG_WINDOW)
    return machine.compress(content[:1]) + machine.compress(content[1:]) + machine.flush()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "zstd": lambda content: zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1}),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("name", PACKINGS)
def test_every_packing_is_read_in_pieces_and_after_one_another(desk: Desk, name: str) -> None:
    pack = PACKINGS[name]
    result = desk.score(pack(CONTENT) + pack(b"") + pack(b"3,fine\n"), "in.csv")
    assert (result["rows"], result["read_as"]["compression"]) == (3, name)


@pytest.mark.parametrize("name", PACKINGS)
def test_what_is_cut_off_or_changed_is_said(desk: Desk, name: str) -> None:
    packed = PACKINGS[name](CONTENT)
    with pytest.raises(WorkError, match=f"the file's {name} ends too early: it was truncated"):
        desk.score(packed[:-3])
    middle = len(packed) // 2
    changed = packed[:middle] + bytes(byte ^ 255 for byte in packed[middle:])
    with pytest.raises(WorkError, match=f"the file's {name} (is broken: its bytes were|ends too early)"):
        desk.score(changed)


@pytest.mark.parametrize("name", PACKINGS)
def test_a_bomb_takes_little_memory_and_is_refused_at_the_limit(desk: Desk, name: str) -> None:
    desk.limit = 50_000_000
    packed = PACKINGS[name](b"text\n" + bytes(60_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(WorkError, match="unpacks to over 50,000,000 bytes; should unpack to fewer"):
            desk.score(packed)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_a_long_window_is_read_as_far_as_it_is_filled(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = long_window(CONTENT)
    assert window_of(packed) == 1 << 31
    assert desk.score(packed)["rows"] == 2
    monkeypatch.setattr(packing, "MAX_MEMORY", 1_000_000)
    with pytest.raises(WorkError) as refused:
        desk.score(long_window(b"text\n" + b"good\n" * 500_000))
    assert str(refused.value) == (
        "the file's zstd needs a window of 2,147,483,648 bytes, over the 1,000,000 bytes of memory that it "
        "may take; pack it anew without --long: `zstd -dc --long=31 FILE | zstd -o NEW.zst`"
    )


def test_zstd_that_no_window_can_hold_is_refused_with_the_window(desk: Desk) -> None:
    packed = bytearray(long_window(CONTENT))
    packed[5] = 25 << 3
    with pytest.raises(WorkError, match="needs a window of 34,359,738,368 bytes"):
        desk.score(bytes(packed))


def test_zstd_with_a_dictionary_is_refused_with_that(desk: Desk) -> None:
    dictionary = zstd.train_dict([b"id,text\n%d,good and well\n" % number for number in range(1_000)], 2_000)
    with pytest.raises(WorkError, match="the file's zstd needs a dictionary; pack it anew without one"):
        desk.score(zstd.compress(CONTENT, zstd_dict=dictionary))


def test_xz_that_asks_for_too_much_memory_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MAX_MEMORY", 1_000_000)
    with pytest.raises(WorkError, match="the file's xz takes over 1,000,000 bytes of memory to unpack"):
        desk.score(lzma.compress(CONTENT))


@pytest.mark.parametrize("name", PACKINGS)
def test_other_bytes_after_the_end_are_said(desk: Desk, name: str) -> None:
    packed = PACKINGS[name](CONTENT)
    assert desk.score(packed + bytes(100_000) + packed + bytes(512))["rows"] == 5  # the header is a row there
    for garbage in (b"x", b"3,lost\n" * 10_000, bytes(4) + b"x"):
        with pytest.raises(WorkError, match=f"the file's {name} has other bytes after its end"):
            desk.score(packed + garbage)


def test_a_frame_to_be_skipped_may_come_first(desk: Desk) -> None:
    assert desk.score(b"\x52\x2a\x4d\x18\x04\0\0\0abcd" + zstd.compress(CONTENT))["rows"] == 2


@given(content=st.binary(max_size=2_000), level=st.integers(1, 19), log=st.integers(10, 27))
def test_the_window_is_what_the_frame_says(content: bytes, level: int, log: int) -> None:
    parameters = {
        zstd.CompressionParameter.compression_level: level,
        zstd.CompressionParameter.window_log: log,
    }
    packed = zstd.compress(content, options=parameters)
    # A frame of known size is its own window.
    assert len(packed) < packing.HEADER_BYTES or window_of(packed) in (len(content), 1 << log)


@pytest.mark.parametrize("name", PACKINGS)
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
def test_packed_files_with_any_byte_changed_are_read_or_refused(
    desk: Desk, name: str, data: st.DataObject
) -> None:
    packed = bytearray(PACKINGS[name](b"text\n" + b"good day\n" * 50))
    packed[data.draw(st.integers(8, len(packed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WorkError):
        desk.score(bytes(packed), errors="skip")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a.csv.gz", "a.csv"),
        ("a.csv.BZ2", "a.csv"),
        ("a.tgz", "a.tar"),
        ("a.txz", "a.tar"),
        ("a.xz", "a"),
        (".gz", ".gz"),
        ("a.csv", "a.csv"),
    ],
)
def test_a_packed_files_name_says_what_is_in_it(name: str, plain: str) -> None:
    assert without_suffix(name) == plain
