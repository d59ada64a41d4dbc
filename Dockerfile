# Both services, their workers and their migrations: one image, and the command says which it is.
# Without a network, run `make wheelhouse` first: what lies there is used, and nothing else.

FROM python:3.11-slim-bookworm AS packages

COPY requirements.runtime.lock .tandem/wheelhous[e]/*.whl /wheelhouse/
RUN python3 -m venv /tmp/builder \
 && python3 -m venv --without-pip /opt/tandem \
 && if ls /wheelhouse/*.whl >/dev/null 2>&1; then only="--no-index --find-links /wheelhouse"; fi \
 && /tmp/builder/bin/pip --python /opt/tandem/bin/python install --no-cache-dir --no-compile \
        --disable-pip-version-check --only-binary :all: --require-hashes ${only:-} \
        -r /wheelhouse/requirements.runtime.lock

COPY alembic.ini pyproject.toml /app/
COPY shared /app/shared
COPY selling_service /app/selling_service
COPY reselling_service /app/reselling_service
RUN /opt/tandem/bin/python -m compileall -q -j 0 /opt/tandem/lib /app

FROM python:3.11-slim-bookworm

RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin tandem
COPY --from=packages /opt/tandem /opt/tandem
COPY --from=packages /app /app

ENV PATH=/opt/tandem/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
