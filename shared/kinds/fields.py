"""Types of fields that several specs have: names, and references to data sets and models."""

from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from jobyard.shared import addresses

ALIAS = r"[A-Za-z][A-Za-z0-9._-]{0,63}"
ALIAS_IS = "a letter, then letters, digits, '.', '_' and '-', at most 64"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
REFERENCE = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,63}}(@([1-9][0-9]{{0,8}}|{ALIAS}))?$"
BACKGROUND = r"^(white|black|#[0-9a-fA-F]{6})$"
ADDRESS = r"^(https?|s3)://"
PATH = r"^/[^\x00]*$"
# No line feeds, tabs, escapes or NUL; nor those above ASCII, which terminals obey, too, and line separators.
CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
LINE = rf"^[^{CONTROLS}]+$"
WORDS = r"\S"
# What texts of these patterns should be.
FIELDS_ARE = {
    NAME: "should be of letters, digits, '.', '_' and '-', at most 64, but is {}",
    REFERENCE: "should be an id or a name (letters, digits, '.', '_' and '-'), maybe with @version or "
    "@alias, but is {}",
    BACKGROUND: "should be white, black or a color as in #ff8800, but is {}",
    f"^{ALIAS}$": f"should be {ALIAS_IS}, but is {{}}",
    # What is secret may be in an address.
    ADDRESS: f"should be {addresses.IS}",
    PATH: "should be an absolute path, but is {}",
    LINE: "should be on one line, without control characters",
    WORDS: "should have at least one character that is not a space",
}


@dataclass(frozen=True)
class Names:
    """Marks the type of a field that names a data set or a model: forms offer those that there are."""

    noun: Literal["dataset", "model"]


Name = Annotated[
    str,
    StringConstraints(pattern=NAME),
    Field(description="Letters, digits, '.', '_' and '-'; at most 64"),
]
_Reference = Annotated[str, StringConstraints(pattern=REFERENCE)]
DatasetReference = Annotated[
    _Reference,
    Names("dataset"),
    Field(description="A name (its latest version), `name@version`, `name@latest`, or an id"),
]
ModelReference = Annotated[
    _Reference,
    Names("model"),
    Field(description="A name (its latest version), `name@version`, `name@alias`, or an id"),
]
# What is transparent in a picture is laid on it.
Background = Annotated[str, StringConstraints(pattern=BACKGROUND)]
Alias = Annotated[
    str,
    StringConstraints(pattern=rf"^{ALIAS}$"),
    Field(description=f"Should be {ALIAS_IS}"),
]


def _checked_address(written: str) -> str:
    return addresses.parse(written).whole


def _file(value: object, check: ValidatorFunctionWrapHandler) -> UUID | str:
    """Validates with one message, in which nothing is repeated: what is secret may be in an address."""
    if isinstance(value, str) and "://" in value:
        return _checked_address(value)
    try:
        found: UUID | str = check(value)
    except ValidationError:
        raise ValueError(f"should be the id of an uploaded file, or {addresses.IS}") from None
    return found


Address = Annotated[
    str,
    StringConstraints(pattern=ADDRESS, max_length=addresses.MAX_CHARACTERS),
    AfterValidator(_checked_address),
]
# An upload by its id, or a file elsewhere by its address.
FileOrAddress = Annotated[Annotated[UUID | Address, Field(union_mode="left_to_right")], WrapValidator(_file)]
