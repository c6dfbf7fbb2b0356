"""Draw the rooms of sklearn_mf and the imports between them as an SVG; the docs build calls it.

python -m docs.room_map rooms.svg
"""

import ast
import sys
import textwrap
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tests.house import tree

WIDTH, HEIGHT, COLUMN, STOREY = 3.1, 0.94, 3.4, 1.3  # of a box, and of the grid, in inches
INK, PAPER, TENSORFLOW = "#1f2d3d", "#eef4fa", "#fdf0e0"


def read_rooms():
    """Name and first docstring line of each room."""
    sources = {module.name: module.tree for module in tree.modules()}
    return {room: ast.get_docstring(sources[f"{tree.ROOT}.{room}"]).split("\n")[0] for room in tree.ROOMS}


def read_arrows():
    """Rooms that each room imports, and the rooms that import TensorFlow."""
    arrows = {room: {lower for upper, lower in tree.arrows() if upper == room} for room in tree.ROOMS}
    with_tensorflow = {
        module.room
        for module in tree.modules()
        if any(one.module.split(".")[0] == "tensorflow" for one in tree.imports(module))
    }
    return arrows, with_tensorflow


def reachable(arrows, room):
    """Rooms that a room imports, directly or through others."""
    found = set(arrows[room])
    return found.union(*(reachable(arrows, below) for below in found))


def storeys(arrows):
    """Storey of each room: above all that it imports, and next to the lowest room that imports it."""

    def lowest(room):
        return 1 + max(map(lowest, arrows[room]), default=-1)

    floors = {room: lowest(room) for room in arrows}
    for room in sorted(arrows, key=floors.get, reverse=True):
        above = [floors[user] for user in arrows if room in arrows[user]]
        floors[room] = min(above) - 1 if above else floors[room]
    return floors


def main_column(arrows, floors):
    """A room on each storey, from the top to the bottom, such that each imports the next."""
    room = max(floors, key=floors.get)
    column = [room]
    while arrows[room]:
        room = max(arrows[room], key=lambda below: (floors[below], len(reachable(arrows, below))))
        column.append(room)
    return column


def places(arrows):
    """Column and storey of each room; rooms that none imports stand on the left."""
    floors = storeys(arrows)
    column = main_column(arrows, floors)
    found = {room: (0, floors[room]) for room in column}
    for room in sorted(arrows.keys() - found.keys()):
        side = 1 if any(room in below for below in arrows.values()) else -1
        x = side
        while (x, floors[room]) in found.values():
            x += side
        found[room] = (x, floors[room])
    return found


def is_implied(arrows, upper, lower):
    """Whether an import follows from others: the upper room reaches the lower one through a third."""
    return any(lower in reachable(arrows, between) for between in arrows[upper])


def balanced(text, most):
    """Text in lines of similar length, of at most so many characters."""
    lines = [textwrap.wrap(text, width, break_on_hyphens=False) for width in range(12, most + 1)]
    return "\n".join(next(narrow for narrow in lines if len(narrow) == len(lines[-1])))


def draw_box(ax, x, y, width, name, text, color):
    """A room."""
    corner, shape = (x - width / 2, y - HEIGHT / 2), "round,pad=0,rounding_size=0.1"
    ax.add_patch(FancyBboxPatch(corner, width, HEIGHT, shape, fc=color, ec=INK, lw=1.1, zorder=2))
    style = {"ha": "center", "va": "top", "color": INK, "zorder": 3}
    ax.text(x, y + 0.38, name, weight="bold", size=13.5, **style)
    lines = balanced(text.rstrip(".").replace("`", ""), int(width * 12.5))
    ax.text(x, y + 0.12, lines, size=9.8, linespacing=1.25, **style)


def ends_of_arrow(upper, lower, spans):
    """Where an import leaves the upper box and meets the lower one."""
    (x, y), (below_x, below_y) = upper, lower
    if spans or x == below_x:
        return (x * COLUMN, y * STOREY - HEIGHT / 2), (x * COLUMN, below_y * STOREY + HEIGHT / 2)
    aside = np.sign(below_x - x) * WIDTH
    start = x * COLUMN + 0.4 * aside, y * STOREY - HEIGHT / 2
    if y - below_y == 1:
        return start, (below_x * COLUMN - 0.4 * aside, below_y * STOREY + HEIGHT / 2)
    return start, (below_x * COLUMN - aside / 2, below_y * STOREY)


def draw_arrow(ax, start, end):
    """An import."""
    style = {"arrowstyle": "-|>", "mutation_scale": 13, "shrinkA": 0, "shrinkB": 1, "color": INK, "lw": 1.3}
    ax.add_patch(FancyArrowPatch(start, end, **style))


def draw(path):
    """Write the picture; imports in a circle are an error."""
    rooms = read_rooms()
    arrows, with_tensorflow = read_arrows()
    where = places(arrows)
    columns, floors = zip(*where.values(), strict=True)
    (left, right), top = (min(columns), max(columns)), max(floors)
    figure = Figure(figsize=((right - left + 1) * COLUMN, (top + 1) * STOREY), layout="constrained")
    ax = figure.add_subplot(aspect="equal")
    ax.set(xlim=((left - 0.5) * COLUMN, (right + 0.5) * COLUMN), ylim=(-0.5 * STOREY, (top + 0.5) * STOREY))
    ax.axis("off")
    ground = next(iter(room for room in rooms if where[room][1] == 0))
    for room, (x, y) in where.items():
        middle, width = ((left + right) / 2, (right - left) * COLUMN) if room == ground else (x, 0)
        color = TENSORFLOW if room in with_tensorflow else PAPER
        draw_box(ax, middle * COLUMN, y * STOREY, width + WIDTH, room, rooms[room], color)
    for room in rooms:
        for lower in arrows[room]:
            if not is_implied(arrows, room, lower):
                draw_arrow(ax, *ends_of_arrow(where[room], where[lower], lower == ground))
    with mpl.rc_context({"svg.hashsalt": tree.ROOT}):
        figure.savefig(path, metadata={"Date": None} if Path(path).suffix == ".svg" else None)


if __name__ == "__main__":
    draw(sys.argv[1])
