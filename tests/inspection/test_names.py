"""Names from the user's data are drawn as they are: no mathematics, none hidden, none invented."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from sklearn_mf.inspection import (
    EmbeddingDisplay,
    ErrorByActivityDisplay,
    RankingComparisonDisplay,
    RankingCurveDisplay,
    TrainingCurveDisplay,
)

NAMES = ["From $5 to $10", "_hidden", "", "   ", "_nolegend_", r"\$ and $\frac$ & 10%"]
SHOWN = ["From $5 to $10", "_hidden", "(empty)", "(empty)", "_nolegend_", r"\$ and $\frac$ & 10%"]


def curves(index):
    table = np.arange(3 * len(NAMES), dtype=float).reshape(3, -1)
    return pd.DataFrame(table, columns=NAMES, index=index)


def points(index):
    """Points far enough from each other for all labels."""
    line = np.arange(float(len(index)))
    return pd.DataFrame({"share of $a$": line % 2, "_price in $ or C$": line}, index=index)


def draw_map(ax, **options):
    labels = pd.Series(NAMES, index=NAMES)
    return EmbeddingDisplay(points(NAMES), labels=labels, **options).plot(ax)


def draw_errors(ax):
    index = ["$1-$9", "$10-$99", "100"]
    bins = pd.DataFrame({"least": [1, 10, 100], "most": [9, 99, 100], "n_rows": 5}, index=index)
    return ErrorByActivityDisplay(errors=curves(index), bins=bins, field="$ user $").plot(ax)


def draw_ranking(ax):
    return RankingCurveDisplay(curves=curves([1, 2, 3]), metric="$ndcg$").plot(ax)


def draw_comparison(ax):
    numbers = {"difference": 0.1, "low": 0.0, "high": 0.2, "p_value": 0.5}
    table = pd.DataFrame({"first": NAMES, "second": NAMES[::-1]}).assign(**numbers)
    return RankingComparisonDisplay(comparison=table, metric="$ndcg$", k=10).plot(ax)


def draw_training(ax):
    none = pd.DataFrame()
    return TrainingCurveDisplay(objective=curves([1, 2, 3]), log_likelihood=none, validation=none).plot(ax)


def draw_categories(ax):
    return draw_map(ax, color=pd.Series(NAMES, index=NAMES, name="_kind of $x$"))


def draw_numbers(ax):
    return draw_map(ax, color=pd.Series(range(len(NAMES)), index=NAMES, name="price in $ or C$"))


DISPLAYS = [draw_comparison, draw_errors, draw_ranking, draw_training, draw_categories, draw_numbers]


@pytest.mark.parametrize("draw", DISPLAYS)
def test_no_name_is_read_as_mathematics(draw):
    _, ax = plt.subplots()
    display = draw(ax)
    display.figure_.canvas.draw()  # invalid mathematics would raise here
    texts = [text for text in display.figure_.findobj(Text) if text.get_visible()]
    named = [text for text in texts if "$" in text.get_text()]
    assert len({text.get_text() for text in named}) >= 2
    assert not any(text.get_parse_math() for text in named)


@pytest.mark.parametrize("draw", [draw_ranking, draw_training])
def test_no_name_is_read_as_tex(draw):
    with mpl.rc_context({"text.usetex": True}):
        _, ax = plt.subplots()
        draw(ax)
    texts = ax.get_legend().get_texts()
    assert len(texts) == len(NAMES)
    assert not any(text.get_usetex() for text in texts)


@pytest.mark.parametrize("draw", DISPLAYS[1:-1])
def test_legends_name_every_curve_and_category(draw):
    _, ax = plt.subplots()
    display = draw(ax)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert sorted(texts) == sorted(SHOWN)
    handles = display.ax_.get_legend().legend_handles
    assert len(handles) == len(SHOWN)


def test_map_labels_are_as_wide_as_their_text():
    _, ax = plt.subplots()
    label = draw_map(ax).texts_[0]
    assert label.get_text() == NAMES[0]
    escaped = ax.text(0, 0, NAMES[0].replace("$", r"\$"), fontsize=label.get_fontsize())
    mathematics = ax.text(0, 0, NAMES[0], fontsize=label.get_fontsize())
    width = label.get_window_extent().width
    assert width == pytest.approx(escaped.get_window_extent().width, abs=1)
    assert width > mathematics.get_window_extent().width + 3


def test_map_labels_are_legible():
    _, ax = plt.subplots()
    assert [text.get_text() for text in draw_map(ax).texts_] == SHOWN


def test_the_caller_may_ask_for_mathematics():
    _, ax = plt.subplots()
    labels = pd.Series(["$x^2$"] * 3)
    display = EmbeddingDisplay(points(range(3)), labels=labels).plot(ax, text_kwargs={"parse_math": True})
    assert all(text.get_parse_math() for text in display.texts_)


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA])
def test_missing_categories_are_grey_and_called_other(missing):
    _, ax = plt.subplots()
    color = pd.Series(["", missing, "_a", "", "_a", missing], index=NAMES, dtype=object)
    display = draw_map(ax, color=color)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["other", "(empty)", "_a"]
    assert [len(scatter.get_offsets()) for scatter in display.scatters_] == [2, 2, 2]


@pytest.mark.parametrize(
    ("name", "title"), [(None, ""), ("", ""), ("_kind", "_kind"), ("$a$ $b$", "$a$ $b$")]
)
def test_titles_of_legends_and_bars(name, title):
    _, ax = plt.subplots()
    draw_map(ax, color=pd.Series(NAMES, index=NAMES, name=name))
    shown = ax.get_legend().get_title()
    assert (shown.get_text() if shown.get_visible() else "") == title
    bar = draw_map(plt.subplots()[1], color=pd.Series(1.5, index=NAMES, name=name)).colorbar_
    assert bar.ax.get_ylabel() == title
