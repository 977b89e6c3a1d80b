# Two commands matter: `make run` and `make test`. Each does all of its own set-up in $(VENV).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests of the transformer recipe run if torch is installed: make test TORCH=torch==2.13.0. No lock contains torch,
# because its newest build for Linux brings gigabytes of CUDA.
TORCH ?=
TESTED := $(VENV)/test$(if $(TORCH),-$(TORCH)).stamp
# The locks are complete, so pip installs them with --no-deps. Otherwise an extra that a lock leaves out as empty, such
# as coverage[toml], makes pip look for newer versions, and refuse the lock as soon as one exists.
# On a terminal, a line says for how long a silent command has been running; in a pipe, it says nothing.
PATIENTLY := $(PYTHON) tools/patiently.py
PIP := $(PATIENTLY) "installing into $(VENV)" $(BIN)/python -m pip --disable-pip-version-check --quiet
BENCH ?= .venv-bench
BENCH_PIP := $(PATIENTLY) "installing into $(BENCH)" $(BENCH)/bin/python -m pip --disable-pip-version-check --quiet

LINTERS ?= .venv-lint
LINTER_NAMES := checkov parliament check-jsonschema

# Further options for the load tests: make soak LOAD="--trials ends --ends 50".
LOAD ?=

# The folder of the environments in which `make wheel-check` installs the wheel.
WHEELED ?= .venv-wheel

# Hundreds of tests start a program: without its bytecode, each would compile our sources again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run serve test test-slow coverage check soak first-five-minutes bench clean lock lint-stack wheel wheels wheel-check release docs

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-20s%s\n", $$1, $$2 }' Makefile

run: $(VENV)/run.stamp ## Set up .venv and run the pipeline to a registered model
	$(BIN)/jobmajor run $(ARGS)

# Without a champion, train one first, as `make run` does.
serve: $(VENV)/serve.stamp ## Start the HTTP service and its page; trains a model first if there is none
	@$(BIN)/python -c 'import sys; from jobmajor import settings; from jobmajor.registry.loading import champion_folder; sys.exit(champion_folder(settings.home()) is None)' || $(BIN)/jobmajor run
	$(BIN)/jobmajor serve $(ARGS)

# The types are checked while the tests run, which often wait for a process or a disk; the result stands at the end.
test: $(TESTED) ## Run every check and every test that is not long
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	@echo "checking types beside the tests"
	@$(BIN)/mypy > $(VENV)/types.txt 2>&1 & types=$$!; \
		$(BIN)/python -m pytest -n auto --dist loadgroup -m "not long" $(ARGS); tests=$$?; \
		wait $$types; typed=$$?; cat $(VENV)/types.txt; [ $$tests -eq 0 ] && [ $$typed -eq 0 ]

# Tests that take long: hundreds of faults, kills at random moments, complete trainings, Spark, the notebook.
test-slow: $(TESTED) ## Run the long tests
	$(BIN)/python -m pytest -n auto --dist loadgroup -m long $(ARGS)

# A broken link or anchor, or a page that the navigation lacks, stops the build. The site needs no network.
docs: $(TESTED) ## Build the documentation as a site, site/index.html
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --nitpicky --quiet --doctree-dir $(VENV)/doctrees docs site

# Measuring makes the tests slower.
coverage: $(TESTED) ## Run all tests and list the lines that none of them runs
	$(BIN)/python -m pytest -n auto --dist loadgroup --cov --cov-report=term:skip-covered $(ARGS)

# Run this before each commit: it leaves out tests that take more than a few seconds.
check: $(TESTED) ## Run every check and the quick tests, in about a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(PATIENTLY) "checking types" $(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n auto --dist loadgroup -q -m "not slow and not long" $(ARGS)

# Takes hours on two cores: a hundred kills at random moments, a hundred thousand requests that are nearly valid, and the
# service's goals under load.
soak: $(TESTED) ## Try faults and load for hours
	JOBMAJOR_KILLS=100 $(BIN)/python -m pytest tests/faults tests/batch/test_resume.py $(ARGS)
	JOBMAJOR_MUTATIONS=100000 $(BIN)/python -m pytest tests/serve/http/test_mutations.py $(ARGS)
	$(BIN)/python -m tools.load --json $(VENV)/load.json $(LOAD)

# Measures clone, environment, model, service and page. Needs Chromium.
first-five-minutes: $(TESTED) ## Measure what a newcomer waits for
	$(BIN)/python tools/first_five_minutes.py $(ARGS)

