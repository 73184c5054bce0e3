"""The browsers that are logged in: one row for each login, until it ends or expires."""

import datetime
import hashlib
import hmac
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

    # HMAC-SHA256 of the secret under the token, in hexadecimal digits.
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


def begin(session: Session, token: str) -> str:
    """Insert a login, and delete those that have expired. Returns the secret for the cookie."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    session.execute(sa.delete(Login).where(Login.expires_at < utcnow()))
    row = {"digest": _digest(secret, token), "created_at": utcnow(), "expires_at": utcnow(LOGIN_SECONDS)}
    session.execute(sa.insert(Login).values(row))
    return secret


def is_valid(connection: sa.Connection, secret: str, token: str) -> bool:
    """Whether a login with this secret began under this token and has not ended."""
    if len(secret) != SECRET_CHARACTERS:
        return False
    query = sa.select(Login.digest).where(Login.digest == _digest(secret, token), Login.expires_at > utcnow())
    return connection.scalar(query) is not None


def end(session: Session, secret: str, token: str) -> None:
    """Delete a login, if it is there."""
    session.execute(sa.delete(Login).where(Login.digest == _digest(secret, token)))


def _digest(secret: str, token: str) -> str:
    return hmac.new(token.encode(), b"jobyard login " + secret.encode(), hashlib.sha256).hexdigest()
