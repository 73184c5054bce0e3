"""Work on pictures in parts: what a child of such a job is told."""

from typing import Any

from pydantic import Field

from jobyard.shared.kinds.base import Parameters


class PicturePart(Parameters):
    """Some of the pictures of a job in parts: the spec of a child. It can't be submitted."""

    part: int = Field(ge=0, description="Number of the part, from 0")
    parts: int = Field(ge=1)
    start: int = Field(ge=0, description="Number of its first picture in the whole job, from 0")
    count: int = Field(ge=1)


def picture_parts(pictures: int, size: int) -> list[dict[str, Any]]:
    """The specs of the children of a job on so many pictures: `size` for each, the rest for the last."""
    starts = range(0, pictures, size)
    parts = [
        PicturePart(part=part, parts=len(starts), start=start, count=min(size, pictures - start))
        for part, start in enumerate(starts)
    ]
    return [part.model_dump() for part in parts]
