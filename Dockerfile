# syntax=docker/dockerfile:1

FROM python:3.11-slim-bookworm AS builder
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The lock file first: it changes less often than the code. It has setuptools and wheel too.
COPY requirements/runtime.txt requirements/runtime.txt
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY poolserver poolserver
RUN /venv/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /dist . \
    && /venv/bin/pip install --no-cache-dir --no-index --no-deps /dist/*.whl

FROM python:3.11-slim-bookworm
RUN groupadd --system --gid 10001 poolserver \
    && useradd --system --uid 10001 --gid poolserver --home-dir /var/lib/poolserver --create-home \
        --shell /usr/sbin/nologin poolserver
COPY --from=builder /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/poolserver
VOLUME /var/lib/poolserver
EXPOSE 3333 9333
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9333/healthz', timeout=4)"]
ENTRYPOINT ["poolserver"]
CMD ["run", "--config", "/etc/poolserver/poolserver.toml"]
