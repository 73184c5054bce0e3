"""Names of workers: a running worker keeps its own, and that of one that has ended is free."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from celery.worker import state

from jobyard.shared import registrations
from jobyard.shared.database import Database
from jobyard.shared.errors import ConfigError
from jobyard.shared.registrations import Registered, Worker
from jobyard.workers.runtime import registration as module
from jobyard.workers.runtime.processes import has_ended, this_process
from jobyard.workers.runtime.registration import Registration
from tests.factories import change
from tests.waiting import wait_for

NAME = "cpu@here"
ELSEWHERE = "another-machine/7/100"


def put(database: Database, process: str) -> None:
    """A worker of this name is seen now."""
    with database.write() as session:
        found = registrations.register(session, name=NAME, queue="cpu", process=process)
    assert isinstance(found, Registered)


def holder(database: Database) -> str | None:
    with database.read() as session:
        found = session.get(Worker, NAME)
        return None if found is None else found.process


@pytest.fixture
def registration(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Registration:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    return Registration(database_url, "cpu", NAME)


@pytest.fixture
def other() -> Iterator["subprocess.Popen[bytes]"]:
    """Another process of this machine, which waits to be killed."""
    code = "import time; from jobyard.workers.runtime.processes import this_process as this\n"
    code += "print(this(), flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def named(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def test_a_process_is_told_from_others_and_from_the_next_one_of_its_id(
    other: "subprocess.Popen[bytes]",
) -> None:
    name = named(other)
    machine, pid, start = this_process().rsplit("/", 2)
    assert pid == str(os.getpid())
    assert has_ended(this_process()) is False
    assert has_ended(name) is False
    assert has_ended(f"{machine}/{other.pid}/{start}") is True
    assert has_ended(ELSEWHERE) is None
    other.kill()
    # Nobody has asked yet how it ended.
    wait_for(lambda: has_ended(name))


def test_the_name_of_a_running_worker_is_refused(
    database: Database, registration: Registration, other: "subprocess.Popen[bytes]"
) -> None:
    process = named(other)
    put(database, process)
    with pytest.raises(ConfigError) as caught:
        registration.claim()
    assert f"a worker called {NAME} is running already (process {other.pid})" in caught.value.message
    assert holder(database) == process


def test_the_name_of_a_killed_worker_is_free_at_once(
    database: Database, registration: Registration, other: "subprocess.Popen[bytes]"
) -> None:
    put(database, named(other))
    other.kill()
    began = time.monotonic()
    wait_for(lambda: has_ended(holder(database) or ""))
    registration.claim()
    assert holder(database) == this_process()
    assert time.monotonic() - began < registrations.ALIVE_SECONDS


def test_the_name_of_a_worker_elsewhere_is_free_when_that_is_not_seen_any_more(
    database: Database, registration: Registration
) -> None:
    put(database, ELSEWHERE)
    change(
        database,
        Worker,
        Worker.name == NAME,
        seen_at=registrations.utcnow(0.5 - registrations.ALIVE_SECONDS),
    )
    registration.claim()
    assert holder(database) == this_process()


def test_the_name_of_a_worker_elsewhere_that_is_seen_again_is_refused(
    database: Database, registration: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, ELSEWHERE)
    monkeypatch.setattr(module.time, "sleep", lambda _: put(database, ELSEWHERE))
    with pytest.raises(ConfigError, match=r"is running already \(process 7\)"):
        registration.claim()
    assert holder(database) == ELSEWHERE


def test_a_worker_whose_name_was_taken_ends(
    database: Database, registration: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registrations, "REGISTER_SECONDS", 0.05)
    monkeypatch.setattr(state, "should_stop", None)
    registration.claim()
    registration.start()
    assert registration.refused is None
    # As after a suspended machine has come back.
    change(database, Worker, Worker.name == NAME, process=ELSEWHERE)
    wait_for(lambda: state.should_stop)
    assert registration.refused is not None
    registration.stop()
    assert holder(database) == ELSEWHERE


FORKS = """
import os, signal, sys, time
from jobyard.shared import registrations
from jobyard.shared.database import Database
from jobyard.workers.runtime.registration import Registration
registrations.REGISTER_SECONDS = 0.001
registration = Registration(sys.argv[1], "cpu", "cpu@here")
registration.claim()
registration.start()
for _ in range(40):
    time.sleep(0.005)
    child = os.fork()
    if not child:
        signal.alarm(60)
        with Database(sys.argv[1]).read() as session:
            registrations.listening(session, "cpu")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, "a child waited for ever"
os._exit(0)
"""


def test_children_that_are_forked_while_it_registers_can_use_the_database(
    database: Database, database_url: str
) -> None:
    subprocess.run([sys.executable, "-c", FORKS, database_url], check=True, timeout=300)
