# SPDX-License-Identifier: GPL-2.0
"""How many guests fit into a memory cgroup."""
import statistics
import time

import vm
from bench.cgroup import Cgroup
from bench.watched import MIB

PAUSE_S = 1
GUESTS_MAX = 40


def density(bench, case, variant):
    """Guests touch and free in turn, until the cgroup's OOM kills one."""
    setup, guests, resident = case.setup, [], []
    cgroup = Cgroup(setup['cgroup_mib'] * MIB)
    try:
        while len(guests) < GUESTS_MAX and cgroup.kills() == 0:
            guest = bench.guest(case, variant, f'hintload touch {setup["touch_mib"]}\n'
                                'sleep 100000', trace=False, memory=setup['memory_mib'],
                                smp=1, timeout=7200, prefix=cgroup.prefix(),
                                suffix=f'-{len(guests)}')
            guests.append(guest.start())
            if not survives(guest, cgroup):
                break
            resident.append(guest.resident() / MIB)
    finally:
        for guest in guests:
            guest.stop()
        killed = cgroup.kills()
        cgroup.remove()
    if not killed and len(guests) < GUESTS_MAX:
        raise guests[-1].failure('it ended, but not by the OOM killer')
    return {'guests': len(guests) - (1 if killed else 0),
            'resident_1s_after_free_mib': statistics.median(resident)}


def survives(guest, cgroup):
    """Whether nobody is killed until this one has touched and freed."""
    deadline_s = 300
    while 'freed' not in guest.marks:
        if cgroup.kills() or guest.process.poll() is not None:
            return False
        if guest.now() > deadline_s:
            raise guest.failure(f'it did not free its memory within {deadline_s} s')
        time.sleep(0.1)
    time.sleep(PAUSE_S)
    return True
