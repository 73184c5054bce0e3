"""Uploads: files, and archives that become data sets."""

from typing import Annotated

from flask import Response, request
from flask_openapi3 import APIBlueprint, FileStorage, Tag
from pydantic import BaseModel, BeforeValidator

from jobyard.shared.errors import BadInput
from jobyard.shared.kinds.fields import Name
from jobyard.shared.kinds.submission import SUBMISSION
from jobyard.web import schemas
from jobyard.web.api import registry
from jobyard.web.api.common import SECURITY, answer
from jobyard.web.api.jobs import answer_with
from jobyard.web.backend import current_backend
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
AsSent = BeforeValidator(lambda _: request.form.get("name", ""))


class UploadForm(BaseModel):
    """One file."""

    model_config = {"extra": "forbid"}

    file: FileStorage


class DatasetForm(BaseModel):
    """A name and an archive of pictures."""

    model_config = {"extra": "forbid"}

    name: Annotated[Name, AsSent]
    archive: FileStorage


@api.post("/files", responses={201: schemas.File}, summary="Upload a file")
def upload(form: UploadForm) -> Response:
    """Upload a picture, a table of texts or an archive; a job's spec refers to it by its id."""
    return answer(schemas.File.of(store(form.file, "file")), 201)


# On the blueprint that has the GET: of two with one path, the OpenAPI document keeps the last only.
@registry.api.post("/datasets", responses={202: schemas.Job}, summary="Upload an archive as a data set")
def upload_dataset(form: DatasetForm) -> Response:
    """Store the archive and submit the import job that makes the data set."""
    try:
        with Uploads() as uploads:
            file = uploads.keep(form.archive, "archive")
            spec = {"name": form.name, "file": file.id}
            submission = SUBMISSION.validate_python({"kind": "import", "spec": spec})
            job, _ = submit(current_backend(), submission, None)
    except BadInput as error:
        raise BadInput("archive", error.message) from None
    return answer_with(job, 202)
