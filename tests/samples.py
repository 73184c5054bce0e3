"""The samples in README.md and docs/: fenced blocks of sh and python, in the order of their page.

A block that no test can run has a comment above it that says why: `<!-- not run: needs Docker -->`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUNNABLE = ("sh", "python")
# What is shown and never run.
SHOWN = ("html", "ini", "json", "kotlin", "mermaid", "sql", "text", "toml", "yaml")

_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]*) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Sample:
    """A block of code on a page, and why it is not run, if it is not."""

    page: str
    line: int
    language: str
    code: str
    reason: str | None


def samples(page: Path) -> list[Sample]:
    """All fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Sample(
            page.relative_to(ROOT).as_posix(),
            text.count("\n", 0, found.start("code")) + 1,
            found["language"],
            found["code"],
            found["reason"],
        )
        for found in _BLOCK.finditer(text)
    ]


def script(page: Path) -> str:
    """A shell script of all samples of a page that can be run; it stops at the first that fails.

    It is one script because a reader's shell is one, too: what a sample sets, those after it can use.
    """
    parts = ["set -euo pipefail"]
    for sample in samples(page):
        if sample.reason is not None or sample.language not in RUNNABLE:
            continue
        parts.append(f"echo '--- {sample.page}:{sample.line}' >&2")
        if sample.language == "sh":
            parts.append(sample.code)
        else:
            parts.append(f"python - <<'END_OF_SAMPLE'\n{sample.code}END_OF_SAMPLE")
    return "\n".join(parts) + "\n"


def runnable_pages() -> list[Path]:
    """The pages with at least one sample that can be run."""
    return [page for page in PAGES if "echo '--- " in script(page)]
