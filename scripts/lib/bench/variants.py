# SPDX-License-Identifier: GPL-2.0
"""What is compared: a kernel image, its command line, its balloon device."""
import dataclasses
import hashlib
import os
import subprocess

import vm

PARAMETER = '/sys/module/page_reporting/parameters/page_reporting_delay_ms'
ORDER = '/sys/module/page_reporting/parameters/page_reporting_order'


@dataclasses.dataclass(frozen=True)
class Variant:
    title: str
    image: str
    append: str = ''
    balloon: str = 'reporting'
    check: str = ''     # shell: ends a guest whose kernel is not what it should be
    beside: str = ''    # shell: runs beside some scenarios


def mainline(delay_ms, order=None):
    title, append = f'7.3 at {delay_ms} ms', f'page_reporting.page_reporting_delay_ms={delay_ms}'
    check = f'[ "$(cat {PARAMETER})" = {delay_ms} ] || exit 1\n'
    if order is not None:
        title += f', order {order}'
        append += f' page_reporting.page_reporting_order={order}'
        check += f'[ "$(cat {ORDER})" = {order} ] || exit 1\n'
    return Variant(title, 'mainline', append, check=check)


USUAL_ONLY = 'cd /sys/kernel/mm/page_hinting && cat min_order >idle_min_order && cd / || exit 1\n'
COMPACT = 'sleep 2; echo 1 >/proc/sys/vm/compact_memory; echo "### mark compacted"'
PROACTIVE = 'echo 100 >/proc/sys/vm/compaction_proactiveness || exit 1\n'

VARIANTS = {
    'hinting': Variant('this series', 'hinting'),
    'usual': Variant('this series, no smaller blocks', 'hinting', check=USUAL_ONLY),
    'compact': Variant('this series, no smaller blocks, memory compacted after 2 s', 'hinting',
                       check=USUAL_ONLY, beside=COMPACT),
    'proactive': Variant('this series, no smaller blocks, compaction_proactiveness=100', 'hinting',
                         check=USUAL_ONLY + PROACTIVE),
    'off': Variant('page_hinting=off', 'hinting', 'page_hinting=off'),
    'none': Variant('reporting off', 'hinting', balloon='plain'),
    'm2000': mainline(2000),
    'm250': mainline(250),
    'm1': mainline(1),
    'm2000o0': mainline(2000, 0),
    'm100o0': mainline(100, 0),
    'mnone': Variant('7.3, reporting off', 'mainline', balloon='plain'),
    'out': Variant('compiled out, reporting off', 'out', balloon='plain'),
    'outrep': Variant('compiled out, reporting', 'out'),
    'cost': Variant('this series, lock timed', 'cost'),
}
MAINLINE = ('m2000', 'm250', 'm1')

# image: the variable that names it, flavour, base kernel (None: BASE)
IMAGES = {
    'hinting': ('KERNEL_HINTING', 'hinting+jump', None),
    'mainline': ('KERNEL_MAINLINE', 'off+jump', '7.3'),
    'out': ('KERNEL_OFF', 'off+jump', None),
    'cost': ('KERNEL_COST', 'hinting+cost+jump', None),
}


class Images:
    """The kernels, each built when it is first asked for."""

    def __init__(self, base):
        self.base, self.paths, self.hashes = base, {}, {}

    def build(self, name):
        variable, flavour, base = IMAGES[name]
        if os.environ.get(variable):
            return os.environ[variable]
        line = [os.path.join(vm.TOP, 'scripts/build'), '-c', flavour]
        line += [base or self.base] if base or self.base else []
        done = subprocess.run(line, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              text=True, check=False)
        if done.returncode or not done.stdout.strip():
            raise vm.Failure(f'building the kernel "{name}"', 'see above', ' '.join(
                ['scripts/build'] + line[1:]) + f'   (or {variable}=/path/to/bzImage)')
        return done.stdout.strip().split('\n')[-1]

    def path(self, name):
        if name not in self.paths:
            path = os.path.abspath(self.build(name))
            if not os.path.isfile(path):
                raise vm.Failure('looking for the kernel', f'there is no {path}',
                                 f'unset {IMAGES[name][0]}')
            with open(path, 'rb') as image:
                self.hashes[name] = hashlib.sha256(image.read()).hexdigest()[:12]
            self.paths[name] = path
        return self.paths[name]

    def hash(self, name):
        self.path(name)
        return self.hashes[name]

    def available(self, name):
        """False, once said, where mainline cannot be had; others must be there."""
        if name not in self.paths and name != 'mainline':
            self.path(name)
        elif name not in self.paths and name not in self.hashes:
            try:
                self.path(name)
            except vm.Failure as failure:
                vm.say(f'the columns of 7.3 are left out: {failure}')
                self.hashes[name] = None
        return self.hashes[name] is not None
