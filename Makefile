# make run   sets up .venv, finds the equation of F07 in its table, prints and draws it
# make test  sets up .venv and runs linters and tests

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint bench clean

# Its date is that of the last set-up that went through.
.venv/ready: setup.py constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "symdisc needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet -c constraints.txt -e ".[plots,search,sweeps,tests]"
	touch $@

run: .venv/ready
	$(BIN)/symdisc discover data/F07 --library funs/F07_v2.lib

test: .venv/ready lint
	$(BIN)/pytest -n 2

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: .venv/ready
	$(BIN)/python benchmarks/critic.py

clean:
	rm -rf .venv build *.egg-info
