# SPDX-License-Identifier: GPL-2.0
"""What is measured: each case is one guest, and gives figures by name.

Times are the guest's virtual time, an instruction a nanosecond, in which idle
time is skipped. What the host has is what it had to back of the guest's memory.
"""
import dataclasses
import math
import os
import time
import typing

import vm
from bench.guests import GIB, MIB, Guest

# TCG counts each turn of "rep stosb" as an instruction. With plain stores, clearing
# memory takes about as long as on a real machine, 0.2 s a GiB, and hides less.
PLAIN_STORES = 'clearcpuid=erms,fsrm,rep_good'
# Nothing is random, and no clock of the host's is seen: the same in each run.
SAME = 'norandmaps nokaslr'
SAME_QEMU = ('-seed', '1', '-rtc', 'base=2026-01-01,clock=vm')
# A guest is at rest before it is measured, and is watched for so long, in seconds.
SETTLE_S = {'virtual': 60, 'wall': 10}
WATCH_S = {'virtual': 60, 'wall': 30}
BACK_PERCENT = 95
# A disk of zeros, which answers before the guest goes on.
DISK = ('-blockdev', f'driver=null-co,node-name=disk,read-zeroes=on,size={512 * MIB}',
        '-device', 'virtio-blk-pci,drive=disk,ioeventfd=off')
DENSITY_MIB, DENSITY_GUESTS = 3840, 40
# The columns of a case: without reporting no memory comes back, and order 0 is
# for small pieces, of which mainline's default gives back none.
USUAL = ('series', 'm2000', 'm250')
LOOP = (*USUAL, 'none')
WHOLE = (*USUAL, 'm1', 'none')
WASTE = (*USUAL, 'm2000o0', 'm100o0', 'none')
PIECES = ('series', 'm2000o0', 'm100o0')
# What holds the least has to show what that costs.
LEAST = ('m100o0',)
FAULTS = {'anon': (256, 16), 'huge': (0.5, 128), 'file': (256, 16)}   # pages a MiB, rounds


@dataclasses.dataclass(frozen=True)
class Case:
    """measure(run, case, variant, **setup) returns {figure: value}; run starts guests."""
    name: str
    measure: typing.Callable
    variants: tuple
    memory_mib: int
    estimate_s: int     # on a machine that does nothing else
    setup: dict = dataclasses.field(default_factory=dict)
    wall: bool = False


class Run:
    """One measurement: its guests, all ended when it has."""

    def __init__(self, case, variant):
        self.case, self.variant, self.guests = case, variant, []
        clock = 'wall' if case.wall else 'virtual'
        self.settle, self.watch_s = f'sleep {SETTLE_S[clock]}\n', WATCH_S[clock]

    def guest(self, command, **more):
        # Of several emulated processors one may run into an int3 that is there no more,
        # in a guest that patches its own code (configs/jump.config).
        more = {'memory': self.case.memory_mib, 'timeout': 1800, 'smp': 1, **more}
        if not self.case.wall:
            more['extra'] = (*SAME_QEMU, *more.get('extra', ()))
            more.update(icount=0, append=f'{PLAIN_STORES} {SAME}')
        name = f'{self.case.name}-{len(self.guests)}'
        self.guests.append(Guest(name, self.variant, command, **more))
        return self.guests[-1]

    def measure(self):
        try:
            return self.case.measure(self, **self.case.setup)
        finally:
            for guest in self.guests:
                guest.stop()


def area(looks, value):
    """Integral over the time, in ms, of value(look), by the trapezoid rule."""
    return sum((b.at_ms - a.at_ms) * (value(a) + value(b)) / 2 for a, b in zip(looks, looks[1:]))


def kept(look):
    return look.resident - look.used


def waste(looks):
    """In percent: what the host had to back beyond what was used, over the time."""
    return 100 * area(looks, kept) / area(looks, lambda look: look.used)


def grown(looks):
    """GiB that the host had to bring in that time, what it took back left out."""
    return sum(max(0, b.resident - a.resident) for a, b in zip(looks, looks[1:])) / GIB


