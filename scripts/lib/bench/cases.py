# SPDX-License-Identifier: GPL-2.0
"""The list of what is measured, in full and as a quick subset."""
import dataclasses
import typing

from bench import counts, density, gain, loads

ALL = ('hinting', 'off', 'none', 'm2000', 'm250', 'm1', 'mnone')
# For the quick subset: 7.3 at 2000 ms does what page_hinting=off does.
DRAIN = ALL[:-1]     # without reporting nothing comes back, whatever the base
QUICK = ('hinting', 'none', 'off', 'm250', 'm1')
PIECES = ('hinting', 'off', 'none', 'm2000', 'm2000o0', 'm100o0', 'usual', 'compact', 'proactive')
BUILDS = ('hinting', 'off', 'none', 'out', 'outrep')


@dataclasses.dataclass(frozen=True)
class Case:
    """One row of the benchmark; setup is part of what a result is kept under."""
    name: str
    scenario: str
    measure: typing.Callable
    variants: tuple
    setup: dict
    estimate_s: int
    reference: str = 'none'
    counts: bool = False    # under -icount: one quick run says it all
    quick: bool = False

    @property
    def setup_text(self):
        return ' '.join(f'{name}={value}' for name, value in self.setup.items())


def drain(gib, variants=DRAIN, **more):
    return Case(f'drain-{gib}', 'drain', loads.drain, variants,
                {'touch_mib': gib * 1024, 'memory_mib': gib * 1024 + 1024, 'watch_s': 40},
                25 + 5 * gib, **more)


def learn_cycles(pause_ms):
    return 2 if pause_ms <= 1500 else 4


def churn_setup(mib, pause_ms, cycles, thp='always'):
    return {'mib': mib, 'pause_ms': pause_ms, 'thp': thp, 'cycles': cycles,
            'learn_cycles': learn_cycles(pause_ms), 'memory_mib': 2048}


def churn(mib, pause_ms, cycles, thp='always', variants=ALL, **more):
    name = f'churn-{pause_ms}' + ('' if thp == 'always' else '-nothp') \
        + ('' if mib == 512 else f'-{mib}MiB')
    touch_s = mib / (1024 if thp == 'always' else 512)
    return Case(name, 'churn', loads.churn, variants,
                churn_setup(mib, pause_ms, cycles, thp),
                round(10 + cycles * (pause_ms / 1000 + touch_s)), **more)


def churn_icount(pause_ms):
    return Case(f'churn-{pause_ms}-icount', 'instructions', loads.churn_icount, ALL,
                churn_setup(512, pause_ms, 12), 60, counts=True)


def mixed(cycles, variants=ALL, **more):
    setup = {**churn_setup(512, 300, cycles), 'touch_mib': 4096, 'memory_mib': 6144}
    return Case('mixed', 'mixed', loads.mixed, variants, setup, 20 + cycles, **more)


def scatter(cycles, variants=ALL, **more):
    setup = {'mib': 768, 'cycles': cycles, 'pause_ms': 1000, 'memory_mib': 2048}
    return Case('twice-scatter', 'twice', loads.scatter, variants, setup,
                15 + 2 * cycles, **more)


def holes(kib, limit_s, variants=PIECES, **more):
    return Case(f'holes-{kib}', 'holes', loads.holes, variants,
                {'mib': 1280, 'kib': kib, 'limit_s': limit_s, 'watch_s': limit_s + 5,
                 'memory_mib': 2560}, 20 + limit_s, **more)


def gains(kib, limit_s, huge):
    return Case(f'gain-{kib}-{"huge" if huge else "4k"}', 'gain', gain.gain,
                ('hinting', 'off', 'm2000o0'),
                {'mib': 1280, 'kib': kib, 'limit_s': limit_s, 'huge': huge,
                 'memory_mib': 2560}, 25 + limit_s)


def faults(rounds):
    return Case('faults', 'faults', counts.faults, BUILDS + ('m2000',),
                {'mib': 128, 'rounds': rounds}, 40 + 6 * rounds, reference='out')


def faults_icount(rounds, variants=BUILDS, **more):
    return Case('faults-icount', 'faults', counts.faults_icount, variants,
                {'mib': 16, 'rounds': rounds}, 60, reference='out', counts=True, **more)


def idle(seconds):
    return Case('idle', 'idle', counts.idle, ALL, {'seconds': seconds}, 75 + seconds)


def idle_icount(variants=ALL, **more):
    return Case('idle-icount', 'idle', counts.idle_icount, variants, {'seconds': 60}, 25,
                counts=True, **more)


def cost_icount(touch_mib, variants=ALL, **more):
    return Case('cost-icount', 'cost', counts.cost_icount, (*variants, 'cost'),
                {'touch_mib': touch_mib, 'memory_mib': touch_mib + 512}, 40,
                counts=True, **more)


def lock(gib, order, hinted_percent, **more):
    return Case(f'lock-{gib}GiB-order{order}-{hinted_percent}', 'lock', counts.lock, ('cost',),
                {'memory_mib': gib * 1024, 'order': order, 'hinted_percent': hinted_percent},
                30, counts=True, **more)


FULL_CASES = [
    *(drain(gib) for gib in (2, 8, 14)),
    *(churn(512, pause_ms, cycles, thp) for thp in ('always', 'never')
      for pause_ms, cycles in ((100, 40), (300, 40), (1500, 30), (5000, 24))),
    *(churn(64, pause_ms, cycles) for pause_ms, cycles in
      ((100, 100), (300, 60), (1500, 30), (5000, 24))),
    churn_icount(300), churn_icount(1500),
    mixed(40),
    faults(4), faults_icount(12),
    idle(60), idle_icount(),
    cost_icount(1024),
    Case('cost-host', 'cost', counts.cost_host, ALL,
         {'touch_mib': 4096, 'memory_mib': 5120, 'watch_s': 40}, 65),
    *(lock(gib, order, share) for gib in (2, 14) for order in (9, 3) for share in (0, 50, 99)),
    scatter(20),
    holes(512, 5), holes(64, 10), holes(16, 30),
    *(gains(kib, limit_s, huge) for huge in (False, True)
      for kib, limit_s in ((512, 5), (64, 10), (16, 30))),
    Case('density', 'density', density.density, DRAIN,
         {'cgroup_mib': 3840, 'memory_mib': 1280, 'touch_mib': 1024}, 180),
    Case('phases', 'phases', loads.phases, (*ALL, 'm2000o0', 'm100o0', 'usual'),
         {'processes': 100, 'idle_s': 40, 'dropped_s': 30, 'memory_mib': 3072}, 180),
]

QUICK_CASES = [
    drain(2, QUICK, quick=True),
    churn(512, 300, 14, variants=QUICK, quick=True),
    churn(512, 1500, 12, variants=QUICK[:-1], quick=True),
    mixed(14, ('hinting', 'none', 'off', 'm250'), quick=True),
    faults_icount(2, ('hinting', 'none', 'out'), quick=True),
    cost_icount(1024, ('hinting', 'off', 'm250'), quick=True),
    lock(2, 9, 50, quick=True),
    idle_icount(('hinting', 'none'), quick=True),
]
