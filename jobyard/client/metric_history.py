"""The metric history of a job: points, and as a table."""

from typing import Any

from jobyard.client.errors import Json
from jobyard.client.plain_tables import frame_of_columns

POINT = ("name", "step", "epoch", "value", "at")
# Ends the column of a metric that is called as another column.
SUFFIX = "_metric"


class MetricHistory(list[Json]):
    """Points in the order of name and step: {name, step, epoch, value, at}.

    As a table there is a row for each step, with the columns `step`, `epoch` and one of each metric, as Keras
    and the CSV loggers of other frameworks have it; what a step doesn't have is missing. A metric that is
    called as one of the first two has the column `step_metric` or `epoch_metric`. `tidy=True` gives a row for
    each point, as MLflow's `get_metric_history` does: `name`, `step`, `epoch`, `value` and `at`.
    """

    def to_pandas(self, *, tidy: bool = False) -> Any:
        """A `pandas.DataFrame`. Raises JobyardClientError where pandas isn't installed."""
        return frame_of_columns(self._columns(tidy=tidy), "pandas", "to_pandas()")

    def to_polars(self, *, tidy: bool = False) -> Any:
        """A `polars.DataFrame`. Raises JobyardClientError where polars isn't installed."""
        return frame_of_columns(self._columns(tidy=tidy), "polars", "to_polars()")

    def to_arrow(self, *, tidy: bool = False) -> Any:
        """A `pyarrow.Table`. Raises JobyardClientError where PyArrow isn't installed."""
        return frame_of_columns(self._columns(tidy=tidy), "pyarrow", "to_arrow()")

    def _columns(self, *, tidy: bool) -> dict[str, list[Any]]:
        if tidy:
            return {name: [point[name] for point in self] for name in POINT}
        steps: dict[int, Json] = {}
        for point in self:
            steps.setdefault(point["step"], {"epoch": point["epoch"]})
        names = list(dict.fromkeys(point["name"] for point in self))
        values = {name: dict.fromkeys(steps) for name in names}
        for point in self:
            values[point["name"]][point["step"]] = point["value"]
        order = sorted(steps)
        columns: dict[str, list[Any]] = {"step": order, "epoch": [steps[step]["epoch"] for step in order]}
        for name in names:
            column = name
            while column in columns or (column != name and column in names):
                column += SUFFIX
            columns[column] = [values[name][step] for step in order]
        return columns
