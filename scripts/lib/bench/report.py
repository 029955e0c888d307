# SPDX-License-Identifier: GPL-2.0
"""The tables, one line a figure and one column a variant, and what must hold in them."""
import dataclasses
import math

import vm
from bench.guests import VARIANTS

BEGIN = '<!-- The table is written by scripts/bench --readme from bench/raw.csv. -->'
END = '<!-- The end of what scripts/bench --readme writes. -->'


@dataclasses.dataclass(frozen=True)
class Row:
    """Figures of a case, side by side. What this series must keep to stands in limits,
    one for each figure: a number, or a variant and by how much to multiply its figure."""
    title: str
    case: str
    figures: tuple
    limits: tuple = ()


def churn_rows(mib, pause_ms):
    case = f'churn-{mib}-{pause_ms}'
    yield Row(f'{mib} MiB in a loop, pauses of {pause_ms} ms: comes from the host again, in all / '
              'once learnt, %', case, ('again_percent', 'again_learnt_percent'), (None, 2))
    if case in ('churn-512-300', 'churn-512-1500'):
        yield Row('... an allocation takes, million instructions', case, ('alloc_minstr',),
                  (('none', 1.03),))


def after_rows(pause_ms):
    case = f'after-{pause_ms}'
    return (Row(f'384 MiB in a loop with pauses of {pause_ms} ms beside 1 GiB, both freed: 95 % '
                'of 1 GiB / of all back after, ms', case, ('kept_ms', 'all_ms'),
                (300, 2 * pause_ms + 300)),
            Row('... in the loop: kept unused, GiB x s / come again, GiB', case,
                ('kept_gib_s', 'again_gib')))


def holes_row(kib, limit_ms):
    return Row(f'640 MiB freed in pieces of {kib} KiB: 95 % back after, ms / back within 30 s, %',
               f'holes-{kib}', ('back_ms', 'back_30s_percent'), (limit_ms,))


ROWS = [
    *(Row(f'{gib} GiB freed: 95 % back after, ms', f'drain-{gib}', ('back_ms',), (300,))
      for gib in (2, 8, 14)),
    *(row for pause_ms in (100, 300, 1500, 5000) for row in churn_rows(512, pause_ms)),
    *(row for pause_ms in (300, 1500) for row in churn_rows(64, pause_ms)),
    Row('4 GiB freed before a loop of 512 MiB, 300 ms: 95 % of the rest back after, ms', 'mixed',
        ('back_ms',), (300,)),
    holes_row(512, 5000), holes_row(64, 10000), holes_row(16, 30000),
    *(row for pause_ms in (100, 450, 1500, 5000) for row in after_rows(pause_ms)),
    *(Row(f'{load}: the host holds more than is used, by, % / has to bring, GiB', case,
          ('waste_percent', 'brought_gib'))
      for load, case in (('a database', 'database'), ('containers', 'containers'),
                         ('a build', 'phases'))),
    Row('... 40 s after it / 30 s after its caches were dropped: holds more, by, %', 'phases',
        ('rests_waste_percent', 'dropped_waste_percent'), (25, 25)),
    Row('... all that, and the build and 40 s again: held, GiB x min', 'phases', ('gib_min',)),
    Row('... the two builds take, s', 'phases', ('builds_s',), (('none', 1.01),)),
    Row('an idle minute: its threads and kworkers are woken, times', 'drain-2', ('woken',),
        (('none', 1.2),)),
    Row('2 GiB freed: their instructions per GiB, million', 'drain-2', ('minstr_per_gib',)),
    *(Row(f'instructions per page fault, {what}', 'faults', (kind,), (('out', 1.005),))
      for kind, what in (('anon', '4 KiB'), ('huge', '2 MiB'), ('file', '4 KiB of a file'))),
    Row('wall clock: 2 GiB freed: 95 % back after, ms', 'wall-drain-2', ('back_ms',)),
    *(Row(f'wall clock: 512 MiB in a loop, {pause_ms} ms: an allocation takes, ms',
          f'wall-churn-{pause_ms}', ('alloc_ms',)) for pause_ms in (300, 1500)),
    Row('wall clock: a build of 100 processes takes, ms', 'wall-build', ('build_ms',)),
    Row('wall clock: guests that touch and free 900 MiB, in 3.75 GiB', 'wall-density',
        ('guests',)),
]


