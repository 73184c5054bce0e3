"""A folder as a zip whose bytes depend on the files only."""

import zipfile
from pathlib import Path

# The earliest time that a zip can say.
NO_TIME = (1980, 1, 1, 0, 0, 0)


def pack(folder: Path, target: Path, inside: str) -> None:
    """Pack a folder's files under the path `inside`, sorted, without their times and owners."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*")):
            name = f"{inside}/{path.relative_to(folder).as_posix()}"
            if path.is_dir():
                packed.writestr(_info(f"{name}/", 0o40755), b"")
                continue
            info = _info(name, 0o100644)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.file_size = path.stat().st_size  # or a file over 2 GiB would not fit
            with path.open("rb") as source, packed.open(info, "w") as copy:
                while some := source.read(1 << 20):
                    copy.write(some)


def _info(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, NO_TIME)
    info.create_system = 3  # Unix, whose modes these are
    info.external_attr = mode << 16
    return info
