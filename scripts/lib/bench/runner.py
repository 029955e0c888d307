# SPDX-License-Identifier: GPL-2.0
"""Run what is not in raw.csv yet, and say how far it is."""
import dataclasses
import os
import time

import plot
import vm
from bench.variants import VARIANTS
from bench.watched import MIB, Watched

# An emulated processor may run into an int3 that is there no more, in a guest that patches
# its own code (configs/jump.config): such a run says nothing, and is done again so often.
EMULATORS_FAULT = 'Oops: int3'
TRIES = 3
# What a host needs beside the guests.
SPARE_MIB = 768


@dataclasses.dataclass(frozen=True)
class Run:
    case: object
    variant: str
    number: int


def plan(cases, runs_of, available, quick):
    """Variants alternate within a case; a quick one goes round all cases first."""
    rounds = [[Run(case, variant, number) for variant in case.variants if available(variant)]
              for case in cases for number in range(1, runs_of(case) + 1)]
    if quick:
        rounds.sort(key=lambda items: items[0].number if items else 0)
    return [item for items in rounds for item in items]


def duration(seconds):
    if seconds < 90:
        return f'{seconds:.0f} s'
    if seconds < 5400:
        return f'{seconds / 60:.0f} min'
    return f'{seconds / 3600:.1f} h'


def available_mib():
    with open('/proc/meminfo', encoding='ascii') as meminfo:
        return next(int(line.split()[1]) for line in meminfo
                    if line.startswith('MemAvailable:')) // 1024


class Bench:
    """What a measurement gets: guests, and a place for its time line."""

    def __init__(self, images, accel, stored, out):
        self.images, self.accel, self.store, self.out = images, accel, stored, out
        self.guests, self.number, self.failures = [], 0, {}
        self.fault_of_emulator = False      # in the last run

    def guest(self, case, variant, command, append='', suffix='', **more):
        what = VARIANTS[variant]
        guest = Watched(self.images.path(what.image), what.check + command,
                        f'bench-{case.name}-{variant}-{os.getpid()}{suffix}',
                        append=f'{what.append} {append}'.strip(), balloon=what.balloon,
                        accel=self.accel, **more)
        self.guests.append(guest)
        return guest

    def timeline(self, case, variant, number):
        return os.path.join(self.out, 'timelines', f'{case.name}-{variant}-{number}.dat')

    def keep_timeline(self, case, variant, guest, zero_s):
        """The resident size over time, in GiB, for the pictures."""
        plot.write_points(self.timeline(case, variant, self.number),
                          [(t - zero_s, rss / (1024 * MIB)) for t, rss in guest.samples],
                          'seconds, GiB resident')

    def key(self, run):
        image = self.images.hash(VARIANTS[run.variant].image)
        return run.case.name, run.variant, run.number, image, run.case.setup_text

    def estimate_s(self, run):
        return self.store.seconds(run.case, run.variant) or run.case.estimate_s

    def measure(self, run):
        want = run.case.setup.get('memory_mib', 1024)
        want = run.case.setup.get('cgroup_mib', want) + SPARE_MIB
        if available_mib() < want:
            raise vm.Failure(f'starting {run.case.name}', f'{want} MiB of memory needed, '
                             f'{available_mib()} are available',
                             "make bench ONLY='smaller ones'   (or end what else runs)")
        start = time.monotonic()
        self.number = run.number
        try:
            figures = run.case.measure(self, run.case, run.variant)
        finally:
            self.fault_of_emulator = any(EMULATORS_FAULT in guest.text() for guest in self.guests)
            for guest in self.guests:
                guest.stop()
            traces = [guest.trace for guest in self.guests if guest.trace]
            self.guests = []
        self.store.add(self.key(run), figures, time.monotonic() - start)
        for trace in traces:
            if os.path.exists(trace):
                os.unlink(trace)
        return figures

    def run_all(self, runs, limit_s=None):
        """The runs that the limit left out; failures are kept, and the rest goes on."""
        todo = [run for run in runs if not self.store.has(self.key(run))]
        print(f'{len(runs)} runs, {len(runs) - len(todo)} of them are in raw.csv already; '
              f'{len(todo)} to do, about {duration(sum(map(self.estimate_s, todo)))}', flush=True)
        start, left_out = time.monotonic(), []
        for i, run in enumerate(todo):
            if (run.case.name, run.variant) in self.failures:
                continue
            if limit_s and time.monotonic() - start + self.estimate_s(run) > limit_s:
                left_out.append(run)
                continue
            self.run_one(run, todo[i + 1:], f'[{i + 1}/{len(todo)}]')
        return left_out

    def run_one(self, run, rest, where):
        start = time.monotonic()
        label = f'{where} {run.case.name} {run.variant} run {run.number}'
        print(f'{label} ...', end='', flush=True)
        for tries_left in reversed(range(TRIES)):
            try:
                figures = self.measure(run)
                break
            except vm.Failure as failure:
                if self.fault_of_emulator and tries_left:
                    print(f' "{EMULATORS_FAULT}", again ...', end='', flush=True)
                    continue
                self.failures[run.case.name, run.variant] = failure
                print(f' failed\n{failure}', flush=True)
                return
        name, value = next(iter(figures.items()))
        print(f' {duration(time.monotonic() - start)}, {name} {value:.4g}; left: '
              f'{len(rest)} runs, about {duration(sum(map(self.estimate_s, rest)))}', flush=True)
