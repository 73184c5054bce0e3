"""The sender: each event reaches its receiver at least once, signed, and none keeps another one waiting."""

import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobyard.shared import jobs, queue_controls, webhooks
from jobyard.shared.database import Database
from jobyard.shared.webhooks import RETRY_SECONDS, Delivery, Destinations
from jobyard.workers.runtime.webhooks import TRIES_AT_ONCE, Sender
from tests.factories import LONG_AGO, change, new_job
from tests.hosts import Host, redirect, status
from tests.ports import free_port
from tests.samples import ROOT, samples
from tests.waiting import PATIENCE, wait_for
from tests.webhooks import LOOPBACK, Receiver, deliveries, get_webhook, make_due, new_webhook, receiving

PAGE = ROOT / "docs/how-to/get-told.md"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """Where the database has no part in what is tested."""
    opened = Database(sqlite_url)
    yield opened
    opened.dispose()


@pytest.fixture
def sender(database: Database) -> Sender:
    return Sender(database, LOOPBACK)


def end_one(database: Database) -> uuid.UUID:
    """A job that has just been cancelled."""
    job_id = new_job(database)
    with database.write() as session:
        jobs.cancel(session, job_id)
    return job_id


def send(sender: Sender) -> None:
    """Until nothing is due and nobody is waited for."""
    sender.step(0)
    while sender.running:
        sender.step(PATIENCE)


