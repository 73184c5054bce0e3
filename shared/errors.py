"""The errors that a user can cause or see: each is one line with what is wrong, where, and what is right."""


class JobyardError(Exception):
    """Something went wrong in Jobyard."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])

    @property
    def message(self) -> str:
        return str(self.args[0])


class ConfigError(JobyardError):
    """A setting is wrong."""


class NotFound(JobyardError):
    """Nothing has that name or id."""


class Conflict(JobyardError):
    """The thing exists, but its state does not allow this."""


class BadInput(JobyardError):
    """A value in the request is wrong; `field` names it, as a dotted path."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class TooLarge(JobyardError):
    """The input is over a limit."""


class Busy(JobyardError):
    """The server is busy; the same request may succeed soon."""


class QuotaReached(JobyardError):
    """The token has as many queued jobs as it may have; fewer are queued soon."""


class DiskFull(JobyardError):
    """The disk is full, or nearly."""


class StorageFailed(JobyardError):
    """The storage can't be used at present; what it holds is still there."""


class StorageAway(StorageFailed):
    """The storage can't be reached, or has not done what it was asked: the same may work soon."""


class StorageRefused(StorageFailed):
    """The storage refuses: credentials, rights or its address have to be set right."""


class WorkError(JobyardError):
    """The job can't be done, for a reason that its owner can understand and correct.

    `field` names the field of its spec that has to be changed, where it is one.
    """

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Interrupted(JobyardError):
    """The work was asked to stop; raised inside the work by its callbacks, never shown to a user."""


class Cancelled(Interrupted):
    """The job's owner asked for the job to be cancelled."""


class Paused(Interrupted):
    """The job's owner asked for the job to be paused."""


class Stopping(Interrupted):
    """This worker is being stopped: the job goes back to the queue."""


class LeaseLost(Interrupted):
    """Another worker may hold this job by now: write nothing more."""
