# SPDX-License-Identifier: GPL-2.0
"""Scenarios that count: faults, idle, cost, lock."""
import re

from bench.watched import GIB

ICOUNT = '0,sleep=off'      # an instruction a nanosecond; idle time is skipped
# TCG counts each turn of "rep stosb", a processor the whole as one: with eight
# bytes a turn, clearing pages hides less of the rest.
CLEAR_BY_EIGHT = 'clearcpuid=erms'
KINDS = ('anon', 'huge', 'file')
PAGES_PER_MIB = {'anon': 256, 'huge': 0.5, 'file': 256}
MORE_ROUNDS = {'anon': 1, 'huge': 16, 'file': 1}    # under icount: huge faults are few
SYSFS = '/sys/kernel/mm/page_hinting'
HELD = '/sys/kernel/debug/page_hinting/lock_hold_max_cycles'
WORK = '/sys/kernel/debug/page_hinting/work_cycles'
FAULTS = re.compile(r'### faults (\w+) tasks (\d+) MiB (\d+) us (\d+) cycles (\d+)')
# All that is free is hinted: hinting says so itself, mainline takes about 30 s.
ALL_HINTED = 'hintload settle 60 >/dev/null 2>&1 || sleep 45\nsleep 5\n'
# Sums over the threads whose name begins with $1; a shell's own cost is the
# same in each variant.
THREADS = r"""
threads() {
    for task in /proc/[0-9]*; do
        read -r name <$task/comm || continue
        case $name in $1*) echo $task ;; esac
    done 2>/dev/null; }
spent_ns() {
    sum=0
    for task in $(threads "$1"); do
        read -r ns rest <$task/schedstat && sum=$((sum + ns))
    done
    echo $sum; }
switches() {
    for task in $(threads "$1"); do cat $task/status; done |
        awk '/^voluntary/ { sum += $2 } END { print sum + 0 }'; }
all_tasks_ns() { awk '/^cpu/ { sum += $8 } END { printf "%.0f\n", sum }' /proc/schedstat; }
"""


def say(name, value):
    return f'echo "### say {name} {value}"\n'


def said(guest):
    """{name: number} of the lines "### say NAME NUMBER"."""
    return {name: int(value)
            for name, value in re.findall(r'### say (\w+) (\d+)', guest.text())}


def need(found, guest, *names):
    missing = [name for name in names if name not in found]
    if missing:
        raise guest.failure(f'it did not say {" ".join(missing)}')
    return [found[name] for name in names]


def fault_lines(guest, runs):
    found = [(kind, *(int(n) for n in rest))
             for kind, *rest in FAULTS.findall(guest.text())]
    if len(found) != runs:
        raise guest.failure(f'{len(found)} of {runs} results were seen')
    return found


def faults(bench, case, variant):
    """page_fault1 with small and huge pages, page_fault2, with one and two tasks."""
    mib, rounds = case.setup['mib'], case.setup['rounds']
    runs = [(kind, tasks) for kind in KINDS for tasks in (1, 2)]
    guest = bench.guest(case, variant, ''.join(
        f'benchload faults {kind} {tasks} {mib} {rounds} || exit 1\n' for kind, tasks in runs),
                        trace=False, memory=1024, timeout=900).run_well()
    return {f'{kind}_{tasks}_task_faults_per_s': total * PAGES_PER_MIB[kind] / (us / 1e6)
            for kind, tasks, total, us, _ in fault_lines(guest, len(runs))}


def faults_icount(bench, case, variant):
    """Instructions per fault: the difference of two runs of different length."""
    mib, rounds = case.setup['mib'], case.setup['rounds']
    guest = bench.guest(case, variant, ALL_HINTED + ''.join(
        f'benchload faults {kind} 1 {mib} {count * MORE_ROUNDS[kind]} || exit 1\n'
        for kind in KINDS for count in (rounds, 3 * rounds)),
                        append=CLEAR_BY_EIGHT, trace=False, memory=1024, timeout=1800,
                        icount=ICOUNT).run_well()
    found = fault_lines(guest, 2 * len(KINDS))
    figures = {}
    for (kind, _, total, _, cycles), (_, _, more, _, more_cycles) in zip(found[::2], found[1::2]):
        pages = (more - total) * PAGES_PER_MIB[kind]
        figures[f'{kind}_instructions_per_fault'] = (more_cycles - cycles) / pages
    return figures


def idle_command(seconds):
    return (THREADS + 'hintload touch 256 >/dev/null\n' + ALL_HINTED
            + 'a=$(switches khintd) b=$(switches kworker)\n'
            'c=$(spent_ns khintd) d=$(all_tasks_ns)\necho "### mark begin"\n'
            f'sleep {seconds}\n'
            'd=$(($(all_tasks_ns) - d)) c=$(($(spent_ns khintd) - c))\necho "### mark end"\n'
            + say('khintd', '$(($(switches khintd) - a))')
            + say('kworker', '$(($(switches kworker) - b))')
            + say('khintd_ns', '$c') + say('all_ns', '$d') + 'sleep 0.2')


