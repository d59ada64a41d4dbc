import asyncio
import fcntl
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from selling_service.provisioning.drivers.qemu import access, process
from selling_service.provisioning.drivers.qemu.files import locked
from selling_service.provisioning.platform import PlatformUnavailable


async def test_a_lock_whose_file_goes_while_it_is_taken_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vm.lock"
    lock_for_real, goes = fcntl.flock, [path]

    def flock(descriptor: int, operation: int) -> None:
        if goes:
            goes.pop().unlink()
        lock_for_real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)

    async with locked(path, timeout=1):
        with pytest.raises(PlatformUnavailable):
            async with locked(path, timeout=0.05):
                pytest.fail("two hold the same lock")


async def test_who_waits_for_a_lock_gets_it_when_it_is_let_go(tmp_path: Path) -> None:
    path, order = tmp_path / "vm.lock", list[str]()

    async def hold(name: str) -> None:
        async with locked(path, timeout=5) as lock:
            order.append(f"{name} in")
            await asyncio.sleep(0.02)
            order.append(f"{name} out")
            lock.discard()

    await asyncio.gather(hold("a"), hold("b"), hold("c"))

    turns = [(order[i][0], order[i + 1][0]) for i in range(0, 6, 2)]
    assert all(first == second for first, second in turns)
    assert {first for first, _ in turns} == {"a", "b", "c"}
    assert not path.exists()


async def test_only_the_process_that_was_meant_is_killed(tmp_path: Path) -> None:
    sleeper = await asyncio.create_subprocess_exec("sleep", "60")
    run = tmp_path / "run"
    run.mkdir()
    meant = await process.spawn(["sleep", "60"], cwd=tmp_path, run=run, uid=None, files=())
    its_own = process._process(sleeper.pid)
    assert its_own is not None
    mistaken = replace(its_own, began=its_own.began - 1)

    process.kill(mistaken)
    process.kill(meant)

    assert await process.gone(meant, within=5)
    assert await process.gone(mistaken, within=0)
    assert sleeper.returncode is None
    sleeper.kill()
    assert await sleeper.wait() == -signal.SIGKILL
    process.kill(meant)


async def test_a_cancelled_call_has_written_before_its_lock_is_let_go(tmp_path: Path) -> None:
    begun, go_on, written = threading.Event(), threading.Event(), list[object]()

    class SlowRecords:
        def write(self, record: object) -> None:
            begun.set()
            go_on.wait(5)
            written.append(record)

    gate = access.Access(cast("Any", None), cast("Any", SlowRecords()), lock_timeout=1)
    keeping = asyncio.create_task(gate.keep(cast("Any", "a record")))
    await asyncio.to_thread(begun.wait, 5)
    keeping.cancel()
    asyncio.get_running_loop().call_later(0.1, go_on.set)

    with pytest.raises(asyncio.CancelledError):
        await keeping
    assert written == ["a record"]
