"""Forms that submit jobs: the same specs as the API's, with what is wrong said beside each field."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import make_response, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from jobyard.client.columns import column
from jobyard.shared import registry
from jobyard.shared.errors import BadInput, NotFound, TooLarge
from jobyard.shared.kinds.predict import PredictSpec
from jobyard.shared.kinds.sentiment import SHOWN_ENCODINGS
from jobyard.shared.kinds.submission import SPECS, SUBMISSION
from jobyard.web.backend import backend
from jobyard.web.pages.blueprint import routes
from jobyard.web.pages.fields import fields_of
from jobyard.web.problems import FieldError, field_errors
from jobyard.web.services.submission import submit
from jobyard.web.services.uploads import OVERHEAD_BYTES, Uploads

# A form holds its files in memory or open: more pictures come in an archive, or one by one through the API.
MAX_PICTURES = 1_000
MAX_PARTS = MAX_PICTURES + 100
MAX_CHOICES = 500

# Stands in for the ids of files until everything else is known to be right.
UNSTORED = UUID(int=0)


class Refused(Exception):
    """The form can't be accepted: field → what would be right; `form` is for what concerns no one field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass
class Filled:
    """A form as it was filled in: `spec` with files by UNSTORED, the files, and what is missing."""

    spec: dict[str, Any]
    files: list[FileStorage] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


@routes.get("/new/<kind>")
def new(kind: str) -> Response:
    """An empty form; the query may fill fields (`/new/train?dataset=cats@1`)."""
    return _form(kind, request.args.to_dict(), {})


@routes.post("/new/<kind>")
def create(kind: str) -> Response:
    """Submit the form: to the job's page, or back to the form with what is wrong (422)."""
    request.max_content_length = backend().settings.max_upload_bytes + OVERHEAD_BYTES
    request.max_form_parts = MAX_PARTS
    try:
        job_id = _submit(kind)
    except Refused as refused:
        # A checkbox sends its hidden "false" first: the last value counts.
        values = {name: given[-1] for name, given in request.form.lists()}
        response = _form(kind, values, refused.errors)
        response.status_code = 422
        return response
    return redirect(url_for("pages.job", job_id=job_id), 303)


def _form(kind: str, values: Mapping[str, str], errors: Mapping[str, str]) -> Response:
    if kind not in SPECS:
        raise NotFound(f"there is no form for {kind!r}")
    here = backend()
    with here.database.read() as session:
        datasets = registry.page(session, registry.Dataset, limit=MAX_CHOICES)
        models = registry.page(session, registry.Model, limit=MAX_CHOICES)
    page = render_template(
        f"new/{kind}.html",
        kind=kind,
        values=values,
        errors=errors,
        fields=fields_of(kind),
        choices={
            "dataset": [found.reference for found in datasets],
            "model": [found.reference for found in models],
        },
        encodings=SHOWN_ENCODINGS,
        max_bytes=here.settings.max_upload_bytes,
    )
    return make_response(page)


def _submit(kind: str) -> uuid.UUID:
    """Raises Refused; then nothing of the form stays behind."""
    filled = _read(kind)
    try:
        submission = SUBMISSION.validate_python({"kind": kind, "spec": filled.spec})
    except ValidationError as error:
        errors = _by_field(field_errors(error))
        if filled.missing:
            errors.pop("form", None)  # that there is no source is said better beside its field
        raise Refused({**errors, **filled.missing}) from None
    if filled.missing:
        raise Refused(filled.missing)
    try:
        with Uploads() as uploads:
            spec = submission.spec
            if isinstance(spec, PredictSpec) and spec.images:
                ids = [uploads.keep(file, "images").id for file in filled.files]
                spec = spec.model_copy(update={"images": ids})
            elif isinstance(spec, PredictSpec) and spec.archive:
                spec = spec.model_copy(update={"archive": uploads.keep(filled.files[0], "archive").id})
            elif filled.files:
                spec = spec.model_copy(update={"file": uploads.keep(filled.files[0], "file").id})
            job, _ = submit(backend(), submission.model_copy(update={"spec": spec}), None)
    except BadInput as error:
        raise Refused(_by_field([FieldError(field=error.field, message=error.message)])) from None
    except TooLarge as error:
        field, _, message = error.message.partition(": ")
        raise Refused({field: message}) from None
    return job.id


