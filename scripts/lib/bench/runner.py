# SPDX-License-Identifier: GPL-2.0
"""Run what is not in raw.csv yet, some guests at a time, and say how far it is."""
import hashlib
import threading
import time

import vm
from bench.cases import Run
from bench.store import LAST

# What a host needs beside the guests, and QEMU beside its guest's memory.
SPARE_MIB, QEMU_MIB = 1024, 256


def duration(seconds):
    return f'{seconds:.0f} s' if seconds < 90 else f'{seconds / 60:.0f} min' \
        if seconds < 5400 else f'{seconds / 3600:.1f} h'


def available_mib():
    with open('/proc/meminfo', encoding='ascii') as meminfo:
        return next(int(line.split()[1]) for line in meminfo
                    if line.startswith('MemAvailable:')) // 1024


def load_hash(case, programs):
    """Changes with the programs in the guest, and with what the case asks of them."""
    text = f'{case.memory_mib} {sorted(case.setup.items())}'.encode()
    return hashlib.sha256(programs + text).hexdigest()[:8]


class Runner:
    """todo: [(case, variant, key)]; what cannot be run or has failed is in .notes and .failed."""

    def __init__(self, store, origin, jobs):
        self.store, self.origin, self.jobs = store, origin, jobs
        self.todo, self.notes, self.failed = [], [], []
        self.count = self.done = self.used_mib = 0
        self.budget_mib = available_mib() - SPARE_MIB
        self.changed = threading.Condition()

    def estimate_s(self, case, variant):
        return self.store.median(case.name, variant, LAST) or case.estimate_s

    def left_s(self):
        return sum(self.estimate_s(case, variant) for case, variant, _ in self.todo) / self.jobs

    def plan(self, wanted):
        """What is not measured yet, and fits into this machine's memory."""
        for case, variant, key in wanted:
            if key in self.store.runs:
                continue
            if case.memory_mib + QEMU_MIB > self.budget_mib:
                self.notes.append(f'{case.name} was left out: it needs {case.memory_mib} MiB, '
                                  f'{self.budget_mib} are available')
                continue
            self.todo.append((case, variant, key))
        self.notes = list(dict.fromkeys(self.notes))
        self.count = len(self.todo)
        print(f'{len(wanted)} runs{" by wall clock" if wanted and wanted[0][0].wall else ""}; '
              f'{self.count} to do, {self.jobs} at a time, about '
              f'{duration(self.left_s())} on a machine that does nothing else', flush=True)

    def take(self):
        """The next that fits beside what runs; None: nothing is left."""
        with self.changed:
            while self.todo:
                for i, (case, _, _) in enumerate(self.todo):
                    if self.used_mib + case.memory_mib + QEMU_MIB <= self.budget_mib:
                        self.used_mib += case.memory_mib + QEMU_MIB
                        return self.todo.pop(i)
                self.changed.wait()
        return None

    def work(self):
        while True:
            item = self.take()
            if not item:
                return
            try:
                self.run(*item)
            finally:
                with self.changed:
                    self.used_mib -= item[0].memory_mib + QEMU_MIB
                    self.changed.notify_all()

    def run(self, case, variant, key):
        start, failure = time.monotonic(), None
        try:
            figures = Run(case, variant).measure()
        except vm.Failure as error:
            failure = str(error)
        except Exception as error:      # a fault of ours: the other runs go on
            failure = f'error: {type(error).__name__}: {error}'
        took = round(time.monotonic() - start, 1)
        with self.changed:
            self.done += 1
            if failure:
                self.failed.append(f'{case.name} {variant}: {failure}')
                told = f'failed\n{failure}'
            else:
                self.store.add(key, {**figures, LAST: took}, self.origin)
                told = ', '.join(f'{name} {value:.4g}' for name, value in figures.items())
            print(f'[{self.done}/{self.count}] {case.name} {variant}, {duration(took)}: {told}; '
                  f'left: about {duration(self.left_s())}', flush=True)

    def run_all(self):
        begin = time.monotonic()
        threads = [threading.Thread(target=self.work, daemon=True) for _ in range(self.jobs)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)     # and be there for signals
        print(f'{self.done} runs took {duration(time.monotonic() - begin)}', flush=True)
