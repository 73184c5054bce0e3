"""The style sheet of the icons: those of Bootstrap Icons that pages use, as masks in the colour of the text.

It stands at the end of a page, which is shown before it is there; how large icons are is in `jobyard.css`.

The whole font is 130 kB beside a style sheet of 87 kB, for 2,000 icons of which the pages show some 80.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from flask import current_app

from jobyard.shared import kinds

SYMBOL = re.compile(
    r'<symbol class="[a-z0-9 -]+" viewBox="(?P<box>[0-9 ]+)" id="(?P<name>[^"]+)">(?P<shape>.*?)</symbol>'
)
# What may be an icon's name, in a template or a source: a literal, or a class that is written out.
NAME = re.compile(r"(?:bi-|[\"'])([a-z0-9]+(?:-[a-z0-9]+)*)(?![a-z0-9-])")
# In a data address these would end it, or be read as something else.
ESCAPED = str.maketrans({'"': "'", "<": "%3C", ">": "%3E", "#": "%23"})


def style_sheet(drawings: Path) -> str:
    """Of the icons that templates, pages and kinds name. `drawings`: an SVG file with a symbol for each."""
    shapes = {found["name"]: found for found in SYMBOL.finditer(drawings.read_text("utf-8"))}
    return "".join(_rule(name, shapes[name]) for name in sorted(set(_names()) & shapes.keys()))


def _rule(name: str, found: re.Match[str]) -> str:
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{found["box"]}">{found["shape"]}</svg>'
    return f'.bi-{name} {{ --icon: url("data:image/svg+xml,{picture.translate(ESCAPED)}"); }}\n'


def _names() -> Iterator[str]:
    """Names that may be icons': more than are used, but none that is used is left out."""
    yield from (kind.icon for kind in kinds.every())
    environment = current_app.jinja_env
    if environment.loader is not None:
        for template in environment.list_templates(extensions=["html"]):
            yield from NAME.findall(environment.loader.get_source(environment, template)[0])
    for source in Path(__file__).parent.rglob("*.py"):
        yield from NAME.findall(source.read_text("utf-8"))
    for script in Path(current_app.static_folder or "").rglob("*.js"):
        yield from NAME.findall(script.read_text("utf-8"))
