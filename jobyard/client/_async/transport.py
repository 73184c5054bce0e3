"""Requests to the server: the token, retries, and errors."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from jobyard.client import server_addresses
from jobyard.client.drafts import draft_of
from jobyard.client.errors import (
    BadRequest,
    ConnectionFailed,
    JobyardClientError,
    Json,
    Refused,
    error_of,
    reason_of,
)
from jobyard.client.heads import Head
from jobyard.client.interrupts import Attempts
from jobyard.client.open_files import open_file
from jobyard.client.parameters import given, plain, unsendable
from jobyard.client.proxies import proxy_for
from jobyard.client.runtime import AsyncRuntime
from jobyard.client.types import kind_of, shown

API = "/api/v1"

# A server that answered before may be restarting and is waited for; one that never did is
# probably not running.
PATIENCE_SECONDS = 30.0
FIRST_PATIENCE_SECONDS = 2.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

# More is no wait that anybody means, and overflows the clock.
LONGEST_SECONDS = 1e9

BUSY = 503
AWAY = frozenset({502, BUSY})
CHUNK_BYTES = 1 << 20
# How long the server waits for a worker that looks at a file.
LOOK_SECONDS = 20.0
# How long it may take before it sends the rows of a scored file in another format: it waits for its turn,
# writes the rows, and makes a workbook of them; and how long it is asked again while it writes others.
WRITING_SECONDS, BUSY_SECONDS = 620.0, 120.0

Change = Callable[[Path], object]


class AsyncTransport:
    """One server's API; for `timeout` seconds it may be silent before an answer, and within one."""

    def __init__(self, url: str, token: str, timeout: float) -> None:
        host = server_addresses.check(url)
        if not isinstance(token, str):
            raise Refused(f"the token should be a text, but is {kind_of(token)}")
        if not token.isascii() or not token.isprintable():
            raise Refused("the token has characters that no token has; copy it again")
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._reached = False
        # The ids of objects that wait for a change of their jobs.
        self.waiting: set[int] = set()
        try:
            self._http = httpx.AsyncClient(
                headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                timeout=self._patience(0.0),
                verify=httpx.create_ssl_context(),  # with SSL_CERT_FILE
                proxy=proxy_for(self.url.partition(":")[0], host),
                trust_env=False,
            )
        except OSError as error:
            raise ConnectionFailed(f"SSL_CERT_FILE can't be read: {error.strerror or error}") from None
        except (ImportError, ValueError, httpx.InvalidURL):
            # What is wrong may hold the proxy's password.
            raise ConnectionFailed(
                "the proxy settings of the environment can't be used: HTTP_PROXY, HTTPS_PROXY and ALL_PROXY "
                "should be like http://proxy.example:3128"
            ) from None

    async def aclose(self) -> None:
        await self._http.aclose()

    async def get(self, path: str, *, longer: float = 0.0, **params: Any) -> Json:
        """A GET; parameters that are None are left out, and the answer may take `longer` seconds."""
        return self._json(await self._send("GET", path, params=given(params), timeout=self._patience(longer)))

    async def post(
        self,
        path: str,
        body: Json | None = None,
        *,
        key: str | None = None,
        longer: float = 0.0,
        attempts: Attempts | None = None,
        **params: Any,
    ) -> Json:
        """A POST of JSON. With an idempotency key it may be sent again after a lost answer."""
        options: Json = {"params": given(params), "timeout": self._patience(longer), "attempts": attempts}
        headers = {} if key is None else {"Idempotency-Key": key}
        return self._json(
            await self._send("POST", path, json=body, headers=headers, repeatable=key is not None, **options)
        )

    async def check(self, path: str, body: Json) -> None:
        """A POST of JSON that changes nothing: it may be sent again, and its answer has no body."""
        await self._send("POST", path, json=body)

    async def put(self, path: str, body: Json) -> Json:
        """A PUT of JSON, which may be sent again after a lost answer."""
        return self._json(await self._send("PUT", path, json=body))

    async def patch(self, path: str, body: Json) -> Json:
        """A PATCH of JSON, which may be sent again after a lost answer."""
        return self._json(await self._send("PATCH", path, json=body))

    async def delete(self, path: str) -> None:
        """A DELETE. It is not sent again after a lost answer: what it deleted would not be found."""
        await self._send("DELETE", path, repeatable=False)

    def _patience(self, longer: float) -> httpx.Timeout:
        """Raises BadRequest where `longer` is no number of seconds."""
        if not isinstance(longer, int | float) or not abs(longer) <= LONGEST_SECONDS:
            raise BadRequest(f"wait: should be a number of seconds, but is {shown(longer)}")
        # With more requests at once than connections, some wait for one.
        return httpx.Timeout(self._timeout + longer, connect=5.0, pool=None)

    async def upload(self, path: Path, name: str) -> Json:
        """Send a file's bytes under a name; a repetition after a lost answer only leaves a spare copy."""
        return self._json(await self._send("POST", "/files", file=(name, path)))

    async def look(self, head: Head, name: str, reading: Json) -> Json:
        """What the server finds in a file's head. It is not asked again while no worker is free for that."""
        try:
            fields = given(
                {"bytes": head.size, "head_bytes": head.head_bytes, "reading": json.dumps(reading)}
            )
        except (TypeError, ValueError, RecursionError) as error:
            why = unsendable(reading) or f"the request can't be sent: {reason_of(error)}"
            raise BadRequest(why) from None
        answer = await self._send(
            "POST",
            "/previews",
            repeatable=False,
            files={"head": (name, head.content)},
            data=fields,
            timeout=self._patience(LOOK_SECONDS),
        )
        return self._json(answer)

    async def items(
        self, path: str, *, following: str = "cursor", most: int | None = None, **params: Any
    ) -> AsyncIterator[Json]:
        """Everything in a list, or the first `most`, page after page, of `limit` items where that is given.

        `following` is the parameter that asks for the next page.
        """
        cursor = None
        while most is None or most > 0:
            asked: Json = {following: cursor, **params}
            if most is not None:
                asked["limit"] = min(most, params.get("limit", most))
            page = await self.get(path, **asked)
            for item in page.get("items", [])[:most]:
                yield item
            cursor = page.get("next")
            if cursor is None:
                return
            most = None if most is None else most - len(page["items"])

    async def all_items(self, path: str, *, following: str = "cursor", **params: Any) -> list[Json]:
        """Everything in a list at once."""
        return [item async for item in self.items(path, following=following, **params)]

    async def download(
        self, path: str, target: Path, *, longer: float = 0.0, change: Change | None = None
    ) -> None:
        """Write an answer's body to `target`, which appears only when it is whole.

        The answer may begin `longer` seconds later than others. `change` gets the file first.

        Raises JobyardClientError also where it can't be written.
        """
        with draft_of(target) as draft:
            await self._download(path, draft, target.name, longer)
            if change is not None:
                await AsyncRuntime.run_whole(change, draft)

    async def _download(self, path: str, draft: Path, name: str, longer: float) -> None:
        with draft.open("wb") as file:
            patience, busy = self._patience(longer), BUSY_SECONDS if longer else 0.0
            response = await self._send("GET", path, stream=True, busy=busy, timeout=patience)
            try:
                # Read for the body: only the beginning of the answer takes longer.
                response.request.extensions["timeout"]["read"] = self._timeout
                async for chunk in response.aiter_bytes(CHUNK_BYTES):
                    await AsyncRuntime.run(file.write, chunk)
            except httpx.RequestError as error:
                raise ConnectionFailed(f"the download of {name} was interrupted: {error}") from None
            finally:
                await response.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool = True,
        stream: bool = False,
        busy: float = 0.0,
        attempts: Attempts | None = None,
        file: tuple[str, Path] | None = None,
        **options: Any,
    ) -> httpx.Response:
        """Send until there is an answer; while the server says that it is busy, for `busy` seconds at least.

        Raises JobyardClientError for an answer of status 400 or more.
        """
        attempts = attempts or Attempts()
        began = time.monotonic()
        until = began + (PATIENCE_SECONDS if self._reached else FIRST_PATIENCE_SECONDS)
        pause = FIRST_PAUSE_SECONDS
        while True:
            give_up = until
            with ExitStack() as opened:
                if file is not None:
                    options["files"] = {"file": (file[0], opened.enter_context(open_file(file[1])))}
                failure: JobyardClientError
                request = self._request(method, path, options)
                attempts.sent += 1
                try:
                    response = await self._sent(request, stream=stream)
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    # Nothing was sent: this may be repeated whatever it was.
                    attempts.sent -= 1
                    failure = ConnectionFailed(f"can't reach {self.url}: {reason_of(error)}")
                except httpx.RequestError as error:
                    failure = ConnectionFailed(f"the connection to {self.url} was lost: {reason_of(error)}")
                    if not repeatable:
                        raise failure from None
                else:
                    self._reached = True
                    if response.status_code < 400:
                        return response
                    failure = error_of(response)
                    if response.status_code not in AWAY or not repeatable:
                        raise failure
                    give_up = max(until, began + (busy if response.status_code == BUSY else 0.0))
            if time.monotonic() + pause > give_up:
                raise failure
            await AsyncRuntime.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _request(self, method: str, path: str, options: Json) -> httpx.Request:
        """Raises BadRequest for what can't be sent: values that JSON lacks, characters that UTF-8 lacks."""
        address = f"{self.url}{API}{path}"
        try:
            try:
                return self._http.build_request(method, address, **options)
            except TypeError:  # what JSON lacks: numbers of NumPy, say
                options = options | {"json": plain(options.get("json"))}
                return self._http.build_request(method, address, **options)
        except Exception as error:  # noqa: BLE001 - of values whose own methods fail, too
            for part in ("json", "params"):
                if (why := unsendable(options.get(part))) is not None:
                    raise BadRequest(why) from None
            raise BadRequest(f"the request can't be sent: {reason_of(error)}") from None

    async def _sent(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        if self._http.is_closed:
            raise JobyardClientError("the client is closed; make another one")
        try:
            response = await self._http.send(request, stream=stream)
            if response.status_code >= 400:
                await response.aread()
        except OSError as error:
            raise JobyardClientError(f"what is sent can't be read: {reason_of(error)}") from None
        except RuntimeError as error:  # of an event loop
            why = f"the request can't be sent: {reason_of(error)}"
            raise JobyardClientError(f"{why}; make the client in the event loop that uses it") from None
        return response

    def _json(self, response: httpx.Response) -> Json:
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ConnectionFailed(f"{self.url} is not a Jobyard server")
        return answer
