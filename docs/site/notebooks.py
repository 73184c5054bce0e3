"""The tutorials that are notebooks, as pages of the site: their texts, and their code, without outputs.

They become Markdown, as which their links are checked and their code gets the theme's colours. A page as
nbconvert makes it would bring half a megabyte of styles for one colour scheme, and load scripts from
elsewhere.
"""

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[1]
LINK = re.compile(r"(\]\([\w./-]+)\.ipynb\)")


def paths() -> dict[str, Path]:
    """Each page's path below docs/, and its notebook."""
    found = sorted((DOCS / "tutorials").glob("*.ipynb"))
    return {path.relative_to(DOCS).with_suffix(".md").as_posix(): path for path in found}


def pages() -> dict[str, str]:
    """Each page's path below docs/, and its Markdown."""
    return {place: page(path) for place, path in paths().items()}


def linked(markdown: str) -> str:
    """With links to the pages of notebooks instead of to these."""
    return LINK.sub(r"\1.md)", markdown)


def page(path: Path) -> str:
    """A notebook as Markdown, with a link to itself below its title."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        markdown = cell["cell_type"] == "markdown"
        parts.append(linked(source) if markdown else f"```python\n{source}\n```")
    title, _, rest = parts[0].partition("\n")
    download = f"This page is a notebook: [download it]({path.name}), and run it in Jupyter or VS Code."
    return "\n\n".join([title, download, rest.strip(), *parts[1:]]) + "\n"
