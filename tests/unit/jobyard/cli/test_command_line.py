"""The command line without a server: what is wrong is said in one line, with status 2."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from jobyard.cli import COMMANDS, FAILED, INTERRUPTED, WRONG, cli, run
from jobyard.cli.sources import folder_name
from tests.waiting import wait_for


@pytest.fixture(autouse=True)
def nobody_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without settings, a HOME without a server, and nothing in the working directory."""
    monkeypatch.setenv("JOBYARD_HOME", str(tmp_path / "home"))
    for name in ("JOBYARD_URL", "JOBYARD_TOKEN", "JOBYARD_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert f"Usage: jobyard {command}" in capsys.readouterr().out


def test_without_a_command_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {command} " in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_says_of_each_command_what_its_own_help_begins_with(command: str) -> None:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    assert COMMANDS[command].summary == found.get_short_help_str(limit=1_000)


def completions(words: str, position: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a shell offers: click's answer to zsh, without the explanations."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("_JOBYARD_COMPLETE", "zsh_complete")
        environment.setenv("COMP_WORDS", words)
        environment.setenv("COMP_CWORD", str(position))
        with pytest.raises(SystemExit) as ended:
            run([])
    assert ended.value.code == 0
    return capsys.readouterr().out.splitlines()[1::3]


def test_a_shell_completes_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert completions("jobyard ", 1, capsys) == list(COMMANDS)
    assert completions("jobyard mod", 1, capsys) == ["models"]
    assert completions("jobyard --ver", 1, capsys) == ["--version"]
    assert completions("jobyard jobs --st", 2, capsys) == ["--state"]
    assert completions("jobyard models un", 2, capsys) == ["unalias"]


def test_the_list_of_commands_loads_none_of_them() -> None:
    code = (
        "import sys\n"
        "from jobyard.cli import run\n"
        "run(['--help'])\n"
        "sys.exit(' '.join({'httpx', 'rich', 'jobyard.client', 'jobyard.cli.jobs'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180)
    assert result.stderr.strip() == ""


@pytest.mark.parametrize("command", ["up", "demo", "backup d", "restore d", "move --to sqlite:///", "doctor"])
def test_a_client_alone_says_what_to_install(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("server", "keeping"):
        monkeypatch.setattr(f"jobyard.cli.{module}.NEEDED", ("click", "no_such_package"))
    assert run(command.split()) == 2
    assert capsys.readouterr().err == (
        f"jobyard: `jobyard {command.split()[0]}` needs the server, and no_such_package is not installed: "
        'pip install "jobyard[server]"\n'
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dance"], "there is no command 'dance'"),
        (["scor", "x"], "there is no command 'scor'; did you mean 'score'?"),
        (["ps"], "there is no command 'ps'; did you mean 'jobs'?"),
        (["models", "dowload", "pets"], "Did you mean 'download'?"),
        (["score", "x", "--colunm", "a"], "Did you mean"),
        (["results", "@last", "--format", "csv"], "--format needs -o"),
        (["results", "@last", "-o", "nowhere/x.csv"], "-o nowhere/x.csv: there is no folder nowhere"),
        (["score", "I love it", "--format", "csv"], "--format is for a file"),
        (["predict", "pets", ".", "-o", "-", "--json"], "-o - and --json would both print"),
        (["predict", "pets", ".", "--format", "csv"], "--format is for -o -"),
        (["predict", "pets", ".", "--csv", "x.parquet"], "should be the name of a CSV file"),
        (["models", "download", "pets", "-o", "x", "--card", "x"], "--card x: is the file of -o"),
        (["train"], "Missing argument 'DIR|DATASET'"),
        (["train", "pets", "--epochs", "many"], "'many' is not a valid integer"),
        (["predict", "pets"], "give either pictures or --dataset"),
        (["predict", "pets", "nowhere.jpg"], "'nowhere.jpg' does not exist"),
        (["predict", "pets", "."], "there are no pictures in"),
        (["predict", "pets", "--dataset", "cats", "-o", "drawn"], "-o needs --explain"),
        (["predict", "pets", "--dataset", "cats", "--csv", "nowhere/x.csv"], "there is no folder nowhere"),
        (["predict", "pets", "--dataset", "cats", "--escape-formulas"], "--escape-formulas needs --csv"),
        (["models", "download", "pets", "-o", "nowhere/x"], "-o nowhere/x: there is no folder nowhere"),
        (
            ["models", "download", "pets", "--card", "nowhere/x"],
            "--card nowhere/x: there is no folder nowhere",
        ),
        (["score"], "Missing argument 'FILE|TEXT...'"),
        (["score", "texts.csv"], "there is no file texts.csv"),
        (["score", "I love it", "-o", "x.csv"], "-o is for a file"),
        (["score", "I love it", "--column", "text"], "--column is for a file"),
        (["score", "texts.csv.gz"], "there is no file texts.csv.gz"),
        (["score", "texts.parquet"], "there is no file texts.parquet"),
        (["score", "my revews.csv"], "there is no file my revews.csv (to score it as a text, add --text)"),
        (["score", "reviews/"], "there is no file reviews/"),
        (["score", "I love it", "--group-by", "2"], "--group-by is for a file"),
        (["score", "I love it", "--errors", "skip"], "--errors is for a file"),
        (["score", "I love it", "--word", "sick"], "--word sick: should be a word and its valence"),
        (["score", "I love it", "--word", "sick=nan"], "--word sick=nan: should be a word and its valence"),
        (["score", "I love it", "--word", "=1"], "--word =1: should be a word and its valence"),
        (["score", "I love it", "--lexicon", "no.json"], "'no.json' does not exist"),
        (["jobs", "--state", "lost"], "'lost' is not one of"),
        (["demo", "--data", "nowhere"], "'nowhere' does not exist"),
        (["jobs"], "JOBYARD_TOKEN: no token is set"),
        (["url"], "JOBYARD_HOME: there is no token"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("jobyard: ")
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("x.docx", "should end in .parquet, .csv, .jsonl, .xlsx"),
        ("nowhere/x.csv", "there is no folder nowhere"),
        ("texts.csv", "is a file that is read; name another one"),
        ("other.csv", "is there already; --force overwrites it"),
    ],
)
def test_a_scored_file_that_can_not_be_written_is_said_before_the_work(
    target: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("texts.csv").write_text("text\nfine\n")
    Path("other.csv").write_text("precious")
    assert run(["score", "texts.csv", "-o", target]) == 2
    assert said in capsys.readouterr().err
    assert Path("other.csv").read_text() == "precious"


def test_a_server_that_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOBYARD_TOKEN", "a-token-of-the-test")
    monkeypatch.setenv("JOBYARD_URL", "http://127.0.0.1:9")
    assert run(["jobs"]) == 2
    shown = capsys.readouterr().err
    assert "can't reach http://127.0.0.1:9" in shown
    assert shown.count("\n") == 1


def test_a_wrong_setting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOBYARD_PORT", "eighty")
    assert run(["jobs"]) == 2
    assert capsys.readouterr().err.startswith("jobyard: JOBYARD_PORT: ")


def started(*arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "jobyard.cli", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_an_answer_that_can_not_be_written_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full, started("--version", stdout=full) as process:
        _, said = process.communicate(timeout=180)
    assert process.returncode == 2
    assert said == b"jobyard: standard output can't be written: No space left on device\n"


def test_a_copy_of_standard_input_is_deleted_when_the_command_is_ended(tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    environment = {**os.environ, "TMPDIR": str(copies)}
    with started("score", "-", stdin=subprocess.PIPE, env=environment) as process:
        wait_for(lambda: process.poll() is not None or list(copies.rglob("stdin")))
        process.terminate()
        process.communicate(timeout=180)
    assert process.returncode == 128 + signal.SIGTERM
    assert list(copies.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("pets", "pets"),
        ("my cats & dogs", "my-cats-dogs"),
        ("set.tar.gz", "set"),
        ("&", "pictures"),
        ("日本", "pictures-cf2abf0c"),
    ],
)
def test_a_folder_gives_its_name_to_the_data_set(folder: str, name: str, tmp_path: Path) -> None:
    assert folder_name(tmp_path / folder) == name


def test_folders_of_different_names_are_different_data_sets(tmp_path: Path) -> None:
    names = ["猫", "花", "猫.zip", "Äpfel", "pfel", "Öpfel", "A\u0308pfel", "k\udce4tzchen"]
    given = [folder_name(tmp_path / name) for name in names]
    assert given[0] == given[2]
    assert given[3] == given[6], "two ways to write one letter"
    assert len(set(given)) == len(names) - 2
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) for name in given)


def test_client_commands_load_no_server_and_no_tensorflow() -> None:
    code = (
        "import importlib, sys, jobyard.cli\n"
        "for command in jobyard.cli.COMMANDS.values(): importlib.import_module(command.module)\n"
        "loaded = {name.removeprefix('jobyard.').split('.')[0] for name in sys.modules}\n"
        "server = {'shared', 'web', 'workers', 'up', 'demo', 'pydantic', 'flask', 'sqlalchemy', 'celery'}\n"
        "sys.exit(' '.join(loaded & (server | {'tensorflow', 'nltk'})))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180)
    assert result.stderr.strip() == ""


def test_names_of_classes_that_can_not_be_read_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.keras").write_bytes(b"x")
    Path("latin.txt").write_bytes(b"caf\xe9\n")
    for file, said in (
        ("nowhere.txt", "can't be read: No such file or directory"),
        ("latin.txt", "byte 4 is not UTF-8"),
    ):
        assert run(["models", "add", "net.keras", "--name", "x", "--classes", f"@{file}"]) == 2
        shown = capsys.readouterr().err
        assert f"--classes: {file}" in shown
        assert said in shown
        assert shown.count("\n") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_JOBYARD_COMPLETE={shell}_complete" in script
    assert "%(" not in script


def test_the_page_about_exit_codes_has_those_of_the_code() -> None:
    page = (Path(__file__).parents[4] / "docs/how-to/use-the-command-line.md").read_text()
    table = page.partition("## Exit codes")[2].partition("```")[0]
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert documented == {0, FAILED, WRONG, INTERRUPTED, 128 + signal.SIGTERM}
