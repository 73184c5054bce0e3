"""A form filled with what an old job was asked to do: its uploads are kept, and need not be sent again."""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from werkzeug.wrappers import Response

from jobyard.shared import jobs, kinds
from jobyard.web.backend import current_backend
from jobyard.web.pages.blueprint import routes
from jobyard.web.pages.fields import Field, fields_of
from jobyard.web.pages.form_data import KEPT
from jobyard.web.pages.forms import show_form
from jobyard.web.services.again import again


@routes.get("/jobs/<uuid:job_id>/again")
def run_again(job_id: uuid.UUID) -> Response:
    """The form of the job's kind, filled in. Raises NotFound and Conflict."""
    with current_backend().database.read() as session:
        asked = again(session, job_id)
        wrong = _wrong(jobs.get(session, job_id))
    values = dict(values_of(asked.kind, asked.spec))
    values["job.name"] = asked.name or ""
    values["job.labels"] = "\n".join(f"{key}={value}" for key, value in asked.labels.items())
    return show_form(asked.kind, values, {**_changed_by_a_form(asked.kind, asked.spec), **wrong})


def _wrong(job: jobs.Job) -> dict[str, str]:
    """What a failed job says of a field, beside that field."""
    why = job.error_message
    if why is None or (field := kinds.wrong_field(job.kind, job.spec, why)) is None:
        return {}
    return {"form": "the job failed: change what is marked below, and run it again", field: why}


def values_of(kind: str, spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Texts of a form's fields, by their dotted names; of files their ids, as `KEPT` and the name."""
    for name, field in fields_of(kind).items():
        value = _at(spec, name)
        if value is None:
            continue
        if field.input in ("file", "files"):
            yield f"{KEPT}{name}", " ".join(map(str, value if isinstance(value, list) else [value]))
        else:
            yield name, _written(field, value)
    for source in kinds.find(kind).sources:
        if any(spec.get(name) is not None for name in (source.field, source.several) if name):
            yield "source", source.name


def _changed_by_a_form(kind: str, spec: Mapping[str, Any]) -> dict[str, str]:
    """What a form can't hold as it was: lines in lines."""
    return {
        name: "line breaks within a line are blanks now"
        for name, field in fields_of(kind).items()
        if field.input == "lines" and any(len(line.splitlines()) > 1 for line in _at(spec, name) or ())
    }


def _written(field: Field, value: Any) -> str:
    """As a person would fill it in."""
    if isinstance(value, bool):
        return "true" if value else "false"
    match field.input:
        case "lines":
            return "\n".join(" ".join(line.splitlines()) for line in value)
        case "pairs" | "choice or pairs" if isinstance(value, dict):
            return "\n".join(f"{name} {json.dumps(number)}" for name, number in value.items())
        case "json":
            return json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) else json.dumps(value)


def _at(spec: Any, name: str) -> Any:
    for part in name.split("."):
        spec = spec.get(part) if isinstance(spec, Mapping) else None
    return spec
