"""What `jobyard … --json` prints: its JSON Schema, made of the API's, and the page about it."""

import json
from pathlib import Path
from typing import Any, Final

from jobyard.shared.backups.manifest import Manifest

Schema = dict[str, Any]

ROOT: Final = Path(__file__).parents[2]
SCHEMA: Final = ROOT / "docs/reference/cli.schema.json"
PAGE: Final = ROOT / "docs/reference/cli-json.md"

ENDED: Final = "A line when the job has ended, whichever way."
EACH: Final = "A line for each."
CHANGED: Final = "A line for each, as it is after the change."
ONE_OR_MANY: Final = "Of one job, a line of it; of several or `--all`, a line of what became of them."

# What each command prints: a schema below, and when.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "train": ("Job", ENDED),
    "predict": ("PredictedPicture", "A line for each picture, when the job has succeeded."),
    "evaluate": ("Job", ENDED),
    "score": ("Job", ENDED),
    "submit": ("Job", "A line when the job has ended, or with `--detach` as soon as it is submitted."),
    "watch": ("Job", ENDED),
    "results": ("Job", "A line."),
    "jobs": ("Job", "A line for each; long values are cut, as `truncated` says."),
    "edit": ("Job", CHANGED),
    "pause": ("JobOrMoved", ONE_OR_MANY),
    "resume": ("JobOrMoved", ONE_OR_MANY),
    "cancel": ("JobOrMoved", ONE_OR_MANY),
    "retry": ("JobOrMoved", ONE_OR_MANY),
    "delete": (
        "DeletedOrMoved",
        "A line for each that was deleted; of `--all` or `--dry-run`, one line.",
    ),
    "models": ("Model", EACH),
    "models add": ("Job", ENDED),
    "files": ("Upload", EACH),
    "queues": ("Queue", EACH),
    "queues limit": ("Queue", "A line of the queue after the change."),
    "queues pause": ("Queue", "A line of the queue after the change."),
    "queues resume": ("Queue", "A line of the queue after the change."),
    "workers": ("Worker", EACH),
    "workers drain": ("Worker", CHANGED),
    "workers undrain": ("Worker", CHANGED),
    "failures": ("FailureGroup", "A line for each group, those that are tried again last."),
    "failures retry": ("RetriedGroup", "A line for each key."),
    "webhooks": ("Webhook", EACH),
    "webhooks add": ("WebhookWithSecret", "A line, the only one that has the secret."),
    "webhooks deliveries": ("Delivery", EACH),
    "webhooks rotate": ("WebhookWithSecret", "A line, the only one that has the new secret."),
    "webhooks test": ("Delivery", "A line."),
    "tokens": ("Token", EACH),
    "tokens create": ("NewToken", "A line, the only one that has the secret."),
    "audit": ("AuditEntry", EACH),
    "doctor": ("Examination", "A line."),
    "backup": ("Manifest", "A line."),
    "restore": ("Restored", "A line."),
    "move": ("MovedRows", "A line."),
}


def _object(description: str, **properties: Schema) -> Schema:
    """Of which every member is there."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "integer", "minimum": 0}
ROWS: Final[Schema] = {"type": "object", "additionalProperties": NUMBER, "description": "By table"}
MOVED: Final = _object(
    "What became of many jobs",
    matched=NUMBER,
    moved=NUMBER,
    refused={"type": "array", "items": _ref("Refused")},
)
AGAIN: Final = {"is_tried_again": {"type": "boolean", "description": "Whether the jobs have not failed yet"}}

# What the API has not.
OWN: Final[dict[str, Schema]] = {
    "PredictedPicture": {
        "type": "object",
        "description": "A picture by the path that was given",
        "properties": {
            "image": TEXT,
            "label": {"type": ["string", "null"]},
            "probability": {"type": ["number", "null"]},
            "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
            "error": {"type": "string", "description": "Why it has no label; only then"},
        },
        "required": ["image", "label", "probability", "probabilities"],
    },
    "MovedJobs": MOVED,
    "JobOrMoved": {"anyOf": [_ref("Job"), _ref("MovedJobs")]},
    "DeletedJob": _object("A job that is no more", id=TEXT, deleted={"const": True}),
    "DeletedOrMoved": {"anyOf": [_ref("DeletedJob"), _ref("MovedJobs")]},
    "FailureGroup": {
        "anyOf": [
            {"allOf": [_ref(name), {"type": "object", "properties": AGAIN, "required": [*AGAIN]}]}
            for name in ("Failures", "Setbacks")
        ]
    },
    "RetriedGroup": {"allOf": [_object("The group that was meant", key=TEXT), _ref("Retried")]},
    "Examination": _object(
        "What `doctor` found",
        errors=NUMBER,
        warnings=NUMBER,
        findings={
            "type": "array",
            "items": _object(
                "What is well, or what is wrong and what helps",
                topic=TEXT,
                level={"enum": ["ok", "warning", "error"]},
                text=TEXT,
                remedy={"type": ["string", "null"]},
            ),
        },
    ),
    "Restored": _object("What was restored", revision=TEXT, files=NUMBER, rows=ROWS),
    "MovedRows": _object("What was moved to the other database", rows=ROWS, to=TEXT),
}

TEXT_OF_PAGE: Final = """# JSON of the command line

