"""What networks and proxies do to single requests, by name."""

from shared.contract.basics import BASE_PATH
from tests.journeys.proxy import STREAM, Fault, Sent, answer

# Longer than any call waits.
FOR_GOOD = 60.0
_BUSY = b"<html>Too busy.</html>"


def _instead(status: str, *, retry_after: int | None = None) -> bytes:
    return answer(status, _BUSY, media_type="text/html", retry_after=retry_after)


_GARBAGE = answer("200 OK", b'{"id": "\x00\xff', media_type="application/json")
ON_COMMANDS: dict[str, Fault] = {
    "answer dropped": Fault(drop_answer=True),
    "request dropped": Fault(refuse=True),
    "delayed": Fault(delay=1.0),
    "duplicated": Fault(copies=2),
    "duplicated, answer dropped": Fault(copies=2, drop_answer=True),
    "answer truncated": Fault(cut=40),
    "answer is garbage": Fault(drop_answer=True, instead=_GARBAGE),
    "garbage, never arrived": Fault(refuse=True, instead=_GARBAGE),
    "429": Fault(refuse=True, instead=_instead("429 Too Many Requests")),
    "429 with Retry-After": Fault(
        refuse=True, instead=_instead("429 Too Many Requests", retry_after=1)
    ),
    "503": Fault(refuse=True, instead=_instead("503 Service Unavailable")),
    "503 with Retry-After": Fault(
        refuse=True, instead=_instead("503 Service Unavailable", retry_after=1)
    ),
    "half-open, never arrived": Fault(refuse=True, silent=FOR_GOOD),
    "half-open, arrived": Fault(drop_answer=True, silent=FOR_GOOD),
}
ON_READS: dict[str, Fault] = {
    "feed refused": Fault(refuse=True),
    "feed: 503 with Retry-After": Fault(
        refuse=True, instead=_instead("503 Service Unavailable", retry_after=1)
    ),
    "feed half-open": Fault(refuse=True, silent=FOR_GOOD),
    "feed read slowly": Fault(pace=0.05),
}


def is_command(sent: Sent) -> bool:
    """Whether this request carries a command of ours."""
    return sent.method == "POST" and sent.command_id is not None


def is_feed(sent: Sent) -> bool:
    """Whether this request reads the feed."""
    return sent.path in {STREAM, f"{BASE_PATH}/events"}
