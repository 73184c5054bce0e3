"""What files are that people send as pictures and that are not accepted, and what to do with them."""

EXPORT = "export it as JPEG or PNG"
_OTHERS = {
    b"\xff\x4f\xff\x51": ("JPEG 2000", EXPORT),
    b"\0\0\0\x0cjP  ": ("JPEG 2000", EXPORT),
    b"\xff\x0a": ("JPEG XL", EXPORT),
    b"\0\0\0\x0cJXL ": ("JPEG XL", EXPORT),
    b"II+\0": ("BigTIFF", EXPORT),
    b"MM\0+": ("BigTIFF", EXPORT),
    b"II*\0\x10\0\0\0CR": ("a raw photograph (CR2)", EXPORT),
    b"IIRO": ("a raw photograph (ORF)", EXPORT),
    b"IIU\0": ("a raw photograph (RW2)", EXPORT),
    b"FUJIFILMCCD-RAW": ("a raw photograph (RAF)", EXPORT),
    b"8BPS": ("a Photoshop file", EXPORT),
    b"\0\0\1\0": ("an icon (ICO)", EXPORT),
    b"DDS ": ("DDS", EXPORT),
    b"v/1\x01": ("OpenEXR", EXPORT),
    b"SIMPLE  =": ("FITS", EXPORT),
    b"%PDF": ("a PDF", "export its pages as JPEG or PNG"),
    b"%!PS": ("PostScript", EXPORT),
    b"PK\3\4": ("a zip archive", "unpack it"),
    b"\x1f\x8b": ("compressed by gzip", "unpack it"),
    b"Rar!": ("a RAR archive", "unpack it"),
    b"7z\xbc\xaf": ("a 7-Zip archive", "unpack it"),
    b"\x93NUMPY": ("a NumPy array", EXPORT),
    b"\x89HDF": ("HDF5", EXPORT),
    b"\x1aE\xdf\xa3": ("a film", "export its frames as JPEG or PNG"),
    b"version https://git-lfs": ("a pointer of Git LFS", "fetch the pictures with `git lfs pull`"),
    b"/annex/objects": ("a pointer of git-annex", "fetch the pictures with `git annex get`"),
}
_PNM = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")
# ISO/IEC 14496-12: the brands of a file that begins with the box ftyp.
AVIF = {b"avif", b"avis"}
_BRANDS = {
    "HEIC": {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"heif"},
    "a raw photograph (CR3)": {b"crx "},
}


def brands(start: bytes) -> set[bytes]:
    """What a file that begins with the box ftyp says that it is."""
    if start[4:8] != b"ftyp":
        return set()
    found = start[8:12] + start[16 : int.from_bytes(start[:4])]
    return {found[at : at + 4] for at in range(0, len(found), 4)}


def other_format(start: bytes) -> tuple[str, str] | None:
    """What a file is that is not accepted, and what to do; None if that is unknown."""
    for signature, found in _OTHERS.items():
        if start.startswith(signature):
            return found
    if said := brands(start):
        return _of_brands(said)
    if start[:2] in _PNM and start[2:3].isspace():
        return "PNM", EXPORT
    if start[128:132] == b"DICM":
        return "DICOM", EXPORT
    return _of_text(start)


def _of_brands(said: set[bytes]) -> tuple[str, str] | None:
    for name, known in _BRANDS.items():
        if said & known:
            return name, EXPORT
    if said & AVIF:
        return None
    return ("HEIC", EXPORT) if b"mif1" in said else ("a film", "export its frames as JPEG or PNG")


def _of_text(start: bytes) -> tuple[str, str] | None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:256].lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page", "download the picture itself"
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return "SVG", "export it as PNG"
    return None