# Three linters check the templates and the printed policies, a fourth one the compose file by the specification's schema.
# Each has its own environment, because checkov pins boto3.
# Their versions are pinned, so that a new rule can't fail an unchanged project.
TEMPLATES := $(addprefix src/jobmajor/aws/project/,stack.yaml schedule.yaml monitor.yaml project.yaml)
lint-stack: $(TESTED) $(LINTERS)/stamp ## Lint the AWS templates and policies, and the compose file
	$(BIN)/cfn-lint $(TEMPLATES)
	$(LINTERS)/checkov/bin/checkov --framework cloudformation --compact --quiet --skip-download -f $(TEMPLATES)
	rm -rf $(LINTERS)/policies && $(BIN)/python tools/stack_policies.py $(LINTERS)/policies $(TEMPLATES)
	$(LINTERS)/parliament/bin/parliament --directory $(LINTERS)/policies --exclude_pattern '.*command-(bootstrap|project-connect|project-catalog).*'
	$(LINTERS)/parliament/bin/parliament --config tools/parliament.yaml --files $(LINTERS)/policies/command-bootstrap.json
	$(LINTERS)/parliament/bin/parliament --config tools/parliament_star.yaml --files $(LINTERS)/policies/command-project-connect.json,$(LINTERS)/policies/command-project-catalog.json
	$(LINTERS)/check-jsonschema/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml

$(LINTERS)/stamp: $(LINTER_NAMES:%=tools/%.txt)
	for tool in $(LINTER_NAMES); do \
		$(PYTHON) -m venv --clear $(LINTERS)/$$tool \
		&& $(LINTERS)/$$tool/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps -r tools/$$tool.txt \
		|| exit 1; done
	touch $@

# Other systems have their own environment. FINAL=1 also scores the test splits; SLOW=1 adds the transformer.
bench: $(BENCH)/$(if $(SLOW),slow,bench).stamp ## Compare with other systems
	$(BENCH)/bin/python -m benchmarks $(if $(FINAL),--final) $(if $(SLOW),--slow) $(ARGS)

$(BENCH)/bench.stamp: requirements.lock requirements-image.lock benchmarks/requirements.lock pyproject.toml packages/sagelocal/pyproject.toml
	$(PATIENTLY) "making $(BENCH)" $(PYTHON) -m venv $(BENCH)
	$(BENCH_PIP) install --require-hashes --no-deps -r requirements.lock
	$(BENCH_PIP) install --require-hashes --no-deps -r requirements-image.lock
	$(BENCH_PIP) install --require-hashes --no-deps -r benchmarks/requirements.lock
	$(BENCH_PIP) install --no-deps --no-build-isolation -e .
	$(BENCH_PIP) install --no-deps --no-build-isolation -e ./packages/sagelocal
	touch $@

$(BENCH)/slow.stamp: $(BENCH)/bench.stamp
	$(BENCH_PIP) install -e '.[transformer]' -r benchmarks/requirements-slow.txt
	touch $@

