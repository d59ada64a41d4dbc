"""Notes every call to a platform while somebody keeps notes: what was asked, and how it ended.

The notes live beside the work of one job and are written down with its end. They hold no content:
names of calls, outcomes, and the platform's own words on a failure, which are for staff.
"""

import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from selling_service.provisioning.platform import (
    NotFound,
    Platform,
    PlatformFull,
    PlatformRefused,
    PlatformUnavailable,
    StaleFence,
    VMLocked,
)
from shared.kit.clock import Clock

Note = dict[str, Any]
_MOST = 50
_notes: ContextVar[list[Note] | None] = ContextVar("platform_calls", default=None)
# The first that fits.
_OUTCOMES: tuple[tuple[type[BaseException], str], ...] = (
    (PlatformUnavailable, "unavailable"),
    (PlatformFull, "full"),
    (NotFound, "not_found"),
    (VMLocked, "locked"),
    (PlatformRefused, "refused"),
    (StaleFence, "overtaken"),
)


def keep_notes() -> None:
    """Begin to note the calls of the task that we are in."""
    _notes.set([])


def notes() -> list[Note]:
    """The calls since `keep_notes`: `call`, `at`, `ms`, `outcome`, `detail`."""
    return list(_notes.get() or ())


def recorded(platforms: Mapping[str, Platform], clock: Clock) -> dict[str, Platform]:
    """The same platforms, whose calls are noted."""
    return {
        name: cast("Platform", _Recorded(platform, clock)) for name, platform in platforms.items()
    }


class _Recorded:
    """A platform as it is, but that each call leaves a note."""

    def __init__(self, platform: Platform, clock: Clock) -> None:
        self._platform = platform
        self._clock = clock

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the platform's own
        found = getattr(self._platform, name)
        return self._noting(name, found) if callable(found) else found

    def _noting(
        self, name: str, call: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def noted(**arguments: Any) -> Any:  # noqa: ANN401 - as the platform's own
            with self._note(name):
                return await call(**arguments)

        return noted

    @contextmanager
    def _note(self, name: str) -> Iterator[None]:
        kept = _notes.get()
        if kept is None:
            yield
            return
        began, outcome, detail = time.perf_counter(), "done", None
        at = self._clock.now().isoformat()
        try:
            yield
        except BaseException as error:
            outcome, detail = _outcome(error)
            raise
        finally:
            milliseconds = round((time.perf_counter() - began) * 1000)
            note = {"call": name, "at": at, "ms": milliseconds, "outcome": outcome}
            if len(kept) < _MOST:
                kept.append(note | {"detail": detail})


def _outcome(error: BaseException) -> tuple[str, str]:
    for kind, outcome in _OUTCOMES:
        if isinstance(error, kind):
            return outcome, str(error)[:500]
    # The class alone: what nobody foresaw may quote anything.
    return "broken", type(error).__name__
