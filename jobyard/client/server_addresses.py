"""The addresses of servers."""

import httpx

from jobyard.client.errors import ConnectionFailed
from jobyard.client.settings import MAX_PORT
from jobyard.client.types import shown


def check(url: str) -> str:
    """The host of an address. Raises ConnectionFailed, which shows no password, for what is none."""
    if not isinstance(url, str):
        raise ConnectionFailed(f"url: should be the address of a server, but is {shown(url)}")
    try:
        address = httpx.URL(url.rstrip("/"))
        host = address.host
        host.encode("idna")  # as the system will do it
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ConnectionFailed(f"url: {url!r} is not the address of a server: {error}") from None
    if address.userinfo:
        raise ConnectionFailed("url: should have no user and password: the token is an argument of its own")
    if (address.port or 0) > MAX_PORT:
        raise ConnectionFailed(
            f"url: {url!r} is not the address of a server: the port should be at most {MAX_PORT}"
        )
    if not url.startswith(("http://", "https://")) or not host:
        raise ConnectionFailed(
            f"url: {url!r} is not the address of a server: should be like http://127.0.0.1:8642"
        )
    return host
