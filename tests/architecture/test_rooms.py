"""Every room has the same file names, and inside it imports go one way."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import EVERYTHING, ROOT, imports, read, rooms, sources

# Lower may not import higher; what stands in one row doesn't import its neighbours.
ORDER = (
    ("errors",),
    ("platform",),
    ("rules",),
    ("models",),
    ("schemas",),
    ("queries",),
    ("client", "drivers", "webhooks"),
    ("actions",),
    ("tasks",),
    ("routes",),
)
RANK = {name: rank for rank, row in enumerate(ORDER) for name in row}
EVERY_ROOM = {"errors", "rules", "models", "schemas", "queries", "actions", "tasks", "routes"}
EXTRA = {"provisioning": {"platform", "drivers"}, "sellers": {"client"}, "events": {"webhooks"}}
FOLDERS = {"actions", "drivers", "routes"}


def named(room: Path) -> str:
    return ".".join(room.relative_to(ROOT).parts)


def units(room: Path) -> dict[str, list[Path]]:
    """Return the Python files of a room by the name of the file or folder they belong to."""
    found: dict[str, list[Path]] = {}
    for path in sorted(room.rglob("*.py")):
        name = path.relative_to(room).parts[0].removesuffix(".py")
        found.setdefault(name, []).append(path)
    del found["__init__"]
    return found


def wrong_imports(room: Path) -> Iterator[str]:
    for name, paths in units(room).items():
        for source in map(read, paths):
            for target in imports(source):
                inside = target.removeprefix(f"{named(room)}.")
                unit = inside.split(".")[0]
                if inside != target and unit != name and RANK[unit] >= RANK[name]:
                    yield f"{source.path}: imports {target}"


@pytest.mark.parametrize("room", rooms(), ids=named)
def test_room_holds_only_the_known_names(room: Path) -> None:
    known = EVERY_ROOM | EXTRA.get(room.name, set())
    assert units(room).keys() - known == set()
    folders = {path.name for path in room.iterdir() if any(path.glob("*.py"))}
    assert folders - FOLDERS == set()


@pytest.mark.parametrize("room", rooms(), ids=named)
def test_room_imports_one_way(room: Path) -> None:
    assert list(wrong_imports(room)) == []


def test_nothing_is_called_service() -> None:
    paths = [source.path for source in sources(*EVERYTHING)]
    assert [str(path) for path in paths if path.stem == "service"] == []


def test_imports_between_rooms_keep_their_contracts() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    linted = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
