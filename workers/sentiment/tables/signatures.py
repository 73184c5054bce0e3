"""Files that are no table, by their true names: what each begins with, and what to do with it."""

import codecs
import re
from typing import Final, NamedTuple

from jobyard.shared.errors import WorkError
from jobyard.workers.sentiment.tables.encodings import BOM, refuse_wide

TABLE: Final = "should be CSV, JSON lines, Parquet, an Excel workbook or plain text"
EXPORT: Final = "write its table as Parquet or CSV"
REPACK: Final = "pack it anew as gzip, zstd, bzip2 or xz, or not at all"
EXTRACT: Final = "take the table out of it"
PAGE: Final = (
    "perhaps a server's answer instead of the file, or a table that was saved as a page: "
    "download it again, or save it as CSV"
)


class Signature(NamedTuple):
    """How a kind of file begins (a pattern of bytes), what people call it, and what would be right."""

    begins: bytes
    name: str
    remedy: str = TABLE


# Letters that a text may begin with are followed by bytes that it has not.
SIGNATURES: Final = (
    # What comes next is encrypted, after its length, or the header of a page that is not.
    Signature(rb"PARE(.{1,3}\0|\x15)", "encrypted Parquet", "should not be encrypted"),
    Signature(rb"Obj\x01", "an Avro file", EXPORT),
    Signature(rb"ORC.{0,60}?[\0-\x08\x0e-\x1f]", "an ORC file", EXPORT),
    Signature(rb"ARROW1\0\0|\xff{4}[\0-\xff]{3}\0\x10\0\0\0", "an Arrow file (Feather)", EXPORT),
    Signature(rb"FEA1\0{4}", "a Feather file of the first version", EXPORT),
    Signature(rb"SQLite format 3\0", "an SQLite database", EXPORT),
    Signature(rb".{8}DUCK.\0{7}", "a DuckDB database", EXPORT),
    Signature(rb"\x89HDF\r\n\x1a\n", "an HDF5 file", EXPORT),
    Signature(rb"\x93NUMPY", "a NumPy array (.npy)", EXPORT),
    Signature(rb"\x80[\x02-\x05](\x95|[}\](c]|[a-z])", "a Python pickle", EXPORT),
    # Of its first protocol, which is of letters.
    Signature(rb"[(]?[ld]p[01]\n|ccopy_reg\n_reconstructor\n", "a Python pickle", EXPORT),
    Signature(rb"RD[AX][23]\n|X\n\0\0\0|A\n[23]\n\d{5,7}\n\d{5,7}\n", "a file of R", EXPORT),
    Signature(rb"\$FL[23]@\(#\)|.{0,200}ASCII SPSS PORT FILE", "an SPSS file", EXPORT),
    Signature(rb"HEADER RECORD\*{7}(LIB|LIBV8|LIBRARY) ", "a SAS transport file (.xpt)", EXPORT),
    Signature(rb"(?i:(%[^\n]*\n|\s)*@relation\s)", "a Weka file (.arff)", EXPORT),
    Signature(rb"<stata_dta>|[\x71-\x73][\x01\x02]\x01\0", "a Stata file", EXPORT),
    Signature(rb"\0{12}\xc2\xea\x81\x60", "a SAS file", EXPORT),
    Signature(rb"MATLAB 5\.0 MAT", "a MATLAB file", EXPORT),
    Signature(rb"PGDMP\x01", "a dump of PostgreSQL (pg_dump)", EXPORT),
    Signature(rb"\0\x01\0\0Standard (Jet|ACE) DB", "an Access database", EXPORT),
    Signature(rb"Rar!\x1a\x07", "a RAR archive", EXTRACT),
    Signature(rb"7z\xbc\xaf\x27\x1c", "a 7z archive", EXTRACT),
    Signature(rb"MSCF\0{4}", "a CAB archive", EXTRACT),
    Signature(rb"07070[127][0-9A-Fa-f]{70}|!<arch>\n", "an archive of cpio or ar", EXTRACT),
    Signature(rb"\x04\x22\x4d\x18", "compressed (lz4)", REPACK),
    Signature(rb"\xff\x06\0\0sNaPpY", "compressed (Snappy)", REPACK),
    Signature(rb"\x1f[\x9d\xa0]", "compressed (.Z)", REPACK),
    Signature(rb"LZIP\x01", "compressed (lzip)", REPACK),
    Signature(rb"\x5d\0\0.{2}\0{0,2}\xff{8}", "compressed (.lzma)", REPACK),
    Signature(rb"\s*%PDF-\d", "a PDF document"),
    Signature(rb"%!PS-Adobe", "a PostScript document"),
    Signature(rb"\{\\rtf", "an RTF document"),
    Signature(rb"\x89PNG\r\n", "a picture (PNG)"),
    Signature(rb"\xff\xd8\xff", "a picture (JPEG)"),
    Signature(rb"GIF8[79]a", "a picture (GIF)"),
    Signature(rb"II\*\0|MM\0\*", "a picture (TIFF)"),
    Signature(rb"RIFF.{4}WEBP", "a picture (WebP)"),
    Signature(rb"\0\0..ftyp(heic|heix|mif1|avif|avis)", "a picture (HEIC or AVIF)"),
    Signature(rb"BM.{4}\0{4}.{4}[\x0c-\x7c]\0\0\0", "a picture (BMP)"),
    Signature(rb"8BPS\0\x01", "a picture (Photoshop)"),
    Signature(rb"\0\0\x01\0[\x01-\x20]\0.", "a picture (ICO)"),
    Signature(rb"\0\0..ftyp", "a film (MP4)"),
    Signature(rb"RIFF.{4}AVI |\x1a\x45\xdf\xa3", "a film (AVI or Matroska)"),
    Signature(rb"RIFF.{4}WAVE|ID3[\x02-\x04]|\xff[\xf2\xf3\xfb]|fLaC\0|OggS\0", "a recording of sound"),
    Signature(rb"\x7fELF|MZ.{30,62}\0{4}|[\xcf\xce]\xfa\xed\xfe", "a program"),
    Signature(
        rb"version https://git-lfs\.github\.com/spec/",
        "a pointer of Git LFS, and not the file that it stands for",
        "download that, by `git lfs pull` for instance",
    ),
    Signature(
        rb"(\.\./)*(\.git)?/annex/objects/",
        "a pointer of git-annex, and not the file that it stands for",
        "download that, by `git annex get` for instance",
    ),
    Signature(
        rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?"
        rb"(?i:<!doctype html|<(html|head|body|table|meta|title)\b[^<]{0,500}>)",
        "an HTML page",
        PAGE,
    ),
    Signature(
        rb"\s*<\?xml.{0,2000}?urn:schemas-microsoft-com:office:spreadsheet",
        "an Excel 2003 workbook in XML",
        "save it as .xlsx or CSV",
    ),
    Signature(rb"\s*<\?xml\s", "an XML document", EXPORT),
)
_PATTERNS: Final = [(re.compile(one.begins, re.DOTALL), one) for one in SIGNATURES]

# Bytes that no text has in any encoding, but for wide ones: neither white space, nor an escape, nor one of
# those that Hive, Teradata and others put between fields.
ODD: Final = bytes((*range(4, 8), *range(0x0E, 0x1A), 0x7F))
LEAST_BYTES: Final = 64
MOST_ODD: Final = 0.02


def refuse(head: bytes, encoding: str) -> None:
    """Raises WorkError for a file that begins as one does that can't be read, or not in that encoding."""
    start = head.removeprefix(BOM)
    for pattern, (_, name, remedy) in _PATTERNS:
        if pattern.match(start):
            raise WorkError(f"the file is {name}; {remedy}")
    refuse_wide(head, encoding)


def refuse_binary(head: bytes, encoding: str) -> None:
    """Raises WorkError for what is no text in any encoding, though nothing says what it is."""
    if len(head) < LEAST_BYTES or encoding.startswith(("utf-16", "utf-32")) or _is_utf_8(head):
        return
    odd = len(head) - len(head.translate(None, ODD))
    if odd > MOST_ODD * len(head):
        raise WorkError(f"the file is binary, and of no kind that is known; {TABLE}")


def _is_utf_8(head: bytes) -> bool:
    """Whether all of it is, but perhaps for a character that is cut off."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
