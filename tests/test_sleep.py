# SPDX-License-Identifier: GPL-2.0
"""Guests that sleep, lose their balloon asleep, or go on from a snapshot."""
import os
import re
import subprocess
import tempfile
import time

import pytest
import tap
import vm
from seen import (LATE, LATE_FLAVOUR, MIB, SYSFS, bytes_discarded, comes_true, number, sizes,
                  trace_of)

IDLE_OR_LATE = pytest.mark.parametrize('flavour', (
    'hinting', pytest.param(LATE_FLAVOUR, marks=pytest.mark.slow)))
HOLES = 192 * MIB   # what "benchload holes 384" frees
GUIDS = {'before': '324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87',
         'after': '4d1d4bf6-9bb6-4c91-8b87-324e6eafd1d1'}


def test_suspend(check, guest):
    """Suspended and woken while a program allocates and frees, as far as the devices"""
    trace = trace_of('suspend')
    vmguest = guest('debug', 'suspend', """
        hintload settle 30; echo 1 >/sys/module/suspend/parameters/pm_test_delay
        echo devices >/sys/power/pm_test
        for state in freeze disk; do
            hintload churn 256 20 15 >/dev/null &
            sleep 2; echo $state >/sys/power/state && echo "### slept $state"; wait
        done
        hintload touch 256; hintload settle 60; hintload sum
        echo 0 >/sys/kernel/mm/page_hinting/enabled; sleep 1; hintload sum""", trace=trace)
    vmguest.run()
    text = vmguest.text()
    check('### slept freeze' in text and '### slept disk' in text,
          'suspend and hibernation go as far as the devices, and back')
    check('### settled' in text.split('### slept disk')[-1], 'hinting goes on afterwards')
    check(number(text, 'in_flight') == 0 and number(text, 'hinted') == 0,
          'all comes home')
    traced, said = bytes_discarded(trace), number(text, 'acknowledged')
    check(traced == said, 'the counters equal the trace',
          f'trace {traced}, counters {said} bytes')
    tap.no_splat(check, vmguest, 'suspend')


# Suspending to idle has no steps but the first three.
@pytest.mark.parametrize('step, state', (('freezer', 'freeze'), *(
    pytest.param(*one, marks=pytest.mark.slow) for one in (
        ('devices', 'freeze'), ('platform', 'freeze'), ('processors', 'disk'), ('core', 'disk')))))
def test_unplug(check, guest, step, state):
    """The balloon is unplugged while the guest is in one of the steps of a suspend"""
    vmguest = guest('hinting', 'unplug', f"""
        hintload settle 30; echo 8 >/sys/module/suspend/parameters/pm_test_delay
        echo {step} >/sys/power/pm_test; echo '### sleeps'
        echo {state} >/sys/power/state && echo '### slept'
        sleep 5; sed 's/^/### state /' {SYSFS}/state
        echo "### threads $(ps | grep -c '[k]hintd')"
        hintload touch 256; hintload sum""", balloon='none', monitor=True, extra=[
            '-device', 'pcie-root-port,id=rp0', '-device',
            'virtio-balloon-pci,bus=rp0,id=balloon,free-page-reporting=on'])
    vmguest.start()
    if not vmguest.wait_line('### sleeps', 200):
        raise vmguest.failure()
    time.sleep(2)
    vmguest.qmp('device_del', id='balloon')
    gone = comes_true(lambda: 'balloon' not in [device['name'] for device in vmguest.qmp(
        'qom-list', path='/machine/peripheral')], 60)
    vmguest.finish()
    text = vmguest.text()
    # While this kernel waits, asleep, no grace period of RCU ends: so it may go later.
    label = f'unplug, {step}'
    check(gone and '### slept' in text, f'{label}: the balloon goes, and all wakes up')
    check('### state no device' in text and '### threads 0' in text,
          f'{label}: nothing is left of hinting')
    check('### freed' in text and number(text, 'in_flight') == 0 and
          number(text, 'hinted') == 0, f'{label}: the guest goes on')
    tap.no_splat(check, vmguest, label)


def test_hibernation(check, guest):
    """A guest with hinted memory is written to a disk, and goes on in another QEMU"""
    with tempfile.TemporaryDirectory(dir=vm.BUILD) as directory:
        disk = os.path.join(directory, 'swap')
        with open(disk, 'wb') as swap:
            swap.truncate(1 << 30)
        more = {'memory': 512, 'append': 'resume=/dev/vda',
                'extra': ['-drive', f'file={disk},format=raw,if=virtio']}
        first = guest('hinting', 'hibernate', """
            mkswap /dev/vda >/dev/null; swapon /dev/vda
            dd if=/dev/urandom of=/tmp/data bs=1M count=64 2>/dev/null
            md5sum /tmp/data >/tmp/sum; hintload settle 20; hintload sum
            echo shutdown >/sys/power/disk; echo disk >/sys/power/state; echo "### awake $?"
            md5sum -c /tmp/sum && echo "### same content"
            hintload settle 20; hintload touch 256; hintload settle 20; hintload sum""", **more)
        first.start().process.wait()
        first.stop()
        check('Power down' in first.text() and number(first.text(), 'hinted') > 0,
              'a guest with hinted memory hibernates', first.tail())
        trace = trace_of('restore')
        second = guest('hinting', 'restore',
                       'cat /sys/block/vda/dev >/sys/power/resume; echo "### did not resume"',
                       trace=trace, **more)
        check(second.run() == 0 and '### awake 0' in second.text(), 'it is restored')
        check('### same content' in second.text(), 'its memory is what it was')
        check(number(second.text(), 'hinted') > 256 * MIB and
              bytes_discarded(trace) > 256 * MIB, 'it hints anew, all marks void')
        tap.no_splat(check, second, 'hibernation')

