"""Previews: what a file of texts would be read as, before it is uploaded."""

from flask import Response
from flask_openapi3 import APIBlueprint, FileStorage, Tag
from pydantic import BaseModel, Field

from jobyard.shared import storage
from jobyard.shared.errors import BadInput
from jobyard.shared.kinds.preview import Reading
from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, answer
from jobyard.web.api.files import UploadPath
from jobyard.web.auth import current_identity
from jobyard.web.backend import current_backend
from jobyard.web.services.previews import answer_of, ask
from jobyard.web.services.uploads import Uploads

api = APIBlueprint(
    "previews",
    __name__,
    url_prefix=schemas.API,
    abp_tags=[Tag(name="files", description="Uploads")],
    abp_security=SECURITY,
)


class HeadForm(BaseModel):
    """The first bytes of a file, its size, and how it is to be read."""

    model_config = {"extra": "forbid"}

    head: FileStorage = Field(
        description="The first 2 MiB of a file, under its name, or all of a smaller one. Of Parquet, "
        "workbooks and zip archives all of up to 16 MiB, or the first 2 MiB and the last 1 MiB"
    )
    bytes: int = Field(ge=1, le=2**53, description="Size of the whole file")
    head_bytes: int | None = Field(
        default=None,
        ge=1,
        description="How many bytes of `head` are first, if the others are the file's last",
    )
    reading: Reading = Field(default=Reading(), description="JSON: fields of a sentiment job's spec")


@api.post("/previews", responses={200: schemas.FilePreview}, summary="Look at a file before it is uploaded")
def preview_head(form: HeadForm) -> Response:
    """A worker reads the head as a sentiment job would read the file, and nothing is kept.

    503 while all workers are busy, or many requests wait for jobs; a job may be submitted all the same.
    """
    backend = current_backend()
    if form.bytes > (most := backend.settings.max_upload_bytes):
        raise BadInput("bytes", f"should be at most {most:,}, as no larger file can be uploaded")
    with Uploads() as uploads:
        file = uploads.keep(form.head, "head")
        first = file.bytes if form.head_bytes is None else form.head_bytes
        if first > file.bytes:
            raise BadInput("head_bytes", f"should be at most the {file.bytes:,} bytes that were sent")
        if file.bytes > form.bytes:
            raise BadInput("bytes", f"should be at least the {file.bytes:,} bytes that were sent")
        job_id = ask(backend, file.id, form.bytes, first, form.reading, submitter=current_identity())
    return answer(schemas.FilePreview.model_validate(answer_of(backend, job_id, form.bytes)))


@api.post(
    "/files/<uuid:id>/preview",
    responses={200: schemas.FilePreview},
    summary="Look at an upload of texts",
)
def preview_upload(path: UploadPath, body: Reading) -> Response:
    """As `POST /api/v1/previews`, of a file that is there already."""
    backend = current_backend()
    with backend.database.read() as session:
        file = storage.get_file(session, path.id)
    job_id = ask(backend, file.id, file.bytes, None, body, submitter=current_identity())
    return answer(schemas.FilePreview.model_validate(answer_of(backend, job_id, file.bytes)))