def accepts(port: int) -> bool:
    """Whether somebody listens there: tries that come too early are counted, and end."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def hangs(until: threading.Event) -> Callable[[Any], None]:
    return lambda handler: until.wait(PATIENCE) and None


def test_an_event_comes_signed_and_whole(database: Database, sender: Sender, receiver: Receiver) -> None:
    webhook_id = new_webhook(database, url=receiver.url("/jobs?key=1"))
    job_id = end_one(database)
    send(sender)
    send(sender)
    (message,) = receiver.messages
    (delivery,) = deliveries(database)
    assert message.path == "/jobs?key=1"
    assert message.is_signed_with(get_webhook(database, webhook_id).secret)
    assert not message.is_signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert message.headers["content-type"] == "application/json"
    assert message.id == delivery.message_id
    assert message.id.startswith("msg_")
    assert message.json["type"] == "job.cancelled"
    assert message.json["timestamp"].endswith("Z")
    assert message.json["data"]["id"] == str(job_id)
    assert (delivery.status, delivery.attempts, delivery.last_status) == ("delivered", 1, 204)
    assert delivery.delivered_at is not None


def test_each_event_of_several_comes_once(database: Database, receiver: Receiver) -> None:
    new_webhook(database, url=receiver.url("/one"))
    new_webhook(database, url=receiver.url("/two"), events=["cancelled"])
    ended = [str(end_one(database)) for _ in range(3 * TRIES_AT_ONCE)]
    several = [Sender(database, LOOPBACK) for _ in range(2)]
    while any(one.status == "pending" for one in deliveries(database)):
        for one in several:
            one.step(0.1)
    for path in ("/one", "/two"):
        assert sorted(one.json["data"]["id"] for one in receiver.at(path)) == sorted(ended)


def test_a_receiver_that_is_away_loses_nothing(
    database: Database, sender: Sender, receiver: Receiver
) -> None:
    webhook_id = new_webhook(database, url=receiver.url())
    ended = [str(end_one(database)) for _ in range(3)]
    receiver.answers["/jobs"] = status(503)
    for attempts in (1, 2):
        send(sender)
        make_due(database)
        found = deliveries(database)
        assert {one.status for one in found} == {"pending"}
        assert max(one.attempts for one in found) >= attempts
    assert found[0].last_error == "the receiver answered with 503"
    del receiver.answers["/jobs"]
    before = {one.id for one in receiver.messages}
    receiver.messages.clear()
    while any(one.status == "pending" for one in deliveries(database)):
        make_due(database)
        send(sender)
    assert sorted(one.json["data"]["id"] for one in receiver.messages) == sorted(ended)
    assert before <= {one.id for one in receiver.messages}
    assert all(one.is_signed_with(get_webhook(database, webhook_id).secret) for one in receiver.messages)


def test_the_tries_are_spread_over_three_days_and_then_end(
    database: Database, sender: Sender, receiver: Receiver
) -> None:
    assert 3 * 86_400 < sum(RETRY_SECONDS) < 4 * 86_400
    new_webhook(database, url=receiver.url())
    end_one(database)
    receiver.answers["/jobs"] = status(500)
    for wait in RETRY_SECONDS:
        send(sender)
        (delivery,) = deliveries(database)
        assert delivery.status == "pending"
        with database.read() as session:
            due = webhooks.due(session)
        assert not due  # not before its time
        assert delivery.next_try_at is not None
        left = (delivery.next_try_at - delivery.created_at).total_seconds()
        assert left >= wait
        make_due(database)
    send(sender)
    (delivery,) = deliveries(database)
    assert (delivery.status, delivery.attempts) == ("failed", len(RETRY_SECONDS) + 1)
    assert len({one.id for one in receiver.messages}) == 1
    receiver.answers.clear()
    with database.write() as session:
        webhooks.resend(session, delivery.webhook_id, delivery.id)
    send(sender)
    (delivery,) = deliveries(database)
    assert (delivery.status, delivery.attempts) == ("delivered", 1)
    assert len({one.id for one in receiver.messages}) == 1


def test_one_that_hangs_delays_nobody_else(database: Database, sender: Sender, receiver: Receiver) -> None:
    new_webhook(database, url=receiver.url("/hangs"))
    new_webhook(database, url=receiver.url("/works"))
    released = threading.Event()
    receiver.answers["/hangs"] = hangs(released)
    try:
        for _ in range(3 * TRIES_AT_ONCE):
            end_one(database)
        while len(receiver.at("/works")) < 3 * TRIES_AT_ONCE:
            sender.step(0.1)
        assert len(receiver.at("/hangs")) <= TRIES_AT_ONCE
        assert sender.running >= 1
    finally:
        released.set()


def test_one_that_hangs_is_given_up_after_a_time(database: Database, receiver: Receiver) -> None:
    new_webhook(database, url=receiver.url("/hangs"))
    end_one(database)
    released = threading.Event()
    receiver.answers["/hangs"] = hangs(released)
    try:
        send(Sender(database, LOOPBACK, seconds=0.3))
    finally:
        released.set()
    (delivery,) = deliveries(database)
    assert (delivery.status, delivery.last_status) == ("pending", None)
    assert delivery.last_error == "the host has not answered within 0.3 seconds"


def test_what_a_killed_sender_had_is_sent_again_under_its_id(
    database: Database, sender: Sender, receiver: Receiver
) -> None:
    webhook_id = new_webhook(database, url=receiver.url())
    end_one(database)
    with database.write() as session:
        (claimed,) = webhooks.claim(session, webhook_id, 10)
    send(sender)
    assert not receiver.messages  # it may still be at work
    make_due(database)  # its lease is over
    send(sender)
    (message,) = receiver.messages
    assert message.id == claimed.message_id
    with database.write() as session:  # it was not killed, but slow: what it says counts no more
        webhooks.record(session, [(claimed, webhooks.Outcome(500, "it is late"))])
    (delivery,) = deliveries(database)
    assert (delivery.status, delivery.attempts) == ("delivered", 2)


def test_410_ends_a_webhook(database: Database, sender: Sender, receiver: Receiver) -> None:
    webhook_id = new_webhook(database, url=receiver.url())
    end_one(database)
    receiver.answers["/jobs"] = status(410)
    send(sender)
    webhook = get_webhook(database, webhook_id)
    assert not webhook.enabled
    assert "410 Gone" in (webhook.disabled_reason or "")
    end_one(database)
    make_due(database)
    send(sender)
    assert [one.status for one in deliveries(database)] == ["failed"]
    assert len(receiver.messages) == 1


def test_a_queue_that_is_paused_is_told_of_once(
    database: Database, sender: Sender, receiver: Receiver
) -> None:
    new_webhook(database, url=receiver.url(), events=["queue_paused"])
    new_webhook(database, url=receiver.url("/other"))
    for reason in ("the disk is full", "it is still full"):
        with database.write() as session:
            queue_controls.pause(session, "cpu", by="ann", reason=reason)
    send(sender)
    (message,) = receiver.messages
    assert (message.path, message.json["type"]) == ("/jobs", "queue.paused")
    assert message.json["data"] == {"queue": "cpu", "paused_by": "ann", "reason": "the disk is full"}


def test_while_a_secret_is_replaced_both_are_good(
    database: Database, sender: Sender, receiver: Receiver
) -> None:
    webhook_id = new_webhook(database, url=receiver.url())
    old = get_webhook(database, webhook_id).secret
    with database.write() as session:
        new = webhooks.rotate(session, webhook_id).secret
    end_one(database)
    send(sender)
    assert receiver.messages[0].is_signed_with(old)
    assert receiver.messages[0].is_signed_with(new)
    change(database, webhooks.Webhook, webhooks.Webhook.id == webhook_id, previous_until=LONG_AGO)
    end_one(database)
    send(sender)
    assert not receiver.messages[1].is_signed_with(old)
    assert receiver.messages[1].is_signed_with(new)


def test_a_database_that_is_away_for_a_moment_loses_no_outcome(
    database: Database, sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_webhook(database, url=receiver.url())
    end_one(database)

    def away(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(webhooks, "record", lambda session, outcomes: away() if outcomes else None)
        with pytest.raises(ConnectionError):
            send(sender)
    send(sender)
    assert [one.status for one in deliveries(database)] == ["delivered"]
    assert len(receiver.messages) == 1


def test_the_receiver_of_the_documentation_believes_what_is_signed(
    sqlite_database: Database, tmp_path: Path
) -> None:
    (sample,) = [one for one in samples(PAGE) if one.language == "python"]
    webhook_id = new_webhook(sqlite_database)
    environment = os.environ | {"WEBHOOK_SECRET": get_webhook(sqlite_database, webhook_id).secret}
    port = free_port()
    command = [sys.executable, "-c", sample.code, str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            change(
                sqlite_database,
                webhooks.Webhook,
                webhooks.Webhook.id == webhook_id,
                url=f"http://127.0.0.1:{port}/",
            )
            job_id = end_one(sqlite_database)
            sender = Sender(sqlite_database, LOOPBACK)
            wait_for(lambda: accepts(port))
            send(sender)
            assert process.stdout is not None
            assert process.stdout.readline() == f"job.cancelled {job_id}\n"
            new = "whsec_" + "A" * 32
            change(sqlite_database, webhooks.Webhook, webhooks.Webhook.id == webhook_id, secret=new)
            end_one(sqlite_database)
            send(sender)
            assert deliveries(sqlite_database)[1].last_status == 401
        finally:
            process.kill()


# ---- where nothing is sent


def refusal(database: Database, url: str, sender: Sender) -> str:
    new_webhook(database, url=url)
    end_one(database)
    send(sender)
    (delivery,) = deliveries(database)
    assert (delivery.status, delivery.last_status) == ("pending", None)
    return delivery.last_error or ""


@pytest.mark.parametrize(
    "ips",
    [
        ["127.0.0.1"],
        ["10.0.0.7"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["8.8.8.8", "10.0.0.7"],
    ],
)
def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    sqlite_database: Database, ips: list[str]
) -> None:
    sender = Sender(sqlite_database, Destinations(), look_up=lambda *_: ips)
    error = refusal(sqlite_database, "https://hooks.example.org:9/jobs?key=secret", sender)
    assert "hooks.example.org:9 is" in error
    assert "secret" not in error


def test_a_redirect_is_checked_like_the_address_itself(sqlite_database: Database, receiver: Receiver) -> None:
    only = Destinations(("127.0.0.1/32",))
    receiver.answers["/jobs"] = redirect("http://127.0.0.2:9/other?key=secret")
    error = refusal(sqlite_database, receiver.url(), Sender(sqlite_database, only))
    assert "127.0.0.2:9 is in a private network that JOBYARD_WEBHOOK_PRIVATE_NETWORKS doesn't name" in error
    assert "secret" not in error


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://169.254.169.254/latest/meta-data", "link-local"),
        ("http://[::ffff:127.0.0.1]/", "special"),
        ("file:///etc/passwd", "no address"),
        ("http://8.8.8.8/", "should be https://"),
        ("/jobs", "redirected more than"),
    ],
)
def test_a_redirect_leads_nowhere_else(
    sqlite_database: Database, receiver: Receiver, location: str, words: str
) -> None:
    receiver.answers["/jobs"] = redirect(location)
    assert words in refusal(sqlite_database, receiver.url(), Sender(sqlite_database, LOOPBACK))


def test_a_redirect_to_what_is_allowed_gets_the_same_message(
    sqlite_database: Database, receiver: Receiver
) -> None:
    new_webhook(sqlite_database, url=receiver.url())
    end_one(sqlite_database)
    receiver.answers["/jobs"] = redirect("/moved")
    send(Sender(sqlite_database, LOOPBACK))
    first, second = receiver.messages
    assert (first.body, first.id) == (second.body, second.id)
    assert [one.status for one in deliveries(sqlite_database)] == ["delivered"]


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    sqlite_database: Database, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    error = refusal(sqlite_database, f"{host.url}/jobs", Sender(sqlite_database, LOOPBACK))
    assert "certificate" in error


# ---- what is old


def test_old_deliveries_are_forgotten_and_those_to_be_sent_are_not(database: Database) -> None:
    new_webhook(database)
    gone = new_webhook(database, events=["cancelled"])
    for _ in range(3):
        end_one(database)
    change(database, Delivery, Delivery.id > 0, created_at=LONG_AGO)
    kept = [one.id for one in deliveries(database) if one.webhook_id != gone]
    done = {"status": "delivered", "delivered_at": LONG_AGO, "next_try_at": None}
    change(database, Delivery, Delivery.webhook_id == gone, **done)
    end_one(database)
    with database.write() as session:
        assert not webhooks.forget(session, 30)
    assert [one.id for one in deliveries(database)][:3] == kept
    assert len(deliveries(database)) == 5


def test_a_try_that_gets_no_thread_has_failed_and_the_sender_goes_on(
    sqlite_database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_webhook(sqlite_database, url=receiver.url())
    end_one(sqlite_database)
    sender = Sender(sqlite_database, LOOPBACK)

    def no_room(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_room)
        send(sender)
    (delivery,) = deliveries(sqlite_database)
    assert (delivery.status, delivery.attempts) == ("pending", 1)
    assert "no thread" in (delivery.last_error or "")
    make_due(sqlite_database)
    send(sender)
    assert len(receiver.messages) == 1
