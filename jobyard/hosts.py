"""Hosts, as servers listen on them and as addresses name them.

The client uses this, too: it imports nothing of the server.
"""

from ipaddress import ip_address
from typing import Final

# To listen on these is to listen on every address of the machine; nobody can connect to them.
ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on


def host_and_port(host: str, port: int) -> str:
    """`host:port`, with an IPv6 address in brackets: it has colons of its own."""
    return f"{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """A host as it stands in a URL: `[::1]`; names and IPv4 addresses as they are."""
    return f"[{host}]" if ":" in host else host


def unbracketed(host: str) -> str:
    """The host without the brackets that an IPv6 address has in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def reachable(host: str) -> str:
    """Where a server answers on its own machine that listens on this host."""
    return ANYWHERE.get(host, host)


def is_this_machine(host: str) -> bool:
    """Whether the host is this machine, by what it is called: `localhost`, or an address of the loopback."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
