"""The tokens that this process has verified lately: a request with one of them needs no SQL.

A token that is revoked or expires is refused by each process within VERIFIED_SECONDS, by the one that revoked
it at once. The built-in token is compared with what the process was started with.
"""

import threading
import time
from contextlib import suppress
from typing import Final

import sqlalchemy as sa

from jobyard.shared import logins, tokens
from jobyard.shared.database import Database
from jobyard.shared.tokens import BUILT_IN, Identity, Scope, digest_of

VERIFIED_SECONDS: Final = 2.0
# More than anybody has; a bound all the same.
MOST: Final = 10_000


class KnownTokens:
    """One per process, shared by its threads."""

    def __init__(self, database: Database, built_in: str) -> None:
        self._database = database
        self._built_in = Identity(BUILT_IN, Scope.ADMIN, digest_of(built_in))
        # By digest: until when the identity is taken as it is, by the monotonic clock.
        self._verified: dict[str, tuple[float, Identity]] = {}

    def of_header(self, authorization: str) -> Identity | None:
        """Whose `Authorization: Bearer …` this is; None if it is nobody's.

        Raises sqlalchemy.exc.SQLAlchemyError if the database can't say.
        """
        scheme, _, given = authorization.partition(" ")
        return self.of_secret(given.strip()) if scheme.lower() == "bearer" else None

    def of_secret(self, secret: str) -> Identity | None:
        """The same of a token. It is found by its hash, whose comparison tells a stranger nothing."""
        digest = digest_of(secret)
        if digest == self._built_in.digest:
            return self._built_in
        if len(secret) != tokens.SECRET_CHARACTERS or not secret.startswith(tokens.PREFIX):
            return None
        return self.of_digest(digest)

    def of_cookie(self, secret: str) -> Identity | None:
        """Whose login this is. It ends with its token."""
        with self._database.autocommit() as connection:
            digest = logins.token_of(connection, secret)
        return None if digest is None else self.of_digest(digest)

    def of_digest(self, digest: str) -> Identity | None:
        """The identity, unless its token is revoked or expired."""
        if digest == self._built_in.digest:
            return self._built_in
        until, identity = self._verified.get(digest, (0.0, None))
        if identity is not None and time.monotonic() < until:
            return identity
        return self._verify(digest)

    def forget(self) -> None:
        """Verify each token at its next use: one was revoked."""
        self._verified.clear()

    def _verify(self, digest: str) -> Identity | None:
        with self._database.autocommit() as connection:
            found = tokens.find_valid(connection, digest)
        if found is None:
            self._verified.pop(digest, None)
            return None
        if found.is_use_due:
            # A write may have to wait for others, and no request should.
            threading.Thread(target=self._note_use, args=[digest], name="token-use", daemon=True).start()
        identity = Identity(found.name, Scope(found.scope), digest, found.max_queued)
        if len(self._verified) >= MOST:
            self._verified.clear()
        self._verified[digest] = time.monotonic() + VERIFIED_SECONDS, identity
        return identity

    def _note_use(self, digest: str) -> None:
        with suppress(sa.exc.SQLAlchemyError), self._database.begin() as connection:
            tokens.note_use(connection, digest)
