"""Random trees of pictures as people have them, and what is right: which picture is of which class and part.

A picture is of one colour, by which it is known again after whatever became of its file.
"""

import random
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from tests.factories import encode, tarred, zipped

# Each band of a colour has one of so many levels, far enough from each other for a JPEG.
LEVELS = 16
# What a person sees of a picture, its class and its part: (part, class, colour).
Truth = Counter[tuple[str, str, int]]

PARTS = {
    "train": ["train", "Train", "training", "train_set", "TrainImages", "seg_train"],
    "validation": ["val", "valid", "validation", "dev", "eval_set"],
    "test": ["test", "Testing", "test_set", "seg_test"],
}
CLASSES = [
    "cats",
    "dogs",
    "great dane",
    "Äpfel",
    "猫",
    "花",
    "naïve",
    "bus_station",
    "class 7",
    "O'Neil",
    "R2-D2",
]
CLASSES_OF_NAMES = ["cat", "dog", "great dane", "Äpfel", "猫", "boston-terrier", "snow_dog"]
CLASSES_OF_PAGES = {"cp437": ["Äpfel", "Küche", "Birnen", "größe"], "shift_jis": ["猫", "花", "表", "dog"]}
FORMATS = {"JPEG": [".jpg", ".JPG", ".jpeg", ".jfif"], "PNG": [".png"], "GIF": [".gif"], "BMP": [".bmp"]}
FORMATS |= {"WEBP": [".webp"], "TIFF": [".tif", ".tiff"], "AVIF": [".avif"]}
BROKEN = [
    b"",
    b"<!doctype html><p>404",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99),
    b"\xff\xd8\xff\xe0cut",
]


@dataclass
class Tree:
    """Files by their paths. Of these `left_out` have no class or can't be read, and `unexpected` of them, as
    pictures of a class would be. `links` has paths of folders that are links, with their targets.
    """

    style: str
    packing: str
    classes: list[str]
    files: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    truth: Truth = field(default_factory=Counter)
    left_out: int = 0
    unexpected: int = 0

    @property
    def needs_consent(self) -> bool:
        """Whether so much is left out that the import should not go on by itself."""
        return self.unexpected > 0.2 * (self.unexpected + self.truth.total())

    def write(self, folder: Path) -> Path:
        """The folder or the archive, as the packing says."""
        return _PACKINGS[self.packing](self, folder)


