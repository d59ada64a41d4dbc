"""Backups of the embedded PostgreSQL, and the way back to a moment: whole, or one half of the pair.

A backup is a copy of the whole server (`pg_basebackup`) with the pair's secrets beside it. With the
archive of the write-ahead log (`tandem up --archive`) any moment after a backup can be restored.
What stood there before a restore is kept, and never deleted here.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local_stack.home import SERVICES, Home
from local_stack.postgres import SUPERUSER, EmbeddedPostgres
from local_stack.postgres_process import PostgresError, environment

KEPT = 5
RECOVERY_SECONDS = 3600.0
_NAME = "%Y%m%dT%H%M%S%fZ"
_LABEL = "backup.json"


class BackupError(Exception):
    """There is nothing to restore, or it can't be done now; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One copy. It can be restored to any archived moment from `ended` on."""

    folder: Path
    ended: datetime

    @property
    def data(self) -> Path:
        """The server's files."""
        return self.folder / "data"


def list_backups(home: Home) -> list[Backup]:
    """Whole ones, oldest first."""
    found = []
    for label in sorted(home.backups.glob(f"*/{_LABEL}")):
        ended = datetime.fromisoformat(json.loads(label.read_text())["ended"])
        found.append(Backup(folder=label.parent, ended=ended))
    return found


def take_backup(home: Home, *, now: datetime) -> Backup:
    """Copy the running server. Raises PostgresError where it doesn't run.

    `now` names the copy. Of the older ones the newest few are kept, and the archive from the oldest
    of these on.
    """
    server = home.postgres()
    folder = home.backups / now.astimezone(UTC).strftime(_NAME)
    home.backups.mkdir(mode=0o700, exist_ok=True)
    draft = folder.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    copy = ["--pgdata", str(draft / "data"), "--wal-method=stream", "--checkpoint=fast"]
    _run(server, "pg_basebackup", *copy, *_connected(server))
    for secret in (home.secrets, home.logins):
        if secret.exists():
            shutil.copy2(secret, draft / secret.name)
    said = _run(
        server, "psql", *_connected(server), "-AtXc", "SELECT clock_timestamp()", "postgres"
    )
    ended = datetime.fromisoformat(said.strip())
    (draft / _LABEL).write_text(json.dumps({"ended": ended.isoformat()}))
    draft.rename(folder)
    _forget_old(home, server)
    return Backup(folder=folder, ended=ended)


def restore(
    home: Home, *, to: datetime | None, only: str | None, now: datetime
) -> tuple[Backup, Path | str]:
    """Go back to a moment (None: as far as the archive reaches), the pair being down.

    With `only` (`selling`, `reselling`) the other half stays as it is. Returns the backup that it
    began from, and where what stood there before is kept: a folder, or a database with `only`.
    Raises BackupError, PostgresError.
    """
    backup = _choose(list_backups(home), to)
    server = home.postgres()
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    with home.held():
        place = home.folder / "postgres.restored"
        shutil.rmtree(place, ignore_errors=True)
        _run(server, "pg_verifybackup", "--quiet", str(backup.data))
        with _recovered(home, server, backup, place=place, to=to) as restored:
            if only is not None:
                return backup, _replace_one(server, restored, only, kept=f"{only}_{stamp}")
        kept = home.folder / f"postgres.{stamp}"
        server.folder.rename(kept)
        place.rename(server.folder)
        return backup, kept


def _choose(backups: list[Backup], to: datetime | None) -> Backup:
    if not backups:
        raise BackupError("there is no backup; `tandem backup` makes one")
    fit = [each for each in backups if to is None or each.ended <= to]
    if not fit:
        first = backups[0].ended.isoformat(timespec="seconds")
        raise BackupError(f"the oldest backup ended at {first}; a time before can't be restored")
    return fit[-1]


@contextmanager
def _recovered(
    home: Home,
    server: EmbeddedPostgres,
    backup: Backup,
    *,
    place: Path,
    to: datetime | None,
) -> Iterator[EmbeddedPostgres]:
    """A second server, which has replayed the log up to the moment."""
    place.mkdir(mode=0o700)
    shutil.copytree(backup.data, place / "data", symlinks=True)
    (place / "data" / "recovery.signal").touch()
    # The last of the log may not have reached the archive: it lies where it was written.
    sources = " || ".join(f'cp "{folder}/%f" "%p"' for folder in (home.wal, server.data / "pg_wal"))
    settings = {"restore_command": sources, "hot_standby": "off", "archive_mode": "off"}
    if to is not None:
        settings["recovery_target_time"] = to.isoformat()
        settings["recovery_target_action"] = "promote"
    with EmbeddedPostgres(place, settings=settings, start_seconds=RECOVERY_SECONDS) as restored:
        yield restored


def _replace_one(
    server: EmbeddedPostgres, restored: EmbeddedPostgres, database: str, *, kept: str
) -> str:
    """Put one database of the restored server in the place of ours; the old one's new name."""
    dump = restored.folder / f"{database}.dump"
    _run(restored, "pg_dump", *_connected(restored), "-Fc", "-f", str(dump), database)
    with server:
        rename = f'ALTER DATABASE "{database}" RENAME TO "{kept}"'
        _run(server, "psql", *_connected(server), "-qXc", rename, "postgres")
        server.create_database(database)
        whole = ["--exit-on-error", "--single-transaction", "-d", database]
        _run(server, "pg_restore", *_connected(server), *whole, str(dump))
    return kept


def _forget_old(home: Home, server: EmbeddedPostgres) -> None:
    backups = list_backups(home)
    for old in backups[:-KEPT]:
        shutil.rmtree(old.folder)
    oldest = backups[-KEPT:][0]
    if home.wal.is_dir():
        _run(server, "pg_archivecleanup", str(home.wal), _first_segment(oldest))


def _first_segment(backup: Backup) -> str:
    """The name of the first file of the log that the backup needs: its label says it."""
    first = (backup.data / "backup_label").read_text().splitlines()[0]
    return first.rpartition("file ")[2].rstrip(")")


def _connected(server: EmbeddedPostgres) -> list[str]:
    return ["--no-password", "--host", str(server.socket_folder), "--username", SUPERUSER]


def _run(server: EmbeddedPostgres, program: str, *arguments: str) -> str:
    ran = subprocess.run(
        [server.program(program), *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise PostgresError(f"{program}: {ran.stderr.strip() or ran.stdout.strip()}")
    return ran.stdout


def check_ours(home: Home, environment: Mapping[str, str]) -> None:
    """Raise BackupError where a database isn't the embedded one: its own tools know better."""
    others = set(SERVICES) - set(home.needs_postgres(environment))
    if others:
        raise BackupError(
            f"the database of {' and '.join(sorted(others))} is your own: back it up with its "
            "tools, as docs/operation.md says"
        )
