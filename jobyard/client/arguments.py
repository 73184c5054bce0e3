"""Arguments that a method doesn't have or can't take: an error of the client that says what is right."""

import functools
import inspect
import re
import typing
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, TypeVar

from jobyard.client.errors import BadRequest, JobyardClientError
from jobyard.client.fields import renamed
from jobyard.client.suggestions import instead
from jobyard.client.types import fits, shown, words

C = TypeVar("C", bound=type)
PACKAGE = "jobyard.client"
# What arguments are called that are sent as another field of the request, or of its spec.
SENT_AS = {
    "file": ("path", "source", "texts"),
    "files": ("file", "texts"),
    "archive": ("images",),
    "model": ("reference",),
    "id": ("reference", "part", "job_id"),
    "alias": ("aliases",),
    "part": ("job_id",),
}
KEYWORDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def checked(cls: C) -> C:
    """A class whose public methods raise BadRequest for arguments for which Python would raise TypeError."""
    for base in cls.__mro__:
        if not base.__module__.startswith(PACKAGE):
            continue
        for name, method in vars(base).copy().items():
            is_public = name == "__init__" or not name.startswith("_")
            if is_public and inspect.isfunction(method) and not hasattr(method, "__wrapped__"):
                setattr(base, name, _checked(method))
    return cls


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(method)
    called = method.__qualname__.partition(".")[0] if method.__name__ == "__init__" else method.__name__

    def check(args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
        try:
            return signature.bind(*args, **kwargs)
        except TypeError as error:
            raise BadRequest(_wrong(called, signature, args, kwargs) or f"{called}: {error}") from None

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            bound = check(args, kwargs)
            try:
                return await method(*args, **kwargs)
            except Exception as error:
                if (explained := _explained(error, method, bound)) is None:
                    raise
                raise explained from error

        return awaited

    @functools.wraps(method)
    def called_at_once(*args: Any, **kwargs: Any) -> Any:
        bound = check(args, kwargs)
        try:
            found = method(*args, **kwargs)
        except Exception as error:
            if (explained := _explained(error, method, bound)) is None:
                raise
            raise explained from error
        return _lazy(found, bound)

    return called_at_once


def _lazy(found: Any, bound: inspect.BoundArguments) -> Any:
    """What a method returns; errors of a list that is fetched lazily name arguments, too."""
    if inspect.isasyncgen(found):
        return _each_awaited(found, bound)
    return _each(found, bound) if inspect.isgenerator(found) else found


def _each(items: Iterator[Any], bound: inspect.BoundArguments) -> Iterator[Any]:
    try:
        yield from items
    except JobyardClientError as error:
        _name(error, bound)
        raise


async def _each_awaited(items: AsyncIterator[Any], bound: inspect.BoundArguments) -> AsyncIterator[Any]:
    try:
        async for one in items:
            yield one
    except JobyardClientError as error:
        _name(error, bound)
        raise


def _name(error: JobyardClientError, bound: inspect.BoundArguments) -> None:
    """Let the message name arguments for the fields of the request."""
    error.args = (renamed(error, lambda field: _argument(field, bound)),)


def _explained(
    error: Exception, method: Callable[..., Any], bound: inspect.BoundArguments
) -> BadRequest | None:
    """Names the argument whose type made an error that is none of the client's; None where all types fit.

    An error of the client's gets the names of arguments for those of the request's fields.
    """
    if isinstance(error, JobyardClientError):
        _name(error, bound)
        return None
    known = typing.get_type_hints(method)
    for name, value in bound.arguments.items():
        is_typed = name in known and bound.signature.parameters[name].kind in KEYWORDS
        if is_typed and not fits(value, known[name]):
            return BadRequest(f"{name}: should be {words(known[name])}, but is {shown(value)}")
    return None


def _argument(field: str, bound: inspect.BoundArguments) -> str:
    """What a field of the request is called in the call: `epochs` for `spec.epochs`."""
    known = bound.signature.parameters
    if "spec" in known and known["spec"].kind in KEYWORDS:
        return field
    if field in ("spec", "body"):  # all of it, and no argument
        return ""
    field = field.removeprefix("spec.")
    first = re.split(r"\W", field)[0]
    for other in SENT_AS.get(first, ()):
        is_other_given = bound.arguments.get(first) is None and bound.arguments.get(other) is not None
        if is_other_given or (first not in known and other in known):
            return f"{other}{field.removeprefix(first)}"
    return field


def _wrong(
    called: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str | None:
    """Which argument is wrong, and what would be right."""
    known = [one for one in signature.parameters.values() if one.name != "self" and one.kind in KEYWORDS]
    places = [one.name for one in known if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    names = [one.name for one in known]
    given = len(args) - 1
    for name in kwargs:
        if name not in names:
            hint = instead(name, names) if names else "it takes none"
            return f"{name}: is no argument of {called}; {hint}"
        if name in places[:given]:
            return f"{name}: is given twice, by its place and by its name"
    if given > len(places):
        takes = f"at most {len(places)}" if places else "no"
        return f"{called}: takes {takes} positional arguments, but got {given}; give others as name=value"
    for one in known:
        if one.default is one.empty and one.name not in (*places[:given], *kwargs):
            return f"{one.name}: is missing; {called} needs it"
    return None
