"""Hints hold before the public libraries for receivers, on Python and on Node.js."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from selling_service.events.webhooks import Sender
from shared.kit.ids import new_id
from tests.requirements import require
from tests.selling.events.receiver import Came, receiving
from tests.selling.events.test_webhook_addresses import SECRET, attempt

NODE = Path(__file__).parent / "node"


async def a_hint() -> Came:
    """A hint as its receiver gets it."""
    async with receiving() as receiver:
        sender = Sender(private_addresses=True)
        one = attempt(receiver.url)
        await sender.send(
            type(one)(
                delivery_id=new_id(),
                endpoint_id=one.endpoint_id,
                number=1,
                url=one.url,
                secrets=[SECRET],
                body='{"type":"feed.advanced","note":"\u00fc"}',
            )
        )
        await sender.aclose()
        return receiver.came[0]


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library for Node.js, fetched by the lock's hashes."""
    npm = shutil.which("npm")
    require(npm and shutil.which("node"), "Node.js with npm is missing")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "verify.mjs"):
        shutil.copy(NODE / name, folder / name)
    done = subprocess.run(
        [str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    require(done.returncode == 0, f"npm can't fetch the library: {done.stderr[-300:]}")
    return folder


def node_takes(folder: Path, came: Came) -> bool:
    given = {"secret": SECRET, "headers": came.headers, "body": came.body}
    done = subprocess.run(
        ["node", "verify.mjs"],  # noqa: S607 - whichever Node.js is there
        cwd=folder,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 or "WebhookVerificationError" in done.stderr, done.stderr
    return done.returncode == 0


@pytest.mark.slow
async def test_node_takes_what_we_sign_and_nothing_else(node_modules: Path) -> None:
    came = await a_hint()
    assert node_takes(node_modules, came)
    assert not node_takes(node_modules, Came(came.headers, came.body + " "))
    later = came.headers | {"webhook-timestamp": str(int(came.headers["webhook-timestamp"]) + 1)}
    assert not node_takes(node_modules, Came(later, came.body))


async def test_python_takes_what_we_sign_and_nothing_else() -> None:
    came = await a_hint()
    receiver = Webhook(SECRET)
    receiver.verify(came.body, came.headers)
    old = int(came.headers["webhook-timestamp"]) - 3600
    for headers, body in (
        (came.headers, came.body.replace("feed", "Feed")),
        (came.headers | {"webhook-id": "msg_another"}, came.body),
        (came.headers | {"webhook-timestamp": str(old)}, came.body),
    ):
        with pytest.raises(WebhookVerificationError):
            receiver.verify(body, headers)
