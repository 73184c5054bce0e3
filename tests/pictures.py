"""Pictures as files, in memory."""

import io
from typing import Any

from PIL import Image


def saved(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:  # noqa: A002
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()
