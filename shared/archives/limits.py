"""What an archive from outside may cost. Each limit is far above any honest set of pictures."""

from jobyard.shared.errors import WorkError

MAX_MEMBERS = 500_000
# Each name on a path is a step for whatever looks at it.
MAX_DEPTH = 32
# The longest path that makes sense, in characters.
MAX_PATH = 4_096
MAX_FOLDERS = 100_000
# What the names of all members take in memory: half a million of some hundred characters.
MAX_NAMES_BYTES = 256 * 1024**2
# Of one file in the archive. Pillow's memory for a picture is limited by its pixels, not by this.
MAX_FILE_BYTES = 128 * 1024**2


def too_large(max_bytes: int) -> WorkError:
    """The error for an archive that unpacks to over `max_bytes`."""
    return WorkError(f"the pictures unpack to over {max_bytes:,} bytes; should unpack to fewer")


def too_many() -> WorkError:
    """The error for an archive of over MAX_MEMBERS."""
    return WorkError(f"the archive should have at most {MAX_MEMBERS:,} members")
