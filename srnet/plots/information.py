"""Figures of information between units: heat maps of pairs, modules against random ones."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sdnet.errors import InputError
from srnet.dissect.information import PairInformation
from srnet.dissect.modularity import MEASURES, Modularity, ModulePair
from srnet.plots.common import COLOURS, GREY, LEGEND, NOTE, dress
from srnet.smoothing import to_numpy

MAP = "viridis"
NAMED = 20  # of so few units or groups each has its name on the axis
SIGNIFICANT = 0.05
MEANING = {
    "C1": "C1: what the rest tells of it",
    "C2": "C2: what the rest adds to its own",
    "C3": "C3: what its own add to the rest",
}


def information_maps(reports: Mapping[str, Sequence[PairInformation]]) -> Figure:
    """Heat maps of several networks beside each other, and how often which information occurs.

    A row of panels for each pair of layers: the map of each network, on one scale of colours, then
    the distributions of all. The units of a map stand in the order of their mean information, the
    largest first; groups stay in their order.

    Args:
        reports: for each network, by its name, a report for each pair of layers; of all networks
            the same pairs in the same order.

    Raises:
        InputError: nothing to draw; networks with other pairs of layers.

    >>> import torch
    >>> values = torch.tensor([[0.0, 0.1], [0.2, 0.5]], dtype=torch.float64)
    >>> report = PairInformation("fc1", "fc2", (0, 1), (0, 1), values, "plug-in", "nats")
    >>> information_maps({"trained": [report]}).axes[0].images[0].get_array().tolist()
    [[0.5, 0.2], [0.1, 0.0]]
    """
    pairs = {tuple((one.layer_a, one.layer_b) for one in found) for found in reports.values()}
    if not reports or () in pairs:
        raise InputError("no reports to draw; expected one or more for each network")
    if len(pairs) > 1:
        raise InputError(f"the networks have reports of {sorted(pairs)}; expected the same layers")
    rows = list(zip(*reports.values(), strict=True))
    columns = len(reports) + 1
    figure = Figure((3.4 * columns, 3.1 * len(rows)), dpi=100, layout="constrained")
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for axes, row in zip(panels, rows, strict=True):
        low = min(float(report.values.min()) for report in row)
        high = max(float(report.values.max()) for report in row)
        for ax, name, report in zip(axes, reports, row, strict=False):
            image = _map(ax, report, low, high)
            ax.set_title(name, loc="left", fontsize=10)
        label = f"mutual information, {row[0].base}"
        figure.colorbar(image, ax=list(axes[:-1]), label=label, pad=0.01, aspect=25)
        _distributions(axes[-1], dict(zip(reports, row, strict=True)), label)
    return figure


def _map(ax: Axes, report: PairInformation, low: float, high: float):
    values = to_numpy(report.values)
    order = _order(report)
    image = ax.imshow(
        values[np.ix_(*order)], cmap=MAP, vmin=low, vmax=high, aspect="auto", interpolation="none"
    )
    ax.set(xlabel=f"{_kind(report)} of {report.layer_b}", ylabel=report.layer_a)
    for names, axis, places in (
        (report.names_a, ax.yaxis, order[0]),
        (report.names_b, ax.xaxis, order[1]),
    ):
        some = len(names) <= NAMED
        axis.set_ticks(range(len(names)) if some else [])
        if some:
            axis.set_ticklabels([str(names[place]) for place in places], fontsize=8)
    return image


def _kind(report: PairInformation) -> str:
    return "groups" if isinstance(report.names_a[0], str) else "units"


def _order(report: PairInformation) -> tuple[np.ndarray, np.ndarray]:
    """The places of either side's units, those of most mean information first."""
    values = to_numpy(report.values)
    if _kind(report) == "groups":
        return np.arange(len(values)), np.arange(values.shape[1])
    if report.layer_a == report.layer_b:  # one order, so that the diagonal stays one
        both = np.argsort(-values.mean(1), kind="stable")
        return both, both
    return tuple(np.argsort(-values.mean(axis), kind="stable") for axis in (1, 0))


