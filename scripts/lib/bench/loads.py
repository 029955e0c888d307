# SPDX-License-Identifier: GPL-2.0
"""Scenarios in the time that passes: drain, churn, mixed, twice, phases."""
import functools
import math
import re
import statistics
import tempfile

import vm
from bench.counts import ICOUNT
from bench.variants import VARIANTS
from bench.watched import GIB, MIB, twice

THP = '/sys/kernel/mm/transparent_hugepage/enabled'
# The guest's own start is over, and a fast variant has hinted what it left.
SETTLE_S = 3
LEFT_AFTER_S = 5
MARKS = (50, 95, 99)
PHASES = ('first', 'dropped', 'again')
ALLOC = re.compile(r'### alloc (\d+) (\d+) us (\d+) cycles')


def drain(bench, case, variant):
    """Touched and freed; QEMU's resident size is watched from outside."""
    touch, watch = case.setup['touch_mib'], case.setup['watch_s']
    if variant == 'none':   # whose memory does not come back, however long one looks
        watch = LEFT_AFTER_S + 1
    guest = bench.guest(case, variant, f'sleep {SETTLE_S}; echo "### mark before"\n'
                        f'hintload touch {touch}; sleep {watch + 10}',
                        trace=False, memory=case.setup['memory_mib'], timeout=900)
    seen = {}
    guest.at_mark['before'] = lambda: seen.update(before=guest.ram_resident())
    guest.at_mark['touched'] = lambda: seen.update(huge=guest.huge_share())
    freed_s = guest.start().wait_mark('freed', 600).at_s
    figures = follow_drain(guest, freed_s, touch * MIB, watch)
    left = figures.pop('resident_bytes') - seen.get('before', 0)
    bench.keep_timeline(case, variant, guest, freed_s)
    guest.stop()
    if len(seen) < 2:
        raise guest.failure('its size could not be read')
    return {**figures, 'left_mib': max(0, left) / MIB, 'host_huge_percent': 100 * seen['huge']}


def follow_drain(guest, freed_s, freed, watch_s):
    """Until 99 % are back, and at least as long as it takes to see what is left."""
    end_s, resident = freed_s + watch_s, None
    while guest.now() < end_s:
        guest.wait_line('### no such line', 0.1)
        if guest.process.poll() is not None:
            raise guest.failure('it ended while it was watched')
        if resident is None and guest.now() >= freed_s + LEFT_AFTER_S:
            resident = guest.ram_resident()
        back_s = vm.time_back(guest.samples, freed_s, freed, 99)
        if back_s is not None and resident is not None:
            end_s = min(end_s, freed_s + back_s + 1)
    times = times_back(guest, freed_s, freed)
    rate = 0.95 * freed / GIB / times['t95_s'] if times['t95_s'] else math.inf
    return {**times, 'gib_per_s': rate, 'resident_bytes': resident}


def times_back(guest, freed_s, freed):
    found = {f't{mark}_s': vm.time_back(guest.samples, freed_s, freed, mark) for mark in MARKS}
    return {name: math.inf if value is None else value for name, value in found.items()}


# After the last free: the larger of five seconds and, where hinting runs, twice what it has
# learnt to wait for. The load's own last pause is a part of that.
REST = ('settle=$(cat /sys/kernel/mm/page_hinting/node*/settle_ms 2>/dev/null | sort -n |'
        ' tail -n 1)\n'
        'settle=${{settle:-0}}; echo "### learnt $settle ms"\n'
        f'rest_ms=$((settle * 2 > {LEFT_AFTER_S}000 ? settle * 2 : {LEFT_AFTER_S}000))\n'
        'rest_ms=$((rest_ms > {pause_ms} ? rest_ms - {pause_ms} : 0))\n'
        'sleep $(awk "BEGIN {{ print $rest_ms / 1000 }}")\n'
        'echo "### mark rested"; sleep 0.2')


def churn_command(setup, before=''):
    return (f'echo {setup["thp"]} >{THP}; sleep {SETTLE_S}\n'
            f'echo "### mark settled"; sleep 0.2\n{before}'
            'echo "### mark begin"\n'
            f'benchload churn {setup["mib"]} {setup["pause_ms"]} {setup["cycles"]} || exit 1\n'
            'echo "### mark end"\n' + REST.format(**setup))


def churn_timeout(setup):
    return 300 + setup['cycles'] * (setup['pause_ms'] / 1000 + 10)


def run_churn(guest):
    """Run it; the MiB of guest memory that the host has more of than before, when the guest
    has rested, and what hinting had learnt."""
    held = {}
    for name in ('settled', 'rested'):
        guest.at_mark[name] = functools.partial(
            lambda name: held.update({name: guest.ram_resident()}), name)
    guest.run_well()
    learnt = re.search(r'### learnt (\d+) ms', guest.text())
    if not learnt or len(held) < 2:
        raise guest.failure('its size could not be read')
    left = {'left_mib': max(0, held['rested'] - held['settled']) / MIB}
    return {'learnt_ms': int(learnt.group(1)), **left} if int(learnt.group(1)) else left


