# SPDX-License-Identifier: GPL-2.0
"""What the benchmark must show: each gate is (text, passed or None, figure)."""
import math

from bench.variants import MAINLINE

ALL_MAINLINE = (*MAINLINE, 'm2000o0', 'm100o0')

PER_CPU_MIB = 16
CPUS = 2
SPREAD_ALLOWED = 1.03
# QEMU's own faults vary by this much between two runs of one variant.
FAULT_NOISE = 1.1


def of_each(results, cases, variant, figure):
    """[(case, median)] of the cases that have it."""
    found = [(case, results.median(case, variant, figure)) for case in cases]
    return [(case, value) for case, value in found if value is not None]


def at_most(text, found, limit, unit=''):
    """One gate on the largest of several medians."""
    if not found:
        return text, None, 'not measured'
    case, worst = max(found, key=lambda item: item[1])
    return text, worst <= limit, f'{worst:.4g}{unit} ({case})'


def drain(results):
    names = results.names('drain')
    found = of_each(results, names, 'hinting', 't95_s')
    yield at_most('drain: t95 within 0.6 s', found, 0.6, ' s')
    if len(found) > 1:
        times = [value for _, value in found]
        yield ('drain: t95 by size (reported)', None, ', '.join(
            f'{case} {value:.2f} s' for case, value in found)
            + f'; largest by smallest {max(times) / min(times):.2f}')
    yield at_most(f'drain: left of freed memory after 5 s at most {PER_CPU_MIB} MiB per CPU',
                  of_each(results, names, 'hinting', 'left_mib'), PER_CPU_MIB * CPUS, ' MiB')
    huge = of_each(results, names, 'hinting', 'host_huge_percent')
    yield ('drain: guest memory in host huge pages, at least 90 %',
           min(value for _, value in huge) >= 90 if huge else None,
           ', '.join(f'{value:.1f} % ({case})' for case, value in huge) or 'not measured')


def churn(results):
    names = results.names('churn') + results.names('mixed')
    for figure, limit, text in (
            ('refaulted_percent', 10, 'refaulted over the whole run, at most 10 %'),
            ('refaulted_learnt_percent', 2, 'refaulted once learnt, at most 2 %'),
            ('twice_percent', 10, 'discarded twice over the whole run, at most 10 %'),
            ('twice_learnt_percent', 1, 'discarded twice once learnt, at most 1 %')):
        yield at_most('churn: ' + text, of_each(results, names, 'hinting', figure), limit, ' %')
    yield at_most(f'churn: left of freed memory when it has ended, after 5 s or twice what was '
                  f'learnt, at most {PER_CPU_MIB} MiB per CPU',
                  of_each(results, names, 'hinting', 'left_mib'), PER_CPU_MIB * CPUS, ' MiB')
    yield faults_as_off(results, names)
    counted_names = results.names('instructions')
    yield at_most('churn: instructions of an allocation, first wrong guesses included, at most '
                  '1.03 of those with reporting off',
                  [(case, mine / results.median(case, 'none', 'alloc_minstructions'))
                   for case, mine in of_each(results, counted_names, 'hinting',
                                             'alloc_minstructions')
                   if results.median(case, 'none', 'alloc_minstructions')], 1.03,
                  ' times that')
    for case in names:
        yield allocation_as_off(results, case, 'alloc_learnt_mean_ms', ', once learnt,')
        # A quick run is so short that its one wrong guess is too much of it.
        if not results.is_quick(case):
            yield allocation_as_off(results, case, 'alloc_mean_ms', '')


def faults_as_off(results, names):
    found = [(case, value / (max(results.values(case, 'none', 'qemu_minor_faults'))
                             * FAULT_NOISE))
             for case, value in of_each(results, results.names('churn'), 'hinting',
                                        'qemu_minor_faults')
             if results.values(case, 'none', 'qemu_minor_faults')]
    return at_most("churn: QEMU's page faults as with reporting off (its most and 10 %)",
                   found, 1, ' times that')


def allocation_as_off(results, case, figure, when):
    mine = results.median(case, 'hinting', figure)
    off = results.values(case, 'none', figure)
    text = f'{case}: mean allocation{when} in the spread of reporting off, or 1.03 of its median'
    if mine is None or not off:
        return text, None, 'not measured'
    if len(off) < 2:
        return text, None, f'{mine:.1f} ms; one run of reporting off has no spread'
    middle = results.median(case, 'none', figure)
    return (text, mine <= max(max(off), SPREAD_ALLOWED * middle),
            f'{mine:.1f} ms, {mine / middle:.3f} of {middle:.1f} ms '
            f'({min(off):.1f} to {max(off):.1f})')


def faults(results):
    figures = [f'{kind}_instructions_per_fault' for kind in ('anon', 'huge', 'file')]
    for variant, against, limit, text in (
            ('none', 'out', 0.2, 'compiled in and off, against compiled out'),
            ('off', 'outrep', 0.2, 'the same, with mainline reporting in both'),
            ('hinting', 'out', 0.5, 'on, against compiled out')):
        found = []
        for figure in figures:
            mine = results.median('faults-icount', variant, figure)
            base = results.median('faults-icount', against, figure)
            if mine and base:
                found.append((figure.split('_')[0], 100 * (mine / base - 1)))
        yield at_most(f'faults: {text}, at most {limit} % more instructions per fault',
                      found, limit, ' %')


