"""Which jobs staff can't throw away: an operation that waits for its job would wait for ever."""

KEPT_JOBS = frozenset({"operation"})
