"""What is wrong with the fields of a request, each in one line that says what would be right."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from flask import json
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from jobyard.shared import kinds
from jobyard.shared.kinds.submission import MANY, MARKS, ONE
from jobyard.shared.texts import encodable
from jobyard.web.patterns import SHOULD_BE

# JSON from outside may hold halves of surrogate pairs, which no answer can.
Words = Annotated[str, BeforeValidator(encodable)]


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: Words = Field(description="Dotted path: `spec.epochs`, `spec.texts.3`")
    message: Words = Field(description="What is wrong, and what would be right")


def field_errors(error: ValidationError) -> list[FieldError]:
    """One entry per wrong field; at most ten, more than anybody corrects at once."""
    return [
        FieldError(field=_path(found) or "body", message=_message(found))
        for found in error.errors(include_url=False)[:10]
    ]


def _path(found: Any) -> str:
    # In a union, pydantic puts the tag of the chosen branch before the fields: `one` or `many`, the kind.
    parts = [str(part) for part in found["loc"] if part != "[key]"]
    if parts and parts[0] in (ONE, MANY):
        parts = parts[1:]
    kind = 1 if parts and parts[0].isdecimal() else 0
    if _names_a_kind(found, parts[kind:]):
        del parts[kind]
    if found["type"] in ("union_tag_not_found", "union_tag_invalid"):
        parts.append("kind")
    return ".".join(parts)


def _names_a_kind(found: Any, parts: Sequence[str]) -> bool:
    """Whether a path begins with the tag of a kind, and not with an unknown field that is called like one."""
    is_field = len(parts) == 1 and found["type"] == "extra_forbidden"
    return bool(parts) and parts[0] in kinds.by_name() and not is_field


def _message(found: Any) -> str:
    context = found.get("ctx", {})
    match found["type"]:
        case "extra_forbidden":
            return f"there is no such field{_guess(str(found['loc'][-1]), _fields_beside(found['loc']))}"
        case "missing":
            return "is missing"
        case "union_tag_not_found":
            return f"is missing; should be one of {', '.join(map(repr, kinds.by_name()))}"
        case "union_tag_invalid":
            guess = _guess(str(context["tag"]), kinds.by_name())
            return f"should be one of {context['expected_tags']}, but is {context['tag']!r}{guess}"
        case "string_pattern_mismatch" if should := SHOULD_BE.get(context["pattern"]):
            return should.format(_shown(found["input"]))
        case "value_error":
            return str(context["error"])
    return _translated(found)


def _translated(found: Any) -> str:
    """pydantic's own message, made to fit behind the field's name."""
    message = found["msg"]
    message = (
        message.removeprefix("Input ")
        .removeprefix("String ")
        .removeprefix("List ")
        .replace(" after validation", "")
    )
    return f"{message[0].lower()}{message[1:]}, but is {_shown(found['input'])}"


def _guess(written: str, known: Iterable[str]) -> str:
    """ "; did you mean 'epochs'?", or nothing where no known name is near."""
    near = difflib.get_close_matches(written, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _fields_beside(path: Sequence[str | int]) -> Iterable[str]:
    """The names that a field of a kind's spec could have had, by its path in the error."""
    names = [part for part in path if isinstance(part, str)]
    kind = next((name for name in names[:-1] if name in kinds.by_name()), None)
    if kind is None:
        return ()
    model: Any = kinds.find(kind).Spec
    outer = names[names.index(kind) + 1 : -1]
    if outer[:1] != ["spec"]:
        return ("kind", "priority", "spec", *MARKS)
    for name in outer[1:]:
        field = model.model_fields.get(name)
        model = field.annotation if field is not None else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return ()
    return tuple(model.model_fields)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    length = len(value) if isinstance(value, str | list | dict) else len(text)
    return text if len(text) <= 60 else f"{text[:57]}… ({length:,} long)"
