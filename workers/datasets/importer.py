"""Importing pictures: any archive or folder in, one checked archive of ours out."""

import hashlib
import io
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from jobyard.shared.archives.class_folders import LAYOUTS
from jobyard.shared.archives.file_kinds import is_archive
from jobyard.shared.archives.gathering import Gathered, gather
from jobyard.shared.archives.layout import Layout, Place
from jobyard.shared.archives.left_out import LeftOut
from jobyard.shared.archives.limits import MAX_FILE_BYTES, too_large
from jobyard.shared.archives.members import DAMAGED, Member, printable, reason
from jobyard.shared.archives.splits import SPLIT_NAMES, TRAIN
from jobyard.shared.archives.walk import Source, walk
from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.pictures import (
    BLACK,
    SUFFIXES,
    WHITE,
    NotAPicture,
    check_signature,
    decoded_with_alpha,
    end_of,
    laid_on,
)
from jobyard.workers.datasets import identical
from jobyard.workers.datasets.findings import Findings, Seen, find_out, pixel_digest
from jobyard.workers.datasets.labels.choice import From, lay_out_labelled
from jobyard.workers.datasets.labels.kept import KeptTables
from jobyard.workers.datasets.labels.report import LabelsReport
from jobyard.workers.runtime.progress import Progress

# Where more of the files are left out, something else was meant, and the import has to be told to go on.
MAX_SHARE_LEFT_OUT = 0.2

PIECE = 256 * 1024
# Of the name of a phase, in characters.
MAX_PHASE = 200

# The first moment that a zip can write: the same pictures make the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Imported:
    """The outcome of an import.

    `classes` is {"train": {class: pictures}} and, where there are such, "validation" and "test" likewise.
    `rejected` is [{"file", "reason"}], the first 1,000 of `rejected_count`. `read_as` says which classes were
    found where. `report` is what was found out about the others. `sha256` is the version of
    the content: it depends on the split, the class and the bytes of every picture, and on nothing else.
    `pictures` is their number and `bytes` their sum.
    """

    classes: dict[str, dict[str, int]]
    rejected: list[dict[str, str]]
    rejected_count: int
    read_as: str
    report: Findings
    pictures: int
    sha256: str
    bytes: int


@dataclass(frozen=True)
class _Kept:
    """An accepted picture in the spool file."""

    place: Place
    seen: Seen
    sha256: str
    offset: int
    size: int


def import_pictures(
    source: Source,
    output: Path,
    max_bytes: int,
    progress: Progress,
    room: Room | None = None,
    labels: From = "auto",
    *,
    allow_partial: bool = False,
) -> Imported:
    """Check every picture of `source`, and write the good ones to `output`, a zip of our own layout.

    `source` is a zip or tar archive (recognized by its content) or a folder, in a layout of
    `lay_out_folders`, or with a table of `labels` beside its pictures (see `lay_out_labelled`).
    `output` is an uncompressed zip of `SPLIT/CLASS/FILE`, sorted, with the original bytes of each picture
    that decodes fully, up to where the picture ends. The others are listed with the reason. `room` is how
    much the pictures may take.

    Raises WorkError, and leaves no `output`, if the archive is hostile, damaged as a whole, or unpacks
    to over `max_bytes`; if its folders are not classes; if nothing is left of a class; or if more than
    MAX_SHARE_LEFT_OUT of the files, or an archive in it, would be left out, unless `allow_partial`. Raises
    what `room` does.
    """
    progress.phase("importing")
    output.parent.mkdir(parents=True, exist_ok=True)
    layout, labelled = _lay_out(source, output.parent, max_bytes, progress, labels)
    if not allow_partial:
        _refuse_partial(layout.left_out, layout.pictures)
    progress.phase(f"importing {layout.read_as}"[:MAX_PHASE])
    # A tar comes in its own order and can't be read in another: pictures wait in a file without a
    # name, which the system removes whatever happens to this process.
    with tempfile.TemporaryFile(dir=output.parent) as spool:
        kept, noted = _decode_all(source, layout, spool, max_bytes, progress, room or Room())
        classes = _count(kept, layout)
        if not allow_partial:
            _refuse_partial(layout.left_out, len(kept))
        _write(output, kept, spool, progress)
    warnings = [*layout.left_out.sentences(len(kept)), *layout.warnings]
    return Imported(
        classes=classes,
        rejected=[{"file": name, "reason": why} for name, why in layout.left_out.listed],
        rejected_count=layout.left_out.count,
        read_as=layout.read_as,
        report=find_out(
            [picture.seen for picture in kept], classes, noted, labelled, layout.read_as, warnings
        ),
        pictures=len(kept),
        sha256=_version(kept),
        bytes=sum(picture.size for picture in kept),
    )


