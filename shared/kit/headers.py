"""What every answer tells a browser: keep it nowhere, frame it nowhere, run nothing in it.

The pages for people need scripts and styles; each has a policy that names exactly its own.
"""

import base64
import hashlib
import re
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders

_NOTHING_ELSE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
POLICY = "Content-Security-Policy"
# A year. Without `includeSubDomains`: other hosts of this name may be somebody else's to decide.
_ONLY_TLS = "max-age=31536000"
SECURITY_HEADERS: Mapping[str, str] = {
    POLICY: f"default-src 'none'; {_NOTHING_ELSE}",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_INLINE_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def shield(headers: MutableHeaders, *, secure: bool) -> None:
    """Add what isn't said yet. `secure`: the answer goes over TLS, and so shall all others."""
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    if secure:
        headers.setdefault("Strict-Transport-Security", _ONLY_TLS)


def page_policy(html: str, *, writes_styles: bool = False) -> str:
    """The policy of a page: files of this house, and the inline parts that it has now.

    `writes_styles`: its scripts make style elements as they run, which no list can name.
    """
    scripts = _hashes(_INLINE_SCRIPT, html)
    styles = "'unsafe-inline'" if writes_styles else _hashes(_INLINE_STYLE, html)
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {scripts}".rstrip(),
            f"style-src 'self' {styles}".rstrip(),
            "img-src 'self' data:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src blob:",
            _NOTHING_ELSE,
        ]
    )


def _hashes(inline: re.Pattern[str], html: str) -> str:
    digests = (hashlib.sha256(part.encode()).digest() for part in inline.findall(html))
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
