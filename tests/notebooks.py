"""Runs the tutorials that are notebooks in real kernels: `python -m tests.notebooks`, `make notebooks`.

They are run against a server of their own, and shown as HTML that has no script and loads nothing.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

import nbclient
import nbformat
from jinja2 import DictLoader
from nbconvert import HTMLExporter

ROOT: Final = Path(__file__).parents[1]
NOTEBOOKS: Final = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
# Only to end a hang.
CELL_SECONDS: Final = 600

VIEW: Final = "application/vnd.jupyter.widget-view+json"
STATES: Final = "application/vnd.jupyter.widget-state+json"
BARS: Final = {"success": "#2da44e", "danger": "#e5534b"}
# nbconvert's own page without what it loads from elsewhere.
PAGE: Final = "alone.html.j2"
TEMPLATE: Final = """{% extends "lab/index.html.j2" %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
"""


def run(path: Path, environment: Mapping[str, str], folder: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs, run in a kernel of its own in this folder. Raises CellExecutionError."""
    notebook = nbformat.read(path, as_version=4)
    kernel = nbclient.NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        store_widget_state=True,
        # It warns that it is reached by TCP, on this machine only.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )
    kernel.execute(env=dict(environment))
    return notebook


def outputs(notebook: nbformat.NotebookNode, mark: str) -> list[Any]:
    """The outputs of the one cell whose source has `mark`."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and mark in cell.source]
    found: list[Any] = cell.outputs
    return found


def shown(found: Iterable[Any], kind: str = "text/plain") -> str:
    """What these outputs show as a type of media: an object's text or HTML. Bars are left out."""
    data = [one.data for one in found if "data" in one and VIEW not in one.data]
    return "\n".join(one[kind] for one in data if kind in one)


def printed(found: Iterable[Any], name: str = "stdout") -> str:
    """What these outputs hold of a stream."""
    return "".join(one.text for one in found if one.output_type == "stream" and one.name == name)


def bars(notebook: nbformat.NotebookNode, found: Iterable[Any]) -> list[tuple[str, float, str, str]]:
    """The bars of tqdm in these outputs at the end: (words before it, share, style, words after)."""
    states = notebook.metadata.get("widgets", {}).get(STATES, {}).get("state", {})

    def state(name: str) -> Any:
        return states[name.removeprefix("IPY_MODEL_")]["state"]

    read = []
    for one in found:
        if VIEW in one.get("data", {}):
            before, bar, after = (state(name) for name in state(one.data[VIEW]["model_id"])["children"])
            share = bar["value"] / (bar["max"] or 1)
            words = [text["value"].replace("\u2007", " ").strip() for text in (before, after)]
            read.append((words[0], share, bar["bar_style"], words[1]))
    return read


def page(notebook: nbformat.NotebookNode, theme: str = "light") -> str:
    """The notebook as one HTML page, in which bars are as they were at the end."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        for one in cell.get("outputs", []):
            for before, share, style, after in bars(notebook, [one]):
                one.data = {
                    "text/html": '<div style="display:flex;gap:.6em;align-items:center">'
                    f"<span>{before}</span>"
                    '<span style="flex:0 1 14em;height:1em;background:rgba(128,128,128,.25)">'
                    f'<span style="display:block;height:1em;width:{share:.1%};'
                    f'background:{BARS.get(style, "#3b82f6")}"></span></span><span>{after}</span></div>'
                }
    notebook.metadata.pop("widgets", None)
    exporter = HTMLExporter(
        template_file=PAGE, extra_loaders=[DictLoader({PAGE: TEMPLATE})], theme=theme, embed_images=True
    )
    body: str = exporter.from_notebook_node(notebook)[0]
    title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    return body.replace("<title>Notebook</title>", f"<title>{escape(title)}</title>", 1)


def main() -> None:
    from tests.acceptance.conftest import Stack

    arguments = argparse.ArgumentParser(prog="python -m tests.notebooks", description=__doc__)
    arguments.add_argument("-o", dest="target", type=Path, default=ROOT / "build" / "notebooks")
    arguments.add_argument("--dark", action="store_true", help="write a page for dark themes, too")
    asked = arguments.parse_args()
    asked.target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="jy-") as home:
        stack = Stack(Path(home))
        stack.start()
        try:
            for path in NOTEBOOKS:
                began = time.monotonic()
                done = run(path, connected(stack.url, stack.token), Path(home))
                for theme in ("light", "dark") if asked.dark else ("light",):
                    name = f"{path.stem}.html" if theme == "light" else f"{path.stem}.dark.html"
                    (asked.target / name).write_text(page(done, theme), encoding="utf-8")
                sys.stdout.write(f"{asked.target / path.stem}.html ({time.monotonic() - began:.0f} s)\n")
        finally:
            stack.stop()


def connected(url: str, token: str) -> dict[str, str]:
    """The environment of a kernel whose client finds this server."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}
    return clean | {"JOBYARD_URL": url, "JOBYARD_TOKEN": token, "PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    main()
