"""The whole story of PRODUCT over real processes: the demo itself, on a sandbox."""

import io
import shutil

import pytest
from rich.console import Console

from local_stack import demo
from local_stack.guest.build import guest
from local_stack.machines import find_machines
from tests.journeys.conftest import MakeStack
from tests.journeys.stack import Stack
from tests.provisioning.conftest import PROGRAMS
from tests.requirements import require

pytestmark = pytest.mark.slow


def told(stack: Stack) -> str:
    text = io.StringIO()
    demo.run(
        stack.urls,
        stack.logins,
        sandbox=stack.sandbox,
        console=Console(file=text, width=200),
        platform=stack.platform,
    )
    return text.getvalue()


def test_story_holds_twice_on_the_same_databases(shared_stack: Stack) -> None:
    first, second = told(shared_stack), told(shared_stack)
    assert "The story holds" in first
    assert first.count("✓") == second.count("✓") > 30


def test_story_stops_at_the_first_surprise(shared_stack: Stack) -> None:
    wrong = {**shared_stack.logins, "reselling": ("owner@reselling.example.com", "wrong password")}
    with pytest.raises(demo.Surprise, match="401"):
        demo.run(shared_stack.urls, wrong, sandbox=False, console=Console(file=io.StringIO()))


def test_story_holds_on_real_machines(make_stack: MakeStack) -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    require(not missing, f"these programs are not installed: {', '.join(missing)}")
    require(guest().present, "the test guest is not built: python -m local_stack.guest")
    with make_stack(platform="qemu", sandbox=False) as stack:
        assert "The story holds" in told(stack)
        left = find_machines(stack.variables())
        assert len(left) == 2
    assert not any(machine.alive for machine in left)
