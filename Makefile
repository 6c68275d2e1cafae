# Two commands: `make app` and `make test`. Both set up what they need, and do nothing twice.
PYTHON ?= python3.11
BIN := .venv/bin
ARGS ?=

.PHONY: app test check unit journeys clean

app: .venv/app
	$(BIN)/python -m hai_core app $(ARGS)

test: .venv/dev check unit journeys

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/browser

journeys: .venv/dev
	$(BIN)/python -m tests.browser.fetch
	$(BIN)/python -m pytest tests/browser

.venv/app: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev: .venv/app requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

clean:
	rm -rf .venv
