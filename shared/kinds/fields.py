"""Types of fields that several specs have: names, and references to data sets and models."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

ALIAS = r"[A-Za-z][A-Za-z0-9._-]{0,63}"
ALIAS_IS = "a letter, then letters, digits, '.', '_' and '-', at most 64"
REFERENCE = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,63}}(@([1-9][0-9]{{0,8}}|{ALIAS}))?$"


@dataclass(frozen=True)
class Names:
    """Marks the type of a field that names a data set or a model: forms offer those that there are."""

    noun: Literal["dataset", "model"]


Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
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
Background = Annotated[str, StringConstraints(pattern=r"^(white|black|#[0-9a-fA-F]{6})$")]
Alias = Annotated[
    str,
    StringConstraints(pattern=rf"^{ALIAS}$"),
    Field(description=f"Should be {ALIAS_IS}"),
]
