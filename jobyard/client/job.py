"""What is known of a job: the fields of the API's JSON."""

from jobyard.client.errors import JobyardClientError, Json

# What the rows of a scored file, and those of a prediction, are saved as.
SCORES_FORMATS = ("csv", "parquet", "jsonl", "xlsx")
PREDICTIONS_FORMATS = ("csv", "parquet")
TERMINAL = frozenset({"succeeded", "failed", "cancelled"})


class JobFields:
    """One job, as the server last sent it: the part of `Job` and `AsyncJob` that asks it nothing."""

    id: str
    kind: str
    state: str
    phase: str | None
    queue: str
    priority: int
    spec: Json
    result: Json | None
    error: Json | None
    progress: Json | None
    attempt: int
    max_attempts: int
    position: int | None
    parent_id: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    links: dict[str, str]

    def __init__(self, raw: Json) -> None:
        self._take(raw)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.kind} {self.state}>"

    @property
    def done(self) -> bool:
        """Whether the job has ended, one way or another."""
        return self.state in TERMINAL

    @property
    def stalled_since(self) -> str | None:
        """Since when a running job has made no progress, if that is too long; earlier servers don't say."""
        since: str | None = self.raw.get("stalled_since")
        return since

    @property
    def waiting_for(self) -> str | None:
        """What keeps a queued job beside those before it: its queue is paused, has no running worker or has
        reached its limit of running jobs, or the token that submitted it its quota.

        A job of a list doesn't say.
        """
        why: str | None = self.raw.get("waiting_for")
        return why

    @property
    def title(self) -> str:
        """What the job is called: its name, or what it does. Of earlier servers, its kind."""
        return str(self.raw.get("title", self.kind))

    @property
    def created_by(self) -> str | None:
        """The name of the token that submitted it; None of old jobs, and of earlier servers."""
        created_by: str | None = self.raw.get("created_by")
        return created_by

    @property
    def name(self) -> str | None:
        """What its owner called it."""
        name: str | None = self.raw.get("name")
        return name

    @property
    def labels(self) -> dict[str, str]:
        """Its labels; {} if it has none."""
        return dict(self.raw.get("labels") or {})

    @property
    def note(self) -> str | None:
        """What is to be remembered of it; in a list, its beginning."""
        note: str | None = self.raw.get("note")
        return note

    @property
    def keep(self) -> bool:
        """Whether retention leaves it."""
        return bool(self.raw.get("keep"))

    @property
    def usage(self) -> Json | None:
        """{peak_memory_bytes, cpu_seconds, gpu_seconds, …}; None of a quick job, and of earlier servers."""
        used: Json | None = self.raw.get("usage")
        return used

    @property
    def succeeded(self) -> bool:
        return self.state == "succeeded"

    @property
    def _path(self) -> str:
        return f"/jobs/{self.id}"

    def _take(self, raw: Json) -> None:
        self.raw = raw
        for name in JobFields.__annotations__:
            if name not in raw:
                raise JobyardClientError(f"the server's answer is no job that this client knows: no {name!r}")
            setattr(self, name, raw[name])
