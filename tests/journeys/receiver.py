"""Takes the hints that the provider sends to partners, and keeps every byte of them by address."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Receiver:
    """Where hints are sent to, and what came: heads and bodies, by the path they were sent to."""

    url: str
    came: defaultdict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a port of this machine, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            head = f"{self.requestline}\n{self.headers}".encode()
            receiver.came[self.path] += head + body
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    serving = Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        serving.join(5)
