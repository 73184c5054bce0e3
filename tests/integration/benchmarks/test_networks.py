"""`make bench-networks`: which photographs train and which judge, and when a goal is met."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.training import networks
from benchmarks.training.networks import JUDGES, draws
from benchmarks.training.trials import (
    CONTENDERS,
    FINE_TUNED,
    GOALS,
    PRETRAINED,
    Trial,
    lines,
    summary,
    verdicts,
)
from jobyard.shared.kinds.train import TrainSpec

GOOD = Trial(right=990, pictures=1_000, seconds=10, cpu_seconds=15, bytes=1)
SLOW = Trial(right=900, pictures=1_000, seconds=31, cpu_seconds=60, bytes=1)
ALL_MET = {
    (PRETRAINED, 20): [GOOD],
    (PRETRAINED, 1_000): [GOOD],
    (FINE_TUNED, 1_000): [GOOD],
    ("compact", 1_000): [GOOD],
    ("classic", 1_000): [SLOW],
}


def photographs(folder: Path, count: int) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for name in ("cats", "dogs"):
        (folder / name).mkdir(parents=True)
        found[name] = [folder / name / f"{number}.jpg" for number in range(count)]
        for file in found[name]:
            file.touch()
    return found


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("fields", CONTENDERS.values(), ids=CONTENDERS)
def test_every_contender_is_a_spec(fields: dict[str, object]) -> None:
    TrainSpec.model_validate({"dataset": "photographs", **fields})


def test_photographs_that_judge_do_not_train(tmp_path: Path) -> None:
    found = photographs(tmp_path / "photographs", 50)
    drawn = list(draws(found, None, (5, 1_000), 2, tmp_path / "scratch"))
    # Of 50, 10 judge: 40 are all that can train.
    assert [(draw.size, draw.number) for draw in drawn] == [(5, 1), (5, 2), (40, 1), (40, 2)]
    for draw in drawn:
        for name in found:
            train, test = (names(draw.folder / part / name) for part in ("train", "test"))
            assert (len(train), len(test)) == (draw.size, 10)
            assert not train & test
    assert names(drawn[0].folder / "train/cats") != names(drawn[1].folder / "train/cats")


def test_other_photographs_judge_all_of_them(tmp_path: Path) -> None:
    found = photographs(tmp_path / "photographs", 20)
    judges = photographs(tmp_path / "judges", JUDGES + 1)
    (draw,) = draws(found, judges, (20,), 1, tmp_path / "scratch")
    assert names(draw.folder / "train/dogs") == {path.name for path in found["dogs"]}
    assert len(names(draw.folder / "test/dogs")) == JUDGES + 1
    assert (draw.folder / "test/dogs/0.jpg").resolve() == (tmp_path / "judges/dogs/0.jpg").resolve()


def test_the_same_photographs_are_drawn_each_time(tmp_path: Path) -> None:
    found = photographs(tmp_path / "photographs", 50)
    (first,) = draws(found, None, (5,), 1, tmp_path / "first")
    (second,) = draws(found, None, (5,), 1, tmp_path / "second")
    assert names(first.folder / "train/cats") == names(second.folder / "train/cats")


def test_goals_are_met_by_good_and_fast_trainings() -> None:
    found = verdicts(ALL_MET)
    assert len(found) == len(GOALS)
    assert all(verdict.met and verdict.text.endswith(": met") for verdict in found)


@pytest.mark.parametrize("contender", [key for key in ALL_MET if key[0] != "classic"])
def test_a_goal_is_missed_by_bad_trainings(contender: tuple[str, int]) -> None:
    bad = [replace(GOOD, right=800)]
    (missed,) = [verdict for verdict in verdicts(ALL_MET | {contender: bad}) if not verdict.met]
    assert missed.text.startswith(f"{contender[0]}, {contender[1]} a class: accuracy 0.800")
    assert missed.text.endswith(": MISSED")


def test_a_goal_is_missed_by_slow_trainings() -> None:
    slow = [replace(GOOD, seconds=11)]
    (missed,) = [verdict for verdict in verdicts(ALL_MET | {(PRETRAINED, 1_000): slow}) if not verdict.met]
    assert missed.text == f"{PRETRAINED} to classic, 1000 a class: time 0.35, ≤ 0.33: MISSED"


def test_goals_of_sizes_that_were_not_tried_are_not_judged() -> None:
    assert verdicts({(PRETRAINED, 50): [GOOD]}) == []
    # Where a fifth judges, 1,000 a class leave 800.
    (verdict,) = verdicts({(PRETRAINED, 800): [GOOD]})
    assert verdict.text.startswith(f"{PRETRAINED}, 800 a class")


def test_several_draws_do_not_narrow_the_interval() -> None:
    """They are judged by nearly the same pictures."""
    trials = [replace(GOOD, right=right) for right in (950, 960, 970)]
    found = summary(trials)
    assert (found.accuracy, found.worst, found.draws) == (0.96, 0.95, 3)
    assert (found.low, found.high) == pytest.approx((0.9460, 0.9705), abs=1e-4)


def test_the_table_is_markdown() -> None:
    trials = {("classic", 1_000): [SLOW], ("compact", 10): [GOOD], ("classic", 10): [SLOW]}
    table = list(lines(trials, 2, "1,000 photographs never seen"))
    assert table[0] == "2 cores; judged by 1,000 photographs never seen"
    assert table[-1] == "| 1,000 | classic | 0.900 (0.880 to 0.917) |  | 31 | 60 | 0.0 MB |"
    assert [row.split(" | ")[:2] for row in table[-3:-1]] == [["| 10", "compact"], ["| 10", "classic"]]
    assert len({row.count("|") for row in table[2:]}) == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--data", "missing"], "missing should be a folder with a folder of photographs for each class"),
        (["--data", "photographs", "--test", "other"], "lacks the class 'dogs'"),
        (["--data", "photographs", "--sizes", "1,10"], "should be at least 2 a class"),
        (["--data", "photographs", "--only", "classic;vgg"], "--only has 'vgg'"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: list[str],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    photographs(Path("photographs"), 2)
    for name in ("cats", "wolves"):
        Path("other", name).mkdir(parents=True)
    monkeypatch.setattr("sys.argv", ["networks", *arguments])
    with pytest.raises(SystemExit):
        networks.main()
    assert why in capsys.readouterr().err
