# make table5    Table 5 of the paper beside ours: installs, trains, writes the report
# make table4    likewise Tables 6 to 9; Tables 1, 2 and 3 show costs and what was run
# make tableA5   Table A.5 of the MViT appendix, likewise A.1 to A.9: costs, counted in seconds
# make figureA4  What a test of a video costs by the number of clips, likewise
# make figureA6  Mean attention distances, measured at initialization, in a minute or two
# make sectionC  The formulas of section C of the MViT appendix beside counted costs, in seconds
# make table5 SEEDS=3 RESULTS=folder    more seeds; results elsewhere, counted from here
# make report    all reports of what was run, and the overview of all claims; trains nothing
# make report RESULTS=results/reference   those of the project's own record
# make install   everything into .venv, and nothing else
# make test      installs, lints, checks types, runs the tests
# make test-heavy  the tests that take a minute or so: the rehearsal on videos, the largest models
# make test-slurm  the scenarios on a real Slurm, brought up on this machine (Debian, as root)
# make test-peers  counts other works' models anew, beside the kept counts; installs their libraries
# make test-demo  the page of `vswin demo` in a browser; installs what that needs (Chromium must be here)
# make test-triton  the kernels for GPUs in Triton's interpreter; fetches Triton, 190 MB
# make smoke     the same path as table5 in seconds; the accuracies mean nothing
# make bench     speed and memory against torchvision, with the same weights
# make lab       JupyterLab on the notebooks
# make lock      resolve constraints.txt anew (needs uv)
PYTHON ?= python3
VENV ?= .venv
SEEDS ?= 1
RESULTS ?= results

.PHONY: install report smoke test test-heavy test-slurm test-peers test-demo test-triton lint bench lab lock clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# make/make/p' Makefile

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "vswin needs Python 3.10 or newer; say which with: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "could not create $(VENV); on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "installing into $(VENV) (once, a few minutes) ..."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
	  --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(VENV)/.installed

NOTEBOOK = $(VENV)/bin/vswin notebook $@ --seeds $(SEEDS) --results-dir $(RESULTS)

# Two rules: of one rule with two patterns, make would take one recipe for both.
table%: $(VENV)/.installed
	@$(NOTEBOOK)

figure%: $(VENV)/.installed
	@$(NOTEBOOK)

section%: $(VENV)/.installed
	@$(VENV)/bin/vswin report $@ --results-dir $(RESULTS)

report: $(VENV)/.installed
	@$(VENV)/bin/vswin report all --results-dir $(RESULTS)

smoke: $(VENV)/.installed
	@$(VENV)/bin/vswin notebook table5 --protocol smoke --seeds 1 --results-dir $(RESULTS)

lint: $(VENV)/.installed
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check --quiet . && $(VENV)/bin/mypy

PYTEST = $(VENV)/bin/python -m pytest --ignore tests/slurm --numprocesses logical --maxprocesses 8

test: lint
	@$(PYTEST) --dist worksteal -m "not heavy"

# A file to a process: what one makes is for its own tests.
test-heavy: $(VENV)/.installed
	@$(PYTEST) --dist loadfile -m heavy

# The tests take their cluster down; the trap is for when they are killed.
test-slurm: $(VENV)/.installed
	@slurm/install-slurm
	@folder=$$(mktemp -d /tmp/vswin-slurm.XXXXXX); \
	  trap 'for each in $$folder/*; do $(VENV)/bin/python slurm/one-machine down $$each; done; \
	    rm -df $$folder' EXIT; \
	  trap 'exit 130' INT TERM; \
	  VSWIN_TEST_SLURM=1 VSWIN_TEST_SLURM_FOLDER=$$folder \
	  $(VENV)/bin/python -m pytest --numprocesses 4 --dist worksteal tests/slurm

# No pin is in the way of these libraries; transformers needs Python 3.11.
$(VENV)/.peers: $(VENV)/.installed
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[peers]'
	@touch $@

test-peers: $(VENV)/.peers
	@VSWIN_TEST_PEERS=1 $(VENV)/bin/python -m pytest -rs tests/costs/test_peers.py

# Beside the environment: gradio wants an older Pillow than the one that results rest on.
$(VENV)/.demo: $(VENV)/.installed
	@grep -v '^pillow==' constraints.txt > $(VENV)/demo.txt
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade \
	  --constraint $(VENV)/demo.txt --target $(VENV)/demo playwright \
	  '$(shell sed -n 's/.*"\(gradio>[^"]*\)".*/\1/p' pyproject.toml)'
	@touch $@

test-demo: $(VENV)/.demo
	@PYTHONPATH=$(VENV)/demo $(VENV)/bin/python -m pytest -rs tests/using/test_demo.py

# Beside the environment, whose torch may be for CPUs alone and brings none.
$(VENV)/.triton: $(VENV)/.installed
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --no-deps \
	  --constraint constraints.txt --target $(VENV)/triton triton
	@touch $@

test-triton: $(VENV)/.triton
	@PYTHONPATH=$(VENV)/triton $(VENV)/bin/python -m pytest -rs tests/models/swin/test_gpu_attention.py

bench: $(VENV)/.installed
	@$(VENV)/bin/python -m benchmarks

lab: $(VENV)/.installed
	@JUPYTER_PREFER_ENV_PATH=1 $(VENV)/bin/jupyter lab notebooks

lock:
	uv pip compile --quiet --universal --python-version 3.10 --extra dev --extra peers pyproject.toml \
	  --no-annotate --no-header --output-file constraints.txt

clean:
	rm -rf $(VENV)