def _lay_out(
    source: Source, folder: Path, max_bytes: int, progress: Progress, labels: From
) -> tuple[Layout, LabelsReport | None]:
    """Which files have which class; tables are copied to `folder` meanwhile, into files without names."""
    with KeptTables(folder, max_bytes) as tables:
        members = _checked(source, max_bytes, progress)
        gathered = gather(members if labels == "folders" else tables.watch(members))
        try:
            return lay_out_labelled(gathered, tables, labels, progress)
        except WorkError as error:
            raise _about_archives(gathered, error) from None


def _about_archives(gathered: Gathered, error: WorkError) -> WorkError:
    """What is wrong, or the archives inside, where the classes may be."""
    inside = [(*folders, name) for folders, _, name in gathered.top.each_file() if is_archive(name)]
    if not inside:
        return error
    return WorkError(
        f"{error.message}; it holds archives ({_some(['/'.join(path) for path in inside])}): unpack them "
        "first"
    )


def _refuse_partial(left_out: LeftOut, pictures: int) -> None:
    """Raises WorkError where so much would be left out that something else was meant."""
    total = pictures + left_out.unexpected
    rest = "To import the rest, allow it with --allow-partial (allow_partial in the spec)"
    if left_out.archives:
        raise WorkError(
            f"the archive holds archives ({_some(left_out.archives)}), which would be left out: unpack them "
            f"first. {rest}"
        )
    if left_out.unexpected > MAX_SHARE_LEFT_OUT * total:
        raise WorkError(
            f"{left_out.unexpected:,} of {total:,} files would be left out: {left_out.reasons()}. {rest}"
        )


