"""What the command train says at its end."""

from types import SimpleNamespace
from typing import Any

import pytest

from jobyard.cli.trainings import show_training

SCORE = {"precision": 0.9, "recall": 0.875, "f1": 0.887, "support": 40}


def job(**changes: Any) -> Any:
    result = {
        "model": "pets@2",
        "epochs": 7,
        "stopped_early": None,
        "metrics": {"best": {"epoch": 5, "accuracy": 0.9712}},
        "evaluation": {
            "accuracy": 0.8876,
            "accuracy_interval": [0.8012, 0.9412],
            "pictures": 1080,
            "split": "test",
            "per_class": {"cats": SCORE, "[b]dogs": SCORE},
        },
        **changes,
    }
    return SimpleNamespace(result=result, link=lambda name: f"http://here/{name}")


def test_the_end_says_how_sure_the_accuracy_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_training(job())
    shown = " ".join(capsys.readouterr().out.split())

    assert "accuracy 0.888 (0.801 to 0.941 at 95 %) on 1,080 test pictures, 0.971 in training" in shown
    assert "weights of epoch 5, the best of 7" in shown
    assert "[b]dogs" in shown
    assert "stopped" not in shown
    assert "jobyard predict pets@2 PICTURE..." in shown


def test_the_end_says_why_it_came_early(capsys: pytest.CaptureFixture[str]) -> None:
    show_training(job(stopped_early="val_loss has not fallen in the 2 epochs after epoch 5"))

    assert "stopped val_loss has not fallen" in " ".join(capsys.readouterr().out.split())
