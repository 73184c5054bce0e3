"""Whatever its methods are given, nothing but a JobyardClientError leaves the client, and its message is one
line that names an argument.

`make fuzz-client` tries more.
"""

import inspect
import itertools
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from matplotlib import pyplot

from jobyard import Client, Job, JobyardClientError
from jobyard.client import Conflict, NotFound
from jobyard.client.errors import LONGEST
from tests.conftest import TOKEN, served
from tests.integration.web.world import World

EXAMPLES = int(os.environ.get("EXAMPLES", "5"))
ITSELF: list[Any] = []
ITSELF.append(ITSELF)


class Mute:
    """Can't be shown, converted, compared or looked into."""

    def fail(self, *_: object) -> Any:
        raise RuntimeError("nothing can be done with it")

    __str__ = __repr__ = __bool__ = __float__ = __int__ = __eq__ = __len__ = __hash__ = fail


# Numbers from 0 to 60 would be waited for.
NUMBERS = [0, -1, True, 61, 10**30, -(10**400), 1e308, -1e308, float("nan"), float("inf"), 1j]
TEXTS = ["", " ", "\0", "\ud83d", "a\nb", "é" * 5000, "@last", "pets@1", "missing.csv", "%2F..", "x" * 9000]
OTHERS = [None, b"\xff", Path("missing.png"), Path(), object(), Mute(), ITSELF, int, ..., {1: {2: 3}}, {1, 2}]
NESTED = [[], {}, [None], [Mute()], {"a": Mute()}, {"": None}, (1, "a"), [Path("a")], [[[[]]]], ["a", "b"]]
ODD: list[Any] = [*NUMBERS, *TEXTS, *OTHERS, *NESTED]


def methods(of: type) -> list[str]:
    found = inspect.getmembers(of, inspect.isfunction)
    return [name for name, _ in found if not name.startswith("_") and name != "close"]


def call(method: Callable[..., Any], drawn: random.Random) -> None:
    """With odd arguments, of which those that may be are left out at times."""
    places, named = [], {}
    for one in inspect.signature(method).parameters.values():
        if one.kind is one.VAR_KEYWORD:
            named |= {
                name: drawn.choice(ODD) for name in drawn.sample(["state", "label", "all", "epochs", "é"], 2)
            }
        elif one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD:
            places.append(drawn.choice(ODD))
        elif one.default is one.empty or drawn.random() < 0.2:
            named[one.name] = drawn.choice(ODD)
    try:
        found = method(*places, **named)
        if isinstance(found, Iterator):
            list(itertools.islice(found, 3))
    except JobyardClientError as error:
        check(error, {*inspect.signature(method).parameters, *named})


def check(error: JobyardClientError, arguments: set[str]) -> None:
    message = str(error)
    assert message.isprintable()  # on one line, too
    assert 0 < len(message) <= LONGEST
    # Of these, no argument need be wrong: what it names is not there, or does not allow this now.
    if not isinstance(error, NotFound | Conflict) and not message.startswith("JOBYARD_"):
        names = "|".join(map(re.escape, arguments))
        assert re.match(rf"(the |should have .*)?\b({names})\b", message), message


def fuzz(method: Callable[..., Any]) -> None:
    @settings(
        max_examples=EXAMPLES,
        # The suite calls the same each time.
        derandomize="EXAMPLES" not in os.environ,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(st.randoms(use_true_random=False, note_method_calls=False))
    def tried(drawn: random.Random) -> None:
        call(method, random.Random(drawn.getrandbits(64)))
        # Nobody looks at what `Job.plot` has drawn.
        pyplot.close("all")

    tried()


@pytest.fixture
def client(app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    monkeypatch.chdir(tmp_path)
    with served(app) as url, Client(url, TOKEN) as opened:
        yield opened


def test_no_other_error_leaves_the_client(client: Client) -> None:
    for name in methods(Client):
        fuzz(getattr(client, name))


def test_no_other_error_leaves_a_job(client: Client, world: World) -> None:
    for name in methods(Job):
        # Each has a job of its own: one of them deletes it.
        fuzz(getattr(client.job(world.job("texts", "succeeded").id), name))


def test_no_other_error_leaves_its_making() -> None:
    fuzz(Client)
