"""Structs in Thrift's compact protocol, which Parquet's metadata is written in.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
MAX_DEPTH = 50


class Field(NamedTuple):
    """A value and its type. A struct is {number: Field}, a list (type of items, items)."""

    type: int
    value: Any


# Which fields of a struct are read, and which of theirs, if they are structs or lists of structs; None: all.
Wanted = Mapping[int, "Wanted | None"] | None


class Reader:
    """Reads structs. Raises ValueError or IndexError at bytes that are none."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self, wanted: Wanted = None, depth: int = 0) -> dict[int, Field]:
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        fields: dict[int, Field] = {}
        number = 0
        while head := self._byte():
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            if wanted is None or number in wanted:
                inner = None if wanted is None else wanted[number]
                fields[number] = Field(kind, self._value(kind, inner, depth))
            else:
                self._skip(kind, depth)
        return fields

    def _value(self, kind: int, wanted: Wanted, depth: int) -> Any:
        match kind:
            case 1 | 2:
                return kind == TRUE
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._zigzag()
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._varint())
            case 9 | 10:
                kind, count = self._items()
                if kind in (TRUE, FALSE):  # each is a byte here, not a type
                    return kind, [self._byte() for _ in range(count)]
                return kind, [self._value(kind, wanted, depth + 1) for _ in range(count)]
            case 12:
                return self.struct(wanted, depth + 1)
        raise ValueError(f"no type {kind}")

    def _items(self) -> tuple[int, int]:
        """The type of a list's items, and how many there are."""
        head = self._byte()
        count = self._varint() if head >> 4 == 15 else head >> 4
        if count > len(self._data) - self.at:  # each has a byte at least
            raise ValueError("it ends too early")
        return head & 15, count

    def _skip(self, kind: int, depth: int) -> None:  # noqa: C901 - to go through functions costs half the speed
        """Read past a value: a footer may have millions that nobody asks for, and objects cost."""
        if kind in (I32, I64, I16):
            data, at = self._data, self.at
            while data[at] > 127:
                at += 1
            self.at = at + 1
        elif kind == BINARY:
            count = self._varint()
            self.at += count
            if self.at > len(self._data):
                raise ValueError("it ends too early")
        elif kind == STRUCT and depth < MAX_DEPTH:
            while head := self._byte():
                if head < 16:
                    self._zigzag()
                self._skip(head & 15, depth + 1)
        elif kind in (LIST, SET) and depth < MAX_DEPTH:
            kind, count = self._items()
            for _ in range(count):
                self._skip(BYTE if kind in (TRUE, FALSE) else kind, depth + 1)
        elif kind not in (TRUE, FALSE):
            self._value(kind, None, depth)

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _bytes(self, count: int) -> bytes:
        self.at += count
        if self.at > len(self._data):
            raise ValueError("it ends too early")
        return self._data[self.at - count : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("a number is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)


def write_struct(fields: dict[int, Field]) -> bytes:
    """The bytes of a struct."""
    out = bytearray()
    _struct(out, fields)
    return bytes(out)


def _struct(out: bytearray, fields: dict[int, Field]) -> None:
    before = 0
    for number, (kind, value) in sorted(fields.items()):
        if 0 < number - before < 16:
            out.append((number - before) << 4 | kind)
        else:
            out.append(kind)
            _zigzag(out, number)
        before = number
        if kind not in (TRUE, FALSE):
            _value(out, kind, value)
    out.append(0)


def _value(out: bytearray, kind: int, value: Any) -> None:
    if kind in (TRUE, FALSE, BYTE):
        out.append(value)
    elif kind in (I16, I32, I64):
        _zigzag(out, value)
    elif kind == DOUBLE:
        out += value
    elif kind == BINARY:
        _varint(out, len(value))
        out += value
    elif kind == STRUCT:
        _struct(out, value)
    else:
        item, items = value
        out.append(min(len(items), 15) << 4 | item)
        if len(items) > 14:
            _varint(out, len(items))
        for one in items:
            _value(out, item, one)


def _varint(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _zigzag(out: bytearray, value: int) -> None:
    _varint(out, value << 1 if value >= 0 else (-value << 1) - 1)
