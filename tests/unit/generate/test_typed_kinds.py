"""What an editor completes is what the specs have."""

import inspect

import pytest

from jobyard.client import AsyncClient, Client
from jobyard.shared import kinds
from tests.generate import typed_kinds
from tests.generate.typed_kinds import MADE, Method


def test_the_methods_are_generated_from_the_specs() -> None:
    different = [path.name for path, text in typed_kinds.files().items() if path.read_text() != text]
    assert not different, "run `make client`"


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("method", MADE, ids=lambda method: method.name)
def test_every_field_of_a_spec_is_an_argument_with_a_type(client: type, method: Method) -> None:
    arguments = inspect.signature(getattr(client, method.name)).parameters
    assert set(kinds.find(method.kind).Spec.model_fields) - set(method.replaced) <= set(arguments)
    assert {"priority", "note", "keep"} <= set(arguments)
    for one in list(arguments.values())[1:]:
        assert one.annotation not in (one.empty, "Any"), one
        assert one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL), one


def test_arguments_are_documented_with_their_limits_and_defaults() -> None:
    told = " ".join(str(inspect.getdoc(Client.train)).split())
    assert "epochs: How often every training picture is learned from; from 1 to 10,000; default: 20." in told
