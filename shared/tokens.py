"""Named tokens: who may do what. The database has the SHA-256 of each, and never the token itself."""

import datetime
import enum
import hashlib
import secrets
import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column
from uuid_utils.compat import uuid7

from jobyard.shared import audit
from jobyard.shared.database import Base, UtcDateTime, insert_into, utcnow
from jobyard.shared.errors import BadInput, Conflict, NotFound
from jobyard.shared.logins import Login

# The token of JOBYARD_TOKEN or HOME/token goes by this name. It has no row.
BUILT_IN: Final = "admin"
# What moves jobs without a request.
RESERVED: Final = frozenset({BUILT_IN, "worker", "sweeper"})
# By which people, and scanners for secrets, recognise one.
PREFIX: Final = "jy_"
SECRET_BYTES: Final = 32
SECRET_CHARACTERS: Final = len(PREFIX) + len(secrets.token_urlsafe(SECRET_BYTES))
LAST_USE_SECONDS: Final = 60
# Of queued and of running jobs: so many are counted at each submit.
MAX_QUOTA: Final = 10_000


class Scope(enum.StrEnum):
    """What a token allows; each scope includes those before it."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"

    def includes(self, needed: "Scope") -> bool:
        """Whether it allows what needs that scope."""
        return self in needed.enough

    @property
    def enough(self) -> "tuple[Scope, ...]":
        """The scopes that allow what needs this one."""
        scopes = tuple(Scope)
        return scopes[scopes.index(self) :]


_SCOPES: Final = ", ".join(f"'{scope}'" for scope in Scope)


def _where(condition: str) -> dict[str, Any]:
    return {f"{dialect}_where": sa.text(condition) for dialect in ("sqlite", "postgresql")}


class Token(Base):
    """A token that an administrator made."""

    __tablename__ = "tokens"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(64))
    scope: Mapped[str] = mapped_column(sa.String(16))
    # SHA-256 of the token, in hexadecimal digits.
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(sa.String(64))
    # How many of its jobs may be queued at once. None: any number.
    max_queued: Mapped[int | None] = mapped_column()
    # How many of its jobs may run at once. Jobs know its name: of all tokens of that only the newest has one.
    max_running: Mapped[int | None] = mapped_column()
    # None: it does not expire.
    expires_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    # To within LAST_USE_SECONDS.
    last_used_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        sa.CheckConstraint(f"scope IN ({_SCOPES})", name="scope"),
        sa.Index("uq_tokens_live_name", "name", unique=True, **_where("revoked_at IS NULL")),
        # Which claims look into: nearly always it is empty.
        sa.Index("uq_tokens_quota", "name", unique=True, **_where("max_running IS NOT NULL")),
    )


class Identity(NamedTuple):
    """Whose request it is: a token that is valid."""

    name: str
    scope: Scope
    digest: str
    # How many of its jobs may be queued at once; None: any number.
    max_queued: int | None = None


def digest_of(secret: str) -> str:
    """SHA-256. A token is as random as its digest, so that no slower hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create(
    session: Session,
    *,
    name: str,
    scope: Scope,
    expires_seconds: int | None,
    created_by: str,
    max_queued: int | None = None,
    max_running: int | None = None,
) -> tuple[Token, str]:
    """A new token and its secret, which nobody can read again.

    What it says of `max_running` holds for jobs of earlier tokens of its name, too.

    Raises BadInput for a name that is reserved, and Conflict if there is a valid token of this name.
    """
    if name.lower() in RESERVED:
        raise BadInput("name", f"should not be {' or '.join(sorted(RESERVED))}: these names are taken")
    is_expired = sa.and_(Token.name == name, Token.revoked_at.is_(None), Token.expires_at <= utcnow())
    session.execute(sa.update(Token).where(is_expired).values(revoked_at=Token.expires_at))
    earlier = Token.name == name, Token.revoked_at.is_not(None), Token.max_running.is_not(None)
    session.execute(sa.update(Token).where(*earlier).values(max_running=None))
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    row = {
        "id": uuid7(),
        "name": name,
        "scope": scope,
        "digest": digest_of(secret),
        "created_at": utcnow(),
        "created_by": created_by,
        "max_queued": max_queued,
        "max_running": max_running,
        "expires_at": None if expires_seconds is None else utcnow(expires_seconds),
    }
    insert = insert_into(session.connection(), Token).values(row).on_conflict_do_nothing()
    token = session.scalars(insert.returning(Token)).one_or_none()
    if token is None:
        raise Conflict(f"there is a token {name!r} already; revoke it first, or take another name")
    session.flush()
    details: dict[str, Any] = {
        "scope": scope,
        "expires_at": token.expires_at and token.expires_at.isoformat(),
    }
    quotas = {"max_queued": max_queued, "max_running": max_running}
    details |= {quota: most for quota, most in quotas.items() if most is not None}
    audit.note(session, created_by, "token.create", name, details)
    session.expunge(token)
    return token, secret


def revoke(session: Session, name: str, *, revoked_by: str) -> None:
    """End a token and the logins that were made with it.

    Raises NotFound, and Conflict for the built-in one.
    """
    if name == BUILT_IN:
        raise Conflict(
            f"the token {BUILT_IN!r} is JOBYARD_TOKEN, or the file token in JOBYARD_HOME: "
            "change that, and start the server again"
        )
    statement = sa.update(Token).where(Token.name == name, Token.revoked_at.is_(None))
    digest = session.scalar(statement.values(revoked_at=utcnow()).returning(Token.digest))
    if digest is None:
        raise NotFound(f"there is no token {name!r}")
    session.execute(sa.delete(Login).where(Login.token_digest == digest))
    audit.note(session, revoked_by, "token.revoke", name)


def page(
    session: Session, *, with_revoked: bool = False, before: uuid.UUID | None = None, limit: int = 50
) -> Sequence[Token]:
    """Tokens, newest first; without those that were revoked, unless they are asked for."""
    query = sa.select(Token).order_by(Token.id.desc()).limit(limit)
    if not with_revoked:
        query = query.where(Token.revoked_at.is_(None))
    if before is not None:
        query = query.where(Token.id < before)
    return session.scalars(query).all()


class Found(NamedTuple):
    """A valid token, and whether its last use is to be written."""

    name: str
    scope: str
    is_use_due: bool
    max_queued: int | None


_IS_DUE: Final = sa.or_(Token.last_used_at.is_(None), Token.last_used_at < utcnow(-LAST_USE_SECONDS))
_VALID: Final = sa.select(Token.name, Token.scope, _IS_DUE, Token.max_queued).where(
    Token.digest == sa.bindparam("digest"),
    Token.revoked_at.is_(None),
    sa.or_(Token.expires_at.is_(None), Token.expires_at > utcnow()),
)
_USE: Final = (
    sa.update(Token).where(Token.digest == sa.bindparam("digest_"), _IS_DUE).values(last_used_at=utcnow())
)


def find_valid(connection: sa.Connection, digest: str) -> Found | None:
    """The token of a digest, unless it is revoked or expired."""
    row = connection.execute(_VALID, {"digest": digest}).first()
    return None if row is None else Found(row[0], row[1], bool(row[2]), row[3])


def note_use(connection: sa.Connection, digest: str) -> None:
    """The token is in use at this moment."""
    connection.execute(_USE, {"digest_": digest})
