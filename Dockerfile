# The pool with what PostgreSQL, Modbus and MQTT need. docs/container.md tells how it is run;
# scripts/try_image.py builds and tries it.
#
# By tag, so that a build takes Debian's mended packages. To have the same base each time, name its digest:
#   docker build --build-arg BASE=python:3.11.14-slim-bookworm@sha256:... .
ARG BASE=python:3.11.14-slim-bookworm

# hadolint ignore=DL3006
FROM ${BASE} AS builder
# gcc of Debian's own release, whichever is its newest there.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The lock file first: it changes less often than the code. It has setuptools and wheel too.
COPY requirements/image.txt requirements/image.txt
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/image.txt
COPY pyproject.toml README.md LICENSE ./
COPY poolserver poolserver
# The live page serves them: poolserver/page/runbooks leads there.
COPY docs/runbooks docs/runbooks
# What builds does not run: no compiler, pip or setuptools in the image.
RUN /venv/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /dist . \
    && /venv/bin/pip install --no-cache-dir --no-index --no-deps /dist/*.whl \
    && /venv/bin/pip uninstall --yes setuptools wheel pip \
    && /venv/bin/poolserver version

# hadolint ignore=DL3006
FROM ${BASE}
LABEL org.opencontainers.image.title="poolserver" \
    org.opencontainers.image.description="A Bitcoin mining pool server for sites that live on a power budget" \
    org.opencontainers.image.licenses="MIT"
# A user of its own, by number: Kubernetes' runAsNonRoot looks at that. It owns its data alone.
RUN groupadd --gid 10001 poolserver \
    && useradd --uid 10001 --gid poolserver --home-dir /var/lib/poolserver --no-create-home \
        --no-log-init --shell /usr/sbin/nologin poolserver \
    && install --directory --owner=poolserver --group=poolserver --mode=0750 /var/lib/poolserver
COPY --from=builder /venv /venv
# Nothing is written but below /var/lib/poolserver and, for found blocks, in /dev/shm.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/poolserver
VOLUME /var/lib/poolserver
EXPOSE 3333 9333
STOPSIGNAL SIGTERM
# That the process serves; not that it has work (/readyz): a pool without a node is not mended by a restart.
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9333/healthz', timeout=4)"]
ENTRYPOINT ["poolserver"]
CMD ["run", "--config", "/etc/poolserver/poolserver.toml"]
