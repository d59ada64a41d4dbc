"""The whole story of PRODUCT over real processes: the demo itself, on a sandbox."""

import io

import pytest
from rich.console import Console

from local_stack import demo
from tests.journeys.stack import Stack

pytestmark = pytest.mark.slow


def told(stack: Stack) -> str:
    text = io.StringIO()
    demo.run(stack.urls, stack.logins, sandbox=True, console=Console(file=text, width=200))
    return text.getvalue()


def test_story_holds_twice_on_the_same_databases(shared_stack: Stack) -> None:
    first, second = told(shared_stack), told(shared_stack)
    assert "The story holds" in first
    assert first.count("✓") == second.count("✓") > 30


def test_story_stops_at_the_first_surprise(shared_stack: Stack) -> None:
    wrong = {**shared_stack.logins, "reselling": ("owner@reselling.example.com", "wrong password")}
    with pytest.raises(demo.Surprise, match="401"):
        demo.run(shared_stack.urls, wrong, sandbox=False, console=Console(file=io.StringIO()))
