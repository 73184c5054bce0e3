"""Times as the tables of the command line have them."""

from datetime import UTC, datetime, timedelta


def lasted(seconds: float | None) -> str:
    """90.4 → "0:01:30"; "–" for None."""
    return "–" if seconds is None else str(timedelta(seconds=round(seconds)))


def since(moment: str) -> str:
    """How long ago a text in RFC 3339 was: "1 day, 2:00:00"."""
    return lasted((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())
