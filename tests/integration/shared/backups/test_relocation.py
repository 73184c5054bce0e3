"""A move takes every row to the other kind of database, to the last character, or nothing."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.backups import move, relocation
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import ConfigError
from jobyard.shared.storage import Storage
from tests.conftest import new_database
from tests.factories import get_job, new_job
from tests.integration.shared.backups.conftest import Yard, fill


def settings_of(url: str, home: Path) -> Settings:
    return Settings(home=home, database_url=url)


@pytest.fixture
def old(sqlite_url: str, tmp_path: Path) -> Yard:
    database = Database(sqlite_url)
    yard = fill(database, tmp_path / "a", sqlite_url)
    database.dispose()
    return yard


def text_of(database: Database, table: str, column: str) -> list[str]:
    text: sa.ColumnElement[str] = sa.cast(sa.column(column), sa.Text)
    with database.read() as session:
        return sorted(map(str, session.scalars(sa.select(text).select_from(sa.table(table)))))


def test_all_rows_move_to_postgresql_and_back(old: Yard, postgres: str, tmp_path: Path) -> None:
    path = Path(old.settings.database.removeprefix("sqlite:///"))
    shutil.copy(path, tmp_path / "before.db")
    home = old.settings.home
    with new_database(postgres) as url:
        moved = move(old.settings, settings_of(url, home))
        assert moved.storage_problem is None
        assert (moved.rows["jobs"], moved.rows["metrics"], moved.rows["datasets"]) == (2, 50, 1)
        there = Database(url)
        before = Database(f"sqlite:///{tmp_path}/before.db")
        try:
            for column in ("spec", "result"):
                assert text_of(there, "jobs", column) == text_of(before, "jobs", column)
            with there.read() as session:
                numbers = [event.id for event in jobs.events(session, old.running)]
            added = new_job(there)
            with there.read() as session:
                assert jobs.events(session, added)[0].id > max(numbers)
            # The storage follows the new database; the old one may delete nothing from it any more.
            assert Storage(old.settings.storage, there).identity.may_delete()
            assert not Storage(old.settings.storage, before).identity.may_delete()
        finally:
            there.dispose()
            before.dispose()
        back = f"sqlite:///{tmp_path}/back.db"
        again = move(settings_of(url, home), settings_of(back, home))
        assert again.rows["metrics"] == moved.rows["metrics"] == 50
        assert again.rows["jobs"] == moved.rows["jobs"] + 1
        returned = Database(back)
        assert get_job(returned, old.ended).spec == get_job(Database(f"sqlite:///{path}"), old.ended).spec
        returned.dispose()


def test_a_move_needs_both_databases_to_itself_and_an_empty_one_to_go_to(
    old: Yard, postgres_url: str, tmp_path: Path
) -> None:
    home, new = old.settings.home, f"sqlite:///{tmp_path}/new.db"
    to = settings_of(postgres_url, home)
    using = Database(old.settings.database)
    with using.read() as session:
        session.execute(sa.text("SELECT count(*) FROM jobs"))
    with pytest.raises(ConfigError, match=r"has the database .* open: stop"):
        move(old.settings, to)
    using.dispose()
    server = Database(postgres_url)
    with server.read() as session:
        session.execute(sa.text("SELECT 1"))
        with pytest.raises(ConfigError, match="Jobyard has 1 connections"):
            move(old.settings, to)
    with pytest.raises(ConfigError, match="should be another database"):
        move(old.settings, old.settings)
    new_job(server)
    server.dispose()
    with pytest.raises(ConfigError, match="not empty: it has jobs"):
        move(old.settings, to)
    away = settings_of("postgresql+psycopg://me:pass-word@127.0.0.1:1/x", home)
    with pytest.raises(ConfigError, match=r"^--to: can't use the database: ") as caught:
        move(old.settings, away)
    assert "pass-word" not in caught.value.message
    assert not (tmp_path / "nothing.db").exists()
    with pytest.raises(ConfigError, match="there is no database"):
        move(settings_of(f"sqlite:///{tmp_path}/nothing.db", home), settings_of(new, home))


def test_a_row_that_is_another_one_in_the_new_database_stops_the_move(
    old: Yard, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it so for any reason, nothing would be there."""
    with new_database(postgres) as url:
        server = Database(url)
        server.dispose()
        real = relocation.tables.clear

        def clear(connection: sa.Connection) -> None:
            real(connection)
            connection.execute(
                sa.text(
                    "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS "
                    "'BEGIN NEW.value := 0; RETURN NEW; END'"
                )
            )
            connection.execute(
                sa.text("CREATE TRIGGER other BEFORE INSERT ON metrics FOR EACH ROW EXECUTE FUNCTION other()")
            )

        monkeypatch.setattr(relocation.tables, "clear", clear)
        with pytest.raises(ConfigError, match="the table metrics has 50 rows"):
            move(old.settings, settings_of(url, old.settings.home))
        with server.read() as session:
            assert sa.inspect(session.connection()).get_table_names() == []
        server.dispose()
