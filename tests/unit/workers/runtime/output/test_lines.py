"""Lines out of what streams write, in whatever pieces."""

import pytest

from jobyard.workers.runtime.output.lines import MARGIN, MAX_LINE, Lines


def lines_of(*written: str) -> list[str]:
    made = Lines(lambda text: text.replace("secret", "***"))
    return [line for text in written for line in made.add(text)] + list(made.rest())


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (["one\ntwo\n"], ["one\n", "two\n"]),
        (["o", "ne", "\n", "two"], ["one\n", "two\n"]),
        (["\n\n"], ["\n", "\n"]),
        (["one\r\ntwo\r", "\n"], ["one\n", "two\n"]),
        # A progress bar.
        (["\r10 %", "\r20 %", "\r100 %\n", "done"], ["100 %\n", "done\n"]),
        (["10 %\r", "20 %\r", "30 %\r"], ["30 %\n"]),
        (["\x1b[31mred\x1b[0m\ttab \x1b]0;title\x07bell\x07 \x9b31m\n"], ["red\ttab bell 31m\n"]),
        (["a sec", "ret\n"], ["a ***\n"]),
        (["a sec\x1b[1mret\x1b[0m and a s\x08ecret\n"], ["a *** and a ***\n"]),
        (["\ud800 and \0\n"], ["\N{REPLACEMENT CHARACTER} and \n"]),
        ([], []),
    ],
)
def test_lines_are_as_a_reader_may_have_them(written: list[str], lines: list[str]) -> None:
    assert lines_of(*written) == lines


def test_a_line_that_is_too_long_is_cut_and_says_so() -> None:
    (line,) = lines_of(*["x" * 1_000] * 12, "\n")
    assert line == "x" * MAX_LINE + "… (2,000 characters left out)\n"


@pytest.mark.parametrize("before", [MAX_LINE - 3, MAX_LINE + MARGIN - 3])
def test_no_half_of_a_secret_is_shown_where_a_line_is_cut(before: int) -> None:
    (line,) = lines_of("secret" * 400 + "x" * (before - 2_400), "secret" + "y" * 2_000 + "\n")
    assert "sec" not in line
    shown, _, left_out = line.partition("…")
    assert len(shown) <= MAX_LINE
    assert "characters left out" in left_out