def churn(bench, case, variant):
    """Allocate, touch, free, pause, and again."""
    guest = bench.guest(case, variant, churn_command(case.setup),
                        memory=case.setup['memory_mib'], timeout=churn_timeout(case.setup))
    left = run_churn(guest)
    return {**churn_figures(guest, case.setup), **left}


def churn_icount(bench, case, variant):
    """The same with instructions counted: what an allocation takes without the machine's own
    ups and downs."""
    guest = bench.guest(case, variant, churn_command(case.setup), icount=ICOUNT,
                        memory=case.setup['memory_mib'], timeout=churn_timeout(case.setup))
    guest.run_well()
    found = [int(us) for us in re.findall(r'### alloc \d+ (\d+) us', guest.text())]
    if len(found) != case.setup['cycles']:
        raise guest.failure(f'{len(found)} of {case.setup["cycles"]} allocations were seen')
    return {'alloc_minstructions': statistics.mean(found[1:]) / 1000,
            'alloc_learnt_minstructions':
                statistics.mean(found[1 + case.setup['learn_cycles']:]) / 1000}


def mixed(bench, case, variant):
    """Churn in a guest that has freed much more just before."""
    touch, churned = case.setup['touch_mib'], case.setup['mib']
    guest = bench.guest(case, variant, churn_command(case.setup, f'hintload touch {touch}\n'),
                        memory=case.setup['memory_mib'], timeout=churn_timeout(case.setup))
    left = run_churn(guest)
    freed_s = guest.need('freed').at_s
    bench.keep_timeline(case, variant, guest, freed_s)
    times = times_back(guest, freed_s, (touch - churned) * MIB)
    return {**times, **churn_figures(guest, case.setup), **left}


def churn_figures(guest, setup):
    """The first allocation is left out of times and refaults: nothing was free before."""
    found = [(at_s, ALLOC.search(text)) for at_s, text in guest.lines]
    found = [(at_s, *(int(part) for part in match.groups())) for at_s, match in found if match]
    begin, end = guest.need('begin'), guest.need('end')
    if len(found) != setup['cycles']:
        raise guest.failure(f'{len(found)} of {setup["cycles"]} allocations were seen')
    ends_s, times_us = [at_s for at_s, *_ in found], sorted(us for _, _, us, _ in found[1:])
    refaulted = [guest.grown(a, b) for a, b in zip(ends_s, ends_s[1:])]
    learnt = refaulted[setup['learn_cycles']:]
    discarded = guest.discarded('begin', 'end')
    while_learning = guest.discarded('begin', f'alloc {setup["learn_cycles"]}')
    size = setup['mib'] * MIB
    return {
        'alloc_mean_ms': statistics.mean(times_us) / 1000,
        'alloc_learnt_mean_ms': statistics.mean(
            us for _, _, us, _ in found[1 + setup['learn_cycles']:]) / 1000,
        'alloc_p99_ms': times_us[math.ceil(0.99 * len(times_us)) - 1] / 1000,
        'alloc_mean_mcycles': statistics.mean(cycles for *_, cycles in found[1:]) / 1e6,
        'qemu_minor_faults': end.minflt - begin.minflt,
        'qemu_cpu_s': end.cpu_s - begin.cpu_s,
        'refaulted_percent': 100 * sum(refaulted) / (size * len(refaulted)),
        'refaulted_learnt_percent': 100 * sum(learnt) / (size * len(learnt)),
        'discarded_per_freed': sum(part for _, part in discarded) / (size * len(found)),
        'twice_percent': 100 * twice(discarded) / (size * len(found)),
        'twice_learnt_percent': 100 * (twice(discarded) - twice(while_learning))
                                / (size * len(learnt)),
    }


def scatter(bench, case, variant):
    """Pieces of any size are freed and touched again: free memory falls apart."""
    setup = case.setup
    guest = bench.guest(case, variant, f'sleep {SETTLE_S}; echo "### mark begin"\n'
                        f'benchload scatter {setup["mib"]} {setup["cycles"]} {setup["pause_ms"]}'
                        ' || exit 1\necho "### mark end"; sleep 0.2',
                        memory=setup['memory_mib'], timeout=churn_timeout(setup)).run_well()
    match = re.search(r'### scattered (\d+) MiB', guest.text())
    if not match:
        raise guest.failure('it did not say how much it freed')
    freed = int(match.group(1)) * MIB
    discarded = guest.discarded('begin', 'end')
    begin, end = guest.need('begin'), guest.need('end')
    return {'discarded_per_freed': sum(size for _, size in discarded) / freed,
            'twice_percent': 100 * twice(discarded) / freed,
            'qemu_minor_faults': end.minflt - begin.minflt,
            'wall_s': end.at_s - begin.at_s}