def since_free(guest):
    """The moments from the free on; that is when the host had all."""
    first = [look.what for look in guest.looks].index('freed')
    return guest.looks[first:]


def ms_until_back(looks, freed, percent=BACK_PERCENT):
    """Milliseconds until so much of that was back at the host; infinite: never."""
    goal = looks[0].resident - freed * percent / 100
    return next((look.at_ms - looks[0].at_ms for look in looks[1:] if look.resident <= goal),
                math.inf)


def back_percent(looks, freed, within_ms):
    """How much of that was back by then."""
    sizes = [look.resident for look in looks if look.at_ms - looks[0].at_ms <= within_ms]
    return 100 * (looks[0].resident - min(sizes)) / freed


def drain(run, mib):
    """Memory is touched and freed."""
    guest = run.guest(f'{run.settle}benchload drain {mib} {run.watch_s}').run_well()
    return {'back_ms': ms_until_back(since_free(guest), mib * MIB)}


def idle(run, mib):
    """A minute of idleness; and what the threads do for memory that is freed."""
    told = 'benchload threads khintd; benchload threads kworker\n'
    guest = run.guest(f'{run.settle}{told}sleep 60\n{told}benchload drain {mib} 60\n{told}').run_well()
    ran, woken = zip(*guest.numbers(r'### thread \w+ ran (\d+) woken (\d+)', 6))
    before, between, after = ((sum(ran[i:i + 2]), sum(woken[i:i + 2])) for i in (0, 2, 4))
    looks = since_free(guest)
    work = (after[0] - between[0]) - (between[0] - before[0])
    hinted = looks[0].resident - looks[-1].resident
    figures = {'woken': between[1] - before[1], 'idle_ms': (between[0] - before[0]) / 1e6,
               'back_ms': ms_until_back(looks, mib * MIB)}
    return {**figures, 'minstr_per_gib': work / 1e6 / (hinted / GIB)} if hinted > mib * MIB / 2 \
        else figures


def came_again(looks, size):
    """Of each allocation but the first, the share in percent that the host had to bring."""
    pairs = [(begin, end) for begin, end in zip(looks, looks[1:])
             if begin.what == 'begin' and end.what in ('end', 'freed')]
    return [100 * max(0, end.resident - begin.resident) / size for begin, end in pairs[1:]]


def churn(run, mib, pause_ms, cycles, learn):
    """Allocate, touch, free, pause, and again."""
    guest = run.guest(f'{run.settle}benchload churn {mib} {pause_ms} {cycles} 0 1').run_well()
    shares = came_again(guest.looks, mib * MIB)
    cycles_of = guest.numbers(r'### alloc (\d+) cycles', cycles)[1:]
    return {'again_percent': sum(shares) / len(shares),
            'again_learnt_percent': sum(shares[learn:]) / len(shares[learn:]),
            'alloc_minstr': sum(cycles_of) / len(cycles_of) / 1e6,
            'alloc_ms': sum(look[1].at_ms - look[0].at_ms for look in
                            zip(guest.looks, guest.looks[1:]) if look[0].what == 'begin')
            / cycles}


def beside(command, every_ms):
    """That command, with samples all the time."""
    return f'benchload sample {every_ms} &\nsampler=$!\n{command}\nkill $sampler\n'


def mixed(run, touch_mib, mib, pause_ms, cycles):
    """A loop in a guest that has freed much more just before."""
    guest = run.guest(f'{run.settle}benchload drain {touch_mib} 0\nbenchload watch 30 &\n'
                      f'benchload churn {mib} {pause_ms} {cycles} 0 1').run_well()
    looks = since_free(guest)
    shares = came_again([look for look in looks if look.what != 'after'], mib * MIB)
    return {'back_ms': ms_until_back(looks, (touch_mib - mib) * MIB),
            'again_percent': sum(shares) / len(shares)}