# What the README shows: one figure a row.
BRIEF_VARIANTS = ('series', 'm2000', 'm250', 'm100o0', 'none')
BRIEF_ROWS = [
    *(Row(f'{gib} GiB freed: 95 % of it is back at the host after, ms', f'drain-{gib}',
          ('back_ms',)) for gib in (2, 14)),
    *(Row(f'512 MiB used in a loop, pauses of {pause_ms} ms: once learnt, of that comes from '
          'the host again, %', f'churn-512-{pause_ms}', ('again_learnt_percent',))
      for pause_ms in (300, 5000)),
    Row('384 MiB used in a loop, pauses of 1500 ms, beside 1 GiB: when both are freed, all is '
        'back after, ms', 'after-1500', ('all_ms',)),
    Row('640 MiB freed in pieces of 64 KiB: back within 30 s, %', 'holes-64',
        ('back_30s_percent',)),
    Row('a build: 40 s after it the host holds more than the guest uses, by, %', 'phases',
        ('rests_waste_percent',)),
    Row('containers come and go: the host holds more than they use, by, %', 'containers',
        ('waste_percent',)),
    Row('... and has to bring, GiB', 'containers', ('brought_gib',)),
    Row('instructions for each GiB that the host gets, million', 'drain-2', ('minstr_per_gib',)),
    Row('instructions for a page fault of 4 KiB', 'faults', ('anon',)),
]


def number(value):
    if math.isinf(value):
        return 'not in time'
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.2g}' if abs(value) < 10 \
        else f'{value:.1f}'


def cell(store, row, variant):
    """The medians, and the least and the most where there are several runs."""
    parts = []
    for figure in row.figures:
        values = store.values(row.case, variant, figure)
        if not values:
            return '-'
        text = number(store.median(row.case, variant, figure))
        if len(values) > 1:
            text += f' ({number(min(values))} to {number(max(values))})'
        parts.append(text)
    return ' / '.join(dict.fromkeys(parts)) if 'not in time' in parts[0] else ' / '.join(parts)


def table(store, rows, variants):
    lines = ['| | ' + ' | '.join(VARIANTS[name].title for name in variants) + ' |',
             '|---' * (len(variants) + 1) + '|']
    for row in rows:
        cells = [cell(store, row, variant) for variant in variants]
        if set(cells) != {'-'}:
            lines.append(f'| {row.title} | ' + ' | '.join(cells) + ' |')
    return lines


def full_table(store):
    return table(store, ROWS, [name for name in VARIANTS
                               if any(key[1] == name for key in store.runs)])


def gates(store):
    """(text, whether it holds, its figure) for each limit that there is a figure for."""
    for row in ROWS:
        if not row.title.startswith('...'):
            subject = row.title.split(':')[0]
        title = row.title.replace('...', subject + ':')
        for nr, (figure, limit) in enumerate(zip(row.figures, row.limits)):
            value = store.median(row.case, 'series', figure)
            if isinstance(limit, tuple):
                other = store.median(row.case, limit[0], figure)
                limit = None if other is None else other * limit[1]
            if limit is not None and value is not None:
                which = f' (figure {nr + 1})' if len(row.figures) > 1 else ''
                yield f'{title}{which}: at most {number(limit)}', value <= limit, number(value)


def origin(store):
    """The line that says of what these figures are."""
    found = {store.origins[key] for key in store.runs}
    if len(found) != 1:
        raise vm.Failure('reading the results', f'{len(found)} kernels, QEMUs or commits in '
                         f'{store.path}, and one was expected', 'make bench, with one of each')
    base, qemu, commit = found.pop()
    return f'Linux {base} with this series at commit {commit}, QEMU {qemu}'


def results(store):
    """The lines of all that there is."""
    return [f'Measured: {origin(store)}.', '', *full_table(store), '',
            '| it must show | holds | figure |', '|---|---|---|',
            *(f'| {text} | {"yes" if holds else "**NO**"} | {figure} |'
              for text, holds, figure in gates(store))]


def brief(store):
    """The lines for the README."""
    return [f'Measured: {origin(store)}.', '', *table(store, BRIEF_ROWS, BRIEF_VARIANTS)]


def write(path, store, notes):
    """results.md; returns the gates."""
    lines = ['<!-- SPDX-License-Identifier: GPL-2.0 -->', '# Benchmark', '', *results(store), '',
             *(f'* {note}' for note in notes)]
    with open(path, 'w', encoding='utf-8') as out:
        out.write('\n'.join(lines).rstrip() + '\n')
    return list(gates(store))


def fill(path, lines, check):
    """Write lines between the two marks in a file; or fail where they differ."""
    with open(path, encoding='utf-8') as source:
        text = source.read()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise vm.Failure(f'reading {path}', 'the two comments between which the table stands '
                         'are not there once each', f'git checkout {path}')
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    new = head + '\n'.join([BEGIN, '', *lines, '', END]) + tail
    if check and new != text:
        raise vm.Failure(f'checking {path}', 'its table is not that of bench/raw.csv',
                         'scripts/bench --readme')
    if not check:
        with open(path, 'w', encoding='utf-8') as out:
            out.write(new)
