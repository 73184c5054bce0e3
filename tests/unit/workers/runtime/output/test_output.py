"""The output of an attempt in memory: its beginning and its end, at a pace that a database bears."""

import logging
import sys
import threading
import warnings

import pytest

from jobyard.shared.jobs import Piece
from jobyard.workers.runtime.output import Output, capturing
from jobyard.workers.runtime.output.output import CHARACTERS_PER_SECOND, HEAD, TAIL
from tests.waiting import PATIENCE

LINE = "x" * 1023 + "\n"


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def output() -> Output:
    return Output(lambda text: text, Clock())


def test_nothing_is_to_be_written_of_work_that_prints_nothing(output: Output) -> None:
    output.close()
    assert (output.waits, output.take(all_of_it=True)) == (False, [])


def test_pieces_continue_each_other() -> None:
    clock = Clock()
    output = Output(lambda text: text, clock)
    output.add("stdout", "one\ntw")
    assert output.take() == [Piece(0, "one\n")]
    clock.seconds += 1
    assert output.take() == []
    output.add("stderr", "aside\n")
    output.add("stdout", "o\n")
    assert output.take() == [Piece(4, "aside\ntwo\n")]


def test_what_prints_while_another_line_is_kept_does_not_wait_for_itself() -> None:
    """As the finaliser of an object does that is deleted at that moment."""

    def redact(text: str) -> str:
        if text == "outer":
            output.add("stderr", "inner\n")
        return text

    output = Output(redact, Clock())
    thread = threading.Thread(target=output.add, args=("stdout", "outer\n"), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert sorted("".join(piece.text for piece in output.take()).splitlines()) == ["inner", "outer"]


def test_the_first_and_the_last_of_a_long_output_are_kept(output: Output) -> None:
    for number in range(2_000):
        output.add("stdout", f"{number:04}{LINE[4:]}")
    head, tail = output.take()
    assert head == Piece(0, "".join(f"{number:04}{LINE[4:]}" for number in range(HEAD // len(LINE))))
    assert len(tail.text) == TAIL
    assert tail.begins + len(tail.text) == 2_000 * len(LINE)
    assert tail.text.startswith(f"{2_000 - TAIL // len(LINE)}")


def test_work_that_prints_without_end_is_written_at_a_pace() -> None:
    clock = Clock()
    output = Output(lambda text: text, clock)
    for _ in range(2 * CHARACTERS_PER_SECOND // len(LINE)):
        output.add("stdout", LINE)
    assert output.take()
    output.add("stdout", "more\n")
    clock.seconds += 1.9
    assert output.take() == []
    clock.seconds += 0.2
    assert [piece.text for piece in output.take()] == ["more\n"]


def test_what_is_printed_and_logged_is_captured_and_goes_on_to_where_it_went(
    output: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sys.stdout, sys.stderr
    with capturing(output):
        print("printed")  # noqa: T201
        print("an error", file=sys.stderr, end="")  # noqa: T201
        logging.getLogger("plugin").warning("logged %d", 1)
        logging.getLogger("jobyard.workers.runtime.executor").warning("job: succeeded")
        logging.getLogger("jobyard.workers.training").warning("of the work")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)  # as workers do
            warnings.warn("deprecated", stacklevel=1)
            logging.captureWarnings(False)
        assert sys.stdout.isatty() is before[0].isatty()
    assert (sys.stdout, sys.stderr) == before
    print("afterwards")  # noqa: T201
    logging.getLogger("plugin").warning("afterwards")
    (piece,) = output.take()
    lines = piece.text.splitlines()
    assert lines[:3] == [
        "printed",
        "WARNING plugin: logged 1",
        "WARNING jobyard.workers.training: of the work",
    ]
    assert any("UserWarning: deprecated" in line for line in lines)
    assert "afterwards" not in piece.text
    assert "succeeded" not in piece.text
    assert capsys.readouterr().out == "printed\nafterwards\n"
