"""The embedded PostgreSQL: data stay, nobody is left behind, every crash can be started from."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from local_stack import postgres_process
from local_stack.postgres import EmbeddedPostgres, FolderInUse, WrongMajor
from local_stack.postgres_binaries import NoPostgresFound, find_binaries
from local_stack.postgres_process import Identity, PostgresError
from tests.requirements import require

HOLDER = """
import sys, threading, time
from pathlib import Path
from local_stack.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
starter = threading.Thread(target=server.start)
starter.start()
starter.join()
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "pg", durable=False) as running:
        yield running


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a server on `tmp_path / "pg"`."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "pg")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may pass through, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


async def ask(server: EmbeddedPostgres, question: str) -> object:
    connection = await asyncpg.connect(
        host=str(server.socket_folder), user="postgres", database="postgres", timeout=10
    )
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def lives(pid: int) -> bool:
    """Whether the process runs, and is not just waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while lives(pid):
        assert time.monotonic() < deadline, f"process {pid} still lives"
        time.sleep(0.01)


def pid_of(holder: subprocess.Popen[str]) -> int:
    assert holder.stdout is not None
    return int(holder.stdout.readline())


async def test_data_are_kept_between_starts(server: EmbeddedPostgres) -> None:
    await ask(server, "CREATE TABLE kept AS SELECT 'Привет' AS word")
    server.stop()
    assert not server.is_running
    server.start()
    assert await ask(server, "SELECT lower(word) FROM kept") == "привет"


async def test_database_is_made_once(server: EmbeddedPostgres) -> None:
    server.create_database("selling")
    server.create_database("selling")
    question = "SELECT count(*) FROM pg_database WHERE datname = 'selling'"
    assert await ask(server, question) == 1


def test_url_names_role_database_and_socket(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "p g")
    url = server.url("selling", user="tandem_app")
    assert url.startswith("postgresql+asyncpg://tandem_app@/selling?host=/")
    assert url.endswith("/p%20g/socket")


async def test_server_can_be_asked_only_through_a_private_folder(server: EmbeddedPostgres) -> None:
    assert server.socket_folder.stat().st_mode & 0o777 == 0o700
    assert await ask(server, "SHOW listen_addresses") == ""


async def test_tests_trade_safety_for_speed_and_others_do_not(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "fast", durable=False) as fast:
        assert await ask(fast, "SHOW fsync") == "off"
        assert await ask(fast, "SHOW max_connections") == "200"
    with EmbeddedPostgres(tmp_path / "safe", settings={"max_connections": "20"}) as safe:
        assert await ask(safe, "SHOW fsync") == "on"
        assert await ask(safe, "SHOW max_connections") == "20"


async def test_folder_with_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / ("long" * 30), durable=False) as server:
        assert server.socket_folder.stat().st_mode & 0o777 == 0o700
        assert server.socket_folder.parent != server.folder
        assert await ask(server, "SELECT 1") == 1
    assert not server.socket_folder.exists()


def test_second_start_on_the_same_folder_is_refused(server: EmbeddedPostgres) -> None:
    with pytest.raises(FolderInUse, match=f"process {os.getpid()} already runs"):
        EmbeddedPostgres(server.folder).start()
    assert server.is_running


def test_second_start_from_another_process_is_refused(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    pid_of(holder)
    with pytest.raises(FolderInUse, match=f"process {holder.pid} already runs"):
        EmbeddedPostgres(tmp_path / "pg").start()


def test_kill_of_the_parent_leaves_no_server(holder: subprocess.Popen[str]) -> None:
    pid = pid_of(holder)
    assert lives(pid)
    holder.send_signal(signal.SIGKILL)
    wait_until_gone(pid)


async def test_server_of_a_killed_parent_is_stopped_and_replaced(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    pid = pid_of(holder)
    os.kill(pid, signal.SIGSTOP)  # so that it outlives its parent
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    os.kill(pid, signal.SIGCONT)
    with EmbeddedPostgres(tmp_path / "pg", durable=False) as server:
        assert not lives(pid)
        assert await ask(server, "SELECT 1") == 1


async def test_server_that_was_killed_starts_again_with_what_it_had(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "pg", durable=True) as server:
        await ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
        os.kill(server.pid, signal.SIGKILL)
        wait_until_gone(server.pid)
        assert (server.data / "postmaster.pid").exists()
        server.start()
        assert await ask(server, "SELECT number FROM kept") == 7


async def test_pid_file_that_names_a_stranger_is_forgotten(server: EmbeddedPostgres) -> None:
    pid_file = server.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    server.stop()
    lines[0] = "1"
    pid_file.write_text("\n".join(lines))
    server.start()
    assert await ask(server, "SELECT 1") == 1


def test_interrupted_initdb_is_begun_anew(tmp_path: Path) -> None:
    draft = tmp_path / "pg" / "data.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path / "pg", durable=False) as server:
        assert server.is_running


def test_data_of_another_major_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "pg" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(WrongMajor, match=r"made by PostgreSQL 9: .* \(found: .*18"):
        EmbeddedPostgres(tmp_path / "pg").start()
    assert (data / "PG_VERSION").read_text() == "9\n"


def test_bad_setting_is_told_with_the_servers_own_words(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg", durable=False, settings={"max_connections": "many"})
    with pytest.raises(PostgresError, match='invalid value for parameter "max_connections"'):
        server.start()
    assert not server.is_running


async def test_system_postgres_is_found_and_runs(tmp_path: Path) -> None:
    try:
        binaries = find_binaries(major=15)
    except NoPostgresFound as missing:
        require(condition=False, reason=str(missing))
        raise
    folder = tmp_path / "pg"
    with EmbeddedPostgres(folder, durable=False, binaries=binaries) as server:
        assert str(await ask(server, "SHOW server_version")).startswith("15")
    with EmbeddedPostgres(folder, durable=False) as server:
        assert str(await ask(server, "SHOW server_version")).startswith("15")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
async def test_root_without_user_namespaces_runs_it_as_nobody(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = Identity(text="user:65534:65534", uid=65534, gid=65534)
    monkeypatch.setattr("local_stack.postgres.choose_identity", lambda: identity)
    with EmbeddedPostgres(open_folder / "pg", durable=False) as server:
        assert os.stat(f"/proc/{server.pid}").st_uid == 65534  # noqa: PTH116 (of one file, at once)
        assert await ask(server, "SELECT 1") == 1
    monkeypatch.undo()
    with EmbeddedPostgres(open_folder / "pg", durable=False) as server:
        assert await ask(server, "SELECT 1") == 1
        assert server.data.stat().st_uid == postgres_process.choose_identity().uid
