"""The whole id of a job that is named by a part of it."""

import re
from typing import Final

from jobyard.client._async.transport import AsyncTransport
from jobyard.client.errors import BadRequest, Json, NotFound
from jobyard.client.types import shown

LAST: Final = "@last"
LEAST_CHARACTERS: Final = 4
# So many candidates are named.
NAMED: Final = 5

_PART: Final = re.compile(r"[0-9a-fA-F-]+")


async def whole_id(transport: AsyncTransport, part: str) -> str:
    """The id of the job whose id begins or ends with `part`, or of the newest job of the token for `@last`.

    Raises NotFound, and BadRequest that names the candidates where there are several.
    """
    asked = part.strip().strip("….")
    digits = asked.replace("-", "")
    if asked != LAST and (not _PART.fullmatch(asked) or len(digits) < LEAST_CHARACTERS):
        raise NotFound(
            f"there is no job {shown(part)}: an id is like 00000000-0000-0000-0000-000000000000; the first "
            f"or last {LEAST_CHARACTERS} characters or more will do, and {LAST} is the newest of this token"
        )
    found: Json = await transport.get("/jobs/find", id=asked)
    items: list[Json] = found["items"]
    if not items:
        where = (
            "yet"
            if asked == LAST
            else f"whose id begins with {shown(part)}, and none of the newest ends with it"
        )
        raise NotFound(f"there is no job {where}")
    if len(items) > 1:
        some = ", ".join(f"{one['id']} ({one['kind']}, {one['state']})" for one in items[:NAMED])
        more = " and others" if len(items) > NAMED or found["next"] else ""
        raise BadRequest(f"several jobs have {shown(part)} in their ids: {some}{more}; write more of the id")
    whole: str = items[0]["id"]
    return whole