WATCH_RESTORE = f"""
    cd {SYSFS}; hintload settle 20
    dd if=/dev/urandom of=/tmp/data bs=1M count=64 2>/dev/null; md5sum /tmp/data >/tmp/sum
    benchload holes 384 16 3600 >/dev/null &
    # Where acknowledgments can be late, blocks are in flight all the time from then on.
    [ ! -e {LATE} ] || {{
        read go; echo -1 >{LATE}/times; echo 0 >{LATE}/verbose; echo 20 >refault_cost_ms
    }}
    while sleep 1; do
        hintload sum; [ $(cat restored) = 0 ] || break
        md5sum -c /tmp/sum >/dev/null || echo "### spoilt"
        [ ! -e {LATE} ] || {{ echo 95 >{LATE}/probability; hintload touch 64 >/dev/null; }}
    done
    [ ! -e {LATE} ] || echo 0 >{LATE}/probability
    hintload settle 30; sleep 10
    md5sum -c /tmp/sum && echo "### same content"
    dmesg | grep page_hinting: | sed 's/^/### log /'; hintload sum
    echo "### restored $(cat restored) idle_min_order $(cat idle_min_order)"; sleep 2
    echo 0 >idle_min_order; sleep 600"""


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(dir=vm.BUILD) as name:
        yield name


def restored_guest(guest, directory, flavour, name, device):
    """The same guest in another QEMU, which goes on from a snapshot of the first;
    with DEVICE its generation ID is another. What was hinted before, and in flight."""
    disk = os.path.join(directory, name)
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', disk, '1G'], check=True)

    def start(step, *extra):
        extra = ['-drive', f'file={disk},format=qcow2,if=none', *extra]
        if device:
            extra += ['-device', f'vmgenid,guid={GUIDS[step]}']
        return guest(flavour, f'{step}-{name}', WATCH_RESTORE, memory=1024,
                     trace=trace_of(f'{step}-{name}'), monitor=True, talk=True,
                     extra=extra).start()

    first = start('before')

    holed = comes_true(lambda: os.path.exists(first.trace) and
                       sizes(first.trace, 0, 2 * MIB) > 0.8 * HOLES, 200)
    if flavour == LATE_FLAVOUR:
        first.tell('go')
    seen = len(first.lines)

    def is_idle():
        told = re.findall(r'### sum .*acknowledged (\d+)',
                          '\n'.join(text for _, text in first.lines[seen:]))[-4:]
        return len(told) == 4 and told[0] == told[3]

    def is_in_flight():
        return '### sum' in first.text() and number(first.text(), 'in_flight') > MIB

    if not holed or not comes_true(is_in_flight if flavour == LATE_FLAVOUR else is_idle, 60):
        raise first.failure()
    hinted, flight = (number(first.text(), word) for word in ('hinted', 'in_flight'))
    said = first.qmp('human-monitor-command', 600, **{'command-line': 'savevm all'})
    first.stop()
    if said:
        raise vm.Failure('taking a snapshot', said.strip(), f'less {first.log}.qemu')
    return start('after', '-loadvm', 'all'), hinted, flight


@IDLE_OR_LATE
def test_restore(check, guest, directory, flavour):
    """A guest goes on from a snapshot in another QEMU, and is told of it by a vmgenid device

    Marks are void, and no small blocks are hinted before they are asked for.
    """
    vmguest, before, flight = restored_guest(guest, directory, flavour, 'vmgenid', True)
    told = vmguest.wait_line(r'### restored (\d+) idle_min_order (\d+)', 200)
    if not told:
        raise vmguest.failure()
    whole, small = sizes(vmguest.trace, 2 * MIB), sizes(vmguest.trace, 0, 2 * MIB)
    hinted, text = number(vmguest.text(), 'hinted'), vmguest.text()
    check(told[1].groups() == ('1', '10') and
          re.search('### log .*restored from a snapshot', text) is not None,
          'restored: the guest has noticed, once', told[1].group(0))
    check('### same content' in text and '### spoilt' not in text,
          f'restored with {flight // MIB} MiB in flight: its memory is what it was')
    check(whole >= hinted > 256 * MIB, 'restored: the new host was told of all that is '
          'marked', f'{before // MIB} MiB marked before, {hinted // MIB} MiB after, '
          f'{whole // MIB} MiB discarded')
    # What is hinted before the guest has noticed it does not matter.
    check(not small or flight, 'restored: nothing small is hinted', f'{small} bytes')
    check(comes_true(lambda: sizes(vmguest.trace, 0, 2 * MIB) > 0.8 * HOLES, 120),
          'restored: small blocks follow once idle_min_order is written')
    tap.no_splat(check, vmguest, 'restored')
    vmguest.stop()


@IDLE_OR_LATE
def test_restore_untold(check, guest, directory, flavour):
    """Without such a device nothing tells the guest: its marks stand"""
    vmguest, before, flight = restored_guest(guest, directory, flavour, 'no-vmgenid', False)
    goes_on = comes_true(lambda: vmguest.text().count('### sum') >= 10, 120)
    discarded, hinted = sizes(vmguest.trace, 0), number(vmguest.text(), 'hinted')
    check(goes_on and '### restored' not in vmguest.text() and
          (flight or (discarded < 32 * MIB and abs(hinted - before) < 32 * MIB)),
          'restored without a vmgenid device: nothing is noticed, as documented',
          f'{hinted // MIB} MiB marked, {discarded // MIB} MiB discarded')
    check('### spoilt' not in vmguest.text(), f'restored without it, with {flight // MIB} MiB '
          'in flight: its memory is what it was')
    vmguest.stop()
