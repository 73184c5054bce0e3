"""An argument that a method doesn't have is an error of the client, which says what was meant."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobyard.client import AsyncClient, BadRequest, Client

NOWHERE = ("http://127.0.0.1:9", "a-token-of-the-test")


@pytest.fixture
def client() -> Iterator[Any]:
    with Client(*NOWHERE) as opened:
        yield opened


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c: c.train("pets", epoch=5), "epoch: is no argument of train; did you mean 'epochs'?"),
        (lambda c: c.score("fine", colum="text"), "colum: is no argument of score; did you mean 'column'?"),
        (lambda c: c.train(), "dataset: is missing; train needs it"),
        (lambda c: c.add_model("a.keras", name="a"), "classes: is missing; add_model needs it"),
        (
            lambda c: c.evaluate("pets", "pets", "test"),
            "evaluate: takes at most 2 positional arguments, but got 3; give others as name=value",
        ),
        (
            lambda c: c.dataset("pets", reference="cats"),
            "reference: is given twice, by its place and by its name",
        ),
        (lambda c: c.queues(limit=3), "limit: is no argument of queues; it takes none"),
        (lambda c: c.close(1), "close: takes no positional arguments, but got 1; give others as name=value"),
        (
            lambda _: Client(adress="here"),
            "adress: is no argument of Client; should be one of 'profile', 'timeout',",
        ),
    ],
)
def test_what_is_meant_is_said(client: Any, call: Callable[[Any], object], said: str) -> None:
    with pytest.raises(BadRequest) as wrong:
        call(client)
    assert str(wrong.value).startswith(said)


def test_so_it_is_where_it_is_awaited() -> None:
    async def use() -> None:
        async with AsyncClient(*NOWHERE) as opened:
            client: Any = opened
            with pytest.raises(BadRequest, match="epoch: is no argument of train; did you mean 'epochs'"):
                await client.train("pets", epoch=5)
            with pytest.raises(BadRequest, match="lable: is no argument of jobs; did you mean 'label'"):
                client.jobs(lable="a:b")

    asyncio.run(use())


def test_the_items_of_a_set_are_checked_as_those_of_a_list(client: Any) -> None:
    for aliases in ({1, 2}, frozenset({1}), [1]):
        with pytest.raises(BadRequest, match="aliases: should be a list, each item a text"):
            client.delete_model("pets@1", aliases=aliases)
