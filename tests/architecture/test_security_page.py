"""The threat model names tests; they must exist, and each promise of it must name one."""

import re

from tests.architecture.source import ROOT, sources

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
ROW = re.compile(r"^\| (?!tries|danger|asset|-)(.+) \|$", re.MULTILINE)


def existing() -> set[tuple[str, str]]:
    return {
        (str(source.path.relative_to("tests")), name)
        for source in sources("tests")
        for name in re.findall(r"^(?:async )?def (test_\w+)", source.text, re.MULTILINE)
    }


def test_every_test_that_the_page_names_exists() -> None:
    named = set(NAMED.findall(PAGE))
    assert len(named) > 40
    assert sorted(named - existing()) == []


def test_every_threat_names_a_test_or_says_that_there_is_none() -> None:
    threats = PAGE.partition("## A hostile partner")[2]
    bare = [row for row in ROW.findall(threats) if not NAMED.search(row) and row[-1] != "–"]
    assert bare == []
