"""Names of columns in a Parquet file: put into its footer afterwards, as they are.

DuckDB takes no two names that differ in their case only, and none with a zero character. So it writes a
file with names of ours; a footer has no offsets into itself, and each string its length before it.
"""

import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# The length of the footer, and the magic.
ENDING: Final = 8


class Placeholders:
    """Names for so many columns that nothing else in the file is like."""

    def __init__(self, count: int) -> None:
        self._token = secrets.token_hex(16)
        self.names = [f"{self._token}{place:06}" for place in range(count)]

    def replace(self, path: Path, names: Sequence[str]) -> None:
        """In the file that was written with ours."""
        length = len(self._token) + 6
        ours = re.compile(bytes([length]) + self._token.encode() + rb"([0-9]{6})")
        with path.open("r+b") as file:
            end = file.seek(-ENDING, 2)
            size = int.from_bytes(file.read(4), "little")
            start = file.seek(end - size)
            footer = ours.sub(lambda found: _string(names[int(found[1])]), file.read(size))
            file.seek(start)
            file.write(footer + len(footer).to_bytes(4, "little") + b"PAR1")


def _string(text: str) -> bytes:
    """As Thrift's compact protocol has it: its length in groups of seven bits, then UTF-8."""
    data = text.encode()
    length, prefix = len(data), bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*prefix, length]) + data