def _read(kind: str) -> Filled:
    """What was filled in, of the source that was chosen. Raises NotFound for an unknown kind."""
    if kind not in SPECS:
        raise NotFound(f"there is no form for {kind!r}")
    filled = Filled(_typed(kind))
    source = request.form.get("source")
    match kind:
        case "predict" if source == "dataset":
            _demand(filled, "dataset", "choose a data set")
        case "predict" if source == "archive":
            filled.spec.pop("dataset", None)
            _take_files(filled, "archive", "choose a zip or tar archive")
            filled.spec["archive"] = UNSTORED
        case "predict":
            filled.spec.pop("dataset", None)
            _take_files(filled, "images", "choose at least one picture")
            if len(filled.files) > MAX_PICTURES:
                filled.missing["images"] = f"at most {MAX_PICTURES:,} at once; an archive may have more"
            filled.spec["images"] = [UNSTORED] * max(len(filled.files), 1)
        case "sentiment":
            _read_sentiment(filled, source)
        case "import" if source == "path":
            _demand(filled, "path", "name a folder")
        case "import":
            filled.spec.pop("path", None)
            _take_files(filled, "file", "choose a zip or tar archive")
            filled.spec["file"] = UNSTORED
    return filled


def _read_sentiment(filled: Filled, source: str | None) -> None:
    of_file, of_texts = ("column", "group_by", "encoding", "errors", "format"), ("texts", "explain")
    for name in of_texts if source == "file" else of_file:
        filled.spec.pop(name, None)
    if source == "file":
        for name in {"column", "group_by"} & filled.spec.keys():
            filled.spec[name] = column(filled.spec[name])
        _take_files(filled, "file", "choose a file")
        filled.spec["file"] = UNSTORED
    else:
        _demand(filled, "texts", "write at least one text")
        filled.spec["texts"] = [text for _, text in _lines("texts")] or ["-"]
    if "lexicon" in filled.spec:
        filled.spec["lexicon"] = _own_words(filled)


def _own_words(filled: Filled) -> dict[str, float] | None:
    """A word and its valence on each line."""
    words = {}
    for number, line in _lines("lexicon"):
        try:
            word, valence = line.split()
            words[word] = float(valence)
        except ValueError:
            filled.missing["lexicon"] = f"line {number}: should be a word and its valence, as in: sick 2.1"
    return words or None


def _demand(filled: Filled, name: str, otherwise: str) -> None:
    if name not in filled.spec:
        filled.missing[name] = otherwise


def _typed(kind: str) -> dict[str, Any]:
    """Fields with something in them, nested as in the spec; what is left empty gets its default."""
    spec: dict[str, Any] = {}
    for name in fields_of(kind):
        given = request.form.getlist(name)
        if given and given[-1].strip():
            *outer, last = name.split(".")
            place = spec
            for part in outer:
                place = place.setdefault(part, {})
            place[last] = given[-1].strip()
    return spec


def _take_files(filled: Filled, name: str, otherwise: str) -> None:
    filled.files = [file for file in request.files.getlist(name) if file.filename]
    if not filled.files:
        filled.missing[name] = otherwise


def _lines(name: str) -> list[tuple[int, str]]:
    """Of a field, with their numbers; empty ones are left out."""
    lines = re.split(r"\r\n|\n|\r", request.form.get(name, ""))
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def _by_field(found: list[FieldError]) -> dict[str, str]:
    """`spec.epochs` → `epochs`; an item of a list is said of the list, a text by its line."""
    errors: dict[str, str] = {}
    for error in found:
        name = error.field.removeprefix("spec.")
        message = error.message.partition(", but is ")[0]  # it stands in the field
        if name == "spec":
            name = "form"
        elif name.startswith("lexicon."):
            word, name = name.removeprefix("lexicon."), "lexicon"
            message = f"{word[:50]!r} {message}"
        elif match := re.fullmatch(r"(texts|images)\.(\d+)", name):
            name = match[1]
            if name == "texts":
                message = f"line {_lines('texts')[int(match[2])][0]}: {message}"
            else:
                message = f"the picture {message}"
        errors[name] = f"{errors[name]}; {message}" if name in errors else message
    return errors
