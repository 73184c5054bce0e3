"""The names that others have given to files, made harmless."""

from pathlib import PurePosixPath, PureWindowsPath

MAX_CHARACTERS = 200


def file_name(written: str) -> str:
    """The last part of a path, without what can't be printed, cut to MAX_CHARACTERS."""
    # Browsers of old send whole paths, programs whatever they like.
    name = PureWindowsPath(PurePosixPath(written).name).name.strip()
    name = "".join(character for character in name if character.isprintable())[:MAX_CHARACTERS]
    return name if name.strip(".") else "file"
