"""What would block: in an event loop it is done beside it, elsewhere in the caller's thread."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
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

    @staticmethod
    async def run_whole(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `run`, but a cancellation waits until the thread has ended, for nothing can end that sooner."""
        import asyncio

        call = partial(function, *args, **kwargs)
        thread = asyncio.get_running_loop().run_in_executor(None, call)
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            while not thread.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([thread])
            thread.exception()  # or asyncio says that nobody asked for it
            raise


class Runtime:
    """For the synchronous client."""

    @staticmethod
    def sleep(seconds: float) -> None:
        time.sleep(seconds)

    @staticmethod
    def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)

    run_whole = run