def _some(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(printable(name, 80) for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def _checked(source: Source, max_bytes: int, progress: Progress) -> Iterator[Member]:
    """Check every member's name and kind, before anything is read."""
    for member in walk(source, max_bytes):
        progress.check()
        yield member


def _decode_all(
    source: Source, layout: Layout, spool: IO[bytes], max_bytes: int, progress: Progress, room: Room
) -> tuple[list[_Kept], list[tuple[str, str]]]:
    """Write the pictures that decode to `spool`; returns them, and the noted. The others are left out."""
    kept: list[_Kept] = []
    done = 0
    noted: list[tuple[str, str]] = []
    read = 0
    for member in walk(source, max_bytes):
        # Of a file that is in the archive twice, the first is taken; `gather` has listed the other.
        place = None if member.folder else layout.take(member.parts)
        if place is None:
            progress.check()
            continue
        try:
            content, kind = _read(member)
            read += len(content)
            if read > max_bytes:
                raise too_large(max_bytes)
            content, seen = _decode(content, kind, place)
            digest = hashlib.sha256(content).hexdigest()
            kept.append(_Kept(place, seen, digest, spool.tell(), len(content)))
            room.take(len(content))
            spool.write(content)
            suffix = PurePosixPath(member.parts[-1]).suffix
            if suffix.lower() not in ("", *SUFFIXES[kind]):
                noted.append((member.name, f"is a {kind}, but is called {printable(suffix)}"))
        except NotAPicture as error:
            layout.left_out.add(member.parts, error.message)
        done += 1
        progress.update(done, layout.pictures, "pictures")
    return kept, noted


def _decode(content: bytes, kind: str, place: Place) -> tuple[bytes, Seen]:
    """The picture without what comes after it in its file, and what was seen of it. Raises NotAPicture."""
    end = end_of(content, kind)
    if end < len(content):
        try:
            return content[:end], _seen(content[:end], kind, place)
        except NotAPicture:  # an odd file that only seems to end there
            pass
    return content, _seen(content, kind, place)


def _seen(content: bytes, kind: str, place: Place) -> Seen:
    with decoded_with_alpha(io.BytesIO(content)) as image:
        pixels = [pixel_digest(laid_on(image, WHITE))]
        if image.mode == "RGB":
            return Seen(place, *image.size, kind, pixels[0])
        # Two pictures that are the same on white may differ on black: white drawings on nothing all do.
        pixels.append(pixel_digest(laid_on(image, BLACK)))
        return Seen(
            place,
            *image.size,
            kind,
            b"".join(pixels),
            is_transparent=True,
            is_blank=len(laid_on(image, WHITE).getcolors(1) or ()) == 1,
        )


def _read(member: Member) -> tuple[bytes, str]:
    """All bytes of a file, if its first ones are a picture's, and its format. Raises NotAPicture."""
    if member.problem is not None:
        raise NotAPicture(member.problem)
    content = bytearray()
    kind = ""
    try:
        with member.open() as file:
            while piece := file.read(PIECE):
                kind = kind or check_signature(piece)
                content += piece
                if len(content) > MAX_FILE_BYTES:  # whatever was said about its size
                    raise NotAPicture(f"too large: should have at most {MAX_FILE_BYTES:,} bytes")
    except DAMAGED as error:
        raise NotAPicture(f"can't be read: {reason(error)}") from None
    if not content:
        raise NotAPicture("the file is empty")
    return bytes(content), kind


def _count(kept: list[_Kept], layout: Layout) -> dict[str, dict[str, int]]:
    """Pictures by split and class. Raises WorkError for a class that has none."""
    counts = Counter((picture.place.split, picture.place.class_name) for picture in kept)
    if not kept:
        why = layout.left_out.reasons() or f"the archive {LAYOUTS}"
        raise WorkError(f"there are no pictures that can be decoded: {why}")
    for split, names in layout.classes.items():
        for name in names:
            if not counts[split, name]:
                raise WorkError(
                    f"the class {name!r} has no picture in {split} that can be decoded: "
                    f"{layout.left_out.reasons()}"
                )
    return {
        split: {name: counts[split, name] for name in layout.classes[split]}
        for split in SPLIT_NAMES
        if split in layout.classes
    }


def _version(kept: list[_Kept]) -> str:
    """SHA-256 over the sorted lines `split/class/SHA-256 of the picture`."""
    lines = sorted(f"{picture.place.split}/{picture.place.class_name}/{picture.sha256}\n" for picture in kept)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _write(output: Path, kept: list[_Kept], spool: IO[bytes], progress: Progress) -> None:
    """Write the zip aside and move it into place, so that `output` is whole or not there.

    Pictures to train on that are the same are marked as `identical` has it.
    """
    part = output.with_name(f".{output.name}.part")
    same = identical.comments(
        {picture.place.path: picture.seen.pixels for picture in kept if picture.place.split == TRAIN}
    )
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for picture in sorted(kept, key=lambda picture: picture.place.path):
                progress.check()
                info = zipfile.ZipInfo(picture.place.path, EPOCH)
                info.create_system = 3  # Unix, on any system
                info.external_attr = 0o100644 << 16
                info.comment = same.get(picture.place.path, b"")
                spool.seek(picture.offset)
                archive.writestr(info, spool.read(picture.size))
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
