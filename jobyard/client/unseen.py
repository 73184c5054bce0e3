"""What VADER can't see in texts, and what would help, in words."""

from typing import Any

NAMES = {"emoji": "emoji", "curly": "curly quotes", "html": "HTML"}
# Of texts that are not English: below, a detector's errors are a part of it.
FOREIGN = 0.05


def kinds(unseen: dict[str, Any]) -> str:
    """ "emoji in 1,204 texts, HTML in 3"; empty if there is nothing."""
    counts = [(name, unseen[kind]) for kind, name in NAMES.items() if unseen[kind]]
    nouns = [
        "" if place else " text" if number == 1 else " texts" for place, (_, number) in enumerate(counts)
    ]
    return ", ".join(
        f"{name} in {number:,}{noun}" for (name, number), noun in zip(counts, nouns, strict=True)
    )


def foreign(unseen: dict[str, Any]) -> str:
    """ "about 23 % of the texts are not in English"; empty if hardly any."""
    share = unseen["not_english"]
    if share is None or share < FOREIGN:
        return ""
    return f"about {share:.0%} of the texts are not in English, for which VADER is made".replace("%", " %")
