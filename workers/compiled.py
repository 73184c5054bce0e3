"""Functions over bytes and numbers, compiled by numba. Importing this imports numba: that takes a while."""

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Compiled at its first call, without the GIL; kept on disk where there is a place for that."""
    try:
        made: Callable[..., Any] = numba.njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:
        made = numba.njit(nogil=True, **options)(function)
    return made
