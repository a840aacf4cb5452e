# make demo [SECONDS=60]   a private signet, the pool and a simulated site, mining real blocks
# make test                lint, types and all tests, with a real bitcoind
# make help                the rest

VENV ?= .venv
PYTHON := $(VENV)/bin/python
NATIVE := $(wildcard poolserver/_native/*.c poolserver/_native/*.h)
SOURCES := poolserver tests bench

.PHONY: help demo test lint types unit integration bench sanitize lock clean

help:
	@echo "make demo [SECONDS=60]  run a private signet, the pool and a simulated site"
	@echo "make test               lint, types and all tests"
	@echo "make lint | types | unit | integration   one part of the tests"
	@echo "make bench              microbenchmarks: share check, Stratum, journal"
	@echo "make sanitize           the C code's tests under AddressSanitizer and UBSan"
	@echo "make lock               renew requirements/*.txt (needs uv)"
	@echo "make clean              remove what was built"

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml $(NATIVE) scripts/setup.sh
	@scripts/setup.sh runtime $(VENV)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml $(NATIVE) scripts/setup.sh
	@scripts/setup.sh dev $(VENV)
	@touch $@ $(VENV)/.runtime

demo: $(VENV)/.runtime
	@bitcoind=$$(scripts/find-bitcoind.sh) && BITCOIND=$$bitcoind $(VENV)/bin/poolserver demo $(if $(SECONDS),--seconds $(SECONDS))

test: lint types unit integration

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.dev
	$(VENV)/bin/mypy

unit: $(VENV)/.dev
	$(PYTHON) -m pytest tests/unit poolserver/_vendor/asyncio_stratum/tests -n 2 -q

integration: $(VENV)/.dev
	BITCOIND=$$(scripts/find-bitcoind.sh) $(PYTHON) -m pytest tests/integration -q

bench: $(VENV)/.dev
	@$(PYTHON) bench/micro.py
	@$(PYTHON) bench/stratum.py
	@$(PYTHON) bench/journal.py

sanitize: $(VENV)/.dev
	PYTHON=$(PYTHON) scripts/sanitize.sh

# The lock files hold versions and hashes alone, so they serve any mirror.
UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --prerelease=if-necessary-or-explicit
lock:
	$(UV_COMPILE) pyproject.toml requirements/build.in -o requirements/runtime.txt
	$(UV_COMPILE) --extra dev pyproject.toml requirements/build.in -c requirements/runtime.txt -o requirements/dev.txt

clean:
	rm -rf build dist *.egg-info $(VENV) .tools poolserver/_native/*.so
