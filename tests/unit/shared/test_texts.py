"""What no database and no answer can hold is replaced, and nothing else is."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jobyard.shared.texts import encodable, from_json, storable, to_json

# Halves, pairs, NUL, and what only looks like an escape.
ODD = st.text(st.sampled_from([*"\\ud83cD", "\ud83d", "\ude00", "😀", "\0", '"', "ü"]), max_size=12)
VALUES = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD, inner, max_size=3)
)


def whole(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        case list():
            return [whole(one) for one in value]
    return {whole(name): whole(one) for name, one in value.items()}


@given(VALUES)
@settings(max_examples=500)
def test_json_has_whole_characters_however_it_was_written(value: Any) -> None:
    assert json.loads(to_json(value)) == whole(value)
    assert from_json(json.dumps(value)) == whole(value)
    assert from_json(json.dumps(value).encode()) == whole(value)
    json.dumps(from_json(to_json(value)), ensure_ascii=False).encode()


@given(ODD)
def test_a_text_is_whole_and_without_nul(text: str) -> None:
    assert encodable(text) == whole(text)
    assert storable(text, 5) == whole(text).replace("\0", "\N{REPLACEMENT CHARACTER}")[:5]


def test_a_text_that_can_be_stored_stays() -> None:
    assert encodable("naïve 😀\0") == "naïve 😀\0"
    assert storable("naïve 😀") == "naïve 😀"