def _distributions(ax: Axes, row: Mapping[str, PairInformation], label: str) -> None:
    drawn = {}
    for name, report in row.items():
        places = report.pairs()
        drawn[name] = to_numpy(report.values[places[:, 0], places[:, 1]])
    together = np.concatenate(list(drawn.values()))
    edges = np.histogram_bin_edges(together, 40) if len(together) else np.array([0.0, 1.0])
    for (name, values), colour in zip(drawn.items(), COLOURS, strict=False):
        shares = np.histogram(values, edges)[0] / max(len(values), 1)
        look = {"facecolor": (colour, 0.25), "edgecolor": colour, "linewidth": 1}
        ax.stairs(shares, edges, fill=True, label=name, **look)
    dress(ax, label, "share of pairs")
    ax.set_yscale("symlog", linthresh=1e-3)
    ax.set_ylim(0, 1)
    ax.legend(loc="upper right", **LEGEND)


def modularity_panels(report: Modularity) -> Figure:
    """C1, C2 and C3 of each module, in front of what random modules of its sizes have.

    A row of panels for each pair of layers. Bars reach from the 5 % to the 95 % quantile of the
    random modules, with their median; a module is a dot, filled where its p-value is 0.05 or less.

    Raises:
        InputError: a report without modules.
    """
    pairs: dict[tuple[str, str], list[ModulePair]] = {}
    for entry in report.entries:
        pairs.setdefault((entry.layer_a, entry.layer_b), []).append(entry)
    if not pairs:
        raise InputError("the report has no modules to draw; expected one or more")
    most = max(map(len, pairs.values()))
    size = (3 * max(3.0, 0.32 * most + 1.2), 2.9 * len(pairs) + 0.4)
    figure = Figure(size, dpi=100, layout="constrained")
    panels = figure.subplots(len(pairs), len(MEASURES), squeeze=False)
    for axes, ((layer_a, layer_b), entries) in zip(panels, pairs.items(), strict=True):
        for i, (ax, measure) in enumerate(zip(axes, MEASURES, strict=True)):
            _against_random(ax, entries, i)
            dress(ax, "module", f"{layer_a} to {layer_b}, {report.base}" if i == 0 else "")
            ax.set_title(MEANING[measure], loc="left", fontsize=10)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, **LEGEND)
    return figure


def _against_random(ax: Axes, entries: Sequence[ModulePair], measure: int) -> None:
    ax.axhline(0, color=GREY, linewidth=0.6)
    for filled, colour in ((True, COLOURS[1]), (False, "white")):
        chosen = [
            (place, float(entry.measures[measure]))
            for place, entry in enumerate(entries)
            if ((p := entry.p_values()[measure]) is not None and p <= SIGNIFICANT) == filled
        ]
        label = f"module, p {'≤' if filled else '>'} {SIGNIFICANT}"
        ax.plot(
            [place for place, _ in chosen],
            [value for _, value in chosen],
            "o",
            color=COLOURS[1],
            markerfacecolor=colour,
            label=label,
            zorder=3,
        )
    bars = [(place, to_numpy(entry.null[:, measure])) for place, entry in enumerate(entries)]
    bars = [(place, *np.quantile(null, [0.05, 0.5, 0.95])) for place, null in bars if len(null)]
    for number, (place, low, middle, high) in enumerate(bars):
        look = {"width": 0.7, "color": "0.85", "zorder": 1}
        ax.bar(place, high - low, bottom=low, label="" if number else "random, 5 % to 95 %", **look)
        label = "" if number else "random, median"
        ax.plot([place - 0.35, place + 0.35], [middle] * 2, color=GREY, label=label, zorder=2)
    ax.set_xticks(range(len(entries)), [entry.module.replace("$", r"\$") for entry in entries])
    if max(len(entry.module) for entry in entries) > 2:
        ax.tick_params(axis="x", rotation=60)
    ax.set_xlim(-0.7, len(entries) - 0.3)
    ax.use_sticky_edges = False  # bars would else end at the frame
    note = {key: value for key, value in NOTE.items() if key != "loc"}
    if not bars:
        ax.text(0.5, 0.5, "no other module", transform=ax.transAxes, ha="center", **note)
