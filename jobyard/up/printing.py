"""The lines of a stack as JSON: those of its processes, and what is no JSON, as Redis writes, in it."""

import json
import sys
from typing import TextIO

from honcho.printer import Message

from jobyard.shared.logs import stamp


class JsonPrinter:
    """In the place of honcho's Printer."""

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output or sys.stdout

    def write(self, message: Message) -> None:
        """A line of JSON, with the name of its process."""
        data = message.data
        text = data.decode(errors="replace") if isinstance(data, bytes) else data
        print(
            _with_process(text.rstrip("\n"), message.name, str(message.time)), file=self._output, flush=True
        )


def _with_process(text: str, name: str, moment: str) -> str:
    if text.startswith('{"'):
        try:
            found = json.loads(text)
        except ValueError:
            pass
        else:
            return json.dumps({"process": name, **found}, ensure_ascii=False)
    line = {"process": name, "time": moment or stamp(), "level": "INFO", "message": text}
    return json.dumps(line, ensure_ascii=False)
