"""A job's request with changes: what it worked on gives way to what is to be worked on instead."""

from collections.abc import Iterable, Mapping
from typing import Any

from jobyard.client.errors import BadRequest, Json


def marks_of(request: Json) -> Json:
    """Its name and labels, where it has them."""
    return {name: request[name] for name in ("name", "labels") if request[name]}


def without_others(spec: Json, changed: Iterable[str], alternatives: Iterable[Json]) -> Json:
    """The spec without what the changed fields take the place of: a job works on a file or on texts.

    `alternatives` are those of the kind, as the server has them.
    """
    alternatives = list(alternatives)
    chosen = [one for one in alternatives if set(one["fields"]) & set(changed)]
    if not chosen:
        return dict(spec)
    gone = {name for one in alternatives for name in one["fields"]}
    gone |= {name for one in alternatives if one not in chosen for name in one["own"]}
    return {name: value for name, value in spec.items() if name not in gone}


def changed_spec(found: Json, changes: Mapping[str, Any]) -> Json:
    """The spec of what `GET /api/v1/jobs/ID/request` has answered, with changes; None: the default.

    Raises BadRequest where an upload that the job read was deleted, and nothing takes its place.
    """
    given = {name for name, value in changes.items() if value is not None}
    spec = without_others(found["request"]["spec"], given, found["alternatives"])
    spec = {
        name: value for name, value in (spec | dict(changes)).items() if name not in changes or name in given
    }
    require_files(spec, found["missing"])
    return spec


def require_files(spec: Json, missing: Iterable[str]) -> None:
    """Raises BadRequest for the first file of the spec that was deleted."""
    for name, value in spec.items():
        for file_id in value if isinstance(value, list) else [value]:
            if isinstance(file_id, str) and file_id in missing:
                raise BadRequest(f"spec.{name}: the file {file_id} was deleted; give another one")
