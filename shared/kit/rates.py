"""Limits how often somebody may ask: a bucket that fills evenly, in the memory of one process.

With several processes behind a balancer each has buckets of its own: the caller divides the limit.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.contract.problems import RATE_LIMITED
from shared.kit.problems import ProblemError


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one request left in its bucket; seconds until it is full again, or holds one."""

    allowed: bool
    remaining: int
    full_in: int
    next_in: int


class Bucket:
    """Holds as many tokens as may be taken per minute; begins full."""

    def __init__(self, per_minute: int, *, monotonic: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._monotonic = monotonic
        self._tokens = float(per_minute)
        self._at = monotonic()

    def take(self) -> Taken:
        """Take one token where there is one."""
        now, speed = self._monotonic(), self.per_minute / 60
        self._tokens = min(float(self.per_minute), self._tokens + (now - self._at) * speed)
        self._at = now
        allowed = self._tokens >= 1
        if allowed:
            self._tokens -= 1
        return Taken(
            allowed=allowed,
            remaining=int(self._tokens),
            full_in=math.ceil((self.per_minute - self._tokens) / speed),
            next_in=max(1, math.ceil((1 - self._tokens) / speed)),
        )


class Limits:
    """The buckets of a process, one per name of a policy and whoever asks."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._buckets: dict[tuple[str, object], Bucket] = {}

    def take(self, policy: str, who: object, *, per_minute: int) -> dict[str, str]:
        """The headers `RateLimit-Policy` and `RateLimit` of the answer. Raises `rate_limited`."""
        bucket = self._buckets.get((policy, who))
        if bucket is None or bucket.per_minute != per_minute:
            bucket = Bucket(per_minute, monotonic=self._monotonic)
            self._buckets[(policy, who)] = bucket
        taken = bucket.take()
        headers = {
            "RateLimit-Policy": f'"{policy}";q={per_minute};w=60',
            "RateLimit": f'"{policy}";r={taken.remaining};t={taken.full_in}',
        }
        if not taken.allowed:
            detail = f"At most {per_minute} requests a minute. Wait {taken.next_in} s."
            headers["Retry-After"] = str(taken.next_in)
            raise ProblemError(RATE_LIMITED, detail, headers=headers)
        return headers
