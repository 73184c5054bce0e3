"""The fields of requests that are wrong, called as those call them who asked: by arguments, or by options."""

import re
from collections.abc import Callable

from jobyard.client.errors import JobyardClientError, shortened, with_escapes

# How a message begins that names a field of a request, of a part of it, or of its spec.
FIELD = re.compile(r"(?P<field>\w+(\.\w+|\[\d+\])*): ")
SAID = 3


def renamed(error: JobyardClientError, called: Callable[[str], str]) -> str:
    """The message of an error with other names for its fields: `epochs: …` for `spec.epochs: …`.

    `called` is given the dotted path of a field; "" is no name. Of many that the server
    names, the first few are said.
    """
    wrong = (error.problem or {}).get("errors")
    if wrong:
        said = [_said(called(str(one["field"])), str(one["message"])) for one in wrong[:SAID]]
        more = [f"and {len(wrong) - SAID} more"] if len(wrong) > SAID else []
        return shortened(with_escapes("; ".join(said + more)))
    message = str(error)
    found = FIELD.match(message)
    return message if found is None else _said(called(found["field"]), message[found.end() :])


def _said(name: str, message: str) -> str:
    return f"{name}: {message}" if name else message
