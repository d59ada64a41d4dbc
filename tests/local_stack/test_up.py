"""`tandem up` and `tandem down`: one command starts everything, and nothing is left behind."""

import os
import signal
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from local_stack.processes import wait_until
from local_stack.stack import port_problem
from tests.journeys.behind import rows
from tests.local_stack.pairs import Pair
from tests.local_stack.test_postgres import lives

pytestmark = pytest.mark.slow

SERVICES = ("selling", "reselling")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A pair that is up; tests leave it so."""
    found = Pair(tmp_path_factory.mktemp("pair") / "tandem")
    found.tandem("up")
    yield found
    found.tandem("down")


def test_both_services_are_ready_when_up_returns(pair: Pair) -> None:
    assert [pair.answers(service) for service in SERVICES] == [True, True]


def test_first_logins_work_and_nobody_else_reads_them(pair: Pair) -> None:
    assert [pair.log_in(service) for service in SERVICES] == [201, 201]
    files = (pair.home.logins, pair.home.secrets)
    assert [oct(path.stat().st_mode & 0o777) for path in files] == ["0o600", "0o600"]


def test_second_up_says_so_and_prints_the_same(pair: Pair) -> None:
    before = pair.status.supervisor
    said = pair.tandem("up")
    assert "already" in said
    for service in SERVICES:
        email, password = pair.home.read_logins()[service]
        assert email in said
        assert password in said
        assert f"http://127.0.0.1:{pair.ports[service]}/docs" in said
    assert pair.status.supervisor == before


def test_status_and_doctor_find_nothing_wrong(pair: Pair) -> None:
    assert "ready" in pair.tandem("status")
    said = pair.tandem("doctor", expect=None)
    wrong = [line for line in said.splitlines() if line.startswith("not ")]
    assert wrong == [], said
    assert "selling worker: 1 with a heartbeat" in said


def test_every_process_has_a_login_that_is_bound_to_its_role(pair: Pair) -> None:
    who = "SELECT DISTINCT datname || ' as ' || usename AS login FROM pg_stat_activity"
    where = "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    seen = {row["login"] for row in rows(pair.home.postgres().url("postgres"), f"{who} {where}")}
    assert seen == {f"{name} as {name}_{role}" for name in SERVICES for role in ("app", "staff")}


def test_crashed_processes_are_started_again(tmp_path: Path) -> None:
    pair = Pair(tmp_path / "tandem")  # of its own: a crash is remembered for a while
    pair.tandem("up")
    for name in ("selling-api", "reselling-worker"):
        before = pair.pid(name)
        os.kill(before, signal.SIGKILL)
        assert wait_until(partial(_other_pid, pair, name, before), seconds=20)
    assert wait_until(lambda: all(pair.answers(service) for service in SERVICES), seconds=30)
    assert "crashed lately: selling-api, reselling-worker" in pair.tandem("doctor", expect=None)
    pair.tandem("down")


def _other_pid(pair: Pair, name: str, before: int) -> bool:
    process = pair.status.process(name)
    return process is not None and process.pid != before and process.is_alive()


def test_killed_supervisor_takes_everything_with_it_and_up_starts_again(pair: Pair) -> None:
    status = pair.status
    assert status.supervisor is not None
    children = [pair.pid(name) for name in status.programs]
    os.kill(status.supervisor.pid, signal.SIGKILL)
    assert wait_until(lambda: not any(lives(pid) for pid in children), seconds=10)
    # A killed process counts as ended as soon as its first thread has; its last closes the port.
    for port in pair.ports.values():
        assert wait_until(lambda port=port: port_problem("127.0.0.1", port) is None, seconds=10)  # type: ignore[misc]
    assert "Nothing runs" in pair.tandem("status", expect=1)
    pair.tandem("up")
    assert [pair.log_in(service) for service in SERVICES] == [201, 201]


def test_down_stops_everything_also_after_a_crash_and_data_stay(tmp_path: Path) -> None:
    pair = Pair(tmp_path / "tandem")
    pair.tandem("up")
    logins = pair.home.read_logins()
    pids = [pair.pid(name) for name in pair.status.programs]
    assert "stopped" in pair.tandem("down")
    assert not any(lives(pid) for pid in pids)
    assert "Nothing runs" in pair.tandem("down")
    pair.tandem("up")
    assert pair.home.read_logins() == logins
    assert [pair.log_in(service) for service in SERVICES] == [201, 201]
    supervisor = pair.status.supervisor
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    pair.tandem("down")
    assert not pair.home.state.exists()
    assert "Nothing runs" in pair.tandem("status", expect=1)


def test_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    pair = Pair(tmp_path / "tandem")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", pair.ports["selling"]))
        listener.listen()
        said = pair.tandem("up", expect=1)
        assert f"selling can't listen on 127.0.0.1:{pair.ports['selling']}" in said
        assert "--selling-port" in said
        assert "not selling port" in pair.tandem("doctor", expect=1)
    assert not pair.home.state.exists()


def test_service_that_cannot_start_is_explained_and_nothing_is_left(tmp_path: Path) -> None:
    pair = Pair(tmp_path / "tandem", environment={"SELLING_EDITION": "nonsense"})
    said = pair.tandem("up", expect=1)
    assert "edition" in said
    assert "Nothing runs" in pair.tandem("status", expect=1)
