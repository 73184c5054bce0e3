"""Connections to hosts: encrypted where the address says so, and at a pace."""

import http.client
import io
import socket
import ssl
from typing import IO, Final
from urllib.parse import urljoin

import certifi

from jobyard.shared.addresses import Address, parse
from jobyard.shared.errors import WorkError
from jobyard.workers.fetching.stream import Unreachable
from jobyard.workers.fetching.wire import Pace, Wire

CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 30.0
BUFFER_BYTES: Final = 1 << 16

REDIRECTS: Final = {301, 302, 303, 307, 308}
# What a connection, its encryption and the answer through it may raise.
ERRORS: Final = (OSError, http.client.HTTPException)


class PacedSocket:
    """What http.client takes a socket for: requests go out, and answers come through a Wire.

    It closes nothing: http.client would, as soon as it knows that there is one answer only.
    """

    def __init__(self, sock: socket.socket, pace: Pace) -> None:
        self._socket = sock
        self._pace = pace

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(IDLE_SECONDS)
        self._socket.sendall(data)

    def makefile(self, *_: object) -> IO[bytes]:
        return io.BufferedReader(Wire(self._socket, self._pace), BUFFER_BYTES)

    def close(self) -> None:
        return None


def secured(address: Address, sock: socket.socket, context: ssl.SSLContext | None = None) -> socket.socket:
    """The connection after the host has shown its certificate. Raises WorkError."""
    if address.scheme == "http":
        return sock
    try:
        # An end that isn't announced is one that somebody may have cut.
        context = context or trust()
        return context.wrap_socket(sock, server_hostname=address.host, suppress_ragged_eofs=False)
    except ssl.SSLCertVerificationError as error:
        raise WorkError(
            f"the certificate of {address.netloc} can't be trusted: {error.verify_message}; SSL_CERT_FILE "
            "may name the authorities to trust"
        ) from None
    except ssl.SSLError as error:
        raise WorkError(f"{address.netloc} doesn't speak TLS: {error.reason or 'it ends'}") from None
    except OSError as error:
        raise understood(error) from None


def trust() -> ssl.SSLContext:
    """This machine's authorities, or where it has none those that Mozilla trusts."""
    context = ssl.create_default_context()
    # Python sets it since OpenSSL 3: an end that isn't announced would look like one that is.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(certifi.where())
    return context


def redirected(address: Address, location: str) -> Address:
    """Where a redirect leads, which is not yet checked. Raises WorkError."""
    try:
        target = parse(urljoin(address.whole, location))
    except ValueError:
        raise WorkError("the address is redirected to what is no address") from None
    if target.scheme != "https" and target.scheme != address.scheme:
        raise WorkError(f"the address is redirected to {target.scheme}://, which is not followed")
    return target


def understood(error: Exception, what: str = "file") -> Exception:
    """As a WorkError, without what may be secret."""
    match error:
        case TimeoutError():
            return Unreachable(f"the host takes nothing for {IDLE_SECONDS:g} seconds")
        case ConnectionError() | ssl.SSLError() | http.client.IncompleteRead():
            return Unreachable(f"the connection was cut before the whole {what} was there")
        case http.client.HTTPException():
            return WorkError(f"the host's answer is no HTTP ({type(error).__name__})")
    return Unreachable(f"the connection fails: {getattr(error, 'strerror', None) or type(error).__name__}")
