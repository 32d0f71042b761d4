# make demo | test | test-fast | check | format | hooks | clean. Everything happens inside .venv, made on first use; only `make system`
# asks for more rights. Root, as in a container, also gets the two libraries that the page cannot do without.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Each stamp is newer than the requirements it installed, so a second run installs nothing.
RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev

# What a bare Debian or Ubuntu lacks: OpenGL, which MediaPipe's OpenCV links, and a browser for the page's tests.
LIBRARIES := libgl1 libglib2.0-0
install = apt-get update -q && apt-get install -yq --no-install-recommends $(1)

.PHONY: demo test test-fast check format hooks system clean
.DEFAULT_GOAL := demo

demo: $(RUNTIME)
	$(BIN)/python app.py --host 127.0.0.1 --port 7860

# Two tests at a time with one thread each, except in a browser, which wants the machine for itself. Without a browser the
# page's own tests are skipped; the summary names them.
test: $(DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rs -m "not browser" --numprocesses 2 --dist loadfile
	$(BIN)/python -m pytest -rs -m browser

# What a change usually needs: no browser, nothing slow.
test-fast: $(DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not browser and not slow" --numprocesses 2 --dist loadfile

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/vulture

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

hooks: $(DEV)
	$(BIN)/pre-commit install

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt | $(BIN)/python
	$(PIP) install -r requirements.txt
	@$(BIN)/python -c "import cv2" 2>/dev/null || { [ "$$(id -u)" = 0 ] && $(call install,$(LIBRARIES)); } || { \
		echo "OpenCV cannot be loaded. On Debian and Ubuntu, \`make system\` installs what it needs: $(LIBRARIES)."; exit 1; }
	@touch $@

$(DEV): requirements-dev.txt $(RUNTIME)
	$(PIP) install -r requirements-dev.txt
	@touch $@

# Installs system packages, with sudo unless you are root. CHROMIUM may name a browser that is there already.
system:
	@command -v apt-get >/dev/null || { echo "Please install by your system's means: $(LIBRARIES) chromium"; exit 1; }
	@sudo=sudo; [ "$$(id -u)" != 0 ] || sudo=; \
	$$sudo sh -c '$(call install,$(LIBRARIES))' && \
	{ $$sudo sh -c '$(call install,chromium)' || $$sudo sh -c '$(call install,chromium-browser)'; }

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
