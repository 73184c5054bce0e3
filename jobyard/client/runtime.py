"""What would block: in an event loop it is done beside it, elsewhere in the caller's thread."""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class AsyncRuntime:
    """For the asynchronous client. asyncio is imported only where there is an event loop."""

    @staticmethod
    async def sleep(seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)

    @staticmethod
    async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what reads or writes files, in a thread."""
        import asyncio

        return await asyncio.to_thread(function, *args, **kwargs)


class Runtime:
    """For the synchronous client."""

    @staticmethod
    def sleep(seconds: float) -> None:
        time.sleep(seconds)

    @staticmethod
    def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)