def holes(run, mib, kib):
    """Every second piece of some memory is freed, and used again at the end."""
    guest = run.guest(f'{run.settle}benchload holes {mib} {kib} 31 "benchload watch 30"').run_well()
    guest.numbers(r'### holes: (0) words wrong', 1)
    freed, = guest.numbers(r'### freed (\d+) bytes', 1)
    return {'back_ms': ms_until_back(guest.looks, freed),
            'back_30s_percent': back_percent(guest.looks, freed, 30000)}


def after(run, mib, pause_ms, seconds, kept_mib):
    """A loop beside memory that is kept; then both are freed for good."""
    cycles = max(2, round(seconds * 1000 / (pause_ms + mib / 5)))
    guest = run.guest(run.settle + beside(
        f'benchload churn {mib} {pause_ms} {cycles} {kept_mib} 60', 200)).run_well()
    looks = since_free(guest)
    loop = [look for look in guest.looks if look.at_ms <= looks[0].at_ms]
    begins = [i for i, look in enumerate(loop) if look.what == 'begin']
    loop, again = loop[begins[0]:], loop[begins[1]:]
    return {'kept_ms': ms_until_back(looks, kept_mib * MIB),
            'all_ms': ms_until_back(looks, (kept_mib + mib) * MIB),
            'kept_gib_s': area(loop, kept) / GIB / 1000,
            'again_gib': grown(again)}


def by_phase(guest):
    """{name: looks} of what the guest calls a phase."""
    phase, phases_of, looks = 'before', {}, iter(guest.looks)
    for _, text in guest.lines:
        if text.startswith('### phase '):
            phase = text.split()[2]
        elif text.startswith('### at '):
            phases_of.setdefault(phase, []).append(next(looks, guest.looks[-1]))
    return phases_of


BUILD = ('echo "### phase {name}"\nbenchload build {processes} 2 {life_ms} || exit 1\n'
         'echo "### phase {name}_rests"\nsleep 40\n')
DROP = 'rm -rf /tmp/objects; echo 3 >/proc/sys/vm/drop_caches\n'


def phases(run, processes, life_ms):
    """A build; nothing to do; caches dropped, and nothing to do; and a build again."""
    setup = {'processes': processes, 'life_ms': life_ms}
    command = BUILD.format(name='first', **setup) + 'echo "### phase dropped"\n' + DROP + \
        'sleep 30\n' + BUILD.format(name='again', **setup) + 'echo "### phase end"\n'
    guest = run.guest(run.settle + beside(command, 200), extra=DISK).run_well()
    looks = by_phase(guest)
    built = guest.numbers(r'### built \d+ in (\d+) us', 2)
    whole = [look for name in ('first', 'first_rests', 'dropped', 'again', 'again_rests')
             for look in looks[name]]
    return {'gib_min': area(whole, lambda look: look.resident) / GIB / 60000,
            'waste_percent': waste(looks['first']), 'brought_gib': grown(looks['first']),
            'rests_waste_percent': waste(looks['first_rests'][-2:]),
            'dropped_waste_percent': waste(looks['dropped'][-2:]), 'builds_s': sum(built) / 1e6}


def load(run, command):
    """A load that has a name of its own, for a time."""
    guest = run.guest(run.settle + beside(f'echo "### phase load"\n{command} || exit 1', 100),
                      extra=DISK).run_well()
    looks = by_phase(guest)['load']
    return {'waste_percent': waste(looks), 'brought_gib': grown(looks)}


def faults(run):
    """Instructions per fault: the difference of two runs of different length."""
    command = ''.join(f'benchload faults {kind} 16 {count} || exit 1\n'
                      for kind, (_, rounds) in FAULTS.items() for count in (rounds, 3 * rounds))
    guest = run.guest(run.settle + command).run_well()
    found = guest.numbers(r'### pages \w+ MiB (\d+) cycles (\d+)', 2 * len(FAULTS))
    return {kind: (more[1] - less[1]) / ((more[0] - less[0]) * pages)
            for (kind, (pages, _)), less, more in zip(FAULTS.items(), found[::2], found[1::2])}


