"""Webhooks for tests, what was written for them, and a receiver."""

import base64
import datetime
import hmac
import http.server
import itertools
import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from jobyard.shared import webhooks
from jobyard.shared.database import Database
from jobyard.shared.webhooks import Delivery, Destinations, Webhook
from tests.hosts import Answer, status
from tests.serving import serving

LOOPBACK = Destinations(("127.0.0.0/8", "::1/128"))
_numbers = itertools.count(1)


def new_webhook(
    database: Database,
    *,
    url: str = "https://hooks.example.org/jobs",
    events: Sequence[str] = ("succeeded", "failed", "cancelled"),
    kinds: Sequence[str] = (),
    labels: dict[str, str] | None = None,
    enabled: bool = True,
    created_at: datetime.datetime | None = None,
) -> uuid.UUID:
    """Its id."""
    with database.write() as session:
        webhook = webhooks.create(
            session,
            name=f"webhook-{next(_numbers)}",
            url=url,
            events=events,
            kinds=kinds,
            labels=labels,
            enabled=enabled,
            destinations=LOOPBACK,
        )
        if created_at is not None:
            webhook.created_at = created_at
        return webhook.id


def get_webhook(database: Database, webhook_id: uuid.UUID) -> Webhook:
    with database.read() as session:
        return webhooks.get(session, webhook_id)


def deliveries(database: Database) -> list[Delivery]:
    """All, in their order."""
    with database.read() as session:
        return list(session.scalars(sa.select(Delivery).order_by(Delivery.id)))


def make_due(database: Database) -> None:
    """As if the time until the next try had passed."""
    with database.write() as session:
        pending = sa.update(Delivery).where(Delivery.status == "pending")
        session.execute(pending.values(next_try_at=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)))


# ---- a receiver


@dataclass(frozen=True)
class Message:
    """What came to a receiver."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def is_signed_with(self, secret: str) -> bool:
        """As a receiver finds out that knows the specification and nothing of Jobyard."""
        key = base64.b64decode(secret.partition("_")[2])
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        digest = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        return f"v1,{digest}" in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """What it answers by path (204 where nothing is said), and what has come."""

    port: int
    answers: dict[str, Answer] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)

    def url(self, path: str = "/jobs") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Message]:
        """What has come there."""
        return [one for one in self.messages if one.path == path]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on loopback until the end."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.messages.append(Message(self.path, headers, body))
            receiver.answers.get(self.path, status(204))(self)

        def log_message(self, *_: Any) -> None:
            return None

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:  # a sender that goes away is what some tests are about
            return None

    server = Server(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_port)
    with serving(server):
        yield receiver
