"""Thumbnails: decoded and encoded again, so that no uploaded byte reaches a browser unchanged."""

import hashlib
import io
import threading
import uuid
import zipfile
from collections.abc import Callable
from typing import IO

from flask import Response, request

from jobyard.shared import pictures, registry, storage
from jobyard.shared.errors import NotFound
from jobyard.web.backend import current_backend
from jobyard.web.pages.blueprint import routes

THUMBNAIL_PIXELS = 192
# A picture of 200 million pixels takes 600 MB to decode: not all threads at once.
_decoders = threading.BoundedSemaphore(2)

SAMPLE_CLASSES = 6
SAMPLE_PER_CLASS = 4


@routes.get("/files/<uuid:file_id>/thumbnail")
def file_thumbnail(file_id: uuid.UUID) -> Response:
    """An uploaded picture. 404 if it is not a picture."""
    backend = current_backend()
    with backend.database.read() as session:
        file = storage.get_file(session, file_id)
    return _thumbnail(file.sha256, lambda: backend.storage.open(file.storage_key))


@routes.get("/datasets/<reference>/thumbnail/<path:member>")
def dataset_thumbnail(reference: str, member: str) -> Response:
    """A picture of a data set, by its place there (`train/cats/1.jpg`)."""
    backend = current_backend()
    with backend.database.read() as session:
        dataset = registry.find(session, registry.Dataset, reference)

    def read() -> IO[bytes]:
        with backend.storage.open(dataset.storage_key) as file, zipfile.ZipFile(file) as archive:
            try:
                return io.BytesIO(archive.read(member))
            except KeyError:
                raise NotFound(f"{dataset.reference} has no picture {member!r}") from None

    return _thumbnail(hashlib.sha256(f"{dataset.sha256}/{member}".encode()).hexdigest(), read)


def sample(dataset: registry.Dataset) -> dict[str, list[str]]:
    """A few pictures of the first classes: {class: [place in the data set]}."""
    try:
        with current_backend().storage.open(dataset.storage_key) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (NotFound, zipfile.BadZipFile):
        return {}  # the page can do without
    chosen: dict[str, list[str]] = {name: [] for name in dataset.class_names[:SAMPLE_CLASSES]}
    for name in names:
        parts = name.split("/")
        members = chosen.get(parts[1]) if len(parts) == 3 else None
        if members is not None and len(members) < SAMPLE_PER_CLASS:
            members.append(name)
    return chosen


def _thumbnail(etag: str, read: Callable[[], IO[bytes]]) -> Response:
    response = Response(mimetype="image/jpeg")
    response.set_etag(etag)
    if request.if_none_match.contains_weak(etag):
        response.status_code = 304
        return response
    target = io.BytesIO()
    try:
        with _decoders, read() as file:
            small = pictures.decode(file)
            small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
        small.save(target, "JPEG", quality=80)
    except pictures.NotAPicture as error:
        raise NotFound(f"no thumbnail: {error.message}") from None
    response.set_data(target.getvalue())
    return response
