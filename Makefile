# make setup               the pool into .venv, with what it needs
# make demo [SECONDS=60]   a private signet, the pool and a simulated site, mining real blocks
# make power-day           a simulated day of the 2,000 MW programme: its figures, and its drawing
# make test                lint, types and all tests, with a real bitcoind
# make torture [N=200] [RUNS=N]   what takes hours: blocks under faults, deaths, a fuzzer, a crowd of rigs
# make help                the rest

VENV ?= .venv
PYTHON := $(VENV)/bin/python
NATIVE := $(wildcard poolserver/_native/*.c poolserver/_native/*.h)
SOURCES := poolserver tests bench
RUNS ?= 10000000
N ?= 200
KILLS ?= 100
# Tests start hundreds of processes; each would compile all modules anew where this is set (as images do).
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo power-day test lint types unit real integration browser screenshots docs dist bench bench-whole bench-parts bench-latency bench-growth bench-readers bench-tip bench-failover bench-ledger bench-programme sanitize try-arm torture \
	torture-blocks torture-kills torture-outages torture-api fuzz crowd lock clean

help:
	@echo "make setup              the pool into .venv, with what it needs; commands are in .venv/bin"
	@echo "make demo [SECONDS=60]  run a private signet, the pool and a simulated site"
	@echo "make power-day          a simulated day of the 2,000 MW programme, and its drawing; takes minutes"
	@echo "make test               lint, types and all tests"
	@echo "make lint | types | unit | integration | browser   one part of the tests"
	@echo "make screenshots        the documents' pictures of the live page, from a made-up programme"
	@echo "make docs               the documents as a site, in build/docs"
	@echo "make dist               the wheel and the source archive, in dist/"
	@echo "make bench              microbenchmarks: share check, Stratum, journal, templates, payouts"
	@echo "make bench-whole        the whole pool from socket to ledger: CPU a share, by simulated rigs"
	@echo "make bench-parts        where a share's CPU time goes in the running pool, by part (needs perf)"
	@echo "make bench-latency      how long shares wait for answers, and the pauses that they wait for, named"
	@echo "make bench-growth       15,000 connections, 100,000 workers known: CPU, memory, answers, scrapes; takes minutes"
	@echo "make bench-readers      how long shares wait while many read the API, and how much those get"
	@echo "make bench-tip          from a node's new tip to a rig's notify, by channel; takes minutes"
	@echo "make bench-failover     from a node's fault to work from the other one, and back"
	@echo "make bench-ledger       what 10,000 rigs cost the ledger, on SQLite and PostgreSQL; takes minutes"
	@echo "make bench-programme    the pool's power and energy against a simulated truth, many seeds; takes an hour"
	@echo "make sanitize           the C code's tests under AddressSanitizer and UBSan"
	@echo "make try-arm            the C code's tests on ARMv8, under qemu"
	@echo "make torture [N=200]    what takes longer: all torture-*, fuzz, crowd"
	@echo "make torture-blocks [N=200]  N found blocks, each with a fault at its find"
	@echo "make torture-kills [KILLS=100]  the pool dies under load: each store, and power cuts"
	@echo "make torture-outages    the database is away for a minute under load"
	@echo "make torture-api        the HTTP API under a fuzzer of its document, at length"
	@echo "make fuzz [RUNS=N]      the Stratum library, sessions and templates under a fuzzer (N: 10,000,000)"
	@echo "make crowd              5,000 rigs and a proxy of 500 through ten block changes"
	@echo "make lock               renew requirements/*.txt (needs uv)"
	@echo "make clean              remove what was built"

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml $(NATIVE) scripts/setup.sh
	@scripts/setup.sh runtime $(VENV)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml $(NATIVE) scripts/setup.sh
	@scripts/setup.sh dev $(VENV)
	@touch $@ $(VENV)/.runtime

$(VENV)/.torture: requirements/torture.txt pyproject.toml $(NATIVE) scripts/setup.sh
	@scripts/setup.sh torture $(VENV)
	@touch $@ $(VENV)/.runtime

setup: $(VENV)/.runtime
	@$(VENV)/bin/poolserver version

demo: $(VENV)/.runtime
	@bitcoind=$$(scripts/find-bitcoind.sh) && BITCOIND=$$bitcoind $(VENV)/bin/poolserver demo $(if $(SECONDS),--seconds $(SECONDS))

power-day: $(VENV)/.dev
	@$(VENV)/bin/poolserver simulate programme --config configs/programme-2000mw.toml --plot docs/images/power-day.svg

test: lint types unit real

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.dev
	$(VENV)/bin/mypy

unit: $(VENV)/.dev
	POSTGRESQL_BIN=$$(scripts/find-postgresql.sh) PROMTOOL=$$(scripts/find-prometheus.sh promtool) $(PYTHON) -m pytest tests/unit poolserver/_vendor/asyncio_stratum/tests -n 2 -q

# More processes than cores: these tests wait for nodes and clocks half of their time.
REAL = CHROMIUM=$$(scripts/find-chromium.sh) BITCOIND=$$(scripts/find-bitcoind.sh) POSTGRESQL_BIN=$$(scripts/find-postgresql.sh) \
	MOSQUITTO=$$(scripts/find-mosquitto.sh) PROMETHEUS=$$(scripts/find-prometheus.sh) DOCKER_COMPOSE=$$(scripts/find-docker-compose.sh)
real: $(VENV)/.dev
	$(REAL) $(PYTHON) -m pytest tests/integration tests/browser -n 4 --dist loadfile --no-loadscope-reorder -q

integration: $(VENV)/.dev
	$(REAL) $(PYTHON) -m pytest tests/integration -n 4 --dist loadfile -q

browser: $(VENV)/.dev
	$(REAL) $(PYTHON) -m pytest tests/browser -n 2 -q

screenshots: $(VENV)/.dev
	@CHROMIUM=$$(scripts/find-chromium.sh) $(PYTHON) -m tests.browser.screenshots

# Tests build it too (tests/unit/test_docs_site.py), as strictly.
docs: $(VENV)/.dev
	@$(PYTHON) -m sphinx -q -W -n --keep-going -b html docs build/docs
	@echo build/docs/index.html

dist: $(VENV)/.dev
	@rm -rf dist && mkdir dist && $(PYTHON) scripts/make_dist.py dist
	@ls -l dist

bench: $(VENV)/.dev
	@$(PYTHON) bench/micro.py
	@$(PYTHON) bench/stratum.py
	@$(PYTHON) bench/share.py
	@$(PYTHON) bench/session.py
	@$(PYTHON) -m bench.lane
	@$(PYTHON) bench/journal.py
	@$(PYTHON) -m bench.books
	@$(PYTHON) -m bench.meters
	@$(PYTHON) bench/template.py
	@$(PYTHON) bench/payout.py
	@$(PYTHON) -m bench.whole --runs 1 --seconds 3

bench-whole: $(VENV)/.dev
	@$(PYTHON) -m bench.whole

bench-parts: $(VENV)/.dev
	@$(PYTHON) -m bench.parts

bench-latency: $(VENV)/.dev
	@$(PYTHON) -m bench.latency

bench-growth: $(VENV)/.dev
	@$(PYTHON) -m bench.growth

bench-readers: $(VENV)/.dev
	@$(PYTHON) -m bench.readers

sanitize: $(VENV)/.dev
	PYTHON=$(PYTHON) scripts/sanitize.sh

try-arm: $(VENV)/.dev
	PYTHON=$(PYTHON) scripts/try-arm.sh

bench-tip: $(VENV)/.dev
	@BITCOIND=$$(scripts/find-bitcoind.sh) $(PYTHON) -m bench.new_tip

bench-programme: $(VENV)/.dev
	@$(PYTHON) -m bench.programme

bench-ledger: $(VENV)/.dev
	@POSTGRESQL_BIN=$$(scripts/find-postgresql.sh) $(PYTHON) -m bench.ledger

bench-failover: $(VENV)/.dev
	@BITCOIND=$$(scripts/find-bitcoind.sh) $(PYTHON) -m bench.failover

torture: torture-blocks torture-kills torture-outages torture-api fuzz crowd

torture-blocks: $(VENV)/.dev
	@BITCOIND=$$(scripts/find-bitcoind.sh) $(PYTHON) -m tests.torture blocks --blocks $(N)

torture-kills: $(VENV)/.dev
	@export BITCOIND=$$(scripts/find-bitcoind.sh) POSTGRESQL_BIN=$$(scripts/find-postgresql.sh) && \
		$(PYTHON) -m tests.torture kills --kills $(KILLS) --store sqlite && \
		$(PYTHON) -m tests.torture kills --kills $(KILLS) --store postgresql && \
		$(PYTHON) -m tests.torture kills --kills $(KILLS) --store sqlite --power

torture-outages: $(VENV)/.dev
	@export BITCOIND=$$(scripts/find-bitcoind.sh) POSTGRESQL_BIN=$$(scripts/find-postgresql.sh) && \
		$(PYTHON) -m tests.torture outages --store sqlite && \
		$(PYTHON) -m tests.torture outages --store postgresql

# fuzz-with TARGET,INPUTS,BYTES: each length has its own corpus, or short ones would slow down.
fuzz-with = mkdir -p build/fuzz/$(1)-$(3) && $(PYTHON) -m tests.fuzz $(1) -runs=$$(($(2))) -max_len=$(3) -len_control=0 \
	-artifact_prefix=build/fuzz/$(1)- build/fuzz/$(1)-$(3)

# A line or two are quick; a submit with what must come before it is longer, and some inputs are
# long enough for every limit. A session costs some ten times as much as a line, and so do two lines.
fuzz: $(VENV)/.torture
	$(call fuzz-with,connection,$(RUNS),72)
	$(call fuzz-with,connection,$(RUNS)/4,160)
	$(call fuzz-with,connection,$(RUNS)/10,768)
	$(call fuzz-with,session,$(RUNS)/20,72)
	$(call fuzz-with,session,$(RUNS)/50,256)
	$(call fuzz-with,template,$(RUNS)/10,1024)
	$(call fuzz-with,lane,$(RUNS)/20,1024)

torture-api: $(VENV)/.dev
	@API_EXAMPLES=100 BITCOIND=$$(scripts/find-bitcoind.sh) $(PYTHON) -m pytest tests/integration/test_api.py -k fuzzer -q --timeout 3600

crowd: $(VENV)/.dev
	@BITCOIND=$$(scripts/find-bitcoind.sh) $(PYTHON) -m tests.torture crowd

# The lock files hold versions and hashes alone, so they serve any mirror.
UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --prerelease=if-necessary-or-explicit
lock:
	$(UV_COMPILE) pyproject.toml requirements/build.in -o requirements/runtime.txt
	$(UV_COMPILE) --extra postgresql --extra power pyproject.toml requirements/build.in -c requirements/runtime.txt -o requirements/image.txt
	$(UV_COMPILE) --extra dev pyproject.toml requirements/build.in -c requirements/image.txt -o requirements/dev.txt
	$(UV_COMPILE) --extra torture pyproject.toml requirements/build.in -c requirements/runtime.txt -o requirements/torture.txt

clean:
	rm -rf build dist *.egg-info $(VENV) .tools poolserver/_native/*.so
