# SPDX-License-Identifier: GPL-2.0
"""results.md: the tables, the gates, and what they were measured with."""
import math
import os
import platform
import statistics
import subprocess

from bench import gates
from bench.variants import VARIANTS

NOTES = {'drain': 'times from the return of the free',
         'churn': 'the first allocation of each run is left out of times and refaults',
         'holes': 'times from the free; "in time": 5 s for 512 KiB, 10 s for 64, 30 s for 16',
         'gain': 'in percent of what was freed; squeezed: the cgroup\'s limit lowered',
         'lock': 'mainline has no such counter'}
VERDICTS = {True: 'pass', False: '**FAIL**', None: '-'}


def number(value):
    if math.isinf(value):
        return 'never'
    return f'{value:.0f}' if abs(value) >= 1000 else f'{value:.3g}'


def cell(values, reference):
    """Median (least to most) ratio"""
    if not values:
        return '-'
    middle = statistics.median(values)
    text = number(middle)
    if len(values) > 1:
        text += f' ({number(min(values))} to {number(max(values))})'
    if reference and not math.isinf(reference) and not math.isinf(middle):
        text += f' x{middle / reference:.3f}'
    return text


def reference(results, case, variant, figure):
    """Reporting off in the same kernel, where that was measured; None for itself."""
    own = 'mnone' if VARIANTS[variant].image == 'mainline' else case.reference
    base = results.median(case.name, own, figure)
    if base is None:
        base = results.median(case.name, case.reference, figure)
    return None if variant in (case.reference, 'mnone') or figure.endswith('percent') else base


def rows(results, case):
    variants = results.figures[case.name]
    figures = list(dict.fromkeys(figure for found in variants.values() for figure in found))
    for figure in figures:
        yield figure, {variant: cell(results.values(case.name, variant, figure),
                                     reference(results, case, variant, figure))
                       for variant in variants}


def table(results, scenario):
    cases = [case for case in results.cases if case.scenario == scenario]
    variants = [variant for variant in VARIANTS
                if any(results.figures[case.name].get(variant) for case in cases)]
    lines = [f'## {scenario}', '']
    note = '; ' + NOTES[scenario] if scenario in NOTES else ''
    lines += [f'Ratios (x) are against {VARIANTS[cases[0].reference].title}, of the same kernel '
              f'where measured{note}.', '']
    lines += ['| case | figure | ' + ' | '.join(VARIANTS[v].title for v in variants) + ' |',
              '|' + '---|' * (len(variants) + 2)]
    for case in cases:
        for figure, cells in rows(results, case):
            lines.append(f'| {case.name}{" (quick)" if case.quick else ""} | {figure} | '
                         + ' | '.join(cells.get(v, '-') for v in variants) + ' |')
    return lines + ['']


def gates_table(found):
    lines = ['## Gates', '', '| it must show | verdict | figure |', '|---|---|---|']
    lines += [f'| {text} | {VERDICTS[passed]} | {figure} |' for text, passed, figure in found]
    return lines + ['']


def qemu_version():
    done = subprocess.run(['qemu-system-x86_64', '--version'], stdout=subprocess.PIPE,
                          text=True, check=False)
    return done.stdout.split('\n')[0]


def header(images, accel, command):
    lines = ['<!-- SPDX-License-Identifier: GPL-2.0 -->', '# Benchmark', '',
             f'By `{command}`; {qemu_version()}, {accel}, {os.cpu_count()} CPUs, host Linux '
             f'{platform.release()}. Medians (least to most) over the runs.', '']
    lines += [f'* kernel "{name}": {images.paths[name]} ({images.hashes[name]})'
              for name in images.paths]
    if accel == 'tcg':
        lines += ['', 'Times are those of an emulator: compare them with each other only.']
    return lines + ['']


def write(path, results, images, accel, command, left_out, failures):
    """Write the file; returns the gates."""
    found = gates.all_gates(results)
    lines = header(images, accel, command)
    for scenario in dict.fromkeys(case.scenario for case in results.cases):
        lines += table(results, scenario)
    lines += gates_table(found)
    for run in left_out:
        lines.append(f'* left out, the time was over: {run.case.name} {run.variant} '
                     f'run {run.number}')
    for (case, variant), failure in failures.items():
        lines.append(f'* failed: {case} {variant}: {str(failure).splitlines()[0]}')
    with open(path, 'w', encoding='utf-8') as out:
        out.write('\n'.join(lines).rstrip() + '\n')
    return found
