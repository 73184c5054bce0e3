"""Python and the packages, against the ranges that this version of Jobyard asks for."""

import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from jobyard import __version__
from jobyard.shared.doctor.findings import Finding, warning, well, wrong

TOPIC = "versions"


def check_packages() -> Iterator[Finding]:
    """Each package that is installed in a version outside its range, and each that every process needs."""
    python = platform.python_version()
    try:
        about = metadata.metadata("jobyard")
        requirements = metadata.requires("jobyard") or []
    except metadata.PackageNotFoundError:
        yield warning(
            TOPIC,
            f"Jobyard {__version__} on Python {python} is not installed as a package: no ranges are known",
            'pip install "jobyard[server]"',
        )
        return
    asked = about["Requires-Python"]  # every version of Jobyard says it
    if not SpecifierSet(asked).contains(python, prereleases=True):
        yield wrong(TOPIC, f"Python is {python}, and should be {asked}", f"install Python {asked}")
    problems = [found for text in requirements if (found := _problem(text)) is not None]
    yield from problems
    if not problems:
        yield well(TOPIC, f"Jobyard {__version__}, Python {python}, all packages within their ranges")


def _problem(text: str) -> Finding | None:
    """Of one requirement. What no process needs need not be installed: the extras are of different ones."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    extras = ("", "shared", "web", "cpu", "gpu", "flower", "s3", "server")
    marker = requirement.marker
    theirs = [extra for extra in extras if marker is None or marker.evaluate({"extra": extra})]
    if not theirs or requirement.name.lower() == "jobyard":
        return None
    wanted = f"{requirement.name}{requirement.specifier}"
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        if "shared" not in theirs:
            return None
        return wrong(TOPIC, f"{requirement.name} is not installed", f'pip install "{wanted}"')
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return wrong(TOPIC, f"{requirement.name} is {found}, and should be {wanted}", f'pip install "{wanted}"')
