# SPDX-License-Identifier: GPL-2.0
"""How many guests fit into a memory cgroup."""
import os
import statistics
import time

import vm
from bench.watched import MIB

V1, V2 = '/sys/fs/cgroup/memory', '/sys/fs/cgroup'
PAUSE_S = 1
GUESTS_MAX = 40


def write(path, value):
    with open(path, 'w', encoding='ascii') as out:
        out.write(str(value))


def read_count(path, word):
    with open(path, encoding='ascii') as lines:
        return next((int(line.split()[1]) for line in lines if line.split()[0] == word), 0)


class Cgroup:
    """A memory cgroup without swap, v1 or v2, removed at the end."""

    def __init__(self, limit_bytes):
        self.v1 = os.path.exists(os.path.join(V1, 'memory.limit_in_bytes'))
        self.path = os.path.join(V1 if self.v1 else V2, f'page-hinting-bench-{os.getpid()}')
        try:
            if not self.v1:
                write(os.path.join(V2, 'cgroup.subtree_control'), '+memory')
            os.mkdir(self.path)
            self.limit(limit_bytes)
        except OSError as error:
            self.remove()
            raise vm.Failure('making a memory cgroup', str(error),
                             'run the benchmark as root, or leave density out') from error

    def limit(self, limit_bytes):
        if self.v1:
            write(self.path + '/memory.limit_in_bytes', limit_bytes)
            write(self.path + '/memory.swappiness', 0)
        else:
            write(self.path + '/memory.max', limit_bytes)
            write(self.path + '/memory.swap.max', 0)

    def prefix(self):
        return ['sh', '-c', f'echo $$ >{self.path}/cgroup.procs && exec "$@"', 'sh']

    def kills(self):
        name = '/memory.oom_control' if self.v1 else '/memory.events'
        return read_count(self.path + name, 'oom_kill')

    def remove(self):
        """Empty once the guests have ended, which takes the kernel a moment."""
        for _ in range(50):
            try:
                os.rmdir(self.path)
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.1)


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
