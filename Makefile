# The default target explains the others. Everything happens in .venv; nothing else is touched.
.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# The first Python of the right age that really runs (a pyenv shim may only pretend) and can make a venv.
SUITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3.12 python3.11 python3.13 python3 python; do \
	if $$python -c '$(SUITS)' >/dev/null 2>&1; then echo $$python; break; fi; done)

# Of the extras, and of the dependency group `build`.
LOCKS := dev web cpu gpu cuda flower build
# Those of which the images are made.
DEPLOYED := $(filter-out dev build,$(LOCKS))

# How many processes run tests. Those with servers wait more than they compute: with three, two cores were idle
# for a seventh of the time.
PROCESSES ?= 4

.PHONY: help install demo up test test-unit architectures attack exports lint format client docs chaos fuzz-text fuzz-tables fuzz-trees fuzz-api fuzz-client fuzz-parquet older-keras kill-training screenshot lock sbom bench-client bench-depth bench-find bench-idle bench-metrics bench-networks bench-pictures bench-predict bench-queue bench-scrape bench-text bench-train bench-wal notebooks clean

help: ## Explain the targets
	@echo "Jobyard: make TARGET"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## Set up .venv with the exact versions of locks/dev.txt

$(INSTALLED): locks/dev.txt pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(SUITS)' 2>/dev/null || { \
		echo "jobyard: PYTHON: needs Python 3.11, 3.12 or 3.13 with venv (on Debian: python3-venv)," \
			"but found $(if $(PYTHON),$(PYTHON),none); set PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "Setting up $(VENV) with $(PYTHON): some minutes the first time"
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(INSTALLED) ## Show everything once; DATA=folder takes your pictures, KEEP=1 leaves it running
	@$(BIN)/jobyard demo $(if $(DATA),--data "$(DATA)") $(if $(filter-out 0,$(KEEP)),--keep)

up: $(INSTALLED) ## Start everything on this machine
	@$(BIN)/jobyard up

test: $(INSTALLED) ## Run all tests, PROCESSES=4 at a time
	$(BIN)/python -m pytest -n $(PROCESSES)

test-unit: $(INSTALLED) ## Run the quick tests: no server, no training
	$(BIN)/python -m pytest -n $(PROCESSES) tests/unit

attack: $(INSTALLED) ## Attack a stack of its own on this machine, and measure what that costs
	$(BIN)/python -m pytest tests/attacks

chaos: $(INSTALLED) ## Throw FAULTS=200 random faults, drawn by SEED=1, at the real stack, its files in STORE=folder or s3, and check what is left
	$(BIN)/python -m tests.chaos --seed $(or $(SEED),1) --faults $(or $(FAULTS),200) --store $(or $(STORE),folder)

fuzz-text: $(INSTALLED) ## Compare TEXTS=1000000 texts made to go wrong, from SEED=1 on, with NLTK to the bit
	$(BIN)/python -m tests.fuzz --texts $(or $(TEXTS),1000000) --seed $(or $(SEED),1)

fuzz-parquet: $(INSTALLED) ## Read FILES=20000 Parquet files made to go wrong, from SEED=1 on: none may crash its reader
	$(BIN)/python -m tests.fuzz.parquet_readers --files $(or $(FILES),20000) --seed $(or $(SEED),1)

fuzz-tables: $(INSTALLED) ## Read TABLES=2000 random tables without being told how they are written; none may be misread
	$(BIN)/python -m tests.fuzz.reading --tables $(or $(TABLES),2000)

fuzz-trees: $(INSTALLED) ## Import TREES=300 random trees of pictures, from SEED=1 on: none may be misread
	$(BIN)/python -m tests.fuzz.picture_trees --trees $(or $(TREES),300) --seed $(or $(SEED),1)

fuzz-api: $(INSTALLED) ## Send EXAMPLES=200 right and as many wrong requests to every operation of the API
	EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest tests/integration/web/api/test_schemathesis.py

