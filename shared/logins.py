"""The browsers that are logged in: one row for each login, until it ends or expires."""

import datetime
import hashlib
import secrets
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, UtcDateTime, utcnow

LOGIN_SECONDS: Final = 30 * 24 * 3600
SECRET_BYTES: Final = 32
SECRET_CHARACTERS: Final = len(secrets.token_urlsafe(SECRET_BYTES))


class Login(Base):
    """A login. Its row has neither the cookie's secret nor the token, and ends with the token."""

    __tablename__ = "logins"

    # SHA-256 of the secret, in hexadecimal digits.
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    # That of the token with which it began.
    token_digest: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


def begin(session: Session, token_digest: str) -> str:
    """Insert a login, and delete those that have expired. Returns the secret for the cookie."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    session.execute(sa.delete(Login).where(Login.expires_at < utcnow()))
    insert = sa.insert(Login).values(created_at=utcnow(), expires_at=utcnow(LOGIN_SECONDS))
    session.execute(insert.values(digest=_digest(secret), token_digest=token_digest))
    return secret


def token_of(connection: sa.Connection, secret: str) -> str | None:
    """The digest of the token with which the login of this secret began; None if it has ended.

    Whether the token is still valid is not looked up.
    """
    if len(secret) != SECRET_CHARACTERS:
        return None
    query = sa.select(Login.token_digest).where(Login.digest == _digest(secret), Login.expires_at > utcnow())
    return connection.scalar(query)


def end(session: Session, secret: str) -> None:
    """Delete a login, if it is there."""
    session.execute(sa.delete(Login).where(Login.digest == _digest(secret)))


def _digest(secret: str) -> str:
    return hashlib.sha256(b"jobyard login " + secret.encode()).hexdigest()
