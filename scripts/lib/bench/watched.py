# SPDX-License-Identifier: GPL-2.0
"""A guest whose QEMU is looked at whenever the guest says "### mark NAME"."""
import dataclasses
import os
import re
import time

import vm

MIB = 1 << 20
GIB = 1 << 30
TICK = os.sysconf('SC_CLK_TCK')
MARK = re.compile(r'### (?:mark (\w+)|(freed|touched)\b|(alloc \d+) )')


@dataclasses.dataclass
class Mark:
    """QEMU as it was at that moment."""
    at_s: float
    minflt: int
    cpu_s: float
    resident: int
    traced: int     # bytes of the discard trace written so far


class Watched(vm.Guest):
    """A guest with marks; the trace of discards is on unless trace=False."""

    def __init__(self, kernel, command, name, trace=True, **more):
        path = os.path.join(vm.BUILD, 'console', name + '.trace')
        super().__init__(kernel, command, name=name, trace=path if trace else None,
                         on_line=self.look, **more)
        self.marks = {}
        self.at_mark = {}       # mark: function to call when it appears

    def mark(self):
        with open(f'/proc/{self.process.pid}/stat', encoding='ascii') as stat:
            fields = stat.read().rpartition(')')[2].split()
        traced = os.path.getsize(self.trace) if self.trace and os.path.exists(self.trace) else 0
        return Mark(self.now(), int(fields[7]), (int(fields[11]) + int(fields[12])) / TICK,
                    self.resident(), traced)

    def look(self, _, text):
        match = MARK.search(text)
        name = match.group(match.lastindex) if match else None
        if name is None or name in self.marks:
            return
        try:
            self.marks[name] = self.mark()
            self.at_mark.get(name, lambda: None)()
        except (OSError, IndexError, vm.Failure):
            pass    # QEMU has ended meanwhile; need() says so

    def failure(self, why):
        return vm.Failure(f'the guest "{self.name}"', f'{why}; its last lines: {self.tail()}',
                          f'less {self.log}')

    def need(self, name):
        if name not in self.marks:
            raise self.failure(f'it did not come to "{name}"')
        return self.marks[name]

    def wait_mark(self, name, seconds):
        """Until the mark is there; the guest may end meanwhile."""
        while name not in self.marks and self.process.poll() is None and seconds > 0:
            time.sleep(0.05)
            seconds -= 0.05
        return self.need(name)

    def run_well(self):
        """Run it to its end, which must be a good one."""
        code = self.run()
        if code:
            raise self.failure(f'its commands ended with {code}')
        return self

    def huge_share(self):
        """Part of QEMU's anonymous memory that is in the host's huge pages."""
        with open(f'/proc/{self.process.pid}/smaps_rollup', encoding='ascii') as smaps:
            sizes = dict(re.findall(r'^(\w+):\s+(\d+) kB', smaps.read(), re.M))
        return int(sizes['AnonHugePages']) / max(1, int(sizes['Anonymous']))

    def discarded(self, first, last):
        """[(address, bytes)] the host discarded between two marks."""
        begin, end = self.need(first).traced, self.need(last).traced
        if end == begin:
            return []
        return [(address, size) for address, size, _ in vm.discards(self.trace, begin, end)]

    def grown(self, begin_s, end_s):
        """Bytes by which QEMU's resident size grew in that time, shrinking left out."""
        sizes = [rss for t, rss in self.samples if begin_s <= t <= end_s]
        return sum(max(0, b - a) for a, b in zip(sizes, sizes[1:]))

    def gib_minutes(self, first, last):
        """Integral of the resident size between two marks."""
        begin, end = self.need(first).at_s, self.need(last).at_s
        points = [(t, rss) for t, rss in self.samples if begin <= t <= end]
        area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in zip(points, points[1:]))
        return area / GIB / 60


def twice(ranges):
    """Bytes of the (address, bytes) beyond the first time at each address."""
    total = reach = 0
    for address, size in sorted(ranges):
        total += max(0, min(reach, address + size) - address)
        reach = max(reach, address + size)
    return total
