"""A migration that would stop or break the release that still runs is refused by name."""

from pathlib import Path

import pytest

from local_stack.migrations import MigrationsDiffer, lint

BREAKING = {
    "CREATE INDEX ix_events_x ON events (type);": "require-concurrent-index-creation",
    "ALTER TABLE events ALTER COLUMN type SET NOT NULL;": "adding-not-nullable-field",
    "ALTER TABLE events DROP COLUMN type;": "ban-drop-column",
    "ALTER TABLE events RENAME COLUMN type TO kind;": "renaming-column",
    "ALTER TABLE events RENAME TO facts;": "renaming-table",
    "ALTER TABLE events ADD COLUMN n float8 DEFAULT random();": "adding-field-with-default",
    "ALTER TABLE events ADD COLUMN n BIGINT NOT NULL;": "adding-required-field",
    "ALTER TABLE events ALTER COLUMN type TYPE varchar(9);": "changing-column-type",
    "ALTER TABLE events ADD CONSTRAINT c CHECK (number > 0);": "constraint-missing-not-valid",
    "ALTER TABLE events ADD CONSTRAINT u UNIQUE (id);": "disallowed-unique-constraint",
}
SOUND = """
CREATE TABLE things (id BIGINT NOT NULL, CONSTRAINT pk_things PRIMARY KEY (id));

CREATE INDEX ix_things_id ON things (id);

ALTER TABLE events ADD COLUMN n BIGINT NOT NULL DEFAULT 0;

ALTER TABLE events ADD CONSTRAINT c CHECK (number > 0) NOT VALID;
"""


def written(folder: Path, sql: str) -> Path:
    path = folder / "9999_next.sql"
    path.write_text(sql)
    return path


@pytest.mark.parametrize("sql", BREAKING)
def test_what_would_stop_a_running_release_is_refused(tmp_path: Path, sql: str) -> None:
    with pytest.raises(MigrationsDiffer, match=BREAKING[sql]):
        lint([written(tmp_path, sql)])


def test_what_only_adds_is_taken(tmp_path: Path) -> None:
    lint([written(tmp_path, SOUND)])


def test_what_is_declared_with_its_reason_is_taken(tmp_path: Path) -> None:
    sql = "-- Nobody reads it.\n-- squawk-ignore ban-drop-column\nALTER TABLE a DROP COLUMN b;"
    lint([written(tmp_path, sql)])


def test_the_migrations_that_are_here_are_sound() -> None:
    lint()
