"""Parquet files that are made to go wrong: something in a footer, a page's header or its bytes is changed."""

import functools
import io
import random
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobyard.workers.sentiment.tables.thrift import (
    BINARY,
    BYTE,
    DOUBLE,
    FALSE,
    I16,
    I32,
    I64,
    LIST,
    STRUCT,
    TRUE,
    Field,
    Reader,
    write_struct,
)

MAGIC = b"PAR1"
ROWS = 60
TEXTS = ["good", "a bad day", None, "", "I don't like it 😂", "x" * 300]

# Fields of the footer's structs, and of a page's header.
ROW_GROUPS, COLUMNS, METADATA, PACKED, DATA_PAGE, DICTIONARY_PAGE = 4, 1, 3, 7, 9, 11
HEADER_PACKED, HEADER_DICTIONARY = 3, 7

# What numbers are changed to.
NUMBERS = [*range(-2, 20), 127, 128, 255, 2**15, 2**16, 2**20, 2**31 - 1, -(2**31), 2**32, 2**62, -(2**62)]

Struct = dict[int, Field]
# The header of a page and its bytes.
Page = tuple[Struct, bytes]


def make_file(seed: int) -> bytes:
    """The file of that seed: the same one each time."""
    draw = random.Random(seed)
    content = draw.choice(_sound())
    kind = draw.random()
    if kind < 0.2:
        return _with_other_bytes(content, draw)
    footer, chunks = _taken_apart(content)
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        if kind < 0.6:
            _change_struct(footer, draw)
        else:
            _change_pages(draw.choice(chunks), draw)
    return _put_together(footer, chunks, as_said=kind < 0.6)


