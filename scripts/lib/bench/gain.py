# SPDX-License-Identifier: GPL-2.0
"""What the host gains by holes: without and with huge pages, before and under pressure."""
import sys
import time

from bench.cgroup import Cgroup
from bench.watched import MIB

SETTLE_S = 3
# For how long the guest leaves its holes alone after that, for the squeeze.
SQUEEZE_S = 6
# What QEMU may need beyond what it has when the pressure comes.
SLACK_MIB = 8
STEP_MIB = 4
# The kernel gives up on a limit soon; what splits huge pages may need longer.
TRIES = 10
RETRY_S = 0.2
# PR_SET_THP_DISABLE is inherited, and stays over exec.
NO_HUGE_PAGES = [sys.executable, '-c', 'import ctypes, os, sys\n'
                 'sys.exit("prctl failed") if ctypes.CDLL(None).prctl(41, 1, 0, 0, 0) else None\n'
                 'os.execvp(sys.argv[1], sys.argv[1:])']


def free_bytes():
    with open('/proc/meminfo', encoding='ascii') as meminfo:
        return next(int(line.split()[1]) for line in meminfo
                    if line.startswith('MemFree:')) * 1024


def squeeze(cgroup, guest):
    """Lower the limit as far as it goes without a kill; the bytes used then."""
    limit = cgroup.usage()
    floor = guest.resident() + SLACK_MIB * MIB
    tries = TRIES
    while limit - STEP_MIB * MIB >= floor and tries:
        if cgroup.lower(limit - STEP_MIB * MIB):
            limit -= STEP_MIB * MIB
            tries = TRIES
        else:
            tries -= 1
            time.sleep(RETRY_S)
    return cgroup.usage()


def gain(bench, case, variant):
    """Every second piece of some memory is freed; resident size, the cgroup's use and the
    host's free memory before, at the end of the time, and with the limit lowered."""
    setup, seen = case.setup, {}
    limit = (setup['memory_mib'] + 512) * MIB
    cgroup = Cgroup(limit)
    guest = bench.guest(case, variant, f'sleep {SETTLE_S}\n'
                        f'benchload holes {setup["mib"]} {setup["kib"]} '
                        f'{setup["limit_s"] + SQUEEZE_S}',
                        trace=False, memory=setup['memory_mib'], timeout=300,
                        prefix=cgroup.prefix() + ([] if setup['huge'] else NO_HUGE_PAGES))

    def look(when):
        seen[when] = guest.resident(), cgroup.usage(), free_bytes(), guest.huge_share()

    guest.at_mark['holed'] = lambda: look('begin')
    try:
        guest.start()
        at_s = guest.wait_mark('holed', 200).at_s
        guest.wait_line('### no such line', max(0, at_s + setup['limit_s'] - guest.now()))
        look('end')
        squeezed = squeeze(cgroup, guest)
        look('squeezed')
        cgroup.limit(limit)     # for the guest uses the holes again
        code = guest.finish()
        killed = cgroup.kills()
    finally:
        guest.stop()
        cgroup.remove()
    if code or killed:
        raise guest.failure(f'its commands ended with {code}, {killed} kills')
    return figures(seen, squeezed, setup['mib'] * MIB / 2)


def figures(seen, squeezed, freed):
    """In percent of what was freed."""
    begin, end, after = seen['begin'], seen['end'], seen['squeezed']
    return {'cgroup_fell_percent': 100 * (begin[1] - end[1]) / freed,
            'resident_fell_percent': 100 * (begin[0] - end[0]) / freed,
            'host_free_rose_percent': 100 * (end[2] - begin[2]) / freed,
            'squeezed_cgroup_fell_percent': 100 * (begin[1] - squeezed) / freed,
            'squeezed_host_free_rose_percent': 100 * (after[2] - begin[2]) / freed,
            'begin_huge_percent': 100 * begin[3], 'end_huge_percent': 100 * end[3],
            'squeezed_huge_percent': 100 * after[3]}