# Compiled code: the compiler is cc, gcc, clang or $$CC; where there is none, ziglang from the package index (100 MB).
# JOBMAJOR_COMPILED=no goes on without.
$(VENV)/run.stamp: requirements.lock requirements-zig.lock pyproject.toml hatch_build.py packages/sagelocal/pyproject.toml src/jobmajor/native/build.py $(wildcard src/jobmajor/native/*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "found Python %d.%d, expected 3.11 or newer: name one, as in make run PYTHON=python3.12" % sys.version_info[:2])'
	$(PATIENTLY) "making $(VENV)" $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes --no-deps -r requirements.lock
	@if $(BIN)/python src/jobmajor/native/build.py --needs-zig; then $(PIP) install --require-hashes --no-deps -r requirements-zig.lock; fi
	@$(PATIENTLY) "compiling" $(BIN)/python src/jobmajor/native/build.py
# One after the other: a jobmajor of before contained sagelocal, and removing it would remove the new one's program.
	$(PIP) install --no-deps --no-build-isolation -e .
	$(PIP) install --no-deps --no-build-isolation -e ./packages/sagelocal
	touch $@

$(VENV)/serve.stamp: $(VENV)/run.stamp requirements-image.lock
	$(PIP) install --require-hashes --no-deps -r requirements-image.lock
	touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp requirements-dev.lock
	$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	touch $@

# Each build of torch has its own stamp, so naming another one installs it.
$(VENV)/test-$(TORCH).stamp: $(VENV)/test.stamp
	$(PIP) install '$(TORCH)'
	touch $@

wheel: $(VENV)/run.stamp ## Build the wheels of jobmajor and sagelocal into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel
	cd packages/sagelocal && $(abspath $(BIN))/python -m hatchling build -t wheel -d ../../dist

# Wheels for other systems: their compiled code is built by ziglang. Only the first one can be tried here. sagelocal has no
# compiled code; its wheel is built from its sdist, as an index's users would have it.
SYSTEMS := manylinux_2_17_x86_64 manylinux_2_17_aarch64 macosx_11_0_x86_64 macosx_11_0_arm64 win_amd64
wheels: $(VENV)/run.stamp requirements-zig.lock ## Build a wheel for each system into dist/
	rm -rf dist
	$(PIP) install --require-hashes --no-deps -r requirements-zig.lock
	for system in $(SYSTEMS); do JOBMAJOR_TARGET=$$system $(BIN)/python -m hatchling build -t wheel || exit 1; done
	cd packages/sagelocal && $(abspath $(BIN))/python -m hatchling build -t sdist -d ../../dist
	tar -xzf dist/sagelocal-*.tar.gz -C dist
	cd dist/sagelocal-*/ && $(abspath $(BIN))/python -m hatchling build -t wheel -d ..
	rm -r dist/sagelocal-*/

# The environments in which `make wheel-check` installs wheels, each without the others' packages: sagelocal (its wheel alone)
# runs a pipeline, train (both wheels, with the extra) makes a model, and base (both wheels) answers with it. All three are
# made at the same time.
WHEELS := sagelocal train base
wheel-check: wheels ## Install the wheels into empty environments and use them
	rm -rf $(WHEELED)
	made=; for name in $(WHEELS); do ( \
		lock=requirements$$([ $$name = train ] || echo "-$$name").lock; \
		wheels="$$(ls dist/sagelocal-*.whl) $$([ $$name = sagelocal ] || ls dist/jobmajor-*-manylinux_2_17_$$(uname -m).whl)"; \
		$(PYTHON) -m venv $(WHEELED)/$$name \
		&& $(WHEELED)/$$name/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps -r $$lock \
		&& $(WHEELED)/$$name/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-index $$wheels \
		&& $(WHEELED)/$$name/bin/python -m pip --disable-pip-version-check check \
		) & made="$$made $$!"; done; \
		for each in $$made; do wait $$each || exit 1; done
	$(WHEELED)/sagelocal/bin/python tools/sagelocal_check.py docs/examples/count.json
	cd $(WHEELED) && train/bin/jobmajor --version \
		&& train/bin/python -m jobmajor run --release starter --home home && train/bin/sagelocal runs --home home
	$(WHEELED)/base/bin/python tools/wheel_check.py $(WHEELED)/home

# make release ARGS="--key FILE": tools/release.py says what it refuses. Nothing is tagged or uploaded.
release: $(VENV)/run.stamp ## Build, check and sign a release into dist/
	$(BIN)/python tools/release.py $(ARGS)

# Needs uv. The exported files contain hashes but no index addresses; uv.lock isn't committed.
lock: ## Renew the lock files after a change of pyproject.toml (needs uv)
	uv lock --upgrade
	uv export --quiet --no-header --no-annotate --no-emit-workspace --no-dev -o requirements-base.lock
	uv export --quiet --no-header --no-annotate --no-emit-workspace --no-dev --package sagelocal -o requirements-sagelocal.lock
	uv export --quiet --no-header --no-annotate --no-emit-workspace --no-dev --extra train --group build -o requirements.lock
	uv export --quiet --no-header --no-annotate --no-emit-workspace --extra train --extra tutorial --extra postgres --all-groups -o requirements-dev.lock
	uv export --quiet --no-header --no-annotate --no-emit-workspace --no-dev --extra train --extra serve -o requirements-image.lock
	uv export --quiet --no-header --no-annotate --no-emit-workspace --only-group build -o requirements-build.lock
	uv export --quiet --no-header --no-annotate --no-emit-workspace --no-dev --extra aws --group build -o requirements-ci.lock
	uv export --quiet --no-header --no-annotate --no-hashes --no-emit-workspace --all-groups --extra train --extra serve -o $(VENV)/have.txt
	uv pip compile --quiet --no-header --no-annotate --generate-hashes --universal benchmarks/requirements.txt -c $(VENV)/have.txt -o benchmarks/requirements.lock
	for tool in $(LINTER_NAMES); do uv pip compile --quiet --upgrade --no-header --no-annotate --generate-hashes --universal tools/$$tool.in -o tools/$$tool.txt || exit 1; done
	sed -n 's/^ZIG = "\([0-9.]*\)".*/ziglang==\1/p' src/jobmajor/native/build.py | uv pip compile --quiet --no-header --no-annotate --generate-hashes --universal - -o requirements-zig.lock

clean: ## Remove the environments, the workspace and all caches
	rm -rf $(VENV) $(BENCH) $(LINTERS) $(WHEELED) .jobmajor .sagelocal dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