def build(run, processes):
    """How long a build takes."""
    guest = run.guest(f'{run.settle}benchload build {processes} 2', extra=DISK).run_well()
    return {'build_ms': guest.numbers(r'### built \d+ in (\d+) us', 1)[0] / 1000}


def density(run, touch_mib):
    """Guests touch and free memory in turn, until what they need at the host is too much."""
    for count in range(DENSITY_GUESTS):
        guest = run.guest(f'hintload touch {touch_mib}\nsleep 100000', timeout=7200).start()
        limit_s = guest.now() + 300
        seen = None
        while not seen or guest.now() < seen[0] + 1:
            if sum(each.ram_resident() for each in run.guests) > DENSITY_MIB * MIB:
                return {'guests': count}
            seen = guest.wait_line('### freed', 0)
            if guest.now() > limit_s:
                raise guest.failure('it did not free its memory within 300 s')
            time.sleep(0.05)
    return {'guests': DENSITY_GUESTS}


def churn_case(mib, pause_ms, cycles, variants=LOOP):
    return Case(f'churn-{mib}-{pause_ms}', churn, variants, 2048, 20,
                {'mib': mib, 'pause_ms': pause_ms, 'cycles': cycles,
                 'learn': 2 if pause_ms <= 1500 else 4})


CASES = [
    Case('drain-14', drain, USUAL[:2], 16 << 10, 40, {'mib': 14 << 10}),
    Case('drain-8', drain, USUAL[:2], 10 << 10, 30, {'mib': 8 << 10}),
    Case('phases', phases, WASTE, 3072, 60, {'processes': 60, 'life_ms': 1300}),
    Case('database', load, WASTE, 2560, 30, {'command': 'benchload database 768 50'}),
    Case('containers', load, WASTE, 2560, 30, {'command': 'benchload containers 6 45'}),
    Case('drain-2', idle, WHOLE + LEAST, 4096, 20, {'mib': 2048}),
    churn_case(512, 100, 16), churn_case(512, 300, 14, WHOLE + LEAST),
    churn_case(512, 1500, 12, WHOLE + LEAST), churn_case(512, 5000, 12, LOOP + LEAST),
    churn_case(64, 300, 20), churn_case(64, 1500, 12),
    Case('mixed', mixed, WHOLE[:-1], 6144, 30,
         {'touch_mib': 4096, 'mib': 512, 'pause_ms': 300, 'cycles': 80}),
    *(Case(f'holes-{kib}', holes, PIECES, 1536, 25, {'mib': 640, 'kib': kib})
      for kib in (512, 64, 16)),
    *(Case(f'after-{pause_ms}', after, USUAL + LEAST, 2048, 25,
           {'mib': 384, 'pause_ms': pause_ms, 'seconds': 20, 'kept_mib': 1024})
      for pause_ms in (100, 450, 1500, 5000)),
    Case('faults', faults, ('series', 'none', 'out'), 1536, 30),
]
WALL_CASES = [
    Case('wall-drain-2', drain, WHOLE, 4096, 75, {'mib': 2048}, wall=True),
    *(Case(f'wall-churn-{pause_ms}', churn, WHOLE, 2048, 90 + cycles * (1 + pause_ms // 1000),
           {'mib': 512, 'pause_ms': pause_ms, 'cycles': cycles, 'learn': 2}, wall=True)
      for pause_ms, cycles in ((300, 40), (1500, 30))),
    Case('wall-build', build, WHOLE, 3072, 40, {'processes': 100}, wall=True),
    Case('wall-density', density, WHOLE[:-1], 1280, 180, {'touch_mib': 900}, wall=True),
]



def guest_programs():
    """The source of the loads."""
    source = b''
    for name in ('benchload.c', 'hintload.c', 'load.h'):
        with open(os.path.join(vm.TOP, 'scripts/guest', name), 'rb') as part:
            source += part.read()
    return source
