"""What the routes work with: settings, database, storage, broker."""

import threading
from dataclasses import dataclass, field

from flask import current_app, g, has_request_context

from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.disk import Disk
from jobyard.shared.jobs import Job, State
from jobyard.shared.known_tokens import KnownTokens
from jobyard.shared.login_failures import LoginFailures
from jobyard.shared.storage import Storage
from jobyard.shared.tokens import Identity
from jobyard.web.services.group_commit import GroupCommit

# Threads of one web process, and how many of them may be held by requests that wait for a change.
THREADS = 32
WAITERS = 20


@dataclass(frozen=True)
class Backend:
    """One per process, shared by its threads."""

    settings: Settings
    # The built-in one.
    token: str
    tokens: KnownTokens
    database: Database
    storage: Storage
    broker: Broker
    disk: Disk
    group_commit: GroupCommit
    login_failures: LoginFailures = field(default_factory=LoginFailures)
    waiters: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(WAITERS))

    @classmethod
    def build(cls, settings: Settings) -> "Backend":
        """Raises ConfigError where a setting can't work."""
        token, broker = settings.secret_token(), Broker(settings)
        database = Database(settings.database, actor=_actor)
        storage = Storage(settings.storage, database)
        storage.identity.require_at_start()
        written = [storage.folder, settings.home if database.engine.dialect.name == "sqlite" else None]
        disk = Disk(filter(None, written), settings.min_free_bytes)
        return cls(
            settings=settings,
            token=token,
            tokens=KnownTokens(database, token),
            database=database,
            storage=storage,
            broker=broker,
            disk=disk,
            group_commit=GroupCommit(database, broker),
        )

    def wake(self, job: Job) -> None:
        """Wake the workers that a job may need which its owner has just changed, after the commit."""
        if job.state in (State.QUEUED, State.WAITING):
            self.broker.wake(job.queue, job.child_window or 1)


def _actor() -> str | None:
    """The name of the token whose request this thread serves."""
    found: Identity | None = g.get("identity") if has_request_context() else None
    return None if found is None else found.name


def current_backend() -> Backend:
    """The current app's."""
    found: Backend = current_app.extensions["jobyard"]
    return found
