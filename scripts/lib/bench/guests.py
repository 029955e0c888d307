# SPDX-License-Identifier: GPL-2.0
"""Guests that the host looks at, and the kernels that they run.

A guest that wants to be looked at prints the time and how much memory is free,
and writes to a pvpanic device (sample() in scripts/guest/benchload.c): QEMU
stops, the resident size of the guest's memory is read, and QEMU goes on. None
of this takes virtual time, so that a busy machine changes nothing.
"""
import collections
import dataclasses
import functools
import hashlib
import json
import os
import re
import subprocess
import threading

import vm

MIB = 1 << 20
GIB = 1 << 30
STOPPER = ('-device', 'pvpanic-pci,addr=0x10', '-action', 'panic=pause')
AT = re.compile(r'### at (\d+) us free (\d+) KiB (\w+)')
DELAY = '/sys/module/page_reporting/parameters/page_reporting_delay_ms'
ORDER = '/sys/module/page_reporting/parameters/page_reporting_order'
HINTING = 'CONFIG_PAGE_HINTING=y'
BASE = '7.3'


@dataclasses.dataclass(frozen=True)
class Variant:
    """A column: what the kernel is booted with, and a command that fails where
    the kernel is not what it should be."""
    title: str
    append: str = ''
    balloon: str = 'reporting'
    check: str = 'true'
    image: str = 'bench'


def mainline(delay_ms, order=None):
    append = f'page_hinting=off page_reporting.page_reporting_delay_ms={delay_ms}'
    check = f'[ "$(cat {DELAY})" = {delay_ms} ]'
    title = f'mainline, {delay_ms} ms'
    if order is not None:
        append += f' page_reporting.page_reporting_order={order}'
        check += f' && [ "$(cat {ORDER})" = {order} ]'
        title += f', order {order}'
    return Variant(title, append, check=check)


VARIANTS = {
    'series': Variant('this series', check='grep -qx running /sys/kernel/mm/page_hinting/state'),
    'm2000': mainline(2000),
    'm250': mainline(250),
    'm1': mainline(1),
    'm2000o0': mainline(2000, 0),
    'm100o0': mainline(100, 0),
    'none': Variant('reporting off', balloon='plain'),
    'out': Variant('compiled out', balloon='plain', image='out',
                   check=f'! zcat /proc/config.gz | grep -q {HINTING}'),
}
# image: the variable that names it, and its flavour
IMAGES = {'bench': ('KERNEL_BENCH', 'hinting+jump'), 'out': ('KERNEL_BENCH_OFF', 'off+jump')}


def build(flavour, variable):
    """The path of that kernel, built unless it is there."""
    done = subprocess.run([os.path.join(vm.TOP, 'scripts/build'), '-c', flavour, BASE],
                          stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        raise vm.Failure(
            f'building the kernel {BASE} {flavour}', 'see above; every column is this base, as it '
            'has both the series and mainline\'s page_reporting_delay_ms',
            f'KSRC=/path/to/linux-{BASE} make bench   (or {variable}=/path/to/bzImage make bench)')
    return done.stdout.strip().split('\n')[-1]


@functools.lru_cache(None)
def image(name):
    """(path, hash) of one of IMAGES."""
    variable, flavour = IMAGES[name]
    path = os.path.abspath(os.environ.get(variable) or build(flavour, variable))
    if not os.path.isfile(path):
        raise vm.Failure('looking for the kernel', f'there is no {path}', f'unset {variable}')
    with open(path, 'rb') as data:
        return path, hashlib.sha256(data.read()).hexdigest()[:12]


# A moment in the guest's time: bytes that it had not free, and bytes of its memory
# that the host had to back.
Sample = collections.namedtuple('Sample', 'at_ms used resident what')


class Guest(vm.Guest):
    """A guest of that variant; samples are in .looks once it has run."""

    def __init__(self, name, variant, command, append='', icount=None, **more):
        what = VARIANTS[variant]
        # QEMU's own memory has a mapping of 1 GiB, which must not be taken for the guest's.
        assert more['memory'] != 1024
        super().__init__(
            image(what.image)[0], f'{what.check} || {{ echo "### wrong kernel"; exit 9; }}\n'
            'echo always >/sys/kernel/mm/transparent_hugepage/enabled\n' + command,
            name=f'bench-{name}-{variant}-{os.getpid()}', icount=icount, monitor=True,
            append=f'{what.append} {append}'.strip(), balloon=what.balloon,
            **{**more, 'extra': (*STOPPER, *more.get('extra', ()))})
        self.resident_sizes, self.looks = [], []

    def start(self):
        super().start()
        self.qmp('query-status')
        self.monitor.settimeout(None)
        threading.Thread(target=self.look, daemon=True).start()
        return self

    def sample(self):
        """In the time that passes: not needed."""

    def look(self):
        """Whenever the guest has had itself stopped, until it ends."""
        try:
            for line in self.answers:
                if json.loads(line).get('event') == 'STOP':
                    self.resident_sizes.append(self.ram_resident())
                    self.monitor.sendall(b'{"execute": "cont"}')
        except (OSError, ValueError, vm.Failure):
            pass    # QEMU has ended; run_well() sees whether a sample is missing

    def failure(self, why):
        return vm.Failure(f'the guest "{self.name}"', f'{why}; its last lines: {self.tail()}',
                          f'less {self.log}')

    def run_well(self):
        """Run it to its end, which must be a good one, with all samples."""
        code = self.run()
        if code:
            raise self.failure(f'its commands ended with {code}')
        told = AT.findall(self.text())
        # The one who samples beside a load may be killed between its words and the stop.
        if not len(told) - 1 <= len(self.resident_sizes) <= len(told):
            raise self.failure(f'{len(told)} samples, {len(self.resident_sizes)} of them seen')
        self.looks = [Sample(int(at_us) / 1000, self.memory * MIB - int(free) * 1024, size, what)
                      for (at_us, free, what), size in zip(told, self.resident_sizes)]
        return self

    def numbers(self, pattern, count):
        """What PATTERN finds in the guest's lines; there must be so many."""
        found = re.findall(pattern, self.text())
        if len(found) != count:
            raise self.failure(f'{len(found)} of {count} lines "{pattern}"')
        return [int(number) if isinstance(number, str) else [int(part) for part in number]
                for number in found]