def idle_figures(guest):
    wakes, workers, spent, all_tasks = need(said(guest), guest, 'khintd', 'kworker',
                                            'khintd_ns', 'all_ns')
    figures = {'khintd_wakeups': wakes, 'kworker_wakeups': workers,
               'discards': len(guest.discarded('begin', 'end'))}
    if guest.icount is not None:
        return {**figures, 'khintd_instructions': spent, 'all_tasks_instructions': all_tasks}
    return {**figures, 'qemu_cpu_s': guest.need('end').cpu_s - guest.need('begin').cpu_s}


def idle(bench, case, variant):
    """Nothing to do, all hinted, in the time that passes."""
    guest = bench.guest(case, variant, idle_command(case.setup['seconds']), memory=1024,
                        timeout=300 + case.setup['seconds'])
    return idle_figures(guest.run_well())


def idle_icount(bench, case, variant):
    """The same in the guest's own time, with instructions counted."""
    guest = bench.guest(case, variant, idle_command(case.setup['seconds']), memory=1024,
                        timeout=600, icount=ICOUNT)
    return idle_figures(guest.run_well())


def cost_icount(bench, case, variant):
    """Instructions of the threads that hint or report, from the free on.

    hintload frees 200 ms after it has touched; a fast reporter is done before
    a shell that waits for the free would run. khintd waits for a settle time,
    and is counted from the return of the free: before, the scheduler charges
    it for what the program did between its wake-up and the switch to it, as
    under PREEMPT_NONE it skips an update of its clock there. That remains in
    part, so a kernel that counts its threads' own work is asked for that, too.
    """
    own_work = f'cat {WORK}' if variant == 'cost' else 'echo 0'
    guest = bench.guest(case, variant, THREADS + ALL_HINTED
                        + f'hintload touch {case.setup["touch_mib"]} >/tmp/touch &\n'
                        'until grep -q touched /tmp/touch; do sleep 0.05; done\n'
                        f'sleep 0.1; b=$(spent_ns kworker) w=$({own_work})\n'
                        'grep -q freed /tmp/touch && exit 1\n'
                        'echo "### mark touched"; wait; a=$(spent_ns khintd)\n'
                        'sleep 45; echo "### mark end"\n'
                        + say('khintd', '$(($(spent_ns khintd) - a))')
                        + say('kworker', '$(($(spent_ns kworker) - b))')
                        + say('work', f'$(($({own_work}) - w))') + 'sleep 0.2',
                        memory=case.setup['memory_mib'], timeout=1200, icount=ICOUNT).run_well()
    own, workers, work = need(said(guest), guest, 'khintd', 'kworker', 'work')
    hinted = sum(size for _, size in guest.discarded('touched', 'end'))
    gib = (hinted or case.setup['touch_mib'] << 20) / GIB
    return {'work_minstructions_per_gib': work / 1e6 / gib,
            'khintd_minstructions_per_gib': own / 1e6 / gib,
            'all_workers_minstructions_per_gib': (own + workers) / 1e6 / gib,
            'hinted_gib': hinted / GIB}


def cost_host(bench, case, variant):
    """QEMU's CPU time per GiB; what it takes to do nothing is in "reporting off"."""
    touch, watch = case.setup['touch_mib'], case.setup['watch_s']
    guest = bench.guest(case, variant, f'hintload touch {touch}\nsleep {watch}\n'
                        'echo "### mark end"; sleep 0.2', trace=False,
                        memory=case.setup['memory_mib'], timeout=600).run_well()
    spent_s = guest.need('end').cpu_s - guest.need('freed').cpu_s
    return {'qemu_cpu_s_per_gib': spent_s / (touch / 1024)}


def lock(bench, case, variant):
    """Longest hold of zone->lock while the rest of the lists becomes hinted.

    The unhinted share comes from huge pages taken and given back: nobody has
    to touch them. At orders below 9 holes make blocks of that size.
    """
    order, share = case.setup['order'], case.setup['hinted_percent']
    guest = bench.guest(case, variant, f'echo {order} >{SYSFS}/min_order\n'
                        + ('benchload holes 128 32 100000 &\nsleep 5\n' if order < 9 else '')
                        + ALL_HINTED
                        + 'free=$(awk \'/^MemFree/ { print int($2 / 2048) }\' /proc/meminfo)\n'
                        + (f'echo 0 >{SYSFS}/enabled; echo 0 >{HELD}; echo 1 >{SYSFS}/enabled\n'
                           if share == 0 else
                           f'echo $((free * (100 - {share}) / 100)) >/proc/sys/vm/nr_hugepages\n'
                           f'echo 0 >{HELD}; echo 0 >/proc/sys/vm/nr_hugepages\n')
                        + ALL_HINTED + say('held', f'$(cat {HELD})') + 'sleep 0.2',
                        trace=False, memory=case.setup['memory_mib'], timeout=1200,
                        icount=ICOUNT).run_well()
    held, = need(said(guest), guest, 'held')
    return {'hold_max_instructions': held}
