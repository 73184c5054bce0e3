"""MkDocs calls these: they add the pages that are made from the code and from notebooks."""

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# MkDocs loads this file by its path, without its folder.
sys.path.insert(0, str(Path(__file__).parent))

import notebooks
import reference


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of reference.py and of notebooks.py."""
    for path, markdown in (reference.pages() | notebooks.pages()).items():
        files.append(File.generated(config, path, content=markdown))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to notebooks lead to their pages, except from these, which have them to download."""
    return markdown if page.file.src_uri in notebooks.paths() else notebooks.linked(markdown)
