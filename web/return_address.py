"""Where a login leads: to the page of this server that was asked for, and nowhere else."""

import re
from typing import Final
from urllib.parse import quote, urlsplit

from flask import Request

# Longer ones are no page's; a cookie and headers have to fit beside it.
MOST_CHARACTERS: Final = 2_000
# A browser takes `//host` and `/\host` for another host, and leaves tabs and newlines out before it looks.
_PATH: Final = re.compile(r"/(?![/\\])[!-\[\]-~]*")
# A browser resolves these before it asks, written as they are or in percent: `/jobyard/../other`.
_DOTS: Final = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
# A login that leads to one of these would end there or ask again.
_NO_PAGES: Final = ("/login", "/logout")


def local(written: str | None, root: str = "") -> str | None:
    """The address if it is a path, with or without a query, below `root` on this server; else None."""
    if not written or len(written) > MOST_CHARACTERS or not _PATH.fullmatch(written):
        return None
    path = re.split(r"[?#]", written, maxsplit=1)[0]
    if not path.startswith(f"{root}/") or path.removeprefix(root).startswith("//") or _DOTS.search(path):
        return None
    return None if path.removeprefix(root).rstrip("/") in _NO_PAGES else written


def asked_for(request: Request) -> str | None:
    """The page that a request was for, so that it can be asked for again; of a form the one it was on."""
    if request.method in ("GET", "HEAD"):
        query = request.query_string.decode("latin-1")
        path = quote(request.root_path + request.path, safe="/:@!$&'()*+,;=~")
        return local(path + (f"?{query}" if query else ""), request.root_path)
    try:
        sent_by = urlsplit(request.headers.get("Referer", ""))
    except ValueError:  # it is no address at all
        return None
    if sent_by.netloc != request.host:
        return None
    return local(sent_by.path + (f"?{sent_by.query}" if sent_by.query else ""), request.root_path)