fuzz-client: $(INSTALLED) ## Call every method of the client EXAMPLES=1000 times with arguments that nobody means
	EXAMPLES=$(or $(EXAMPLES),1000) $(BIN)/python -m pytest tests/integration/web/api/test_client_fuzz.py

architectures: $(INSTALLED) ## Train, kill, resume and import networks of keras.applications, all or ARCHITECTURES="MobileNetV2 VGG16"
	ARCHITECTURES="$(or $(ARCHITECTURES),all)" $(BIN)/python -m pytest -v -n 0 \
		tests/integration/workers/training/test_architectures.py \
		tests/integration/workers/networks/foreign/test_applications.py

older-keras: $(INSTALLED) ## Load models with KERAS_VERSIONS="3.8.0 3.12.0 3.14.0" from PyPI, and compare the answers
	KERAS_VERSIONS="$(or $(KERAS_VERSIONS),3.8.0 3.12.0 3.14.0)" $(BIN)/python -m pytest -v -n 0 \
		tests/integration/workers/networks/test_older_keras.py

kill-training: $(INSTALLED) ## Kill a training KILLS=10 times in both precisions, and compare with one that never was
	KILLS=$(or $(KILLS),10) $(BIN)/python -m pytest tests/integration/workers/training/test_kill.py

exports: $(INSTALLED) ## Export every network and architectures of keras.applications, and compare each with Keras
	EXPORTS=all $(BIN)/python -m pytest tests/integration/workers/exports

lint: $(INSTALLED) ## Check style, types and who imports whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

client: $(INSTALLED) ## Write what is generated: parts of the client, and the schema of what --json prints
	$(BIN)/python -m tests.generate

docs: $(INSTALLED) ## Build the documentation into build/site; whatever is wrong with a link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "build/site/index.html"

notebooks: $(INSTALLED) ## Run the tutorials that are notebooks, and write what comes out into build/notebooks
	@$(BIN)/python -m tests.notebooks

screenshot: $(INSTALLED) ## Run the demo and make docs/dashboard.png from its training's page
	$(BIN)/python docs/screenshot.py

bench-client: $(INSTALLED) ## Measure what a scored data frame costs on its way back, against pandas; QUICK=1 is shorter
	$(BIN)/python -m benchmarks.client $(if $(filter-out 0,$(QUICK)),--quick)

bench-depth: $(INSTALLED) ## Measure what a million queued jobs cost, against a thousand; QUICK=1 is shorter
	$(BIN)/python -m benchmarks.depth $(if $(filter-out 0,$(QUICK)),--quick)

bench-find: $(INSTALLED) ## Measure finding jobs among a million, in milliseconds; QUICK=1 is shorter
	$(BIN)/python -m benchmarks.find $(if $(filter-out 0,$(QUICK)),--quick)

bench-idle: $(INSTALLED) ## Measure the memory of idle processes
	$(BIN)/python benchmarks/idle.py

bench-metrics: $(INSTALLED) ## Measure how long metric histories of a million points take to answer
	$(BIN)/python -m benchmarks.metrics

bench-pictures: $(INSTALLED) ## Measure the memory that decoding takes, by format and mode
	$(BIN)/python -m benchmarks.pictures

# The peers live in a throw-away environment.
bench-queue: $(INSTALLED) ## Measure the engine and the API against peers, in ratios; QUICK=1 is shorter, ONLY=abcde picks
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	"$(BIN)/python" -m venv "$$folder"; \
	"$$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r benchmarks/queue/requirements.txt; \
	$(BIN)/python -m benchmarks.queue --peers "$$folder/bin/python" \
		$(if $(filter-out 0,$(QUICK)),--quick) $(if $(ONLY),--only "$(ONLY)")

bench-scrape: $(INSTALLED) ## Measure how long GET /metrics takes in front of a million jobs; QUICK=1 is shorter
	$(BIN)/python -m benchmarks.scrape $(if $(filter-out 0,$(QUICK)),--quick)

