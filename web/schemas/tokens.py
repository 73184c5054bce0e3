"""Tokens and the audit log, as the API answers them."""

import uuid
from typing import Any

from pydantic import Field

from jobyard.shared import tokens
from jobyard.web.schemas.base import Moment, Out


class Token(Out):
    """A named token, without its secret."""

    id: uuid.UUID
    name: str
    scope: tokens.Scope
    created_at: Moment
    created_by: str = Field(description="Name of the token with which it was made")
    max_queued: int | None = Field(description="How many of its jobs may be queued at once; null: any number")
    max_running: int | None = Field(
        description="How many of its jobs run at once, while others stay queued; null: any number. A revoked "
        "token whose name another one got has none"
    )
    expires_at: Moment | None = Field(description="null: it does not expire")
    last_used_at: Moment | None = Field(description="To within a minute; null: never")
    revoked_at: Moment | None


class NewToken(Token):
    """A token that was just made."""

    secret: str = Field(description="The token itself, which is not kept: no later answer has it")


class AuditEntry(Out):
    """An action of a token."""

    id: int
    at: Moment
    actor: str = Field(description="Name of the token")
    action: str = Field(description="A noun and a verb: `token.create`, `model.delete`")
    object: str = Field(description="What it was done to: a name, a reference or an id")
    details: dict[str, Any] | None
