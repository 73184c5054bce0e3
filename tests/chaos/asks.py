"""What the web is asked while something is away, and what it must answer."""

import time
import uuid
from collections.abc import Callable, Iterator

import httpx

from tests.chaos.faults import Thrown
from tests.chaos.findings import Violation
from tests.chaos.record import Record
from tests.chaos.stack import Stack

ASK_EVERY_SECONDS = 0.25
# What is not answered by then counts as not answered.
PATIENCE = 10.0

# What the web says that can't do it now.
AWAY = "503 with Retry-After"
READS = {"list": "200"}
# By fault: what each request must be answered while it lasts.
EXPECTED: dict[str, dict[str, str]] = {
    "outage postgres": {"list": AWAY, "submit": AWAY},
    "no connections postgres": {"list": AWAY, "submit": AWAY},
    "promote postgres": {**READS, "submit": AWAY},
    "read-only postgres": {**READS, "submit": AWAY},
    "failover redis": {**READS, "submit": "202"},
    "replace redis": {**READS, "submit": "202"},
    **{
        f"{action} store": {**READS, "submit": "202", "upload": AWAY, "download": AWAY}
        for action in ("closed", "frozen", "refusing")
    },
}


class Asker:
    """Sends one request after the other, and counts the answers."""

    def __init__(self, stack: Stack, record: Record, download: str) -> None:
        """`download`: the path of a file that is in the store."""
        self._stack = stack
        self._record = record
        self._download = download
        self._asks: dict[str, Callable[[httpx.Client], httpx.Response]] = {
            "list": lambda http: http.get("/jobs"),
            "submit": self._submit,
            "upload": lambda http: http.post("/files", files={"file": ("note.csv", b"text\ngood\n")}),
            "download": lambda http: http.get(self._download),
        }

    def ask(self, thrown: Thrown, seconds: float) -> None:
        """Go on for so long, and at least once; the fault is over only after that."""
        over = time.monotonic() + seconds
        with self._stack.http(PATIENCE) as http:
            while True:
                for name in EXPECTED[thrown.fault.kind]:
                    begun = time.monotonic()
                    thrown.statuses[name, self._status(http, name)] += 1
                    thrown.slowest = max(thrown.slowest, time.monotonic() - begun)
                if time.monotonic() > over:
                    break
                time.sleep(ASK_EVERY_SECONDS)
        counts = ", ".join(f"{count} × {name} {status}" for (name, status), count in thrown.statuses.items())
        thrown.note = f"{counts}, slowest {thrown.slowest:.1f} s"

    def _status(self, http: httpx.Client, name: str) -> str:
        try:
            response = self._asks[name](http)
        except httpx.TransportError as error:
            return type(error).__name__
        after = " with Retry-After" if response.headers.get("Retry-After") else ""
        return f"{response.status_code}{after}"

    def _submit(self, http: httpx.Client) -> httpx.Response:
        key = f"ask-{uuid.uuid4()}"
        body = {"kind": "sentiment", "spec": {"texts": ["is anybody there?"]}}
        self._record.ask(key, "sentiment")
        response = http.post("/jobs", json=body, headers={"Idempotency-Key": key})
        if response.is_success:
            self._record.answer(key, response.json()["id"], body, response.elapsed.total_seconds())
        return response


def check_answers(number: int, thrown: Thrown) -> Iterator[Violation]:
    """While something is away there are answers, and each is the one that is promised."""
    subject = f"fault {number} ({thrown.fault.kind})"
    expected = EXPECTED.get(thrown.fault.kind, {})
    for (name, status), count in thrown.statuses.items():
        if status != expected.get(name):
            yield Violation("spoiled", subject, f"{count} × {name} was answered with {status}")
    for name, status in expected.items():
        if not thrown.statuses[name, status]:
            yield Violation("spoiled", subject, f"{name} was never answered with {status}")
