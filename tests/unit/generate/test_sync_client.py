"""The synchronous client is what its source gives."""

from tests.generate import sync_client


def test_the_synchronous_client_is_generated_from_the_asynchronous_one() -> None:
    different = [path.name for path, text in sync_client.files().items() if path.read_text() != text]
    assert not different, "run `make client`"
    assert sync_client.left_over() == []


def test_what_awaits_becomes_what_blocks() -> None:
    source = '''async def _all(self) -> AsyncIterator[AsyncJob]:
    """The jobs of an `AsyncClient`: `async with AsyncClient() as client: await client.jobs()`."""
    async for raw in self._items():
        yield AsyncJob(await self._whole(raw), "AsyncJob")
    await self._http.aclose()
'''
    assert (
        sync_client.without_await(source)
        == '''def _all(self) -> Iterator[Job]:
    """The jobs of an `Client`: `with Client() as client: client.jobs()`."""
    for raw in self._items():
        yield Job(self._whole(raw), "Job")
    self._http.close()
'''
    )