`--json` prints lines of JSON to standard output, and nothing else. What they hold is stable: members are
added, and none is removed or changes its type or meaning within a major version. So a program should pass
over members that it doesn't know. Errors are lines of text on standard error, with an
[exit code](../how-to/use-the-command-line.md#exit-codes).

[cli.schema.json](cli.schema.json) is a JSON Schema (2020-12) of all of it; `#/$defs/jobyard%20jobs` is that
of a line of `jobyard jobs --json`. Most lines are objects of the HTTP API, under the names that they have
there: a running server shows them at `/api/docs`.

| command | lines | object |
| --- | --- | --- |
"""


def files(openapi: Schema) -> dict[Path, str]:
    """Each file, and what it should hold."""
    schema = document(openapi)
    rows = [
        f"| `jobyard {command} --json` | {when} | {_objects(schema, name)} |"
        for command, (name, when) in COMMANDS.items()
    ]
    return {
        SCHEMA: json.dumps(schema, indent=1, ensure_ascii=False) + "\n",
        PAGE: TEXT_OF_PAGE + "\n".join(rows) + "\n",
    }


def document(openapi: Schema) -> Schema:
    """The JSON Schema: of each command by `jobyard COMMAND`, and of what it is made of."""
    theirs = _moved(openapi["components"]["schemas"]) | OWN
    manifest = _moved(Manifest.model_json_schema(mode="serialization"))
    theirs |= manifest.pop("$defs", {}) | {"Manifest": manifest}
    needed: dict[str, Schema] = {}
    pending = [name for name, _ in COMMANDS.values()]
    while pending:
        if (name := pending.pop()) not in needed:
            needed[name] = theirs[name]
            pending += _names(theirs[name])
    lines = {f"jobyard {command}": _ref(name) for command, (name, _) in COMMANDS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `jobyard … --json` prints: a line of each command",
        "$defs": lines | dict(sorted(needed.items())),
    }


def _moved(schema: Any) -> Any:
    """With references to `$defs`; without titles, which only repeat names."""
    match schema:
        case dict():
            return {
                name: value.replace("#/components/schemas/", "#/$defs/") if name == "$ref" else _moved(value)
                for name, value in schema.items()
                if name != "title" or not isinstance(value, str)
            }
        case list():
            return [_moved(inner) for inner in schema]
    return schema


def _names(schema: Any) -> list[str]:
    """What a schema refers to."""
    match schema:
        case dict():
            own = [schema["$ref"].rpartition("/")[2]] if isinstance(schema.get("$ref"), str) else []
            return own + [name for inner in schema.values() for name in _names(inner)]
        case list():
            return [name for inner in schema for name in _names(inner)]
    return []


def _objects(schema: Schema, name: str) -> str:
    """What people read: names, or the members of what is no object of the API."""
    found = schema["$defs"][name]
    if name not in OWN:
        return name
    if "anyOf" in found:
        inner = [_names(one)[0] for one in found["anyOf"]]
        return " or ".join(_objects(schema, one) for one in inner)
    members = [one for part in found.get("allOf", [found]) for one in part.get("properties", {})]
    others = [one for part in found.get("allOf", []) for one in _names(part)]
    return ", ".join([*(f"`{one}`" for one in members), *others])
