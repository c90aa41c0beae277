# The course by name: `make lab` to read it, `make test` to try it all. `make help` lists the rest.
# Each target creates .venv when it is missing or older than pyproject.toml.

PYTHON ?= python3
TORCH ?=
PINNED ?=
LAB_ARGS ?=
TEST_ARGS ?=
FETCH_ARGS ?=
PEERS_ARGS ?=
BENCHMARK_ARGS ?=
WORKERS ?= 2

BIN := .venv/bin
STAMP := .venv/.installed
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout 300 --nbval-sanitize-with tests/nbval_sanitize.cfg

.DEFAULT_GOAL := help
.PHONY: help lab fresh results test test-fast test-lowest test-latest course site web data benchmark peers lint readme student clean

help:
	@echo "make lab     open the course in JupyterLab, on your own copies of the notebooks (the address is printed too)"
	@echo "make fresh NOTEBOOK=02   a new copy of notebook 02; yours is kept under another name"
	@echo "make test    unit tests, and every notebook against the outputs that it shows"
	@echo "make test-fast   the quick unit tests: no browser, no notebook, no training"
	@echo "make test-lowest, make test-latest   the same in build/, with the lowest versions that are declared, or the newest"
	@echo "make course  run every notebook without a browser; executed HTML in build/"
	@echo "make site    the course as static pages in build/site: notebooks, reference, search"
	@echo "make web     faces and keypoints in a web page, from webcam or picture, in build/web (npm brings the library)"
	@echo "make data    download the real 68-point set to data/ytf (checks every file)"
	@echo "make benchmark  how fast everything is here, beside the naive way of a first course"
	@echo "make peers   time and score MediaPipe and dlib beside ours, in an environment of their own (build/peers)"
	@echo "make lint    ruff over package, tests and notebooks"
	@echo "make readme  render tables, and numbers that are bound to records"
	@echo "make results  score the shipped network again, beside the numbers of the README (needs the real set)"
	@echo "make student a copy for students in build/student: no outputs, no solutions"
	@echo "make clean   remove .venv, build/ and caches; data stays"
	@echo ""
	@echo "TORCH=cpu    PyTorch without CUDA, when .venv is made: make lab TORCH=cpu; TORCH=plain: as pip gives it"
	@echo "PINNED=1     the exact versions of constraints.txt, when .venv is made"
	@echo "PYTHON=...   another Python (3.11 or newer); LAB_ARGS=, TEST_ARGS=, FETCH_ARGS=, PEERS_ARGS=, BENCHMARK_ARGS= go to the command"

# The stamp is written last: an install that failed is done again next time.
$(STAMP): pyproject.toml $(if $(PINNED),constraints.txt)
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11 or newer, or name one: make PYTHON=python3.12 ..."; exit 1; }
	@rm -f $(STAMP)
	@$(PYTHON) tools/install.py --torch $(or $(TORCH),auto) $(if $(PINNED),--pinned)
	@touch $(STAMP)

# Learners work on copies. JupyterLab prints its address and errors alone, and refuses to serve root unless told to.
# With PromptConnection the answers to the live demo's frames wait for nothing.
lab: $(STAMP)
	@$(BIN)/python tools/my_copies.py
	@$(BIN)/jupyter lab --log-level=ERROR --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/my_notebooks/START.md \
		--ServerApp.kernel_websocket_connection_class=fkd_helpers.live.server.PromptConnection \
		$(shell [ "`id -u`" = 0 ] && echo --allow-root) $(LAB_ARGS)

fresh: $(STAMP)
	@$(BIN)/python tools/my_copies.py $(or $(NOTEBOOK),"NOTEBOOK=NN")

# A notebook stays with one process, and so does a file of tests; conftest.py says which of them begin.
test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(NBVAL) tests fkd_helpers notebooks $(TEST_ARGS)

test-fast: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) tests fkd_helpers --ignore tests/browser -m "not slow" $(TEST_ARGS)

# Values may look otherwise in another version, so cells need only run (nbval lax). uv knows how to choose the lowest.
test-lowest: RESOLUTION = lowest-direct
test-latest: RESOLUTION = highest
test-lowest test-latest: test-%:
	$(PYTHON) -m venv --clear build/$*
	build/$*/bin/python -m pip install uv
	build/$*/bin/uv pip install --python build/$*/bin/python --resolution $(RESOLUTION) -e '.[all]'
	PYTHONPATH="$(CURDIR)" build/$*/bin/python -m pytest $(subst --nbval ,--nbval-lax ,$(NBVAL)) tests fkd_helpers notebooks $(TEST_ARGS)

course: $(STAMP)
	$(BIN)/jupyter nbconvert --execute --to html --template classic --output-dir build $(sort $(wildcard notebooks/*.ipynb))

site: $(STAMP)
	@rm -rf docs/reference/generated
	$(BIN)/python -m sphinx -q -j auto -c docs -d build/site-doctrees . build/site
	@echo "open build/site/index.html"

# Show it: python web/build.py --serve
web:
	$(PYTHON) web/build.py build/web

data: $(STAMP)
	$(BIN)/python -m fkd_helpers fetch $(FETCH_ARGS)

benchmark: $(STAMP)
	$(BIN)/python benchmarks/speed.py $(BENCHMARK_ARGS)

peers: $(STAMP)
	$(BIN)/python benchmarks/peers $(PEERS_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

readme: $(STAMP)
	$(BIN)/python tools/render_docs.py

results: $(STAMP)
	$(BIN)/python tools/results.py

student: $(STAMP)
	rm -rf build/student
	$(BIN)/python tools/student_copy.py build/student

clean:
	rm -rf .venv build docs/reference/generated .pytest_cache .ruff_cache *.egg-info
	find fkd_helpers tests benchmarks tools notebooks -name __pycache__ -prune -exec rm -rf {} +
