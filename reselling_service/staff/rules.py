"""Which jobs staff can't throw away: a command that waits for its job would wait for ever."""

KEPT_JOBS = frozenset({"cancel_command", "command_settled", "forward"})
