"""Kinds are found by their entry points; one that is wrong is a line, and hurts no other."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobyard.shared import kinds
from jobyard.shared.jobs import UNLISTED_KIND
from jobyard.shared.kinds import loading
from jobyard.shared.kinds.base import Kind, Queue
from tests.echo import Echo, EchoSpec

ROOT = Path(__file__).parents[4]
# In their order.
BUILT_IN = ["train", "predict", "evaluate", "sentiment", "import", "register", "export"]


Load = Callable[[type], loading.Installed]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """What is installed when a package brings this class as its kind `echo`."""
    own = list(loading.entry_points(group=loading.GROUP))

    def load(declared: type) -> loading.Installed:
        module = ModuleType("package_of_the_test")
        module.Echo = declared  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        found = EntryPoint("echo", "package_of_the_test:Echo", loading.GROUP)
        monkeypatch.setattr(loading, "entry_points", lambda group: [found, *own])
        loading.installed.cache_clear()
        return loading.installed()

    yield load
    loading.installed.cache_clear()


def changed(**members: Any) -> type:
    return type("Changed", (Echo,), members)


def test_a_kind_of_another_package_is_one_among_the_built_in_ones(load: Load) -> None:
    installed = load(Echo)
    assert list(installed.kinds) == [*BUILT_IN, "echo"]
    assert installed.problems == ()
    assert kinds.find("echo").title({"text": "hello"}, {}) == "Echo a text"


def test_the_built_in_kinds_are_registered_as_others_are() -> None:
    entries = {entry.name: entry.value for entry in loading.entry_points(group=loading.GROUP)}
    assert entries == {
        name: f"{type(kind).__module__}:{type(kind).__qualname__}" for name, kind in kinds.by_name().items()
    }


class Forgetful(Kind[EchoSpec]):
    """Has neither `inputs` nor `references`."""

    name = "echo"
    queue = Queue.CPU
    Spec = EchoSpec
    work = "echo:work"
    label = "Echo"
    action = "Echo a text"


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        (Forgetful, "Forgetful should define inputs, references"),
        (object, "package_of_the_test:Echo should be a subclass of jobyard.shared.kinds.base.Kind"),
        (
            changed(name="Echo"),
            "name should be lower-case letters, digits and '-', at most 32, but is 'Echo'",
        ),
        (changed(name="../echo"), "at most 32, but is '../echo'"),
        (changed(name="generic"), "name should be that of the entry point, 'echo', but is 'generic'"),
        (changed(queue="tpu"), "queue should be one of gpu, predict, cpu, but is 'tpu'"),
        (changed(Spec=dict), "Spec should be a subclass of jobyard.shared.kinds.base.Spec"),
        (changed(Part=dict), "Part should be a subclass of jobyard.shared.kinds.base.Parameters"),
        (changed(work="echo.work"), "work should be 'package.module:function', but is 'echo.work'"),
        (changed(work=print), "work should be 'package.module:function', but is"),
        (
            changed(templates="no_such_package"),
            "templates should be a package with a folder `templates`, but is",
        ),
        (changed(templates=7), "templates should be a package with a folder `templates`, but is 7"),
        (changed(Spec=type("TrainSpec", (EchoSpec,), {})), "another kind's Spec is called TrainSpec too"),
        (changed(__init__=lambda self: 1 / 0), "ZeroDivisionError: division by zero"),
    ],
)
def test_a_wrong_declaration_is_one_line_and_hurts_no_other(load: Load, declared: type, why: str) -> None:
    installed = load(declared)
    assert list(installed.kinds) == BUILT_IN
    (problem,) = installed.problems
    assert problem.startswith("the kind 'echo' of package_of_the_test:Echo can't be used: ")
    assert why in problem
    assert "\n" not in problem


def test_a_kind_that_fails_at_what_pages_ask_of_it_has_an_answer_all_the_same(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    load(changed(title=lambda *_: 1 / 0, links=lambda *_: 1 / 0, wrong_field=lambda *_: 1 / 0))
    assert kinds.title("echo", {}, {}) == "Echo"
    assert kinds.links("echo", "{}") == ()
    assert kinds.wrong_field("echo", {}, "x") is None
    assert caplog.text.count("division by zero") == 3


def test_a_kind_whose_package_was_removed_is_called_by_its_name() -> None:
    assert kinds.title("removed", {}, {}) == "removed"
    assert kinds.links("removed", "{}") == ()


def test_no_package_can_bring_a_kind_of_the_name_of_an_internal_one() -> None:
    assert not [name for name in kinds.INTERNAL if loading.NAME.fullmatch(name)]
    assert list(kinds.INTERNAL) == [UNLISTED_KIND]


def test_every_built_in_kind_has_its_page_its_form_and_its_work() -> None:
    for name, kind in kinds.by_name().items():
        for template in ("form", "result"):
            assert (ROOT / "web" / "templates" / "kinds" / name / f"{template}.html").is_file()
        module, _, function = kind.work.partition(":")
        path = ROOT.joinpath(*module.removeprefix("jobyard.").split(".")).with_suffix(".py")
        assert f"def {function}(" in path.read_text()
