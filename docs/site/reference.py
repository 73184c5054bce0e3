"""The pages of docs/reference that are made from the code when the site is built."""

import tempfile
from pathlib import Path
from typing import Any

import click
from schemas import RULE, Schema, fields_table, kind_of, row

from jobyard.cli import cli
from jobyard.shared.config import Settings
from jobyard.shared.kinds import by_name
from jobyard.shared.kinds.submission import Submission
from jobyard.shared.migrate import upgrade
from jobyard.web.app import create_app

# A socket that nobody listens on: no page needs a broker.
NO_BROKER = "redis+socket:///nonexistent/redis.sock"

PYTHON_CLIENT = """# Python client

::: jobyard.client._sync.client.Client
    options:
      inherited_members: true

::: jobyard.client._sync.job.Job
    options:
      inherited_members: true

## Results as rows and as tables

::: jobyard.client._sync.scores.Scores
    options:
      inherited_members: true

::: jobyard.client._sync.predictions.Predictions

::: jobyard.client._sync.groups.Groups

::: jobyard.client.metric_history.MetricHistory

## In an event loop

`AsyncClient` and `AsyncJob` have the same methods with the same arguments, of which those that ask the server
are awaited, and those that return an iterator are iterated with `async for`. `aclose` takes the place of
`close`.

::: jobyard.client._async.client.AsyncClient
    options:
      members: false

## Errors

::: jobyard.client.errors
"""


def pages() -> dict[str, str]:
    """Each page's path below docs/, and its Markdown."""
    return {
        "reference/kinds.md": kinds(),
        "reference/command-line.md": command_line(),
        "reference/python-client.md": PYTHON_CLIENT,
        "reference/http-api.md": http_api(),
    }


def kinds() -> str:
    """Every kind of job with the fields of its spec, and of what is in these."""
    request = Submission.model_json_schema()
    optional = {name: field for name, field in request["properties"].items() if name not in ("kind", "spec")}
    parts = [
        "# Kinds of job",
        "A request for a job has a `kind`, a `spec` and, if you like:",
        fields_table({"properties": optional}, _plain),
    ]
    for kind, declared in by_name().items():
        schema = declared.Spec.model_json_schema()
        parts += [
            f"## {kind}",
            f"{schema.get('description', '')} It runs on the queue `{declared.queue}`.",
            fields_table(schema, _plain),
        ]
        for name, nested in schema.get("$defs", {}).items():
            if "properties" in nested:
                parts += [f"### {name}", nested.get("description", ""), fields_table(nested, _plain)]
    return "\n\n".join(parts) + "\n"


def command_line() -> str:
    """Every command as its own `--help` describes it."""
    parts = ["# Command line", *_help(cli, "jobyard", "##")]
    return "\n\n".join(parts) + "\n"


def http_api() -> str:
    """Every request of the HTTP API with its parameters and answers, from its OpenAPI document."""
    document = _openapi()
    parts = [
        "# HTTP API",
        "Every request needs the header `Authorization: Bearer TOKEN`. Errors are problem documents "
        "(RFC 9457). A running server has the same as OpenAPI, at `/api/v1/openapi.json`, and as a page to "
        "try it, at `/api/docs`.",
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _operation(method, path, operation)
    parts.append("## Schemas")
    for name, schema in document["components"]["schemas"].items():
        title = schema.get("title", name).replace("[", "\\[")
        parts.append(f"### {title} {{ #{_anchor(name)} }}")
        parts.append(schema.get("description", "").replace("<br/>", "\n"))
        parts.append(fields_table(schema, _linked) if "properties" in schema else kind_of(schema, _linked))
    return "\n\n".join(part for part in parts if part) + "\n"


def _help(command: click.Command, called: str, heading: str) -> list[str]:
    """The help of a command and of those below it."""
    context = click.Context(command, info_name=called, max_content_width=90)
    parts = [f"{heading} {called}", f"```text\n{command.get_help(context)}\n```"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (below := command.get_command(context, name)) is not None:
                parts += _help(below, f"{called} {name}", f"{heading}#"[:4])
    return parts


def _operation(method: str, path: str, operation: Schema) -> list[str]:
    parts = [
        f"## {method.upper()} {path}",
        f"**{operation['summary']}.** " + operation.get("description", "").replace("<br/>", "\n"),
    ]
    if parameters := operation.get("parameters"):
        rows = [
            row(one["name"], {**one["schema"], **_described(one)}, required=one["required"], link=_linked)
            for one in parameters
        ]
        parts.append("\n".join(["| parameter | type | default | meaning |", RULE, *rows]))
    if body := operation.get("requestBody"):
        parts.append(f"Body: {_content(body)}")
    good = {code: answer for code, answer in operation["responses"].items() if code < "400"}
    parts.append(
        "\n".join(f"* `{code}` {_content(answer)}".rstrip() for code, answer in sorted(good.items()))
    )
    return parts


def _described(parameter: Schema) -> Schema:
    return {"description": parameter["description"]} if "description" in parameter else {}


def _content(holder: Schema) -> str:
    described = [
        f"{kind_of(content['schema'], _linked)} as `{name}`" if content.get("schema") else f"`{name}`"
        for name, content in holder.get("content", {}).items()
    ]
    return ", or ".join(described)


def _openapi() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), broker_url=NO_BROKER, token="of-nobody-at-all")  # noqa: S106
        upgrade(settings)  # an app looks into its database for whose storage it has
        app = create_app(settings)
        app.extensions["jobyard"].database.dispose()
        document: dict[str, Any] = app.api_doc
        return document


def _plain(name: str) -> str:
    return f"{name}, below"


def _linked(name: str) -> str:
    return f"[{name}](#{_anchor(name)})"


def _anchor(name: str) -> str:
    return f"schema-{name.lower()}"