bench-text: $(INSTALLED) ## Measure the scorer against NLTK and vaderSentiment, and the whole way of a file; QUICK=1 is shorter
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target "$$folder" \
		-r benchmarks/text/requirements.txt; \
	$(BIN)/python -m benchmarks.text --pandas "$$folder" $(if $(filter-out 0,$(QUICK)),--quick)

bench-networks: $(INSTALLED) ## Compare the networks on the photographs of DATA=folder; TEST=folder, SIZES=10,100, DRAWS=3, ONLY="classic;compact", QUICK=1
	$(BIN)/python -m benchmarks.training.networks $(if $(DATA),--data "$(DATA)") $(if $(TEST),--test "$(TEST)") \
		$(if $(SIZES),--sizes "$(SIZES)") $(if $(DRAWS),--draws $(DRAWS)) $(if $(ONLY),--only "$(ONLY)") \
		$(if $(filter-out 0,$(QUICK)),--quick)

bench-train: $(INSTALLED) ## Measure training against the tutorial's script and tensors in memory; DATA=folder, QUICK=1 is shorter
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target "$$folder" \
		-r benchmarks/training/requirements.txt; \
	$(BIN)/python -m benchmarks.training --scipy "$$folder" $(if $(DATA),--data "$(DATA)") \
		$(if $(filter-out 0,$(QUICK)),--quick)

bench-predict: $(INSTALLED) ## Measure prediction against Keras' own predict() and the usual loop, and one picture's whole way; QUICK=1 is shorter
	$(BIN)/python -m benchmarks.prediction $(if $(filter-out 0,$(QUICK)),--quick)

bench-wal: $(INSTALLED) ## Count what jobs cost PostgreSQL: statements and WAL of a text's job, and of a busy worker's hour
	$(BIN)/python -m benchmarks.wal

# uv lives in a throw-away environment. Registries' addresses and local wheel folders stay out of the
# locks; the other locks follow dev's, so that what is tested is what is deployed.
lock: ## Write locks/*.txt after a change of pyproject.toml; UPGRADE=1 takes the newest versions
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	"$(PYTHON)" -m venv "$$folder"; \
	"$$folder/bin/python" -m pip install --quiet --disable-pip-version-check uv; \
	for lock in $(LOCKS); do \
		echo "locks/$$lock.txt"; \
		env -u PIP_FIND_LINKS -u UV_FIND_LINKS "$$folder/bin/uv" pip compile --quiet --universal $(if $(UPGRADE),--upgrade) \
			--generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links \
			--custom-compile-command "make lock" $$(test "$$lock" = build && echo --group build || echo --extra "$$lock" pyproject.toml) \
			$$(test "$$lock" = dev || echo -c locks/dev.txt) -o "locks/$$lock.txt" >/dev/null; \
	done

# The generator lives in a throw-away environment. It checks what it writes against CycloneDX' schema.
sbom: $(INSTALLED) ## List what each image is made of, and .venv, as CycloneDX in build/sbom
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	"$(BIN)/python" -m venv "$$folder"; \
	"$$folder/bin/python" -m pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=7.5,<8'; \
	mkdir -p build/sbom; export PYTHONWARNINGS=ignore::UserWarning; \
	for lock in $(DEPLOYED); do \
		"$$folder/bin/cyclonedx-py" requirements locks/$$lock.txt --pyproject pyproject.toml \
			--output-reproducible --validate -o build/sbom/$$lock.json; \
		echo "build/sbom/$$lock.json"; \
	done; \
	"$$folder/bin/cyclonedx-py" environment "$(BIN)/python" --pyproject pyproject.toml \
		--output-reproducible --validate -o build/sbom/venv.json; \
	echo "build/sbom/venv.json"

clean: ## Remove what make made: .venv, .demo, caches
	rm -rf $(VENV) .demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
