"""The client: a method for each operation of the server."""

from typing import Self

from jobyard.client.files import Files
from jobyard.client.kinds import Kinds
from jobyard.client.many import ManyJobs
from jobyard.client.operations import Operations
from jobyard.client.registry import Registry
from jobyard.client.tokens import Tokens
from jobyard.client.transport import Transport
from jobyard.client.webhooks import Webhooks


class Client(Kinds, ManyJobs, Files, Registry, Operations, Webhooks, Tokens):
    """A Jobyard server, by its address and token.

        with Client("http://127.0.0.1:8642", token) as client:
            data = client.import_pictures("pets", "photos/").wait()
            training = client.train(data.result["dataset"], epochs=10).wait()
            client.predict(training.result["model"], ["rex.jpg"]).wait().result["predictions"]

    `timeout` is for each answer, in seconds. Every method raises a JobyardClientError whose message says what
    is wrong: ConnectionFailed if the server can't be reached, Refused for a wrong token, BadRequest for a
    wrong value, NotFound, Conflict or ServerError. Requests to an unreachable server are repeated for 2
    seconds, or for 30 if it has answered before; jobs are sent with an Idempotency-Key, so that none is made
    twice.

    JSON is returned as it is in the API: the field names in braces are its keys, and times are texts in RFC
    3339.
    """

    def __init__(self, url: str, token: str, *, timeout: float = 60.0) -> None:
        self._transport = Transport(url, token, timeout)
        self.url = self._transport.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections. Leaving the `with` block does this."""
        self._transport.close()
