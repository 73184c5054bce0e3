"""What a request can come back with instead of an answer."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]

# A longer message has its middle left out: it begins with what is wrong and ends with what is right.
LONGEST = 400
END = 100


class JobyardClientError(Exception):
    """The root of all errors of the client.

    The message is one line. `problem` is the server's problem document (RFC 9457: title, status, detail,
    errors), if it sent one; the message calls its fields as the arguments of the method are called.
    """

    def __init__(self, message: str, problem: Json | None = None) -> None:
        super().__init__(shortened(with_escapes(message)))
        self.problem = problem


class ConnectionFailed(JobyardClientError):
    """The server can't be reached."""


class ConfigError(JobyardClientError):
    """A setting or a profile is wrong or missing; the message names it and says what would be right."""


class BadRequest(JobyardClientError):
    """Something in the request is wrong; the message names the field and what would be right."""


class Refused(JobyardClientError):
    """The token is wrong or missing."""


class NotFound(JobyardClientError):
    """Nothing has that name or id."""


class Conflict(JobyardClientError):
    """The job's state does not allow this."""


class ServerError(JobyardClientError):
    """The server failed to answer."""


class JobFailed(JobyardClientError):
    """The job failed or was cancelled; `job`, a Job or an AsyncJob, has the error."""

    def __init__(self, job: Any) -> None:
        why = f": {job.error['message']}" if job.error else ""
        super().__init__("")
        # Whole, however long: nobody else says why it failed.
        self.args = (
            with_escapes(f"job {job.id} {'was cancelled' if job.state == 'cancelled' else job.state}{why}"),
        )
        self.job = job


class WaitTimeout(JobyardClientError):
    """The job is still running, but the time to wait for it is over."""


def with_escapes(message: str) -> str:
    """With what can't be printed as its escape: values in a message are anybody's."""
    return "".join(
        one if one.isprintable() else " " if one.isspace() else one.encode("unicode_escape").decode()
        for one in message
    )


def shortened(message: str) -> str:
    return message if len(message) <= LONGEST else f"{message[: LONGEST - END - 1]}…{message[-END:]}"


def reason_of(error: Exception) -> str:
    """Why a request failed, in the words of the system or of the library that sent it."""
    text = str(error) or type(error).__name__
    return "connection refused" if "refused" in text.lower() else text


_BY_STATUS: dict[int, type[JobyardClientError]] = {
    401: Refused,
    403: Refused,
    404: NotFound,
    409: Conflict,
}


def error_of(response: "httpx.Response") -> JobyardClientError:
    """The exception for an answer of status 400 or more, whose body has been read."""
    status = response.status_code
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else BadRequest)
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):  # not from Jobyard: a proxy's page, say
        return kind(f"{response.url} answered {status} {response.reason_phrase}")
    return kind(str(problem.get("detail") or problem.get("title") or f"status {status}"), problem)