@functools.cache
def _sound() -> list[bytes]:
    """Files as writers make them: types, codecs, encodings, versions of pages."""
    texts = [TEXTS[row % len(TEXTS)] for row in range(ROWS)]
    plain = pa.table({"text": pa.array(texts), "n": pa.array(range(ROWS))})
    dictionary = plain.set_column(0, "text", plain["text"].dictionary_encode())
    large = plain.set_column(0, "text", plain["text"].cast(pa.large_string()))
    views = plain.set_column(0, "text", plain["text"].cast(pa.string_view()))
    binary = plain.set_column(0, "text", plain["text"].cast(pa.binary()))
    nulls = plain.set_column(0, "text", pa.nulls(ROWS))
    json = plain.set_column(0, "text", pa.array(['{"a": 1}', None] * (ROWS // 2), pa.json_()))
    others = plain.append_column("tags", pa.array([["a", None], [], None] * (ROWS // 3)))
    for name, array in {
        "place": pa.array([{"text": "good", "at": {"x": 1.5}}, None] * (ROWS // 2)),
        "map": pa.array([[("a", 1)], []] * (ROWS // 2), pa.map_(pa.string(), pa.int32())),
        "decimal": pa.array([Decimal("1.25"), None] * (ROWS // 2)),
        "fixed": pa.array([b"abcd", None] * (ROWS // 2), pa.binary(4)),
        "half": pa.array([1.5, None] * (ROWS // 2), pa.float16()),
        "ok": pa.array([True, False, None] * (ROWS // 3)),
        "when": pa.array([1, None] * (ROWS // 2), pa.timestamp("ns", "Europe/Paris")),
        "day": pa.array([1, None] * (ROWS // 2), pa.date32()),
        "span": pa.array([1, None] * (ROWS // 2), pa.duration("ms")),
    }.items():
        others = others.append_column(name, array)
    wanted: list[tuple[Any, dict[str, Any]]] = [
        (plain, {}),
        (plain, {"use_dictionary": False, "compression": "none", "row_group_size": 25}),
        (plain, {"data_page_version": "2.0", "compression": "zstd", "data_page_size": 100}),
        (plain, {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}}),
        (plain, {"use_dictionary": False, "column_encoding": {"text": "DELTA_LENGTH_BYTE_ARRAY"}}),
        (plain, {"write_page_index": True, "write_page_checksum": True, "compression": "gzip"}),
        (plain, {"compression": "brotli", "store_schema": False}),
        (plain, {"compression": "lz4", "bloom_filter_options": {"text": True}}),
        (dictionary, {}),
        (large, {"compression": "none"}),
        (views, {}),
        (binary, {"compression": "none"}),
        (nulls, {}),
        (json, {}),
        (others, {}),
        (others, {"compression": "none", "data_page_version": "2.0", "use_dictionary": False}),
        (others, {"use_deprecated_int96_timestamps": True, "store_decimal_as_integer": True}),
        (plain.slice(0, 0), {}),
    ]
    return [_written(table, options) for table, options in wanted]


def _written(table: Any, options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    try:
        pq.write_table(table, file, **options)
    except TypeError:  # of an older pyarrow
        file = io.BytesIO()
        pq.write_table(table, file)
    return file.getvalue()


def _with_other_bytes(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 8])):
        if len(changed) < 5:
            break
        at = draw.randrange(4, len(changed))
        match draw.randrange(3):
            case 0:
                changed[at] = draw.randrange(256)
            case 1:
                changed[at] ^= 1 << draw.randrange(8)
            case _:
                del changed[at : at + draw.randrange(20)]
    return bytes(changed)


def _footer_of(content: bytes) -> Struct:
    length = int.from_bytes(content[-8:-4], "little")
    return Reader(content[-8 - length : -8]).struct()


def _taken_apart(content: bytes) -> tuple[Struct, list[list[Page]]]:
    """The footer, and the pages of each column of each row group."""
    footer = _footer_of(content)
    chunks = []
    for chunk in _metadata_of(footer):
        start = chunk[DICTIONARY_PAGE if DICTIONARY_PAGE in chunk else DATA_PAGE].value
        end = start + chunk[PACKED].value
        pages = []
        while start < end:
            reader = Reader(content[start:end])
            header = reader.struct()
            body = start + reader.at
            start = body + header[HEADER_PACKED].value
            pages.append((header, content[body:start]))
        chunks.append(pages)
    return footer, chunks or [[]]


def _metadata_of(footer: Struct) -> list[Struct]:
    return [
        chunk[METADATA].value for group in footer[ROW_GROUPS].value[1] for chunk in group[COLUMNS].value[1]
    ]


def _put_together(footer: Struct, chunks: list[list[Page]], *, as_said: bool) -> bytes:
    """A file of them. The footer stays as it is if `as_said`; else it says where the pages are."""
    out = bytearray(MAGIC)
    places = [] if as_said else _metadata_of(footer)
    for index, pages in enumerate(chunks):
        start = len(out)
        data = 0
        for header, body in pages:
            data = data or (0 if HEADER_DICTIONARY in header else len(out))
            out += write_struct(header) + body
        if index < len(places):
            place = places[index]
            place[PACKED] = Field(I64, len(out) - start)
            place[DATA_PAGE] = Field(I64, data or start)
            if DICTIONARY_PAGE in place:
                place[DICTIONARY_PAGE] = Field(I64, start)
    tail = write_struct(footer)
    return bytes(out + tail + len(tail).to_bytes(4, "little") + MAGIC)


def _change_pages(pages: list[Page], draw: random.Random) -> None:
    if not pages:
        return
    number = draw.randrange(len(pages))
    header, body = pages[number]
    match draw.randrange(8):
        case 0:
            pages.insert(draw.randrange(len(pages) + 1), pages[number])
        case 1:
            del pages[number]
        case 2:
            pages[number] = header, _with_other_bytes(MAGIC + body + b"\0", draw)[4:]
        case 3:
            pages[number] = header, body[: draw.randrange(len(body) + 1)]
        case 4:
            draw.shuffle(pages)
        case _:
            _change_struct(header, draw)


def _change_struct(struct: Struct, draw: random.Random) -> None:
    """Change one value somewhere in it."""
    places: list[tuple[Any, Any]] = []
    _places(struct, places)
    if not places:
        return
    holder, key = draw.choice(places)
    if isinstance(holder, dict) and draw.random() < 0.2:
        _change_fields(holder, key, draw)
    else:
        holder[key] = _changed(holder[key], draw)


def _places(value: Any, places: list[tuple[Any, Any]]) -> None:
    """All fields of structs and all items of lists, however deep."""
    if isinstance(value, dict):
        for key, field in value.items():
            places.append((value, key))
            _places(field.value, places)
    elif isinstance(value, tuple):
        for index, item in enumerate(value[1]):
            places.append((value[1], index))
            _places(item, places)


def _change_fields(struct: Struct, key: int, draw: random.Random) -> None:
    field = struct.pop(key)
    match draw.randrange(3):
        case 0:
            struct[draw.randrange(1, 20)] = field
        case 1:
            struct[draw.randrange(1, 20)] = Field(STRUCT, {1: Field(BINARY, b"text")})


def _changed(value: Any, draw: random.Random) -> Any:
    if not isinstance(value, Field):
        return _changed_value(value, draw)
    kind, held = value
    if kind in (TRUE, FALSE):
        return Field(TRUE + FALSE - kind, kind != TRUE)
    if kind == LIST:
        return Field(kind, _changed_list(held, draw))
    if draw.random() < 0.05:
        return Field(draw.choice([I32, I64]), draw.choice(NUMBERS))
    if kind in (I16, I32, I64):
        return Field(kind, _changed_value(held, draw))
    if kind == BINARY:
        return Field(kind, _changed_value(held, draw))
    if kind == STRUCT:
        return Field(kind, {} if draw.random() < 0.3 else {draw.randrange(1, 20): Field(STRUCT, {})})
    return Field(DOUBLE, draw.randbytes(8)) if kind == DOUBLE else Field(BYTE, draw.randrange(256))


def _changed_list(held: tuple[int, list[Any]], draw: random.Random) -> tuple[int, list[Any]]:
    kind, items = held
    match draw.randrange(4):
        case 0:
            return kind, items[: draw.randrange(len(items) + 1)]
        case 1:
            return kind, items * draw.choice([2, 3, 50])
        case 2:
            return kind, draw.sample(items, len(items))
        case _:
            return I32, [draw.choice(NUMBERS) for _ in range(draw.randrange(20))]


def _changed_value(value: Any, draw: random.Random) -> Any:
    if isinstance(value, int):
        return draw.choice([draw.choice(NUMBERS), value + draw.choice([-1, 1]), -value])
    if isinstance(value, bytes):
        some = bytearray(value or b"x")
        some[draw.randrange(len(some))] = draw.randrange(256)
        return draw.choice(
            [bytes(some), b"", value * 2, value[: draw.randrange(len(value) + 1)], b"\xff\xfe"]
        )
    return {} if isinstance(value, dict) else value
