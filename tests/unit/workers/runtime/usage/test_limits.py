"""The limit of memory: the least of the control groups that a process is in."""

from pathlib import Path

import pytest

from jobyard.workers.runtime.usage.limits import _limits_of_groups, memory_limit


def test_there_is_always_a_limit() -> None:
    assert memory_limit() > 100_000_000


@pytest.mark.parametrize(
    ("own", "files", "limits"),
    [
        ("0::/a/b\n", {"a/b/memory.max": "500", "a/memory.max": "300", "memory.max": "max"}, [500, 300]),
        # In a container whose host's path it shows.
        ("0::/../../docker/x\n", {"memory.max": "400"}, [400]),
        ("5:cpu:/a\n7:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "200"}, [200]),
        ("not as expected", {}, []),
        (None, {}, []),
    ],
)
def test_it_is_that_of_each_group_that_has_one(
    tmp_path: Path, own: str | None, files: dict[str, str], limits: list[int]
) -> None:
    cgroup = tmp_path / "cgroup"
    if own is not None:
        cgroup.write_text(own)
    root = tmp_path / "groups"
    root.mkdir()
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    assert _limits_of_groups(root, cgroup) == limits