def counted(results):
    for case in results.names('idle'):
        for figure in 'khintd_wakeups', 'discards', 'khintd_instructions':
            found = of_each(results, [case], 'hinting', figure)
            if found:
                yield at_most(f'{case}: {figure} zero', found, 0)
    yield at_most('cost: at most 0.5 million instructions per GiB, without emptying the '
                  'per-CPU lists',
                  of_each(results, ['cost-icount'], 'cost', 'work_minstructions_per_gib'),
                  0.5, ' million')
    for figure, what in (('khintd', 'its threads, emptying these lists included'),
                         ('all_workers', 'these and all kworkers')):
        median = results.median('cost-icount', 'hinting', f'{figure}_minstructions_per_gib')
        if median is not None:
            yield f'cost: {what} (reported)', None, f'{median:.2f} million per GiB'
    for order, limit in ((9, 3000), (3, 5000)):
        names = [name for name in results.names('lock') if f'order{order}-' in name]
        found = of_each(results, names, 'cost', 'hold_max_instructions')
        yield at_most(f'lock: longest hold at order {order} at most {limit} instructions',
                      found, limit)
        if len(found) > 1:
            yield (f'lock: order {order} over sizes and shares (reported)', None,
                   ', '.join(f'{value:.0f} ({case})' for case, value in found))


def holes(results):
    for case, limit in (('holes-512', 95), ('holes-64', 95), ('holes-16', 90)):
        percent = results.median(case, 'hinting', 'back_in_time_percent')
        if percent is not None:
            yield (f'{case}: at least {limit} % back in time', percent >= limit,
                   f'{percent:.1f} %')
    for kib, limit in ((512, 95), (64, 95), (16, 90)):
        for backing, figure in (('4k', 'cgroup_fell_percent'),
                                ('huge', 'squeezed_cgroup_fell_percent')):
            case = f'gain-{kib}-{backing}'
            percent = results.median(case, 'hinting', figure)
            if percent is not None:
                yield (f'{case}: {figure}, at least {limit} %', percent >= limit,
                       f'{percent:.1f} %')


def phases(results):
    found = [(name, results.median('phases', 'hinting', f'{name}_by_used'))
             for name in ('first', 'dropped', 'again')]
    if found[0][1] is None:
        return
    yield at_most('phases: resident at the end of each idle phase at most 1.25 of what is used',
                  found, 1.25, ' times that')
    mine = results.median('phases', 'hinting', 'builds_s')
    off = results.values('phases', 'none', 'builds_s')
    if off:
        middle = results.median('phases', 'none', 'builds_s')
        yield ('phases: the builds take at most 1.01 times what they do with reporting off, '
               'or are in its spread', mine <= max(max(off), 1.01 * middle),
               f'{mine:.1f} s, {mine / middle:.3f} of {middle:.1f} s '
               f'({min(off):.1f} to {max(off):.1f})')
    yield from phases_of_mainline(results)


def phases_of_mainline(results):
    """GiB x min below those of every setting whose builds cost next to nothing."""
    mine = results.median('phases', 'hinting', 'whole_gib_min')
    for variant, own in (('off', 'none'), *((name, 'mnone') for name in ALL_MAINLINE)):
        builds = results.median('phases', variant, 'builds_s')
        alone = results.median('phases', own, 'builds_s')
        other = results.median('phases', variant, 'whole_gib_min')
        if None in (builds, alone, other):
            continue
        cheap = builds <= 1.05 * alone
        yield (f'phases: GiB x min below {variant}' + ('' if cheap else
               ' (reported: its builds cost more than 1.05 of reporting off)'),
               mine < other if cheap else None,
               f'{mine:.4g} against {other:.4g}, builds {builds / alone:.3f}')


def density(results):
    mine = results.median('density', 'hinting', 'guests')
    for variant in ('off',) + MAINLINE:
        other = results.median('density', variant, 'guests')
        if mine is not None and other is not None:
            yield (f'density: more guests than with {variant}', mine > other,
                   f'{mine:.4g} against {other:.4g}')


def wins(results, names, figure, variant):
    """The cases in which this variant is at least as good as the series."""
    found = []
    for case in names:
        mine = results.median(case, 'hinting', figure)
        other = results.median(case, variant, figure)
        if mine is not None and other is not None:
            found.append((case, other <= mine and not math.isinf(other)))
    return found


def no_setting_wins_both(results):
    for variant in ('off',) + MAINLINE:
        drains = wins(results, results.names('drain'), 't95_s', variant)
        churns = wins(results, results.names('churn'), 'alloc_mean_ms', variant)
        if not drains or not churns:
            continue
        both = any(won for _, won in drains) and all(won for _, won in churns) \
            or all(won for _, won in drains) and any(won for _, won in churns)
        won = [case for case, has_won in drains + churns if has_won]
        yield (f'{variant} is not at least as good in both drain and churn', not both,
               'at least as good in: ' + (', '.join(won) or 'none'))


def all_gates(results):
    return [gate for part in (drain, churn, faults, counted, holes, phases, density,
                              no_setting_wins_both) for gate in part(results)]
