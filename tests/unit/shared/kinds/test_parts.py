"""A job on many pictures is cut into parts that together are the whole."""

from hypothesis import given
from hypothesis import strategies as st

from jobyard.shared.kinds.parts import PicturePart, picture_parts


@given(st.integers(1, 10_000), st.integers(1, 1_000))
def test_the_parts_are_the_whole_in_order_and_none_is_larger_than_asked(pictures: int, size: int) -> None:
    parts = [PicturePart.model_validate(spec) for spec in picture_parts(pictures, size)]
    assert [part.part for part in parts] == [*range(len(parts))]
    assert {part.parts for part in parts} == {len(parts)}
    assert [number for part in parts for number in range(part.start, part.start + part.count)] == [
        *range(pictures)
    ]
    assert all(part.count == size for part in parts[:-1])
    assert parts[-1].count <= size
