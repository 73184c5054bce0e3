"""The schema in the database is the one in the code, on both databases."""

import datetime
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from jobyard.shared import jobs, metrics
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import BadInput, ConfigError
from jobyard.shared.migrate import alembic_config, connection_for_migrations, migrate, upgrade
from jobyard.shared.needs import JobReference, unended_job_that_names
from jobyard.shared.registry import LastVersion
from jobyard.shared.tables import metadata
from tests.factories import dataset, model, new_job, register, submit


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(alembic_config()).get_heads()) == 1


def test_migrated_schema_is_the_one_in_the_code(database: Database, database_url: str) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                # Of SQLite's indexes Alembic reads no order: the next test compares them.
                "include_object": lambda _, name, *__: (
                    name not in ("ix_jobs_line", "ix_jobs_turns") or database_url[:6] != "sqlite"
                ),
            },
        )
        assert compare_metadata(context, metadata) == []


def test_on_sqlite_each_index_is_written_as_in_the_code(sqlite_url: str) -> None:
    engine = Database(sqlite_url).engine
    code = {
        str(sa.schema.CreateIndex(index).compile(engine))
        for table in metadata.tables.values()
        for index in table.indexes
    }
    with engine.connect() as connection:
        query = "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        assert set(connection.scalars(sa.text(query))) == code


def test_rows_survive_every_step_up_and_down(database_url: str) -> None:
    database = Database(database_url)
    with database.write() as session:
        job = submit(session, kind="train", deadline_seconds=9)
        metrics.write(session, job.id, [metrics.Point("loss", 1, 0.5)])
    config = alembic_config()
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert len(revisions) > 1
    for step in [*revisions[1:], *reversed(revisions[:-1])]:  # from the newest to the first, and back
        with connection_for_migrations(database_url) as connection:
            config.attributes["connection"] = connection
            (command.downgrade if step < current(connection) else command.upgrade)(config, step)
            for table in ("jobs", "job_events", "metrics"):
                assert connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table))) == 1, (
                    table,
                    step,
                )
    database.dispose()


def test_versions_go_on_from_those_that_were_there_before_they_were_counted(database_url: str) -> None:
    config = alembic_config()
    given: dict[str, Any] = {"network": "classic", "image_size": 32, "sha256": "", "bytes": 1}
    given |= {"classes": [], "metrics": {}, "created_at": datetime.datetime.now(datetime.UTC)}
    with connection_for_migrations(database_url) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")
        identity = sa.Column("id", sa.Uuid, primary_key=True)  # which SQLite knows only as text
        models = sa.Table("models", sa.MetaData(), identity, autoload_with=connection)
        for name, version in (("pets", 4), ("pets", 7), ("cars", 1)):
            key = uuid.uuid4()
            row = {"id": key, "name": name, "version": version, "storage_key": str(key)} | given
            connection.execute(sa.insert(models).values(row))
        command.upgrade(config, "head")
    database = Database(database_url)
    with database.read() as session:
        found = {(row.kind, row.name): row.version for row in session.scalars(sa.select(LastVersion))}
    database.dispose()
    assert found == {("models", "pets"): 7, ("models", "cars"): 1}


def test_jobs_from_before_references_were_kept_keep_what_they_name(database: Database) -> None:
    pets, cars = (register(database, thing) for thing in (dataset("pets"), dataset("cars")))
    model_ = register(database, model("pets"))
    specs = {
        "queued": {"dataset": "pets@1", "init_from": str(model_.id)},
        "ended": {"dataset": "cars@1"},
        "gone": {"dataset": "dogs@7", "init_from": "nonsense"},
    }
    ids = {name: new_job(database, kind="train", spec=spec) for name, spec in specs.items()}
    with database.write() as session:
        jobs.cancel(session, ids["ended"])
    config = alembic_config()
    with connection_for_migrations(database.engine.url.render_as_string(hide_password=False)) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0006")
        command.upgrade(config, "head")
    with database.read() as session:
        kept = {(row.job_id, row.referent_id) for row in session.scalars(sa.select(JobReference))}
        assert kept == {(ids["queued"], pets.id), (ids["queued"], model_.id)}
        assert unended_job_that_names(session, pets.id) == ids["queued"]
        assert unended_job_that_names(session, cars.id) is None


def current(connection: sa.Connection) -> str:
    return str(connection.scalar(sa.text("SELECT version_num FROM alembic_version")))


def test_downgrade_removes_everything_and_upgrade_brings_it_back(database: Database) -> None:
    config = alembic_config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert set(sa.inspect(connection).get_table_names()) == {"alembic_version"}
        command.upgrade(config, "head")
        assert set(metadata.tables) < set(sa.inspect(connection).get_table_names())


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_check_constraints_are_in_the_database(database: Database, table: str) -> None:
    declared = {
        str(constraint.name)
        for constraint in metadata.tables[table].constraints
        if isinstance(constraint, sa.CheckConstraint)
    }
    found = {
        str(constraint["name"]) for constraint in sa.inspect(database.engine).get_check_constraints(table)
    }
    assert declared == found


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_foreign_keys_are_called_as_in_the_code(database: Database, table: str) -> None:
    declared = {key.constraint and key.constraint.name for key in metadata.tables[table].foreign_keys}
    found = {key["name"] for key in sa.inspect(database.engine).get_foreign_keys(table)}
    assert declared == found


def revision(url: str) -> str | None:
    with connection_for_migrations(url) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def test_a_revision_is_reached_from_above_and_from_below(database_url: str) -> None:
    settings = Settings(database_url=database_url)
    newest = revision(database_url)
    (script,) = ScriptDirectory.from_config(alembic_config()).get_revisions("head")
    assert script is not None
    for asked, reached in [
        ("-1", script.down_revision),
        ("0003", "0003"),
        ("0003", "0003"),
        ("+1", "0004"),
        ("base", None),
        ("0002", "0002"),
        ("head", newest),
    ]:
        migrate(settings, asked)
        assert revision(database_url) == reached, asked


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("0999", "there is no revision '0999'; it should be 0001 to "),
        ("yesterday", "there is no revision 'yesterday'"),
        ("-99", "-99: there are fewer steps than that from "),
        ("+1", "+1: there are fewer steps than that from "),
    ],
)
def test_a_revision_that_there_is_not_is_one_line(sqlite_url: str, asked: str, said: str) -> None:
    before = revision(sqlite_url)
    with pytest.raises(BadInput) as caught:
        migrate(Settings(database_url=sqlite_url), asked)
    assert caught.value.message.startswith(said)
    assert "\n" not in caught.value.message
    assert revision(sqlite_url) == before


def test_the_database_of_a_later_version_is_one_line(sqlite_url: str) -> None:
    with connection_for_migrations(sqlite_url) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(ConfigError, match="the database is at revision 0999, from a later version"):
        upgrade(Settings(database_url=sqlite_url))
