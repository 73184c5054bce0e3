"""How a file of texts was read, in words."""

from typing import Any

NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes", " ": "spaces", "\x01": "^A"}
# What a workbook's rows are handed on as, which it is not written in.
OF_A_SHEET = {"format": "csv", "delimiter": ",", "quote": "double"}


def words(read_as: dict[str, Any]) -> str:
    """ "csv, separated by semicolons, quote double, header yes", or "workbook, header yes, sheet 2024"."""
    found = {key: value for key, value in read_as.items() if key not in ("files", "numbered")}
    if "sheet" in found and found.items() >= OF_A_SHEET.items():
        found = {"format": "workbook"} | {key: found[key] for key in found if key not in OF_A_SHEET}
    said = [str(found.pop("format", ""))]
    if (delimiter := found.pop("delimiter", None)) is not None:
        said.append(f"separated by {NAMES.get(delimiter, repr(delimiter))}")
    said += [f"{key.replace('_', ' ')} {value}" for key, value in found.items()]
    return ", ".join(filter(None, said))


def place(read_as: dict[str, Any], found: dict[str, Any]) -> str:
    """Where a broken row is, which is one of `errors` of the result: "line 3", "row 3", "b.csv, line 3"."""
    source = found.get("source")
    of_file = next((one for one in read_as.get("files", []) if one["name"] == source), read_as)
    where = f"{of_file.get('numbered', 'line')} {found['line']:,}"
    return where if source is None else f"{source}, {where}"
