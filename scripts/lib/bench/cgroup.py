# SPDX-License-Identifier: GPL-2.0
"""A memory cgroup to run guests in."""
import os
import time

import vm

V1, V2 = '/sys/fs/cgroup/memory', '/sys/fs/cgroup'


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

    def lower(self, limit_bytes):
        """Set a lower limit; False if the kernel finds no way down to there."""
        try:
            self.limit(limit_bytes)
        except OSError:
            return False
        return True

    def usage(self):
        name = '/memory.usage_in_bytes' if self.v1 else '/memory.current'
        with open(self.path + name, encoding='ascii') as usage:
            return int(usage.read())

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
