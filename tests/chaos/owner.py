"""The owners of jobs: they cancel, pause, resume and retry, and remember what they were answered."""

import random
import threading
import time
from typing import Final

import httpx

from tests.chaos.findings import TERMINAL
from tests.chaos.record import Record
from tests.chaos.stack import Stack

Script = tuple[str, ...]

# What owners do one after the other, and how often: to jobs that take a while, to short ones, and to
# those that must fail.
SCRIPTS: Final[dict[Script, int]] = {
    (): 40,
    ("cancel",): 24,
    ("pause", "resume"): 12,
    ("cancel", "retry"): 8,
    ("pause", "resume at once"): 4,
    ("pause", "cancel"): 4,
    ("pause", "resume", "pause", "resume"): 4,
    ("pause", "cancel", "retry", "pause", "resume"): 4,
}
SHORT_SCRIPTS: Final[dict[Script, int]] = {
    (): 84,
    ("cancel",): 4,
    ("cancel", "retry"): 4,
    ("pause", "resume"): 6,
    ("pause", "cancel"): 2,
}
DOOMED_SCRIPTS: Final[dict[Script, int]] = {(): 1, ("retry",): 2, ("retry", "retry"): 1}

# In which state a job must be for a wish to make sense. A short job is not waited for.
WANTED: Final[dict[str, frozenset[str]]] = {
    "cancel": frozenset({"running", "paused"}),
    "pause": frozenset({"running"}),
    "resume": frozenset({"paused"}),
    "retry": frozenset({"failed", "cancelled"}),
}
# A database that goes away during the commit may have done it all the same.
ANSWERED: Final[dict[int, bool | None]] = {202: True, 409: False, 503: None}
LOOK_SECONDS = 2.0
LAST_SECONDS = 90.0
AGAIN_SECONDS = 0.3


class Owner(threading.Thread):
    """Does a script to one job. It ends with the load; what it leaves paused is for `resume_paused`."""

    def __init__(
        self,
        stack: Stack,
        record: Record,
        job_id: str,
        script: Script,
        later: float,
        chance: random.Random,
        ended: threading.Event,
    ) -> None:
        """`later`: how many seconds at most the job may go on before a wish is sent."""
        super().__init__(name=f"owner of {job_id}", daemon=True)
        self._stack = stack
        self._record = record
        self._job_id = job_id
        self._script = script
        self._later = later
        self._chance = chance
        self._ended = ended

    def run(self) -> None:
        with self._stack.http() as http:
            for step in self._script:
                verb = step.removesuffix(" at once")
                if verb == step:
                    if not self._wait_for(http, WANTED[verb]):
                        break
                    if self._ended.wait(self._chance.uniform(0, self._later)):
                        break
                wish(http, self._record, self._job_id, verb)
            if self._script[-1] == "cancel":
                self._cancel_at_last(http)

    def _cancel_at_last(self, http: httpx.Client) -> None:
        """Such a job may have no other end."""
        give_up = time.monotonic() + LAST_SECONDS
        while time.monotonic() < give_up:
            if wish(http, self._record, self._job_id, "cancel") is not None:
                return
            time.sleep(AGAIN_SECONDS)

    def _wait_for(self, http: httpx.Client, wanted: frozenset[str]) -> bool:
        """False if the load ends first, or the job does and that is not what is waited for."""
        path = f"/jobs/{self._job_id}"
        wait = 0.0
        while not self._ended.is_set():
            try:
                state = http.get(path, params={"wait": wait}).raise_for_status().json()["state"]
            except (httpx.HTTPError, ValueError):
                self._ended.wait(AGAIN_SECONDS)
                continue
            if state in wanted:
                return True
            if state in TERMINAL:
                return False
            wait = LOOK_SECONDS
            # A server with many waiters answers some at once.
            self._ended.wait(AGAIN_SECONDS / 3)
        return False


def wish(http: httpx.Client, record: Record, job_id: str, verb: str) -> bool | None:
    """Ask for it once, and remember what came of that: granted, refused, or None if nobody said."""
    at = time.time()
    try:
        response = http.post(f"/jobs/{job_id}/{verb}")
    except (httpx.ConnectError, httpx.ConnectTimeout):
        return None  # nobody was asked
    except httpx.TransportError:
        granted = None
    else:
        if response.status_code not in ANSWERED:
            record.refuse(job_id, f"{verb} was answered with {response.status_code}: {response.text[:200]}")
        granted = ANSWERED.get(response.status_code)
    record.wish(job_id, verb, at, granted)
    return granted


def resume_paused(stack: Stack, record: Record) -> None:
    """So that every job can end: owners whose time was over, or whose resume was not answered."""
    with stack.http() as http:
        try:
            page = http.get("/jobs", params={"state": "paused", "limit": 100}).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return
        for job in page["items"]:
            wish(http, record, job["id"], "resume")
