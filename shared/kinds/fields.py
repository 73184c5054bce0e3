"""Types of fields that several specs have: names, and references to data sets and models."""

from typing import Annotated

from pydantic import Field, StringConstraints

ALIAS = r"[A-Za-z][A-Za-z0-9._-]{0,63}"
ALIAS_IS = "a letter, then letters, digits, '.', '_' and '-', at most 64"
REFERENCE = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,63}}(@([1-9][0-9]{{0,8}}|{ALIAS}))?$"

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    Field(description="Letters, digits, '.', '_' and '-'; at most 64"),
]
Reference = Annotated[
    str,
    StringConstraints(pattern=REFERENCE),
    Field(description="A name (its latest version), `name@version`, `name@latest`, or an id"),
]
ModelReference = Annotated[
    Reference,
    Field(description="A name (its latest version), `name@version`, `name@alias`, or an id"),
]
Alias = Annotated[
    str,
    StringConstraints(pattern=rf"^{ALIAS}$"),
    Field(description=f"Should be {ALIAS_IS}"),
]
