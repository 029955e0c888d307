# SPDX-License-Identifier: GPL-2.0
"""A guest that is filled nearly to its limit, with a host that is late: nobody is killed for it.

What the limit is a guest finds out that does not hint, which then does the same rounds.
"""
import collections
import re

import pytest
import tap
import vm
from seen import LATE, LATE_FLAVOUR, MIB, SYSFS

# Rounds, MiB of memory, MiB below the limit, flavour. Less is left below the limit than is
# in flight, so that has to come home in time. "large" has the largest window, 64 MiB.
SIZES = {'all': (200, 320, 8, LATE_FLAVOUR), 'short': (20, 320, 8, LATE_FLAVOUR),
         'large': (20, 1280, 40, LATE_FLAVOUR), 'debug': (5, 384, 8, 'debug')}
# Some 2 MiB that the kernel allocates without waiting.
SIGNALS = 20000
MAY_FAIL = re.compile('__GFP_NORETRY|__GFP_NOWARN')
COUNTERS = ('oom_kill', 'allocstall_dma32', 'allocstall_normal', 'allocstall_movable',
            'thp_fault_alloc', 'thp_fault_fallback')
# The kernel has no huge pages in such small guests unless told. What the per-CPU lists
# hold, an eighth of the memory at most, would decide by chance what fits.
PREPARE = f"""
    echo 200 >/proc/sys/vm/percpu_pagelist_high_fraction
    echo madvise >/sys/kernel/mm/transparent_hugepage/enabled
    hintload settle 60 >/dev/null; mount -t tracefs t /sys/kernel/tracing
    counters() {{
        for name in {' '.join(COUNTERS)}; do
            echo "### $1 $name $(awk "/^$name / {{ print \\$2 }}" /proc/vmstat)"
        done
    }}
    flight() {{ cat {SYSFS}/node*/in_flight_bytes | awk '{{ n += $1 }} END {{ print +n }}'; }}
    failures=/sys/kernel/tracing/events/kmem/mm_page_alloc"""
WITHOUT = f"""
    echo 0 >{SYSFS}/enabled; dmesg -n 1; late() {{ :; }}
    fits() {{
        for try in 1 2 3 4 5; do hintload press $1 {SIGNALS} >/dev/null 2>&1 || return 1; done
    }}
    mib=32 high=$(awk '/^MemTotal/ {{ print int($2 / 1024) }}' /proc/meminfo)
    while [ $((high - mib)) -gt 2 ]; do
        middle=$(((mib + high) / 2)); if fits $middle; then mib=$middle; else high=$middle; fi
    done
    mib=$((mib - margin)); dmesg -n 5"""
# Nine looks for acknowledgments out of ten find none. All is hinted at once.
WITH = f"""
    echo 20 >{SYSFS}/refault_cost_ms; echo -1 >{LATE}/times; echo 1 >{LATE}/interval
    echo 0 >{LATE}/verbose; echo 90 >{LATE}/probability
    late() {{
        for try in $(seq 50); do [ $(flight) -le $((margin << 20)) ] || break; usleep 10000; done
    }}
    mib={{mib}}"""
# Each allocation of pages that fails, of any size and for anybody, has this event.
ROUNDS = f"""
    echo 'pfn == 0xffffffffffffffff' >$failures/filter; echo 1 >$failures/enable
    echo "### mib $mib"; counters before
    for round in $(seq {{rounds}}); do
        usleep $((50000 + round % 4 * 50000)); late; echo "### flight $(flight)"
        hintload press $mib {SIGNALS} || echo "### failed $?"
    done
    counters after; echo 0 >$failures/enable; cat /sys/kernel/tracing/trace
    sed -n 's/^overrun: /### overrun /p' /sys/kernel/tracing/per_cpu/cpu*/stats"""


