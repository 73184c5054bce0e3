"""What `jobyard models add` says at its end."""

from types import SimpleNamespace
from typing import Any

import pytest

from jobyard.cli.models import show_foreign

SOURCE = {
    "layers": 156,
    "parameters": 2_257_984,
    "rescale": "-1..1: a Rescaling was put in front",
    "head": "softmax, as it was",
    "warnings": [],
}


def job(**changes: Any) -> Any:
    result = {"model": "pets@2", "sha256": "ab" * 32, "image_size": 224, "source": SOURCE | changes}
    return SimpleNamespace(result=result, link=lambda name: f"http://here/{name}")


def test_the_end_says_what_was_registered(capsys: pytest.CaptureFixture[str]) -> None:
    show_foreign(job())
    shown = " ".join(capsys.readouterr().out.split())
    assert f"model pets@2, SHA-256 {'ab' * 32}" in shown
    assert "network 156 layers, 2,257,984 parameters, pictures of 224 pixels" in shown
    assert "pixels -1..1: a Rescaling was put in front" in shown
    assert "outputs softmax, as it was" in shown
    assert "warning" not in shown
    assert "jobyard predict pets@2 PICTURE..." in shown


def test_warnings_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show_foreign(job(warnings=["layers[1] '[b]evil' was left out"]))
    assert "warning layers[1] '[b]evil' was left out" in " ".join(capsys.readouterr().out.split())
