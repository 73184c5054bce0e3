"""`jobyard logs`: timeline and output as one, each line once."""

from typing import Any

import pytest

from jobyard.cli.logs import JobLog

MOMENT = "2026-01-31T12:00:0{}.000Z"


def event(number: int, message: str | None = None) -> dict[str, Any]:
    return {
        "id": number,
        "at": MOMENT.format(number),
        "state": "running",
        "attempt": 1,
        "phase": None,
        "message": message,
        "worker": None,
        "traceback": None,
    }


def piece(number: int, text: str, left_out: int = 0) -> dict[str, Any]:
    cursor = f"1:{number}"
    return {"at": MOMENT.format(number), "text": text, "left_out": left_out, "attempt": 1, "cursor": cursor}


class Running:
    """A job that ends at its third look; at each there is more."""

    def __init__(self) -> None:
        self.looks = 0
        self.asked: list[str | None] = []

    @property
    def done(self) -> bool:
        self.looks += 1
        return self.looks == 3

    def refresh(self, wait: float) -> None:
        assert wait > 0

    def events(self) -> list[dict[str, Any]]:
        return [event(1, "begins"), event(5, "ends")][: self.looks]

    def logs(self, attempt: int | None, after: str | None) -> list[dict[str, Any]]:
        self.asked.append(after)
        return {
            1: [piece(2, "one\ntwo\n")],
            2: [],
            3: [piece(6, "last\n", left_out=1_234_567)],
        }[self.looks]


def test_it_follows_to_the_end_and_prints_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    job: Any = Running()
    JobLog(job).show(keep_on=True)
    lines = [line.split("attempt 1  ")[-1] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "begins",
        "  | one",
        "  | two",
        "ends",
        "  | … 1,234,567 characters were not kept …",
        "  | last",
    ]
    assert job.asked == [None, "1:2", "1:2"]


def test_the_output_alone_is_what_was_printed(capsys: pytest.CaptureFixture[str]) -> None:
    job: Any = Running()
    JobLog(job, only_output=True).show()
    assert capsys.readouterr().out == "one\ntwo\n"