def colour_of(number: int) -> tuple[int, int, int]:
    """The colour of a picture; numbers are less than LEVELS cubed."""
    step = 256 // LEVELS
    red, green, blue = (number // LEVELS**place % LEVELS * step + step // 2 for place in range(3))
    return red, green, blue


def number_of(colour: tuple[int, ...]) -> int:
    """The number of the picture of about that colour."""
    step = 256 // LEVELS
    return sum(band // step * LEVELS**place for place, band in enumerate(colour[:3]))


def draw(seed: int) -> Tree:
    """The tree of that seed."""
    return _Drawing(random.Random(seed)).tree()


class _Drawing:
    """Draws one tree; `_place` says where a picture of a part and a class goes."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._number = 0
        # By the path of each picture.
        self._labels: dict[str, tuple[str, str]] = {}

    def tree(self) -> Tree:
        chance = self._chance
        style = chance.choice(list(_STYLES))
        packing = chance.choice([*_PACKINGS, "zip", "folder"])
        known = CLASSES_OF_NAMES if "names" in style else CLASSES_OF_PAGES.get(packing, CLASSES)
        if "names" in style and packing in CLASSES_OF_PAGES:
            known = [name for name in CLASSES_OF_PAGES[packing] if name.isalpha()]
        classes = chance.sample(known, min(len(known), chance.randint(2, 4)))
        parts = ["train", *(part for part in ("validation", "test") if chance.random() < 0.5)]
        if style in ("folders", "names", "deeper"):
            parts = ["train"]
        called = {part: chance.choice(names) for part, names in PARTS.items()}
        tree = Tree(style, packing, classes)
        wrapper = chance.choice(["", "", "data/", "my set/v1/"])
        for part in parts:
            for name in classes:
                for _ in range(chance.randint(2, 6)):
                    self._add(tree, style, wrapper, part, name, called)
        self._add_odd(tree, style, wrapper, parts, called)
        if style == "table":
            self._add_table(tree, wrapper)
        if packing == "links" and style == "folders":
            self._link(tree, wrapper)
        return tree

    def _add(
        self, tree: Tree, style: str, wrapper: str, part: str, name: str, called: Mapping[str, str]
    ) -> None:
        number, content, suffix = self._picture()
        if "names" not in style and style != "table" and self._chance.random() < 0.1:
            suffix = ""
        path = wrapper + _STYLES[style](self._chance, called[part], name, number, suffix)
        tree.files[path] = content
        self._labels[path] = part, name
        tree.truth[part, name, number] += 1
        if self._chance.random() < 0.05:  # the same once more
            self._number += 1
            path = wrapper + _STYLES[style](self._chance, called[part], name, self._number, suffix)
            tree.files[path] = content
            self._labels[path] = part, name
            tree.truth[part, name, number] += 1

    def _picture(self) -> tuple[int, bytes, str]:
        """A number that no other picture has, the file, and a suffix for it."""
        self._number += 1
        colour = colour_of(self._number)
        kind = self._chance.choice(list(FORMATS))
        image = Image.new("RGB", (8, 8), colour)
        options: dict[str, object] = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        if kind in ("PNG", "WEBP", "TIFF") and self._chance.random() < 0.5:
            alpha = Image.new("L", (8, 8), 255)
            alpha.paste(0, (0, 0, 4, 4))
            image.putalpha(alpha)
        return self._number, encode(image, kind, **options), self._chance.choice(FORMATS[kind])

    def _add_odd(
        self, tree: Tree, style: str, wrapper: str, parts: list[str], called: Mapping[str, str]
    ) -> None:
        """What belongs to no class, is broken, or was left by a system."""
        chance = self._chance
        for name in (".DS_Store", "__MACOSX/._a.png", "Thumbs.db"):
            if chance.random() < 0.3:
                tree.files[wrapper + name] = b"litter"
        for name in ("README.md", "notes.txt", "docs/licence.pdf"):
            if chance.random() < 0.3:
                tree.files[wrapper + name] = b"a document"
                tree.left_out += 1
        most = chance.choice([0, 0, 1, 1, 2, 8])
        for _ in range(chance.randint(0, most)):
            self._number += 1
            path = _STYLES[style](chance, called["train"], tree.classes[0], self._number, ".jpg")
            tree.files[wrapper + path] = chance.choice(BROKEN)
            tree.left_out += 1
            tree.unexpected += 1
        for _ in range(chance.randint(0, most)):
            number, content, suffix = self._picture()
            tree.files[f"{wrapper}IMG_{number:04}{suffix}"] = content
            tree.left_out += 1
            tree.unexpected += 1
        if style in ("parts", "names in parts") and "test" not in parts and chance.random() < 0.5:
            for _ in range(chance.randint(1, 9)):
                number, content, suffix = self._picture()
                tree.files[f"{wrapper}{called['test']}/{number}{suffix}"] = content
                tree.left_out += 1

    def _add_table(self, tree: Tree, wrapper: str) -> None:
        rows = ["file_name,label,split"]
        for path in tree.files:
            if path.startswith(f"{wrapper}images/"):
                part, name = self._labels.get(path, ("train", tree.classes[0]))
                rows.append(f'images/{path.rpartition("/")[2]},"{name}",{part}')
        tree.files[f"{wrapper}labels.csv"] = "\n".join(rows).encode()

    def _link(self, tree: Tree, wrapper: str) -> None:
        """One of the classes lies elsewhere in the folder, and is a link."""
        name = tree.classes[-1]
        moved = {
            path: content for path, content in tree.files.items() if path.startswith(f"{wrapper}{name}/")
        }
        for path, content in moved.items():
            del tree.files[path]
            tree.files[f".store/{path.removeprefix(wrapper)}"] = content
        tree.links[f"{wrapper}{name}"] = f".store/{name}"


# Where a picture goes: by chance, what its part is called, its class, its number, and its suffix.
_STYLES: dict[str, Callable[[random.Random, str, str, int, str], str]] = {
    "folders": lambda _, part, name, n, end: f"{name}/{n}{end}",
    "parts": lambda _, part, name, n, end: f"{part}/{name}/{n}{end}",
    "parts twice": lambda _, part, name, n, end: f"{part}/{part}/{name}/{n}{end}",
    "parts in classes": lambda _, part, name, n, end: f"{name}/{part}/{n}{end}",
    "deeper": lambda chance, part, name, n, end: f"{name}/{chance.choice(['a', 'b/c', '2024'])}/{n}{end}",
    "names": lambda _, part, name, n, end: f"{name}.{n}{end}",
    "names in parts": lambda _, part, name, n, end: f"{part}/{name}.{n}{end}",
    "table": lambda _, part, name, n, end: f"images/p{n}{end}",
}


# ---- how a tree travels


def _folder(tree: Tree, folder: Path) -> Path:
    for name, content in tree.files.items():
        path = folder / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, target in tree.links.items():
        path = folder / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(folder / "set" / target)
    return folder / "set"


def _archive(content: bytes, folder: Path) -> Path:
    path = folder / "set.archive"
    path.write_bytes(content)
    return path


def _zip(tree: Tree, folder: Path) -> Path:
    return _archive(zipped(tree.files, zipfile.ZIP_DEFLATED), folder)


def _tar(mode: str) -> Callable[[Tree, Path], Path]:
    return lambda tree, folder: _archive(tarred(tree.files, mode), folder)


def _raw_zip(encoding: str) -> Callable[[Tree, Path], Path]:
    """Names as bytes, without a flag; as macOS writes them, in a code page, or with Info-ZIP's field."""

    def write(tree: Tree, folder: Path) -> Path:
        out, central, extra = bytearray(), bytearray(), b""
        for name, content in tree.files.items():
            if encoding == "macOS":
                raw = unicodedata.normalize("NFD", name).encode()
            elif encoding == "Info-ZIP":
                raw = name.encode("ascii", "replace")
                field_ = struct.pack("<BL", 1, zlib.crc32(raw)) + name.encode()
                extra = struct.pack("<HH", 0x7075, len(field_)) + field_
            else:
                raw = name.encode(encoding)
            sizes = (zlib.crc32(content), len(content), len(content), len(raw), len(extra))
            at = len(out)
            out += struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0x21, *sizes) + raw + extra + content
            central += struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0x21, *sizes, 0, 0, 0, 0, at)
            central += raw + extra
        count = len(tree.files)
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(central), len(out), 0)
        return _archive(bytes(out + central + end), folder)

    return write


_PACKINGS: dict[str, Callable[[Tree, Path], Path]] = {
    "folder": _folder,
    "links": _folder,
    "zip": _zip,
    "tar": _tar("w"),
    "tar.gz": _tar("w:gz"),
    "tar.xz": _tar("w:xz"),
    "macOS": _raw_zip("macOS"),
    "Info-ZIP": _raw_zip("Info-ZIP"),
    "cp437": _raw_zip("cp437"),
    "shift_jis": _raw_zip("shift_jis"),
}