class Run:
    """What the rounds of a guest came to."""

    def __init__(self, guest, label, begin, size):
        rounds, memory, margin, flavour = size
        self.guest = guest(flavour, f'pressure-{label}', f'margin={margin}' + PREPARE +
                           begin + ROUNDS.replace('{rounds}', str(rounds)), memory=memory,
                           timeout=3000)
        self.guest.run()
        text = self.guest.text()
        told = {(when, name): int(n) for when, name, n in
                re.findall(r'### (before|after) (\w+) (\d+)', text)}
        found = re.search(r'### mib (\d+)', text)
        if len(told) != 2 * len(COUNTERS) or not found:
            raise self.guest.failure()
        self.mib = int(found.group(1))
        self.grown = {name: told['after', name] - told['before', name] for name in COUNTERS}
        if re.search(r'### overrun [1-9]', text):
            raise vm.Failure('reading the events', 'the ring buffer of the guest is too small',
                             f'less {self.guest.log}')
        signals = re.findall(r'### pressed in \d+ ms, refused (\d+)', text)
        self.done, self.refused = len(signals), sum(map(int, signals))
        self.flights = [int(n) for n in re.findall(r'### flight (\d+)', text)]
        self.failures = collections.Counter(
            (int(order), flags) for order, flags in
            re.findall(r'mm_page_alloc: .*order=(\d+) .*gfp_flags=(\S+)', text))
        grown = ' '.join(f'{name} {n}' for name, n in self.grown.items())
        print(f'# {label}: {self.done} of {rounds} times {self.mib} of {memory} MiB, {grown}, '
              f'{self.refused} of {rounds * SIGNALS} signals refused, failed allocations '
              f'{dict(self.failures)}', flush=True)

    def fallback(self):
        """Of 1000 huge pages that were asked for, how many were not to be had"""
        alloc, fallback = self.grown['thp_fault_alloc'], self.grown['thp_fault_fallback']
        return 1000 * fallback / (alloc + fallback) if alloc else 1000

    def small_failures(self, may_fail):
        """Of less than a huge page; may_fail: of those who do not want the kernel to try for
        long, or to warn, as RCU for a page to collect pointers in, and go on without"""
        return sum(n for (order, flags), n in self.failures.items()
                   if order < 9 and may_fail == bool(MAY_FAIL.search(flags)))


@pytest.mark.parametrize('size', [
    pytest.param(size, marks=() if size == 'debug' else pytest.mark.slow) for size in SIZES])
def test_pressure(check, guest, size):
    """Filled nearly to its limit, with a late host: no kill, no failure more than without"""
    rounds, memory, margin, _ = SIZES[size]
    without = Run(guest, 'without', WITHOUT, SIZES[size])
    hinting = Run(guest, 'hinting', WITH.replace('{mib}', str(without.mib)), SIZES[size])
    check(without.done == rounds and not without.grown['oom_kill'] and
          without.grown['thp_fault_alloc'] and without.mib > memory // 2,
          'pressure: without hinting the load succeeds each time, with huge pages')
    late = [flight for flight in hinting.flights if flight > margin * MIB]
    check(len(late) >= rounds // 2, 'pressure: more than the margin is in flight as it begins',
          f'{len(late)} of {rounds} times, at most {max(hinting.flights) / MIB:.0f} MiB')
    check(hinting.done == rounds and not hinting.grown['oom_kill'],
          'pressure: with a late host it does as well, and nobody is killed',
          f'{hinting.done} of {rounds}, {hinting.grown["oom_kill"]} killed')
    check(hinting.small_failures(False) <= without.small_failures(False),
          'pressure: no allocation fails that does not without hinting',
          f'{hinting.small_failures(False)}, without {without.small_failures(False)}')
    check(hinting.small_failures(True) <= without.small_failures(True) + 1 + rounds // 20,
          'pressure: of those that may fail, hardly more do',
          f'{hinting.small_failures(True)}, without {without.small_failures(True)}')
    check(hinting.refused <= without.refused, 'pressure: nor does one that cannot wait',
          f'{hinting.refused}, without {without.refused}')
    # With few rounds a single huge page weighs more.
    more = 10 + 100 / rounds
    check(hinting.fallback() <= without.fallback() + more,
          f'pressure: huge pages are to be had as often, within {more:.0f} of 1000',
          f'{hinting.fallback():.1f} of 1000 not, without {without.fallback():.1f}')
    tap.no_splat(check, hinting.guest, 'pressure')
