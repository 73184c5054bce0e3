"""What `score` takes for a file, and what for a text: a path that isn't there is never a text."""

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from jobyard.cli.tables import tables_of
from jobyard.cli.targets import check_folder, check_target, expanded


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (
        "a.csv",
        "b.csv",
        "data/part-1.csv",
        "data/b/part-2.csv",
        "data/_SUCCESS",
        "data/.part-1.crc",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("text\nfine\n")
    return tmp_path


def found(*what: str, as_texts: bool = False) -> list[str]:
    with tables_of(what, as_texts=as_texts) as files:
        return [str(file) for file in files]


def refusal(*what: str) -> str:
    with pytest.raises(click.UsageError) as refused, tables_of(what, as_texts=False):
        pass
    return refused.value.message


@pytest.mark.parametrize(
    ("what", "files"),
    [
        (["a.csv"], ["a.csv"]),
        (["a.csv", "b.csv", "./a.csv"], ["a.csv", "b.csv"]),
        (["data"], ["data/b/part-2.csv", "data/part-1.csv"]),
        (["data/", "a.csv"], ["data/b/part-2.csv", "data/part-1.csv", "a.csv"]),
        (["*.csv"], ["a.csv", "b.csv"]),
        (["data/**/*.csv"], ["data/b/part-2.csv", "data/part-1.csv"]),
        (["I love it", "It broke"], []),
        (["Great!"], []),
        (["is it?"], []),
        (["*sigh*"], []),
        (["10/10"], []),
        (["and/or"], []),
        (["3.14"], []),
        (["It was 3.5/5... :/"], []),
        (["see https://example.com/a"], []),
    ],
)
def test_files_folders_patterns_and_texts_are_told_apart(what: list[str], files: list[str]) -> None:
    assert found(*what) == files


@pytest.mark.parametrize(
    "what",
    [
        *(
            "missing.json",
            "data.xlsx",
            "tweets.csv.bz2",
            "my revews.csv",
            "reviews.cvs",
            "reviews/",
        ),
        *("./reviews", "../reviews", "/no/such", "~/no/such", "data/part-3", "no*.csv", "x.docx"),
    ],
)
def test_a_path_that_is_not_there_is_never_a_text(what: str) -> None:
    assert refusal(what) == f"there is no file {what} (to score it as a text, add --text)"
    assert refusal("I love it", what) == f"there is no file {what} (to score it as a text, add --text)"
    assert found(what, as_texts=True) == []


def test_an_address_is_no_text() -> None:
    assert "is an address, and should be one of https:// or s3://" in refusal("ftp://example.com/a.csv")


def test_an_address_that_the_server_may_fetch_from_is_a_file() -> None:
    address = "https://example.com/a.csv?X-Amz-Signature=0123"
    assert found(address) == [address]
    assert found("s3://reviews/2026/may.parquet", "a.csv") == ["s3://reviews/2026/may.parquet", "a.csv"]
    assert found(address, as_texts=True) == []
    assert found("https://example.com is great") == []


def test_files_and_texts_are_not_mixed() -> None:
    assert refusal("a.csv", "I love it") == "there is no file I love it; give files alone, or texts alone"
    assert refusal("a.csv", "-") == "standard input should be alone: other files can't be read with it"


def test_a_folder_leaves_out_what_is_no_table_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/cover.png").write_bytes(b"x")
    assert found("data") == ["data/b/part-2.csv", "data/part-1.csv"]
    assert capsys.readouterr().err == "  1 other file was left out of data: no table by its name\n"
    Path("empty").mkdir()
    assert refusal("empty") == "there are no files in empty"


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input_is_a_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"text\n\xff\n")))
    with tables_of([name], as_texts=False) as files:
        (file,) = files
        assert (file.name, file.read_bytes()) == ("stdin", b"text\n\xff\n")
    assert not file.exists()


def test_empty_standard_input_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    assert refusal("-") == "standard input is empty"


def test_a_pipe_is_read_once() -> None:
    read, write = os.pipe()
    os.write(write, b"text\nfine\n")
    os.close(write)
    with tables_of([f"/dev/fd/{read}"], as_texts=False) as files:
        assert files[0].read_bytes() == b"text\nfine\n"
    os.close(read)


def test_pipes_of_one_name_are_two_files() -> None:
    for name in ("x", "y"):
        Path(name).mkdir()
        os.mkfifo(f"{name}/pipe.csv")
        threading.Thread(target=Path(f"{name}/pipe.csv").write_text, args=(f"text\n{name}\n",)).start()
    with tables_of(["x/pipe.csv", "y/pipe.csv"], as_texts=False) as files:
        assert [file.read_text() for file in files] == ["text\nx\n", "text\ny\n"]
        assert {file.name for file in files} == {"pipe.csv"}


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_file(device: str) -> None:
    assert refusal(device) == f"{device} is a device, and no file"