def holes(bench, case, variant):
    """Every second piece of some memory is freed, and used again at the end; the guest
    checks all of it."""
    setup, huge = case.setup, []
    guest = bench.guest(case, variant, f'sleep {SETTLE_S}\n'
                        f'benchload holes {setup["mib"]} {setup["kib"]} {setup["watch_s"]} '
                        f"'{VARIANTS[variant].beside or 'true'}'",
                        trace=False, memory=setup['memory_mib'], timeout=300)
    guest.at_mark['kept'] = lambda: huge.append(guest.huge_share())
    guest.run_well()
    freed, begin, end = setup['mib'] * MIB / 2, guest.need('freed'), guest.need('kept')
    refilled = re.search(r'### refilled in (\d+) us', guest.text())
    if not refilled or not huge:
        raise guest.failure('it did not say how long using the holes again took')
    limit_s = begin.at_s + setup['limit_s']
    at_limit = min(rss for at_s, rss in guest.samples if begin.at_s <= at_s <= limit_s)
    bench.keep_timeline(case, variant, guest, begin.at_s)
    return {**times_back(guest, begin.at_s, freed),
            'back_in_time_percent': 100 * (begin.resident - at_limit) / freed,
            'qemu_cpu_s': end.cpu_s - begin.cpu_s, 'host_huge_percent': 100 * huge[0],
            'refill_s': int(refilled.group(1)) / 1e6}


BUILD = ('echo "### mark {name}"; benchload build {processes} 2 || exit 1\n'
         'echo "### mark {name}_end"; sleep {idle_s}\n'
         'grep MemFree: /proc/meminfo | sed "s/^/### {name}_rested /"\n'
         'echo "### mark {name}_rested"; sleep 0.2\n')
DROP = 'rm -rf /tmp/objects; echo 3 >/proc/sys/vm/drop_caches; echo "### mark dropped"\n'


def phases(bench, case, variant):
    """A build: many short processes and a growing page cache; then nothing to do; all
    dropped, and nothing to do; and both once more."""
    setup, held = case.setup, {}
    command = f'sleep {SETTLE_S}\n' + BUILD.format(name='first', **setup) + DROP + \
        f'sleep {setup["dropped_s"]}\n' \
        'grep MemFree: /proc/meminfo | sed "s/^/### dropped_rested /"\n' \
        'echo "### mark dropped_rested"; sleep 0.2\n' + BUILD.format(name='again', **setup)
    with tempfile.NamedTemporaryFile(dir=vm.BUILD, prefix='bench-disk-') as disk:
        disk.truncate(4 * MIB * setup['processes'])
        guest = bench.guest(case, variant, command, trace=False, memory=setup['memory_mib'],
                            timeout=900, extra=('-drive', f'file={disk.name},if=virtio,'
                                                'format=raw,cache=unsafe'))
        for name in PHASES:
            guest.at_mark[f'{name}_rested'] = functools.partial(
                lambda name: held.update({name: guest.ram_resident()}), name)
        guest.run_well()
    builds = re.findall(r'### built \d+ in (\d+) us', guest.text())
    early = re.findall(r'### (\d+) KiB in the first second', guest.text())
    if not len(builds) == len(early) == 2 or len(held) != len(PHASES):
        raise guest.failure('it did not say how long the builds took, or was not seen at rest')
    bench.keep_timeline(case, variant, guest, guest.need('first').at_s)
    return {'build_s': int(builds[0]) / 1e6, 'build_again_s': int(builds[1]) / 1e6,
            'builds_s': sum(map(int, builds)) / 1e6,
            'build_first_second_mib': int(early[0]) / 1024,
            'build_again_first_second_mib': int(early[1]) / 1024,
            'build_again_qemu_faults': guest.need('again_end').minflt - guest.need('again').minflt,
            'whole_gib_min': guest.gib_minutes('first', 'again_rested'),
            'idle_gib_min': guest.gib_minutes('first_end', 'first_rested'),
            'dropped_gib_min': guest.gib_minutes('dropped', 'dropped_rested'),
            **{f'{name}_by_used': held[name] / in_use(guest, name) for name in PHASES},
            'dropped_resident_gib': held['dropped'] / GIB,
            'dropped_used_gib': in_use(guest, 'dropped') / GIB}


def in_use(guest, name):
    """Bytes of the guest's memory that it had not free at that moment."""
    found = re.search(fr'### {name}_rested MemFree: +(\d+) kB', guest.text())
    if not found:
        raise guest.failure(f'it did not say what was free at "{name}"')
    return guest.memory * MIB - int(found.group(1)) * 1024
