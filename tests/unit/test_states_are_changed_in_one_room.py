"""Outside shared/jobs/ no code writes a row of the table of jobs: found by reading all of it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("shared", "web", "workers", "migrations", "jobyard")
LINKS = {ROOT / "jobyard" / room for room in ROOMS}  # to the rooms themselves
TABLE = {"Job", "JOBS"}
RAW = re.compile(r"\b(?:update|(?:insert|replace)(?:\s+or\s+\w+)?\s+into)\s+[\"`]?jobs\b", re.IGNORECASE)


def product_code() -> Iterator[Path]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if not LINKS & set(path.parents) and ROOT / "shared" / "jobs" not in path.parents:
                yield path


def writes(code: str) -> list[int]:
    """The numbers of the lines that write a job's row, or seem to."""
    return sorted({node.lineno for node in ast.walk(ast.parse(code)) if _writes(node)})  # type: ignore[attr-defined]


def _writes(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr="state", ctx=ast.Store() | ast.Del()):
            return not (isinstance(node.value, ast.Name) and node.value.id == "self")
        case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value="state"), *_]):
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if name in (
            "update",
            "insert",
        ):
            return _is_the_table(first) or _has_state(node)
        case ast.Call(func=ast.Attribute(attr="update" | "values")):
            return _has_state(node)
        case ast.Constant(value=str(text)):
            return RAW.search(text) is not None
    return False


def _is_the_table(node: ast.expr) -> bool:
    return any(
        (isinstance(part, ast.Name) and part.id in TABLE)
        or (isinstance(part, ast.Attribute) and part.attr in TABLE)
        for part in ast.walk(node)
    )


def _has_state(call: ast.Call) -> bool:
    keys = [key for arg in call.args if isinstance(arg, ast.Dict) for key in arg.keys]
    return any(keyword.arg == "state" for keyword in call.keywords) or any(
        (isinstance(key, ast.Constant) and key.value == "state")
        or (isinstance(key, ast.Attribute) and key.attr == "state")
        for key in keys
    )


def test_no_code_outside_writes_a_job() -> None:
    files = list(product_code())
    assert len(files) > 100
    assert {room for room in ROOMS if any(ROOT / room in path.parents for path in files)} == set(ROOMS)
    found = [f"{path.relative_to(ROOT)}:{line}" for path in files for line in writes(path.read_text())]
    assert found == []


def test_the_room_itself_would_be_found() -> None:
    assert writes((ROOT / "shared" / "jobs" / "transitions.py").read_text())


@pytest.mark.parametrize(
    "code",
    [
        "session.execute(sa.update(Job).where(Job.id == 1).values(worker=None))",
        "session.execute(sa.update(jobs.Job).where(x))",
        "sa.update(Job.__table__)",
        "update(JOBS)",
        "insert(jobs.Job)",
        "table.update().values(state='queued')",
        "statement.values({'state': 'queued'})",
        "statement.values({Job.state: 'queued'})",
        "session.query(Job).filter_by(id=1).update({'state': 'queued'})",
        "session.query(Job).update({Job.state: 'queued'})",
        "job.state = State.FAILED",
        "session.get(Job, job_id).state = 'failed'",
        "job.state, other = 'failed', 1",
        "setattr(job, 'state', 'failed')",
        "sa.text('UPDATE jobs SET state = 1')",
        "op.execute('''\n    update \"jobs\" set worker = NULL''')",
        "sa.text(f'UPDATE jobs SET state = {state}')",
        "sa.text('insert into jobs values (1)')",
    ],
)
def test_such_a_line_would_be_found(code: str) -> None:
    assert writes(code) == [code[: code.index("'''")].count("\n") + 1 if "'''" in code else 1]


@pytest.mark.parametrize(
    "code",
    [
        "if job.state == State.QUEUED: pass",
        "sa.select(Job).where(Job.state == 'queued')",
        "sa.delete(Job)",
        "sa.update(Dataset).values(name='jobs')",
        "insert(Metric.__table__).values(at=utcnow())",
        "self.state = 'open'",
        "found.update(kind='train')",
        "'how to update jobsheets'",
    ],
)
def test_other_lines_would_not(code: str) -> None:
    assert writes(code) == []
