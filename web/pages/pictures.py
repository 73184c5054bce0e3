"""Thumbnails: decoded and encoded again, so that no uploaded byte reaches a browser unchanged."""

import hashlib
import io
import uuid
from collections.abc import Callable
from typing import IO

from flask import Response, request
from flask.sansio.blueprints import BlueprintSetupState
from sqlalchemy.orm import Session

from jobyard.shared import pictures, registry, storage
from jobyard.shared.errors import NotFound, StorageFailed
from jobyard.shared.registry.archive import DatasetArchive
from jobyard.web.backend import current_backend
from jobyard.web.pages.blueprint import routes

THUMBNAIL_PIXELS = 192
# What all thumbnails of this process may take at once: a PNG of 24 million pixels, a JPEG of several times
# as many. Most of the threads are left to other requests.
BUDGET = pictures.Budget(256 << 20, alone=False, wait=5, waiting=12)

# Of a data set's picture: it is in memory before a byte of the budget is asked for.
MAX_FILE_BYTES = 32 << 20

SAMPLE_CLASSES = 6
SAMPLE_PER_CLASS = 4


@routes.record
def _limit(state: BlueprintSetupState) -> None:
    settings = state.app.extensions["jobyard"].settings
    pictures.LIMITS.pixels = settings.max_picture_pixels


@routes.get("/files/<uuid:file_id>/thumbnail")
def file_thumbnail(file_id: uuid.UUID) -> Response:
    """An uploaded picture. 404 if it is none, or too large; 503 while too many others are decoded."""
    backend = current_backend()
    with backend.database.read() as session:
        file = storage.get_file(session, file_id)
    return _thumbnail(file.sha256, lambda: backend.storage.open(file.storage_key))


@routes.get("/files/<uuid:file_id>/thumbnail/<path:member>")
def member_thumbnail(file_id: uuid.UUID, member: str) -> Response:
    """A picture in an uploaded zip, by its path there, if it is stored there as it is: see `shows`."""
    backend = current_backend()
    with backend.database.read() as session:
        file = storage.get_file(session, file_id)
    digest = hashlib.sha256(f"{file.sha256}/{member}".encode(errors="replace")).hexdigest()
    return _thumbnail(digest, lambda: _member(file.storage_key, member))


def shows(session: Session, file_id: uuid.UUID, member: str) -> bool:
    """Whether there is a thumbnail of this picture in an uploaded archive: not of compressed ones."""
    try:
        _member(storage.get_file(session, file_id).storage_key, member)
    except (NotFound, StorageFailed):
        return False
    return True


def _member(key: str, member: str) -> IO[bytes]:
    """Raises NotFound."""
    with current_backend().storage.open(key) as file:
        return io.BytesIO(DatasetArchive(file).read(member, MAX_FILE_BYTES))


@routes.get("/datasets/<reference>/thumbnail/<path:member>")
def dataset_thumbnail(reference: str, member: str) -> Response:
    """A picture of a data set, by its place there (`train/cats/1.jpg`)."""
    backend = current_backend()
    with backend.database.read() as session:
        dataset = registry.find(session, registry.Dataset, reference)

    digest = hashlib.sha256(f"{dataset.sha256}/{member}".encode()).hexdigest()
    return _thumbnail(digest, lambda: _member(dataset.storage_key, member))


def sample(dataset: registry.Dataset) -> dict[str, list[str]]:
    """A few pictures of the first classes: {class: [place in the data set]}."""
    try:
        with current_backend().storage.open(dataset.storage_key) as file:
            archive = DatasetArchive(file)
            names = dataset.class_names[:SAMPLE_CLASSES]
            return {name: archive.first(f"train/{name}/", SAMPLE_PER_CLASS) for name in names}
    except (NotFound, StorageFailed):
        return {}  # the page can do without


def _thumbnail(etag: str, read: Callable[[], IO[bytes]]) -> Response:
    response = Response(mimetype="image/jpeg")
    response.set_etag(etag)
    if request.if_none_match.contains_weak(etag):
        response.status_code = 304
        return response
    target = io.BytesIO()
    try:
        with read() as file, pictures.decoded(file, budget=BUDGET, least=THUMBNAIL_PIXELS) as picture:
            picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
            picture.save(target, "JPEG", quality=80)
    except pictures.NotAPicture as error:
        raise NotFound(f"no thumbnail: {error.message}") from None
    response.set_data(target.getvalue())
    return response
