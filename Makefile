# Needs Python >= 3.11 and make. Everything is installed into .venv, each extra once.
PYTHON ?= python3
PY := .venv/bin/python
# Two workers, each with a long run of tests in order; one that is done takes over tests of the other.
PYTEST := $(PY) -m pytest --numprocesses 2 --dist worksteal
DEMO := $(if $(RATINGS),--ratings "$(RATINGS)") $(if $(USER_ID),--user "$(USER_ID)")

# Threads of gradient boosting that wait actively take ten times the time where cores are shared.
export OMP_WAIT_POLICY := passive
export MPLBACKEND := Agg
export PYTHONUNBUFFERED := 1
export SCIPY_ARRAY_API := 1
export TF_CPP_MIN_LOG_LEVEL := 3

.PHONY: demo test docs wheel clean
.DELETE_ON_ERROR:

# make demo [RATINGS=file] [USER_ID=500]
demo: .venv/examples.stamp
	$(PY) examples/plot_recommend_movies.py $(DEMO)

# make test [ONLY=recommenders]: all checks, or the tests of one folder of tests/ and its doctests.
# mypy takes one core for half a minute, so it runs beside the tests.
test: .venv/test.stamp
ifdef ONLY
	$(PYTEST) $(wildcard tests/$(ONLY) sklearn_mf/$(ONLY))
else
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy & types=$$!; $(PYTEST); tests=$$?; \
	wait $$types || { echo "mypy reports errors: see the start of the tests" >&2; exit 1; }; exit $$tests
endif

docs: .venv/docs.stamp
	$(PY) -m sphinx -W --keep-going -b html docs docs/_build/html
	$(PY) docs/check_links.py docs/_build/html

# make wheel [PYTHONS="python3.11 python3.12"]: build and check the distributions, try the wheel in empty environments
wheel:
	.ci/wheel $(or $(PYTHONS),$(PYTHON))

clean:
	rm -rf .venv build dist *.egg-info docs/_build docs/auto_examples docs/generated docs/sg_execution_times.rst

.venv/%.stamp: pyproject.toml | .venv/bin/pip
	$(PY) -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

# pip is the last thing that venv writes, so a run that was cut short is made good.
.venv/bin/pip:
	$(PYTHON) -m venv --clear .venv
