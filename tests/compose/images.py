"""Stand-ins for the images that our files begin with, made of Debian's packages.

So the unchanged Dockerfile and docker-compose.yml are tried where no image registry is reached.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.compose.engine import Engine, run
from tests.requirements import require

HERE = Path(__file__).parent
PYTHON = "python:3.11-slim-bookworm"
POSTGRES = "postgres:15-bookworm"
PACKAGES = ("ca-certificates", "postgresql-15", "python3", "python3-venv")
PATHS = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# As in the official image: what its volume and its socket begin with belongs to the user postgres.
POSTGRES_FILE = f"""
FROM {PYTHON}
COPY postgres-entrypoint.sh /usr/local/bin/
RUN install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data \\
 && install -d -o postgres -g postgres -m 3777 /var/run/postgresql
ENTRYPOINT ["postgres-entrypoint.sh"]
"""


@contextmanager
def base_images(engine: Engine) -> Iterator[None]:
    """Have the base images while the block runs; those that were there already are left alone."""
    missing = [name for name in (PYTHON, POSTGRES) if not engine.has_image(name)]
    if missing:
        require(shutil.which("mmdebstrap"), "mmdebstrap is not installed")
        _make(engine)
    try:
        yield
    finally:
        for name in missing:
            engine.docker("image", "rm", "--force", name)


def _make(engine: Engine) -> None:
    """One system with everything serves as both."""
    with tempfile.TemporaryDirectory(prefix="tandem-images-") as folder:
        archive = Path(folder, "debian.tar")
        include = f"--include={','.join(PACKAGES)}"
        run("mmdebstrap", "--quiet", "--variant=minbase", include, "bookworm", archive)
        made = engine.docker("import", "--change", PATHS, archive).strip()
    for name in (PYTHON, POSTGRES):
        if not engine.has_image(name):
            engine.docker("tag", made, name)
            if name == POSTGRES:
                engine.docker("build", "--tag", name, "--file", "-", HERE, text_in=POSTGRES_FILE)
