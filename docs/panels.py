"""Thumbnails of the gallery: the first panel of a figure."""

import pickle
from textwrap import fill

import matplotlib.pyplot as plt
from matplotlib.gridspec import GridSpec

PANEL_INCHES = (4, 2.8)
MOST_TEXTS = 15  # more of them would lie on each other
LABEL_CHARACTERS = 24  # of a line, as short as a side of the panel


def draw_panel(figure, path):
    """Draw the first panel of a copy of a figure, without title and so small that its text is large."""
    alone = pickle.loads(pickle.dumps(figure))
    panel, *others = alone.axes
    for artist in [*others, *(panel.texts if len(panel.texts) > MOST_TEXTS else ())]:
        artist.remove()
    alone.suptitle("")
    panel.set_title("")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_label_text(fill(axis.get_label_text(), LABEL_CHARACTERS))
    panel.set_subplotspec(GridSpec(1, 1, figure=alone)[0])
    alone.set_size_inches(PANEL_INCHES)
    alone.savefig(path, dpi=200)
    plt.close(alone)
