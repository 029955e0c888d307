# SPDX-License-Identifier: GPL-2.0
"""A host that writes into the queue what it must not, or what is odd: on virtio's real ring."""
import mmap
import os
import re
import struct
import tempfile

import pytest
import tap
import vm
from seen import MIB, SYSFS, bytes_discarded, number, trace_of
from test_pressure import LATE

QUEUE = 3       # of a balloon without free-page-hint
MEMORY = 1024   # MiB; less than 2 GiB, so that addresses are offsets
RAM = ('-machine memory-backend=ram -object '
       f'memory-backend-file,id=ram,size={MEMORY}M,share=on,mem-path=')
# The guest looks at no answer until it is told to. Until then they lie in the ring.
GUEST = f"""
    cd /tmp; echo 20 >{SYSFS}/refault_cost_ms
    dd if=/dev/urandom of=data bs=1M count=48 2>/dev/null; md5sum data >sums
    flight() {{ cat {SYSFS}/node*/in_flight_bytes | awk '{{ n += $1 }} END {{ print +n }}'; }}
    hintload settle 60
    echo -1 >{LATE}/times; echo 1 >{LATE}/interval; echo 0 >{LATE}/verbose
    echo 100 >{LATE}/probability; echo "### rest"; read go
    hintload touch 128; sleep 3; echo "### held $(flight)"; read go
    echo 0 >{LATE}/probability; sleep 5
    echo "### state $(cat {SYSFS}/state)"; echo "### flight $(flight)"
    hintload touch 512; md5sum -c sums && echo '### same content'
    driver=/sys/bus/virtio/drivers/virtio_balloon; balloon=$(basename $driver/virtio*)
    echo $balloon >$driver/unbind; echo "### home $(flight)"; echo $balloon >$driver/bind
    hintload settle 60; hintload touch 128; hintload settle 60; hintload sum
    echo "### now $(cat {SYSFS}/state)"; md5sum -c sums && echo '### still the same'"""
# What becomes of the answers (ID, length) that the guest has not seen, as they lie in the ring
# of so many entries; and whether a driver has to see that the host is out of its mind.
CASES = {
    'unknown': (lambda answers, ring: [(ring + 7, 0)] * len(answers), True),
    'twice': (lambda answers, ring: [answers[0]] * len(answers), True),
    'reversed': (lambda answers, ring: answers[::-1], False),
    'lengths': (lambda answers, ring: [(number, length) for (number, _), length in zip(
        answers, [1, 0xffffffff, 4096] * ring)], False),
}


def status_of(vmguest):
    return vmguest.qmp('x-query-virtio-queue-status', queue=QUEUE,
                       path='/machine/peripheral/balloon/virtio-backend')


def rewrite(path, begin, status, change):
    """Change all answers in the used ring from BEGIN on. How many these are."""
    used, ring, end = status['vring-used'], status['vring-num'], status['used-idx']
    places = [used + 4 + 8 * (i % ring) for i in range(begin - (begin > end) * 65536, end)]
    with open(path, 'r+b') as file, mmap.mmap(file.fileno(), 0) as ram:
        answers = [struct.unpack_from('<II', ram, place) for place in places]
        for place, answer in zip(places, change(answers, ring)):
            struct.pack_into('<II', ram, place, *answer)
    return len(answers)


@pytest.mark.slow
@pytest.mark.parametrize('name', CASES)
def test_hostile(check, guest, name):
    """A host that answers what it was not asked, twice, in another order, with odd lengths"""
    change, broken = CASES[name]
    label, trace = f'hostile host, {name}', trace_of(f'hostile-{name}')
    with tempfile.TemporaryDirectory(dir=vm.BUILD) as directory:
        vmguest = guest('hinting+suites', f'hostile-{name}', GUEST, memory=MEMORY, monitor=True,
                        talk=True, balloon='none', trace=trace, timeout=600, extra=[
                            *f'{RAM}{directory}/ram'.split(), '-device',
                            'virtio-balloon-pci,id=balloon,free-page-reporting=on'])
        vmguest.start()
        if not vmguest.wait_line('### rest', 300):
            raise vmguest.failure()
        begin = status_of(vmguest)['used-idx']
        vmguest.tell('go')
        held = vmguest.wait_line(r'### held (\d+)', 300)
        if not held:
            raise vmguest.failure()
        changed = rewrite(os.path.join(directory, 'ram'), begin, status_of(vmguest), change)
        vmguest.tell('go')
        vmguest.finish()
    text = vmguest.text()
    check(changed > 1 and int(held[1].group(1)) > MIB,
          f'{label}: {changed} answers wait, and are changed', held[1].group(0))
    state, flight = ('host is gone', MIB) if broken else ('running', 0)
    check(f'### state {state}' in text and
          int(re.search(r'### flight (\d+)', text).group(1)) >= flight,
          f'{label}: the driver {"sees it, and leaves the host alone" if broken else "copes"}',
          str([line for line in text.splitlines() if '### state' in line or '### flight' in line]))
    check('### same content' in text and '### still the same' in text,
          f'{label}: memory in use keeps its content')
    check('### home 0' in text and '### now running' in text and number(text, 'in_flight') == 0,
          f'{label}: bound anew, all is home, and hinting goes on', vmguest.tail())
    if not broken:
        traced, said = bytes_discarded(trace), number(text, 'acknowledged')
        check(traced == said, f'{label}: the counters equal the trace', f'{traced}, {said} bytes')
    tap.no_splat(check, vmguest, label)
