"""The kinds of job that this server takes."""

import inspect

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from jobyard.shared import kinds
from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, answer

api = APIBlueprint(
    "kinds",
    __name__,
    url_prefix=schemas.API,
    abp_tags=[Tag(name="kinds", description="The kinds of job")],
    abp_security=SECURITY,
)


@api.get("/kinds", responses={200: schemas.Page[schemas.Kind]}, summary="List the kinds of job")
def list_kinds() -> Response:
    """The built-in kinds and those of plugins, each with the JSON Schema of its spec."""
    items = [
        schemas.Kind(
            kind=kind.name,
            queue=kind.queue.value,
            title=kind.label,
            description=inspect.cleandoc(kind.Spec.__doc__ or ""),
            schema=kind.Spec.model_json_schema(),
        )
        for kind in kinds.by_name().values()
    ]
    return answer(schemas.Page[schemas.Kind](items=items))
