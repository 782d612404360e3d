# `make run` and `make test` are all a newcomer needs. Each target installs what it lacks, once per lock.
PYTHON ?= python3
BIN := .venv/bin
# What Django's checks run against: an instance behind TLS, with keys that are only good for checking.
PRODUCTION := env DATABASE_URL=sqlite:///:memory: AXIOM_BEHIND_TLS=1 AXIOM_ALLOWED_HOSTS=gateway.example \
	AXIOM_SECRET_KEY=check-only-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789 \
	AXIOM_KEYS=check:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= AXIOM_METRICS_TOKEN=check-only
LOCK := uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11

.DEFAULT_GOAL := help
.PHONY: help run test check fmt bench conformance lock tools

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: ## Start the gateway and its admin on HOST:PORT (127.0.0.1:8000), state in AXIOM_VAR (var/)
	@exec $(PYTHON) -m axiom.launch run

test: tools tests/interop/node_modules ## Run every test; what needs a service that isn't there is listed as skipped
	@$(BIN)/pytest -n 2 --dist loadfile -m "not serial"; first=$$?; $(BIN)/pytest -m serial && exit $$first

check: tools ## Run the linters, the type checker, the import contracts and Django's checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(PRODUCTION) $(BIN)/python manage.py makemigrations --check --dry-run
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

fmt: tools ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: tools ## Measure the gateway against a mock provider (needs nginx and wrk)
	@$(BIN)/python benchmarks/run.py

conformance: tools ## Run every provider's recorded samples and write docs/conformance.md from the results
	$(BIN)/python -m pytest -q -n 2 -p tests.conformance tests/gateway/providers --conformance docs/conformance.md

lock: ## Make both hashed locks anew from the .in files (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-dev.in -c requirements.txt -o requirements-dev.txt

tools:
	@$(PYTHON) -m axiom.launch tools

# The official Node client and a mock provider. Without npm the tests that need them are skipped.
tests/interop/node_modules: tests/interop/package-lock.json
	@if command -v npm >/dev/null; then npm ci --prefix tests/interop --silent --no-audit --no-fund && touch $@; fi
