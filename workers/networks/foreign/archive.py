"""A `.keras` file: a zip of three members, whose names are known exactly."""

import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jobyard.shared.archives.members import DAMAGED, printable, reason
from jobyard.shared.archives.zips import PIECE, check_member, open_member, open_zip, read_member
from jobyard.shared.errors import WorkError
from jobyard.workers.networks.architecture import document
from jobyard.workers.networks.foreign import bounds, formats

METADATA: Final = "metadata.json"
CONFIG: Final = "config.json"
WEIGHTS: Final = "model.weights.h5"
MEMBERS: Final = (METADATA, CONFIG, WEIGHTS)

# What a zip may list before its names are looked at one by one.
MAX_MEMBERS: Final = 1_000


@dataclass(frozen=True)
class Unpacked:
    """What the three members hold: which Keras wrote them, the network's description, and the weights."""

    keras_version: str
    config: bytes
    weights: Path


def unpack(path: Path, folder: Path, max_bytes: int) -> Unpacked:
    """Read a `.keras` file; its weights become a file in `folder`.

    Raises WorkError for any other file, for members that should not be there, are twice there, or say or have
    more bytes than they should; `max_bytes` is for all of them.
    """
    with path.open("rb") as file, open_zip(file) as archive:
        members = _members(archive, max_bytes)
        try:
            metadata = read_member(archive, members[METADATA])
            config = read_member(archive, members[CONFIG])
            weights = folder / WEIGHTS
            _write(archive, members[WEIGHTS], weights)
        except DAMAGED as error:
            raise WorkError(f"the zip archive is damaged: {reason(error)}") from None
    return Unpacked(_version(metadata), config, weights)


def _members(archive: zipfile.ZipFile, max_bytes: int) -> dict[str, zipfile.ZipInfo]:
    """The three by name, as they are written in the zip, not as zipfile makes them harmless."""
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise WorkError(f"the zip archive has {len(infos):,} members; should have {len(MEMBERS)}")
    names = [info.orig_filename for info in infos]
    _check_names(names)
    for info in infos:
        check_member(info)
    members = dict(zip(names, infos, strict=True))
    most = {METADATA: bounds.MAX_METADATA_BYTES, CONFIG: document.MAX_BYTES, WEIGHTS: max_bytes}
    for name, limit in most.items():
        if (size := members[name].file_size) > limit:
            raise WorkError(f"{name} unpacks to {size:,} bytes; should have at most {limit:,}")
    total = sum(info.file_size for info in infos)
    if total > max_bytes:
        raise WorkError(f"the zip archive unpacks to {total:,} bytes; should unpack to at most {max_bytes:,}")
    return members


def _check_names(names: Sequence[str]) -> None:
    """Each of the three once, and no other."""
    if not set(MEMBERS) <= set(names) and (what := formats.kind_inside(names)):
        raise WorkError(f"the zip archive {what}")
    for name, count in Counter(names).items():
        if count > 1:
            raise WorkError(f"the zip archive has {printable(name)!r} {count} times; should have it once")
        if name not in MEMBERS:
            raise WorkError(f"the zip archive has {printable(name)!r}; {_remedy(name)}")
    for name in MEMBERS:
        if name not in names:
            raise WorkError(f"the zip archive has no {name}; {formats.SHOULD}, with {', '.join(MEMBERS)}")


def _remedy(name: str) -> str:
    if name.startswith("assets/"):
        return "files of layers, such as vocabularies, are not taken: remove these layers before saving"
    if name.endswith(tuple(f"/{member}" for member in MEMBERS)):
        return f"the members should lie at the top: {', '.join(MEMBERS)}"
    return f"should have {', '.join(MEMBERS)} and nothing else"


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    """Copy a member, no more than it says. Raises one of DAMAGED."""
    written = 0
    with open_member(archive, info) as source, target.open("wb") as file:
        while piece := source.read(PIECE):
            written += len(piece)
            if written > info.file_size:
                raise zipfile.BadZipFile(f"it has more than the {info.file_size:,} bytes that it says")
            file.write(piece)


def _version(metadata: bytes) -> str:
    """Of the Keras that wrote the file. Raises WorkError for one that is not Keras 3."""
    try:
        found: Any = json.loads(metadata)
    except (ValueError, RecursionError):
        raise WorkError(f"{METADATA} is no JSON; {formats.SHOULD}") from None
    version = found.get("keras_version") if isinstance(found, dict) else None
    if not isinstance(version, str) or not version:
        raise WorkError(f"{METADATA} has no keras_version; {formats.SHOULD}")
    if version.startswith("2."):
        raise WorkError(f"the file {formats.KERAS_2}")
    if not version.startswith("3."):
        raise WorkError(f"{METADATA} has the keras_version {printable(version, 40)!r}; {formats.SHOULD}")
    return printable(version, 40)
