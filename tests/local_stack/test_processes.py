"""Processes are recognised before they are signalled, and die with who started them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.processes import Known, read_json, wait_until, write_whole
from tests.local_stack.test_postgres import lives

PARENT = """
import os, sys
from pathlib import Path
from local_stack.processes import spawn
process = spawn("http.server", "0", environment=os.environ, log=Path(sys.argv[1]))
print(process.pid, flush=True)
process.wait()
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        assert wait_until(
            lambda: b"time" in Path(f"/proc/{process.pid}/cmdline").read_bytes(), seconds=5
        )
        yield process
        process.kill()


def test_process_is_known_again_after_being_written_down(
    sleeper: subprocess.Popen[bytes],
) -> None:
    known = Known.of(sleeper.pid, word="time.sleep")
    assert Known.read(known.written()) == known
    assert known.is_alive()


@pytest.mark.parametrize("other", [{"started": 1}, {"word": "postgres"}])
def test_foreign_process_under_the_same_number_is_left_alone(
    sleeper: subprocess.Popen[bytes], other: dict[str, object]
) -> None:
    mine = Known.of(sleeper.pid, word="time.sleep")
    known = Known.read({**mine.written(), **other})
    assert not known.end(patience=1.0)
    assert sleeper.poll() is None


def test_end_kills_what_does_not_listen(sleeper: subprocess.Popen[bytes]) -> None:
    known = Known.of(sleeper.pid, word="time.sleep")
    os.kill(sleeper.pid, signal.SIGSTOP)
    assert known.end(patience=0.2)
    assert not known.is_alive()


def test_child_is_gone_as_soon_as_its_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "child.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert lives(child)
        parent.kill()
    assert wait_until(lambda: not lives(child), seconds=5)


def test_file_is_whole_private_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert read_json(path) is None
    write_whole(path, '{"phase": "running"}')
    write_whole(path, '{"phase": "failed"}')
    assert read_json(path) == {"phase": "failed"}
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert [item.name for item in tmp_path.iterdir()] == ["state.json"]
