"""Values of a layer's config: each check returns the value as Keras is given it, or raises Refusal."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobyard.shared.errors import WorkError

Check = Callable[[Any, "Place"], Any]

# What TensorFlow takes for a scope's name, without the slash that Keras refuses.
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,200}", re.ASCII)
# Of a value in a message.
_SHOWN = 60


class Refusal(WorkError):
    """An architecture that Jobyard does not build; the message names the place and what would be right."""


@dataclass(frozen=True)
class Place:
    """Where in the file a value is, for people."""

    path: str = ""

    def key(self, name: str) -> "Place":
        return Place(f"{self.path}.{_short(name)}" if self.path else _short(name))

    def item(self, index: int) -> "Place":
        return Place(f"{self.path}[{index}]")

    def layer(self, index: int, given: Any) -> "Place":
        """A layer of this model, by its number and its name."""
        name = given.get("name") if isinstance(given, dict) else None
        if isinstance(given, dict) and name is None and isinstance(given.get("config"), dict):
            name = given["config"].get("name")
        named = f" '{_short(name)}'" if isinstance(name, str) else ""
        return Place(f"{self.path} > layers[{index}]{named}" if self.path else f"layers[{index}]{named}")

    def refuse(self, message: str) -> Refusal:
        """The error to raise: `message` continues "layers[3] 'conv': "."""
        return Refusal(f"architecture: {self.path}: {message}" if self.path else f"architecture: {message}")


def shown(value: Any) -> str:
    """A value as a message has it: short, on one line, without what a terminal would obey."""
    if isinstance(value, dict):
        inner = value.get("class_name")
        return f"an object of class {shown(inner)}" if isinstance(inner, str) else "an object"
    if isinstance(value, list) and (len(value) > 8 or any(isinstance(one, (list, dict)) for one in value)):
        return f"a list of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**15:
        return "a number of more than 15 digits"
    names = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return names[value]
    return _short(ascii(value))


def _short(text: str) -> str:
    text = "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def boolean(value: Any, place: Place) -> bool:
    if not isinstance(value, bool):
        raise place.refuse(f"should be true or false, is {shown(value)}")
    return value


def nothing(value: Any, place: Place) -> None:
    """For keys of what Jobyard doesn't build: quantised layers, ragged inputs."""
    if value is not None:
        raise place.refuse(f"should be null, is {shown(value)}")


def no(value: Any, place: Place) -> bool:
    if value is not False:
        raise place.refuse(f"should be false, is {shown(value)}")
    return False


def name(value: Any, place: Place) -> str:
    """A layer's: letters, digits, '_', '.' and '-', as TensorFlow takes them."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise place.refuse(f"should be a name of letters, digits, '_', '.' and '-', is {shown(value)}")
    return value


def integer(low: int, high: int) -> Check:
    def check(value: Any, place: Place) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise place.refuse(f"should be a whole number from {low} to {high}, is {shown(value)}")
        return value

    return check


def number(low: float, high: float) -> Check:
    def check(value: Any, place: Place) -> int | float:
        right = isinstance(value, (int, float)) and not isinstance(value, bool)
        # The comparison comes before `isfinite`, which can't take a whole number of 400 digits.
        if not right or not low <= value <= high or not math.isfinite(value):
            raise place.refuse(f"should be a number from {low:g} to {high:g}, is {shown(value)}")
        return value  # type: ignore[no-any-return]

    return check


def choice(*allowed: Any) -> Check:
    def check(value: Any, place: Place) -> Any:
        # By type as well: 1 equals true.
        if not any(value == one and type(value) is type(one) for one in allowed):
            raise place.refuse(f"should be {' or '.join(map(shown, allowed))}, is {shown(value)}")
        return value

    return check


def optional(check: Check) -> Check:
    return lambda value, place: None if value is None else check(value, place)


def either(first: Check, second: Check) -> Check:
    """The first, or for lists the second."""
    return lambda value, place: (second if isinstance(value, list) else first)(value, place)


def items(check: Check, low: int, high: int) -> Check:
    """A list of `low` to `high` such values."""

    def checked(value: Any, place: Place) -> list[Any]:
        if not isinstance(value, list) or not low <= len(value) <= high:
            length = str(low) if low == high else f"{low} to {high}"
            raise place.refuse(f"should be a list of {length}, is {shown(value)}")
        return [check(one, place.item(index)) for index, one in enumerate(value)]

    return checked


def tuple_of(check: Check, length: int) -> Check:
    """One value for all dimensions, or a list of `length`; returns the list."""
    listed = items(check, length, length)

    def checked(value: Any, place: Place) -> list[Any]:
        return listed(value, place) if isinstance(value, list) else [check(value, place)] * length

    return checked


def mapping(
    value: Any, place: Place, checks: Mapping[str, Check], required: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """An object with these keys and no others; returns the checked values of those that are there."""
    if not isinstance(value, dict):
        raise place.refuse(f"should be an object, is {shown(value)}")
    for key in value:
        if not isinstance(key, str) or key not in checks:
            known = ", ".join(sorted(checks)) or "none"
            raise place.refuse(f"has the key {shown(key)}, which this class doesn't have: {known}")
    for key in required:
        if key not in value:
            raise place.refuse(f"has no {key!r}, which this class needs")
    return {key: checks[key](one, place.key(key)) for key, one in value.items()}
