"""Files, as the API answers them."""

import uuid
from typing import Self

from pydantic import Field

from jobyard.shared import storage, uploads
from jobyard.web.schemas.base import API, Moment, Out, Page


class File(Out):
    """An uploaded file or an artifact."""

    id: uuid.UUID
    name: str
    media_type: str
    bytes: int
    sha256: str
    created_at: Moment
    links: dict[str, str] = Field(default={})

    @classmethod
    def of(cls, file: storage.File) -> Self:
        out = cls.model_validate(file)
        if file.job_id is not None:
            out.links = {"self": f"{API}/jobs/{file.job_id}/files/{file.name}"}
        return out


class Upload(File):
    """An uploaded file, in a list."""

    jobs: int = Field(
        description=f"How many jobs read it; {uploads.EXACT_READERS + 1:,} is any number over "
        f"{uploads.EXACT_READERS:,}"
    )
    kept_until: Moment | None = Field(description="When retention deletes it, if no other job takes it")
    kept_because: str | None = Field(description="Why there is no such time")

    @classmethod
    def listed(cls, upload: uploads.Upload) -> Self:
        out = File.of(upload.file).model_dump()
        return cls(**out, jobs=upload.jobs, kept_until=upload.kept_until, kept_because=upload.kept_because)


class FilesTotal(Out):
    """Files together."""

    files: int
    bytes: int
    is_exact: bool = Field(description="Up to 1,000 files it is; beyond, they are counted once a minute")


class Uploads(Page[Upload]):
    """A page of uploads, and all of them together."""

    total: FilesTotal
