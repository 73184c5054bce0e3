"""Forms that submit jobs: the same specs as the API's, with the errors beside each field."""

import inspect
import uuid
from collections.abc import Mapping
from typing import NamedTuple

from flask import make_response, redirect, render_template, request, url_for
from pydantic import ValidationError
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from jobyard.shared import kinds, registry, storage
from jobyard.shared.errors import BadInput, TooLarge
from jobyard.shared.kinds.reading import SHOWN_ENCODINGS
from jobyard.shared.kinds.submission import MARKS, SUBMISSION
from jobyard.web.auth import current_identity
from jobyard.web.backend import current_backend
from jobyard.web.field_errors import FieldError, field_errors
from jobyard.web.pages import form_data, marks
from jobyard.web.pages.blueprint import routes
from jobyard.web.pages.fields import fields_of
from jobyard.web.pages.form_data import KEPT
from jobyard.web.services.references import with_value
from jobyard.web.services.submission import submit
from jobyard.web.services.uploads import Uploads

MAX_CHOICES = 500


class Kept(NamedTuple):
    """Uploads of a field: as the form sends them, the names of those that are there, how many are gone."""

    sent: str
    names: list[str]
    gone: int


class Refused(Exception):
    """The form can't be accepted: field → what would be right; `form` is for what concerns no one field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors

    def beside(self, places: Mapping[str, str]) -> dict[str, str]:
        """The errors, those of fields that have no place of their own at the field whose place they share."""
        return {places.get(name, name): message for name, message in self.errors.items()}


@routes.get("/new/<kind>")
def new(kind: str) -> Response:
    """An empty form; the query may fill fields (`/new/train?dataset=cats@1`)."""
    if request.method == "HEAD":
        # A script asks before it sends the form whether it still may: that is known without another form.
        kinds.find(kind)
        return Response(content_type="text/html; charset=utf-8")
    return show_form(kind, request.args.to_dict(), {})


@routes.post("/new/<kind>")
def create(kind: str) -> Response:
    """Submit the form: to the job's page, or back to the form with what is wrong (422)."""
    try:
        job_id = _submit(kind)
    except Refused as refused:
        # A checkbox sends its hidden "false" first: the last value counts.
        values = {name: given[-1] for name, given in request.form.lists()}
        places = {one.several: one.field for one in kinds.find(kind).sources if one.several is not None}
        response = show_form(kind, values, refused.beside(places))
        response.status_code = 422
        return response
    return redirect(url_for("pages.job", job_id=job_id), 303)


def show_form(kind: str, values: Mapping[str, str], errors: Mapping[str, str]) -> Response:
    """The form of a kind with values by field, and what is wrong with some of them. Raises NotFound."""
    declared = kinds.find(kind)
    backend = current_backend()
    with backend.database.read() as session:
        kept = _kept_files(session, values)
        choices = {
            "dataset": registry.references(session, registry.Dataset, limit=MAX_CHOICES),
            "model": registry.references(session, registry.Model, limit=MAX_CHOICES),
        }
    page = render_template(
        [f"kinds/{kind}/form.html", "kinds/generic/form.html"],
        kind=kind,
        declared=declared,
        lead=inspect.cleandoc(declared.Spec.__doc__ or ""),
        values=values,
        errors=errors,
        kept=kept,
        several={one.field: one.several for one in declared.sources},
        # The names of the fields that the template shows: the others keep their values, unseen.
        shown=set(),
        fields=fields_of(kind),
        choices=choices,
        encodings=SHOWN_ENCODINGS,
        max_bytes=backend.settings.max_upload_bytes,
    )
    return make_response(page)


def _kept_files(session: Session, values: Mapping[str, str]) -> dict[str, Kept]:
    """The uploads that a form would use again, by field."""
    found = {}
    for name, written in values.items():
        if name.startswith(KEPT) and written:
            ids = {one: file_id for one in written.split() if (file_id := _file_id(one)) is not None}
            names = storage.file_names(session, ids.values())
            shown = [names.get(ids[one]) if one in ids else one for one in written.split()]
            there = [one for one in shown if one is not None]
            found[name.removeprefix(KEPT)] = Kept(written, there, len(shown) - len(there))
    return found


def _file_id(written: str) -> uuid.UUID | None:
    """None for an address."""
    try:
        return uuid.UUID(written)
    except ValueError:
        return None


def _submit(kind: str) -> uuid.UUID:
    """Raises Refused; then nothing of the form stays behind."""
    filled = form_data.read(kind)
    # All that is wrong is said at once.
    given, wrong = {}, dict(filled.missing)
    try:
        given = marks.filled_in()
    except BadInput as error:
        wrong[f"{marks.PREFIX}{error.field}"] = error.message
    try:
        submission = SUBMISSION.validate_python({"kind": kind, "spec": filled.spec, **given})
    except ValidationError as error:
        errors = _by_field(kind, field_errors(error))
        if filled.missing:
            errors.pop("form", None)  # a missing source is reported beside its field
        raise Refused({**errors, **wrong}) from None
    if wrong:
        raise Refused(wrong)
    try:
        with Uploads() as uploads:
            spec = submission.spec
            for name, files in filled.files.items():
                ids = [_kept(uploads, file, name, alone=len(files) == 1) for file in files]
                spec = with_value(spec, name, ids if fields_of(kind)[name].input == "files" else ids[0])
            asked = submission.model_copy(update={"spec": spec})
            job, _ = submit(current_backend(), asked, None, submitter=current_identity())
    except BadInput as error:
        raise Refused(_by_field(kind, [FieldError(field=error.field, message=error.message)])) from None
    except TooLarge as error:
        field, _, message = error.message.partition(": ")
        raise Refused({field: message}) from None
    return job.id


def _kept(uploads: Uploads, file: FileStorage, name: str, *, alone: bool) -> uuid.UUID:
    """Store a file. Raises BadInput, which names it where there are several, and TooLarge."""
    try:
        # Of several pictures one that is empty is a row with that reason.
        return uploads.keep(file, name, may_be_empty=name == "images" and not alone).id
    except BadInput as error:
        if alone:
            raise
        raise BadInput(error.field, f"{(file.filename or '')[:100]!r}: {error.message}") from None


def _by_field(kind: str, found: list[FieldError]) -> dict[str, str]:
    """`spec.epochs` → `epochs`; an item of a list belongs to the list, a text to its line."""
    inputs = {name: field.input for name, field in fields_of(kind).items()}
    errors: dict[str, str] = {}
    for error in found:
        name = error.field.removeprefix("spec.")
        message = error.message.partition(", but is ")[0]  # it stands in the field
        outer, _, inner = name.partition(".")
        if not error.field.startswith("spec") and outer in MARKS:
            key = f"{inner[:50]!r} " if inner else ""
            name, message = f"{marks.PREFIX}{outer}", f"{key}{message}"
        elif name == "spec":
            name = "form"
        elif inputs.get(outer) == "pairs" and inner:
            name, message = outer, f"{inner[:50]!r} {message}"
        elif inputs.get(outer) == "lines" and inner.isdecimal():
            name, message = outer, f"line {form_data.lines(outer)[int(inner)][0]}: {message}"
        elif inputs.get(outer) == "files" and inner.isdecimal():
            name, message = outer, f"the file {message}"
        errors[name] = f"{errors[name]}; {message}" if name in errors else message
    return errors
