# make demo | test | check | format | hooks | clean. Everything happens inside .venv, made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Each stamp is newer than the requirements it installed, so a second run installs nothing.
RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev

# Two system libraries can be missing on a bare Debian or Ubuntu: OpenGL, which MediaPipe's OpenCV links, and a browser.
define apt_install
command -v apt-get >/dev/null || { echo "Please install: $(1)"; exit 1; }; \
sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
$$sudo apt-get update -q && $$sudo apt-get install -yq --no-install-recommends $(1)
endef

.PHONY: demo test check format hooks chromium clean
.DEFAULT_GOAL := demo

demo: $(RUNTIME)
	$(BIN)/python app.py --host 127.0.0.1 --port 7860

test: $(DEV) chromium
	$(BIN)/python -m pytest

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

hooks: $(DEV)
	$(BIN)/pre-commit install

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt | $(BIN)/python
	$(PIP) install -r requirements.txt
	@$(BIN)/python -c "import cv2" 2>/dev/null || { $(call apt_install,libgl1 libglib2.0-0); }
	@touch $@

$(DEV): requirements-dev.txt $(RUNTIME)
	$(PIP) install -r requirements-dev.txt
	@touch $@

# The browser test drives Debian's Chromium; CHROMIUM may name another one.
chromium:
	@for name in "$$CHROMIUM" chromium chromium-browser google-chrome; do \
		[ -n "$$name" ] && command -v "$$name" >/dev/null && exit 0; \
	done; $(call apt_install,chromium)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