def test_an_empty_file_is_refused_by_its_name_and_left_out_of_a_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("data/part-0.csv").touch()
    assert refusal("a.csv", "data/part-0.csv") == "data/part-0.csv is empty"
    assert found("data") == ["data/b/part-2.csv", "data/part-1.csv"]
    assert capsys.readouterr().err == "  1 other file was left out of data: empty\n"
    assert found("data/p*") == ["data/part-1.csv"]
    assert refusal("data/part-0*") == "there are only empty files in data/part-0*"


def test_parts_without_a_suffix_are_taken_and_what_is_called_otherwise_is_not() -> None:
    for name in ("spark/part-00000", "hive/000000_0", "texts/readme.md", "texts/cover.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("text\nfine\n")
    assert found("spark") == ["spark/part-00000"]
    assert found("hive") == ["hive/000000_0"]
    assert refusal("texts").startswith("none of the files in texts is called like a table (.csv,")
    assert found("texts/readme.md") == ["texts/readme.md"]


def test_there_is_a_most_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobyard.cli.tables.MAX_FILES", 1)
    assert refusal("data") == "these are 2 files; at most 1 are scored as one"


@pytest.mark.parametrize("as_texts", [False, True])
def test_a_text_in_another_encoding_is_said(as_texts: bool) -> None:
    text = os.fsdecode(b"I love this caf\xe9")
    with pytest.raises(click.UsageError) as refused, tables_of(["fine", text], as_texts=as_texts):
        pass
    assert "text 2 has bytes that are not UTF-8: I love this caf\N{REPLACEMENT CHARACTER};" in str(
        refused.value
    )


def test_a_user_who_is_not_there_has_no_files() -> None:
    assert refusal("~nobody-is-called-so/x.csv").startswith("there is no file ~nobody-is-called-so/x.csv")
    assert "~nobody-is-called-so" in str(expanded("~nobody-is-called-so/x.csv"))


def test_what_standard_input_comes_from_is_a_source() -> None:
    code = (
        "from pathlib import Path\n"
        "from jobyard.cli.targets import check_target\n"
        "check_target(Path('b.csv'), [], force=True)\n"
        "check_target(Path('a.csv'), [], force=True)"
    )
    with Path("a.csv").open() as stream:
        run = subprocess.run([sys.executable, "-c", code], stdin=stream, capture_output=True, text=True)
    assert "-o a.csv: is a file that is read" in run.stderr


def test_a_name_that_no_file_can_have_is_said() -> None:
    for length in (245, 300):
        with pytest.raises(click.UsageError, match="can't be written: File name too long"):
            check_target(Path(f"{'x' * length}.csv"), [], force=False)


def test_a_folder_is_checked_before_the_work() -> None:
    check_folder(Path("new/inner"))
    assert not Path("new").exists()
    with pytest.raises(click.UsageError, match=r"-o a.csv/x: .*a.csv is a file, and no folder"):
        check_folder(Path("a.csv/x"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads and writes everything")
def test_what_can_not_be_read_or_written_is_said() -> None:
    Path("a.csv").chmod(0)
    assert refusal("a.csv") == "a.csv can't be read: Permission denied"
    Path("data").chmod(0o500)
    with pytest.raises(click.UsageError, match="can't be written: Permission denied"):
        check_target(Path("data/x.csv"), [], force=False)
    Path("data").chmod(0o700)


def test_a_source_is_never_overwritten_and_others_only_when_that_was_said() -> None:
    Path("link.csv").symlink_to("a.csv")
    Path("hard.csv").hardlink_to("a.csv")
    for target in ("a.csv", "link.csv", "hard.csv"):
        for force in (False, True):
            with pytest.raises(click.UsageError, match="is a file that is read; name another one"):
                check_target(Path(target), [Path("a.csv")], force=force)
    with pytest.raises(click.UsageError, match=r"-o b.csv: is there already; --force overwrites it"):
        check_target(Path("b.csv"), [Path("a.csv")], force=False)
    check_target(Path("b.csv"), [Path("a.csv")], force=True)
    check_target(Path("new.csv"), [Path("a.csv")], force=False)
    with pytest.raises(click.UsageError, match="there is no folder nowhere"):
        check_target(Path("nowhere/x.csv"), [], force=False)
    assert sorted(path.name for path in Path().iterdir()) == [
        "a.csv",
        "b.csv",
        "data",
        "hard.csv",
        "link.csv",
    ]


@given(what=st.text(st.characters(exclude_characters="./\\~\0", exclude_categories=["Cs"]), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_without_a_suffix_and_a_slash_is_a_text(what: str) -> None:
    assume(what not in ("-", "data"))
    assert found(what) == []
