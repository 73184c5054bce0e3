"""MkDocs calls these: they add the pages that are made from the code."""

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

# MkDocs loads this file by its path, without its folder.
sys.path.insert(0, str(Path(__file__).parent))

import reference


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of reference.py."""
    for path, markdown in reference.pages().items():
        files.append(File.generated(config, path, content=markdown))
    return files
