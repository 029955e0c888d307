# SPDX-License-Identifier: GPL-2.0
"""What the host and the guest have seen: traces, counters, scripts."""
import math
import os
import re
import subprocess
import time

import vm

MIB = 1 << 20
SLACK = 16 * MIB
SYSFS = '/sys/kernel/mm/page_hinting'
# Fault injection that has acknowledgments come late; this flavour has it without the cost
# of debug.
LATE = '/sys/kernel/debug/fail_page_hinting_ack'
LATE_FLAVOUR = 'hinting+suites'


def trace_of(name):
    """One of that process of pytest-xdist's alone"""
    worker = os.environ.get('PYTEST_XDIST_WORKER', '')
    return os.path.join(vm.BUILD, 'console', f'{name}{worker}.trace')


def bytes_discarded(trace):
    return sum(size for _, size, _ in vm.discards(trace)) if os.path.exists(trace) else 0


def sizes(trace, low, high=math.inf):
    """Bytes discarded in blocks of at least LOW and less than HIGH bytes."""
    return sum(size for _, size, _ in vm.discards(trace) if low <= size < high)


def script(*line, env=None, timeout=300, stdin=''):
    return subprocess.run([os.path.join(vm.TOP, 'scripts', line[0]), *line[1:]], text=True,
                          env={**os.environ, **(env or {})}, input=stdin,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, check=False)


def queue_of(vmguest, queue):
    """What QEMU's monitor says of a queue of the device "balloon" """
    return vmguest.qmp('x-query-virtio-queue-status', queue=queue,
                       path='/machine/peripheral/balloon/virtio-backend')


def use_next_qemu(check, monkeypatch):
    """Make this test's guests run in the QEMU of Debian's next release; false: it is skipped."""
    done = script('next-qemu', timeout=1200)
    if done.returncode == 3:
        check.skip('QEMU of the next release', done.stderr.strip().splitlines()[0])
        return False
    if done.returncode:
        raise vm.Failure('unpacking another QEMU', done.stderr.strip(), 'scripts/next-qemu')
    monkeypatch.setenv('QEMU', done.stdout.strip())
    return True


def number(text, word):
    """The number behind WORD in the last "### sum" line."""
    found = re.findall(rf'### sum .*\b{word} (\d+)', text)
    if not found:
        raise vm.Failure('reading the counters', f'the guest printed no sum with "{word}"',
                         'ls -t build/console')
    return int(found[-1])


def comes_true(condition, seconds):
    """Does it, in that time?"""
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.2)
    return condition()


def ms_until_back(guest, name, command, percent=95, **more):
    """Milliseconds in the guest until so much of what COMMAND has freed was discarded;
    infinite: never. In virtual time, so that it does not matter how busy this machine is."""
    vmguest = guest('hinting', name, command, icount=0, trace=trace_of(name),
                    timeout=500, **more)
    if vmguest.run() or '### freed' not in vmguest.text():
        raise vmguest.failure()
    back = vm.ms_until_back(vmguest.trace, percent)
    return vmguest, math.inf if back is None else back
