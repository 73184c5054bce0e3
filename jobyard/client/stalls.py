"""Running jobs that make no progress, in words."""

from datetime import UTC, datetime


def no_progress(since: datetime) -> str:
    """As "no progress for 31 min"."""
    minutes = max(int((datetime.now(UTC) - since).total_seconds() // 60), 0)
    hours, rest = divmod(minutes, 60)
    return f"no progress for {f'{hours} h ' if hours else ''}{rest} min"
