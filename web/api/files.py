"""Uploads: files, archives that become data sets, and models that were made elsewhere."""

import uuid
from typing import Annotated

from flask import Response, request
from flask_openapi3 import APIBlueprint, FileStorage, Tag
from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo

from jobyard.shared import storage, uploads
from jobyard.shared.errors import BadInput
from jobyard.shared.kinds.fields import Name
from jobyard.shared.kinds.register import ClassNames, ImageSize, Rescale
from jobyard.shared.kinds.submission import SUBMISSION
from jobyard.web import schemas
from jobyard.web.api import registry
from jobyard.web.api.common import SECURITY, PageQuery, Query, answer
from jobyard.web.api.jobs import answer_with
from jobyard.web.auth import current_identity
from jobyard.web.backend import current_backend
from jobyard.web.services.deletion import remove_upload
from jobyard.web.services.submission import submit
from jobyard.web.services.uploads import Uploads, store

api = APIBlueprint(
    "files",
    __name__,
    url_prefix=schemas.API,
    abp_tags=[Tag(name="files", description="Uploads")],
    abp_security=SECURITY,
)

# The library reads form fields as JSON where it can, which would make a number of the name "2024".
AsSent = BeforeValidator(lambda _, info: request.form.get(info.field_name, ""))


def _names(_: object, info: ValidationInfo) -> list[str]:
    """The values of a field that was sent several times, or the parts of one, between commas."""
    values = request.form.getlist(str(info.field_name))
    return [part.strip() for part in values[0].split(",")] if len(values) == 1 else values


def _unless_empty(_: object, info: ValidationInfo) -> str | None:
    return request.form.get(str(info.field_name)) or None


class UploadForm(BaseModel):
    """One file."""

    model_config = {"extra": "forbid"}

    file: FileStorage


class DatasetForm(BaseModel):
    """A name and an archive of pictures."""

    model_config = {"extra": "forbid"}

    name: Annotated[Name, AsSent]
    archive: FileStorage


class ModelForm(BaseModel):
    """A model that Keras 3 saved elsewhere, and what its outputs mean."""

    model_config = {"extra": "forbid"}

    file: FileStorage
    name: Annotated[Name, AsSent]
    classes: Annotated[ClassNames, BeforeValidator(_names)] = Field(
        description="In the order of the outputs: separated by commas, or as a field for each class",
    )
    rescale: Annotated[Rescale | None, BeforeValidator(_unless_empty)] = None
    image_size: Annotated[ImageSize | None, BeforeValidator(_unless_empty)] = None


class DeleteQuery(Query):
    """Under which condition."""

    unread: bool = Field(default=False, description="Only if no job reads it, not even one that has ended")


class UploadPath(BaseModel):
    """The id of an upload."""

    id: uuid.UUID


@api.post("/files", responses={201: schemas.File}, summary="Upload a file")
def upload(form: UploadForm) -> Response:
    """Upload a picture, a table of texts or an archive; a job's spec refers to it by its id."""
    return answer(schemas.File.of(store(form.file, "file")), 201)


@api.get("/files", responses={200: schemas.Uploads}, summary="List uploads, newest first")
def list_uploads(query: PageQuery) -> Response:
    """How large they are, how many jobs read them, and until when they are kept."""
    backend = current_backend()
    with backend.database.read() as session:
        found = uploads.page(
            session, backend.settings.retention_days, before=query.cursor, limit=query.limit + 1
        )
        total = storage.total(session, storage.UPLOADS)
    shown = found[: query.limit]
    return answer(
        schemas.Uploads(
            items=[schemas.Upload.listed(one) for one in shown],
            next=str(shown[-1].file.id) if len(found) > query.limit else None,
            total=schemas.FilesTotal.model_validate(total),
        )
    )


@api.delete("/files/<uuid:id>", responses={204: None}, summary="Delete an upload")
def delete_upload(path: UploadPath, query: DeleteQuery) -> Response:
    """409 while a job that has not ended needs it, and with the scope `submit` if any job has read it.

    Jobs that have ended can't be retried without it.
    """
    remove_upload(path.id, if_unread=query.unread)
    return Response(status=204)


# On the blueprint that has the GET: of two with one path, the OpenAPI document keeps the last only.
@registry.api.post("/datasets", responses={202: schemas.Job}, summary="Upload an archive as a data set")
def upload_dataset(form: DatasetForm) -> Response:
    """Store the archive and submit the import job that makes the data set."""
    try:
        with Uploads() as uploads:
            file = uploads.keep(form.archive, "archive")
            spec = {"name": form.name, "file": file.id}
            submission = SUBMISSION.validate_python({"kind": "import", "spec": spec})
            job, _ = submit(current_backend(), submission, None, submitter=current_identity())
    except BadInput as error:
        raise BadInput("archive", error.message) from None
    return answer_with(job, 202)


@registry.api.post("/models", responses={202: schemas.Job}, summary="Upload a model that was made elsewhere")
def upload_model(form: ModelForm) -> Response:
    """Store the `.keras` file and submit the register job that checks it and writes it anew.

    Nothing of the file is loaded as it is. Files of other formats are refused by the job, which says how to
    convert them.
    """
    given = form.model_dump(exclude={"file"}, exclude_none=True)
    try:
        with Uploads() as uploads:
            spec = given | {"file": uploads.keep(form.file, "file").id}
            submission = SUBMISSION.validate_python({"kind": "register", "spec": spec})
            job, _ = submit(current_backend(), submission, None, submitter=current_identity())
    except BadInput as error:
        raise BadInput(error.field.removeprefix("spec."), error.message) from None
    return answer_with(job, 202)
