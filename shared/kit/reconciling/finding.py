"""A difference as it was just found. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID


class Way(StrEnum):
    """What people may decide about a difference."""

    ADOPT = "adopt"
    UNDO = "undo"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference.

    `key` names the thing it is about; kind and key together are the difference over all runs.
    `scope` is the comparison that it belongs to. `evidence` holds both sides' values. `repair` says
    in plain words what would put it right; `safe` that this may be done without being asked. `ways`
    are those that the desk offers besides ignoring.
    """

    kind: str
    key: str
    scope: str
    refs: Mapping[str, UUID | str | None]
    evidence: Mapping[str, Any]
    repair: str
    safe: bool = False
    ways: tuple[Way, ...] = field(default=())
