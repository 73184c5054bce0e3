"""What is no table is refused by its true name, and no text is taken for anything else."""

import io
import pickle
import random
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import feather, orc

from jobyard.shared.errors import WorkError
from jobyard.workers.sentiment.tables.signatures import refuse, refuse_binary
from tests.unit.workers.sentiment.conftest import Desk

TABLE = pa.table({"text": ["good", "bad"] * 50})


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(file, kind)
    return file.getvalue()


def written(writer: object, **options: object) -> bytes:
    file = io.BytesIO()
    assert callable(writer)
    writer(TABLE, file, **options)
    return file.getvalue()


def ipc(new: object) -> bytes:
    assert callable(new)
    file = io.BytesIO()
    with new(file, TABLE.schema) as stream:
        stream.write_table(TABLE)
    return file.getvalue()


def sqlite() -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE reviews (text)")
        return database.serialize()


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(50))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "a PDF document"),
        (b"<table border='1'>\n<tr><td>good</td></tr></table>", "an HTML page"),
        (pickle.dumps(["good"], 0), "a Python pickle"),
        (b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!000000", "a SAS transport file (.xpt)"),
        (b"% reviews\n@RELATION reviews\n@attribute text string\n", "a Weka file (.arff)"),
        (b"{\\rtf1\\ansi good}", "an RTF document"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html><body>404</body></html>", "an HTML page"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C">\n<html></html>', "an HTML page"),
        (b"<HTML xmlns:x='urn:schemas-microsoft-com:office:excel'><table>", "an HTML page"),
        (
            b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
            "an Excel 2003 workbook in XML",
        ),
        (b'<?xml version="1.0"?><rss></rss>', "an XML document"),
        (b"Obj\x01\x04\x14avro.codec", "an Avro file"),
        (written(orc.write_table), "an ORC file"),
        (written(orc.write_table, compression="zlib"), "an ORC file"),
        (written(feather.write_feather), "an Arrow file (Feather)"),
        (ipc(pa.ipc.new_file), "an Arrow file (Feather)"),
        (ipc(pa.ipc.new_stream), "an Arrow file (Feather)"),
        (sqlite(), "an SQLite database"),
        (npy(), "a NumPy array (.npy)"),
        *((pickle.dumps({"a": ["good"]}, protocol), "a Python pickle") for protocol in (2, 3, 4, 5)),
        *((picture(kind), f"a picture ({kind})") for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "ICO")),
        (picture("WEBP"), "a picture (WebP)"),
        (b"\0\0\0\x1cftypheic\0\0\0\0", "a picture (HEIC or AVIF)"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a film (MP4)"),
        (b"ID3\x04\0\0\0\0", "a recording of sound"),
        (b"\x7fELF\x02\x01\x01", "a program"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive"),
        (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
        (b"\x04\x22\x4d\x18\x64\x40", "compressed (lz4)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "a pointer of Git LFS, and not"),
        (random.Random(0).randbytes(10_000), "binary, and of no kind that is known"),
    ],
)
def test_what_is_no_table_is_named_with_what_to_do(desk: Desk, content: bytes, name: str) -> None:
    with pytest.raises(WorkError) as refused:
        desk.score(content, "reviews.csv")
    assert str(refused.value).startswith(f"the file is {name}")
    assert "; " in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        "BZh is how bzip2 begins,text\n",
        "ORC,text\nan orc,good\n",
        "Obj,text\n",
        "PARENT,text\n1,good\n",
        "FEA1,text\n",
        "MZ,text\n",
        "BM,text\n",
        "I saw a DUCK,text\n",
        "abcdftyp,text\n",
        "070701,text\n",
        "PDF,text\n",
        "<p>text</p>,id\n",
        "<xml>,text\n",
        "Rar!,text\n",
        "ID3,text\n",
        "II*,text\n",
        "a\x01b\x01c\n" * 100,
    ],
)
def test_texts_that_begin_alike_are_no_such_files(content: str) -> None:
    refuse(content.encode(), "utf-8")
    refuse_binary(content.encode(), "utf-8")


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="<%{!\\.")))
def test_no_plain_text_is_taken_for_another_file(content: str) -> None:
    refuse(content.encode(), "utf-8")
    refuse_binary(content.encode(), "utf-8")


@pytest.mark.parametrize(
    "encoding", ["shift_jis", "gb18030", "cp1251", "euc_kr", "big5", "utf-8", "iso8859-1"]
)
def test_no_encoding_looks_binary(encoding: str, tmp_path: Path) -> None:
    letters = {"shift_jis": "これはとても良い本です", "gb18030": "这本书很好看", "cp1251": "очень хорошо"}
    letters |= {"euc_kr": "아주 좋은 책입니다", "big5": "這本書很好看"}
    refuse_binary((letters.get(encoding, "très bien, ça va") * 50).encode(encoding), "utf-8")


def test_lines_of_what_is_called_otherwise_are_scored_with_a_word_or_not_at_all(desk: Desk) -> None:
    assert desk.score("- good\n- bad\n", "in.yaml")["warnings"] == [
        "whole lines are scored, though the file is called .yaml"
    ]
    for name in ("in", "in.txt", "in.log"):
        assert desk.score("good day\nbad day\n", name)["warnings"] == []
    for name in ("in.xml", "in.xls"):
        with pytest.raises(WorkError, match=f"the file is called {name[2:]} "):
            desk.score("<rows>\n<row>good</row>\n</rows>\n", name)


@pytest.mark.parametrize("name", ["in.json", "in.jsonl"])
def test_a_table_that_is_called_json_is_read_with_a_word(desk: Desk, name: str) -> None:
    result = desk.score("id,text\n1,good\n2,bad\n", name, column="text")
    assert (result["rows"], result["read_as"]["format"]) == (2, "csv")
    assert result["warnings"] == [f"the file is called {name[2:]} and has a table separated by commas"]


def test_json_lines_below_other_lines_are_no_table(desk: Desk) -> None:
    content = 'id,text\n{"id": 1, "text": "good"}\n{"id": 2, "text": "bad"}\n'
    result = desk.score(content, "in.jsonl", errors="skip")
    assert (result["rows"], result["skipped"]) == (2, 1)


def test_dicts_of_python_are_no_texts(desk: Desk) -> None:
    content = "{'text': 'good'}\n{'text': 'bad'}\n"
    for column in (None, "text"):
        with pytest.raises(WorkError, match="line 1: has single quotes around keys, as Python writes a dict"):
            desk.score(content, "in.txt", column=column)
    assert desk.score(content, "in.txt", delimiter="none")["rows"] == 2
