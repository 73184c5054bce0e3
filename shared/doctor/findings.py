"""What was found out about one thing, how bad it is, and what can be done."""

import enum
from dataclasses import dataclass


class Level(enum.StrEnum):
    """An error keeps something from working; a warning does so soon, or at times."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One line: about what, and the remedy where it is not well."""

    topic: str
    level: Level
    text: str
    remedy: str | None = None


def well(topic: str, text: str) -> Finding:
    """As it should be."""
    return Finding(topic, Level.OK, text)


def warning(topic: str, text: str, remedy: str) -> Finding:
    """It works, and not for long or not always."""
    return Finding(topic, Level.WARNING, text, remedy)


def wrong(topic: str, text: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(topic, Level.ERROR, text, remedy)
