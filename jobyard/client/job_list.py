"""Several jobs, in their order."""

from typing import TypeVar

from jobyard.client import display

AnyJob = TypeVar("AnyJob", bound=display.Listed)


class JobList(list[AnyJob]):
    """A list of jobs, which notebooks show as a table."""

    def _repr_html_(self) -> str:
        return display.table(self)
