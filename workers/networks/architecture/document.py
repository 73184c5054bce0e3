"""From the bytes of a file to a JSON object, without trusting them."""

import json
from typing import Any

from jobyard.workers.networks.architecture.values import Refusal, shown

# The largest of keras.applications has 1,031 layers and 0.96 MB.
MAX_BYTES = 8 * 1024**2

_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF"


def parse(data: bytes) -> dict[str, Any]:
    """The object that `model.to_json()` wrote.

    Raises Refusal for another file, one of more than MAX_BYTES, and for JSON that is ambiguous or endless:
    keys that come twice, NaN, numbers without end, nesting without end.
    """
    if len(data) > MAX_BYTES:
        raise Refusal(f"architecture: the file has {len(data):,} bytes: should have at most {MAX_BYTES:,}")
    for magic, what, right in (
        (_ZIP, "a .keras file or another zip", "the config.json in it"),
        (_HDF5, "an HDF5 file", "what model.to_json() writes; Keras 3 loads the file and writes it"),
    ):
        if data.startswith(magic):
            raise Refusal(f"architecture: the file is {what}: should be {right}")
    try:
        document = json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_no_constant
        )
    except RecursionError:
        raise Refusal("architecture: the JSON is nested too deeply") from None
    except UnicodeDecodeError:
        raise Refusal("architecture: the file is not UTF-8: should be what model.to_json() writes") from None
    except json.JSONDecodeError as error:
        raise Refusal(
            f"architecture: the file is not JSON (line {error.lineno}, column {error.colno}): should be what "
            "model.to_json() writes"
        ) from None
    except ValueError:  # of `int`, which takes no more than 4,300 digits
        raise Refusal("architecture: the JSON has a number of too many digits") from None
    if isinstance(document, str):
        raise Refusal(
            "architecture: the file is JSON within JSON: should be written with file.write(model.to_json()), "
            "without json.dump"
        )
    if not isinstance(document, dict):
        raise Refusal(f"architecture: the file should be a JSON object, is {shown(document)}")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Refusal(f"architecture: the JSON has the key {shown(twice)} twice in one object")
    return found


def _no_constant(constant: str) -> Any:
    raise Refusal(f"architecture: the JSON has the number {constant}, which is none")
