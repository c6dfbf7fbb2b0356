"""What all of the subpackage has in common."""

import subprocess
import sys

import pytest
from sklearn.exceptions import NotFittedError

from sklearn_mf import MFRecommender, inspection


def test_importing_it_and_metrics_imports_neither_matplotlib_nor_tensorflow():
    code = "import sys, sklearn_mf.inspection; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert {"sklearn_mf.inspection", "sklearn_mf.metrics"} <= imported
    assert not {"matplotlib", "tensorflow"} & imported


DATA = dict.fromkeys(
    ["RankingCurveDisplay", "RankingComparisonDisplay", "ErrorByActivityDisplay"], ([[1, 2]], [3])
)


@pytest.mark.parametrize("name", [name for name in inspection.__all__ if name.endswith("Display")])
def test_without_matplotlib_it_says_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=f"{name}.from_estimator requires matplotlib"):
        getattr(inspection, name).from_estimator(MFRecommender(), *DATA.get(name, ()))


@pytest.mark.parametrize("name", [name for name in inspection.__all__ if name.endswith("Display")])
def test_an_estimator_that_is_not_fitted_is_refused(name):
    with pytest.raises(NotFittedError, match="MFRecommender"):
        getattr(inspection, name).from_estimator(MFRecommender(), *DATA.get(name, ()))
