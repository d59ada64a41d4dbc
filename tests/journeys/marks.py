"""Words that are nowhere else, and the forms in which a copy of them could lie somewhere."""

import base64
import secrets
from collections.abc import Iterable, Iterator
from urllib.parse import quote


def make_marks(names: Iterable[str]) -> dict[str, str]:
    """Make one word per name; letters only, so that no field refuses it."""
    letters = "bcdfghjkmnpqrstvwxz"
    return {name: "Zq" + "".join(secrets.choice(letters) for _ in range(14)) for name in names}


def forms(mark: str) -> Iterator[bytes]:
    """Yield what a copy of this text could look like."""
    for text in (mark, mark.lower(), mark.upper()):
        raw = text.encode()
        yield raw
        yield raw.hex().encode()
        yield text.encode("utf-16-le")
        # In base64 the text may begin at any of three places.
        for shift in range(3):
            coded = base64.urlsafe_b64encode(b"\0" * shift + raw)
            yield coded[4 if shift else 0 : len(coded) - 4]
    yield quote(mark).encode()


def found(mark: str, where: bytes) -> bool:
    """Tell whether it lies there in any form."""
    return any(form in where for form in forms(mark))
