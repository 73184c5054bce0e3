"""The metrics of a job as a table: one column for each, however they are called."""

from typing import Any

import pandas as pd

from jobyard.client.metric_history import MetricHistory
from tests.unit.jobyard.client.jobs import history


def test_there_is_a_row_for_each_step_and_a_column_for_each_metric() -> None:
    table = MetricHistory(history(loss=[0.5, 0.25], accuracy=[0.75])).to_pandas()
    assert list(table.columns) == ["step", "epoch", "loss", "accuracy"]
    assert table["loss"].tolist() == [0.5, 0.25]
    assert table["accuracy"].isna().tolist() == [False, True]


def test_metrics_that_are_called_as_other_columns_keep_their_values() -> None:
    values: dict[str, Any] = {
        "step": [7.0],
        "epoch": [8.0],
        "step_metric": [9.0],
        "step_metric_metric": [1.0],
    }
    found = MetricHistory(history(**values))
    table = found.to_pandas()
    assert table.iloc[0].to_dict() == {
        "step": found[0]["step"],
        "epoch": found[0]["epoch"],
        "step_metric_metric_metric": 7.0,
        "epoch_metric": 8.0,
        "step_metric": 9.0,
        "step_metric_metric": 1.0,
    }
    assert found.to_polars().columns == found.to_arrow().column_names == list(table.columns)
    pd.testing.assert_frame_equal(found.to_arrow().to_pandas(), table)
