"""What a spec refers to: uploads, data sets, models and addresses, all looked up when it is submitted."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.orm import Session

from jobyard.shared import addresses, kinds, registry, storage
from jobyard.shared.errors import BadInput, NotFound, WorkError
from jobyard.shared.import_roots import ImportRoots
from jobyard.shared.kinds.base import Kind, Reference, Spec
from jobyard.shared.kinds.findings import Findings
from jobyard.shared.kinds.submission import AnySubmission
from jobyard.shared.needs import Needs
from jobyard.web.backend import Backend

TABLES: dict[str, type[registry.Dataset] | type[registry.Model]] = {
    "dataset": registry.Dataset,
    "model": registry.Model,
}


def has_to_be_checked(submission: AnySubmission) -> bool:
    """Whether the spec names anything that this server has, or has not, or its kind has checks of its own."""
    kind = kinds.any_of(submission.kind)
    if type(kind).resolve is not Kind.resolve:
        return True
    uploads = any(file_id is not None for file_id in kind.inputs(submission.spec).values())
    return (
        uploads
        or bool(kind.addresses(submission.spec))
        or any(one.name is not None for one in kind.references(submission.spec))
    )


def resolve(
    session: Session,
    backend: Backend,
    submission: AnySubmission,
    where: str = "",
    pending: UUID | None = None,
) -> tuple[AnySubmission, Needs]:
    """With names pinned to versions, and what the job needs. `pending` stands for what is still to come.

    Raises BadInput for what isn't there; `where` comes before the names of fields.
    """
    try:
        spec, needs = _resolved(session, backend, kinds.any_of(submission.kind), submission.spec, pending)
    except BadInput as error:
        raise BadInput(f"{where}{error.field}", error.message) from None
    return submission.model_copy(update={"spec": spec}), needs


def _resolved(
    session: Session, backend: Backend, kind: Kind[Any], spec: Spec, pending: UUID | None
) -> tuple[Spec, Needs]:
    """Check what the spec refers to, and pin names to versions: the job means what was there now.

    What `pending` stands for, an upload or a data set, is not there yet, and not looked for.
    """
    found = Findings(ImportRoots(backend.settings.import_roots))
    for reference in kind.references(spec):
        is_pending = pending is not None and reference.noun == "dataset" and reference.name == str(pending)
        if reference.name is not None and not is_pending:
            thing = _find(session, reference, reference.name)
            named = found.datasets if isinstance(thing, registry.Dataset) else found.models
            named[reference.field] = thing  # type: ignore[assignment]
            spec = with_value(spec, reference.field, thing.reference)
    found.files = _files(session, kind, spec, pending)
    whole = kind.addresses(spec)
    for name, address in whole.items():
        spec = with_value(spec, name, _checked_address(backend, name, address))
    spec = kind.resolve(spec, found)
    things = [*found.datasets.values(), *found.models.values()]
    return spec, Needs(
        files=[file.id for file in found.files.values()],
        referents=[thing.id for thing in things],
        addresses=whole,
        file_names={str(file.id): file.name for file in found.files.values()},
    )


def _checked_address(backend: Backend, name: str, address: str) -> str:
    """An address without its query, which may be a secret. Raises BadInput where it can't be fetched from."""
    parsed = addresses.parse(address)
    try:
        backend.settings.source_rules.check(parsed)
    except WorkError as error:
        raise BadInput(f"spec.{name}", error.message) from None
    return parsed.shown


def _find(session: Session, reference: Reference, name: str) -> registry.Dataset | registry.Model:
    try:
        return registry.find(session, TABLES[reference.noun], name)
    except NotFound as error:
        raise BadInput(f"spec.{reference.field}", error.message) from None


def _files(session: Session, kind: Kind[Any], spec: Spec, pending: UUID | None) -> dict[str, storage.File]:
    """The uploads that the spec names, by their fields. Raises BadInput for the first that is not there."""
    ids = {name: file_id for name, file_id in kind.inputs(spec).items() if file_id not in (None, pending)}
    try:
        return dict(zip(ids, storage.get_files(session, list(ids.values())), strict=True)) if ids else {}
    except NotFound:
        for name, file_id in ids.items():
            try:
                storage.get_file(session, file_id)
            except NotFound as error:
                raise BadInput(f"spec.{name}", error.message) from None
        raise


def with_value(spec: Any, path: str, value: Any) -> Any:
    """The spec with another value at a dotted path."""
    name, _, rest = path.partition(".")
    if isinstance(spec, BaseModel):
        inner = with_value(getattr(spec, name), rest, value) if rest else value
        return spec.model_copy(update={name: inner})
    if isinstance(spec, list):
        changed = list(spec)
        changed[int(name)] = with_value(spec[int(name)], rest, value) if rest else value
        return changed
    return spec | {name: with_value(spec[name], rest, value) if rest else value}
