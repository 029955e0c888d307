# SPDX-License-Identifier: GPL-2.0
"""The pictures: resident size over time, drain against churn, bars."""
import math
import os
import statistics

import plot
from bench.variants import VARIANTS

COLOURS = {'hinting': '#0072b2', 'off': '#d55e00', 'none': '#777777', 'm2000': '#e69f00',
           'm250': '#009e73', 'm1': '#cc79a7', 'mnone': '#bbbbbb',
           'usual': '#009e73', 'compact': '#cc79a7', 'proactive': '#e69f00',
           'm2000o0': '#56b4e9', 'm100o0': '#882255',
           'out': '#999933', 'outrep': '#56b4e9'}
TIMELINES = {'drain': ('Resident size after the free', 0, 40),
             'mixed': ('Resident size, churn beside what was freed', -5, None),
             'holes': ('Resident size after every second piece was freed', 0, 40),
             'phases': ('Resident size: build, idle, caches dropped', 0, None)}


def middle_run(bench, results, case, variant):
    """The time line of the run whose first figure is the median."""
    values = next(iter(results.figures[case.name][variant].values()), [])
    if not values:
        return None
    wanted = statistics.median_low(values)
    path = bench.timeline(case, variant, values.index(wanted) + 1)
    return path if os.path.exists(path) else None


def timeline(bench, results, case):
    title, begin, end = TIMELINES[case.scenario]
    lines = []
    for variant in results.figures[case.name]:
        path = middle_run(bench, results, case, variant)
        if path:
            lines.append(f'"{os.path.relpath(path, bench.out)}" with lines lw 3 lc rgb '
                         f'"{COLOURS[variant]}" title "{VARIANTS[variant].title}"')
    if lines:
        plot.render(bench.out, case.name, f"""
set title "{title} ({case.name})"
set xlabel "seconds"
set ylabel "resident size of QEMU, GiB"
set xrange [{begin}:{'' if end is None else end}]
set yrange [0:*]
set key outside top center horizontal
""", 'plot ' + ', '.join(lines))


def trade(bench, results, drain, churn):
    """One point a variant: how soon memory is back, what a loop pays for it."""
    points = []
    base = results.median(churn, 'none', 'alloc_mean_ms')
    for variant in results.figures[drain]:
        back = results.median(drain, variant, 't95_s')
        mean = results.median(churn, variant, 'alloc_mean_ms')
        if back and mean and base and not math.isinf(back):
            points.append((variant, back, mean / base))
    if not points:
        return
    lines = [f'"-" with points pt 7 ps 2.5 lc rgb "{COLOURS[variant]}" '
             f'title "{VARIANTS[variant].title}"' for variant, *_ in points]
    data = ''.join(f'{back:.4f} {ratio:.4f}\ne\n' for _, back, ratio in points)
    plot.render(bench.out, f'trade-{drain}-{churn}', f"""
set title "Soon back ({drain}), and what a loop pays ({churn})"
set xlabel "95 % back at the host after, seconds"
set ylabel "mean allocation, times reporting off"
set logscale x
set xrange [*:*]
set yrange [0:*]
""", 'plot ' + ', '.join(lines), data)


def bars(bench, results, scenario, figure, label):
    """Bars with their spread, one group a case."""
    names = results.names(scenario)
    variants = [variant for variant in COLOURS
                if any(results.values(name, variant, figure) for name in names)]
    lines, data, width = [], '', 0.8 / max(1, len(variants))
    for i, variant in enumerate(variants):
        lines.append(f'"-" using 1:2:3:4:5 with boxerrorbars lc rgb "{COLOURS[variant]}" '
                     f'fs solid 0.7 title "{VARIANTS[variant].title}"')
        for row, name in enumerate(names):
            values = results.values(name, variant, figure)
            if values:
                at = row + (i - (len(variants) - 1) / 2) * width
                data += (f'{at:.3f} {statistics.median(values)} {min(values)} {max(values)} '
                         f'{0.9 * width:.3f}\n')
        data += 'e\n'
    if lines:
        ticks = ', '.join(f'"{name}" {row}' for row, name in enumerate(names))
        plot.render(bench.out, f'{scenario}-{figure}', f"""
set title "{scenario}: {label}"
set ylabel "{label}"
set yrange [0:*]
set xrange [-0.6:{len(names) - 0.4}]
set key outside top center horizontal
set xtics ({ticks}) rotate by -20
""", 'plot ' + ', '.join(lines), data)


def draw(bench, results):
    for case in results.cases:
        if case.scenario in TIMELINES:
            timeline(bench, results, case)
    bars(bench, results, 'churn', 'alloc_mean_ms', 'mean allocation, ms')
    bars(bench, results, 'churn', 'twice_percent', 'discarded twice, % of what was allocated')
    for drain in results.names('drain')[:1]:
        for churn in results.names('churn'):
            if churn in ('churn-300', 'churn-1500'):
                trade(bench, results, drain, churn)
