"""The lines of `jobyard up` as JSON."""

import io
import json

import pytest
from honcho.printer import Message

from jobyard.up.printing import JsonPrinter

HALF = '{"half\N{REPLACEMENT CHARACTER}'


@pytest.mark.parametrize(
    ("written", "line"),
    [
        (b'{"time": "t", "message": "m"}\n', {"process": "cpu", "time": "t", "message": "m"}),
        (b"Ready\n", {"process": "cpu", "time": "now", "level": "INFO", "message": "Ready"}),
        (
            b'{"half\xff',
            {"process": "cpu", "time": "now", "level": "INFO", "message": '{"half\N{REPLACEMENT CHARACTER}'},
        ),
        ("its own", {"process": "cpu", "time": "now", "level": "INFO", "message": "its own"}),
    ],
)
def test_each_line_is_json_with_its_process(written: bytes | str, line: dict[str, str]) -> None:
    target = io.StringIO()
    JsonPrinter(target).write(Message("line", written, "now", "cpu", None))
    (text,) = target.getvalue().splitlines()
    assert json.loads(text) == line
