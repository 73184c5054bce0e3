"""Workbooks as Excel and LibreOffice write them, as small as can be."""

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

Row = Sequence[str | float | bool | None]

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
SPREADSHEET = "application/vnd.oasis.opendocument.spreadsheet"


def xlsx(sheets: Mapping[str, Sequence[Row] | str], hidden: Sequence[str] = ()) -> bytes:
    """A workbook with these sheets: their rows, or the XML of their rows."""
    numbered = list(enumerate(sheets.items(), 1))
    listed = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="rId{number}"'
        + (' state="hidden"/>' if name in hidden else "/>")
        for number, (name, _) in numbered
    )
    related = "".join(
        f'<Relationship Id="rId{number}" Type="{RELATIONS}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number, _ in numbered
    )
    members = {
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" '
        f'Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">{related}</Relationships>',
    }
    for number, (_, rows) in numbered:
        written = rows if isinstance(rows, str) else "".join(map(_xlsx_row, rows, range(1, len(rows) + 1)))
        members[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><sheetData>{written}</sheetData></worksheet>'
        )
    return zipped(members)


def _xlsx_row(row: Row, number: int) -> str:
    cells = "".join(
        _xlsx_cell(value, f"{chr(ord('A') + place)}{number}")
        for place, value in enumerate(row)
        if value is not None
    )
    return f'<row r="{number}">{cells}</row>'


def _xlsx_cell(value: str | float | bool, place: str) -> str:
    match value:
        case bool():
            return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
        case str():
            return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def ods(rows: Sequence[Row], name: str = "Sheet1", repeated: int = 1) -> bytes:
    """An OpenDocument spreadsheet with one sheet, whose last row is there so many times."""
    written = "".join(
        f'<table:table-row table:number-rows-repeated="{repeated if row is rows[-1] else 1}">'
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{escape(str(value))}</text:p>'
            "</table:table-cell>"
            for value in row
        )
        + "</table:table-row>"
        for row in rows
    )
    names = "".join(
        f' xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{short}:1.0"'
        for short in ("office", "table", "text")
    )
    content = (
        f"<office:document-content{names}><office:body><office:spreadsheet>"
        f'<table:table table:name="{name}">{written}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    return zipped({"mimetype": SPREADSHEET, "content.xml": content, "META-INF/manifest.xml": manifest})


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """A zip archive of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


# ---- of Office up to 2003

SECTOR = 512
END_OF_CHAIN, FREE, IS_TABLE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


def xls(rows: Sequence[Sequence[str | float]], name: str = "Sheet1") -> bytes:
    """A workbook of Excel 97 with one sheet."""
    begin = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0))
    end = _record(0x000A, b"")
    listed_bytes = 4 + 8 + len(name)
    at = len(begin) + listed_bytes + len(end)
    listed = _record(0x0085, struct.pack("<IHBB", at, 0, len(name), 0) + name.encode("latin-1"))
    cells = b"".join(
        _xls_cell(value, row, column)
        for row, values in enumerate(rows)
        for column, value in enumerate(values)
    )
    sheet = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0)) + cells + end
    return compound({"Workbook": begin + listed + end + sheet})


def _xls_cell(value: str | float, row: int, column: int) -> bytes:
    if isinstance(value, str):
        coded = value.encode("utf-16-le")
        return _record(0x0204, struct.pack("<HHHHB", row, column, 0, len(coded) // 2, 1) + coded)
    return _record(0x0203, struct.pack("<HHHd", row, column, 0, value))


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def compound(streams: Mapping[str, bytes]) -> bytes:
    """A compound file, as Word, Excel and Outlook wrote them, with up to three streams."""
    # Short streams would lie elsewhere: these are filled up.
    contents = [
        content.ljust(max(4096, -(-len(content) // SECTOR) * SECTOR), b"\0") for content in streams.values()
    ]
    chain = [IS_TABLE, END_OF_CHAIN]
    entries = _entry("Root Entry", 5, END_OF_CHAIN, 0, 1)
    for number, (name, content) in enumerate(zip(streams, contents, strict=True), 1):
        begin, count = len(chain), len(content) // SECTOR
        following = number + 1 if number < len(contents) else FREE
        entries += _entry(name, 2, begin, len(content), FREE, following)
        chain += [*range(begin + 1, begin + count), END_OF_CHAIN]
    assert len(chain) <= SECTOR // 4
    chain += [FREE] * (SECTOR // 4 - len(chain))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + struct.pack(
        "<16xHHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, END_OF_CHAIN, 0, END_OF_CHAIN, 0
    )
    header += struct.pack("<I", 0) + struct.pack("<I", FREE) * 108
    return header + struct.pack("<128I", *chain) + entries.ljust(SECTOR, b"\0") + b"".join(contents)


def _entry(name: str, kind: int, begin: int, size: int, child: int, following: int = FREE) -> bytes:
    coded = name.encode("utf-16-le")
    return (
        coded.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(coded) + 2, kind, 1, FREE, following, child)
        + struct.pack("<36xIQ", begin, size)
    )
