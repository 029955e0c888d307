# SPDX-License-Identifier: GPL-2.0
"""Every device a host may have, and every kind of memory: what the host does with hints."""
import contextlib
import os
import re
import stat
import tempfile

import pytest
import tap
import vm
from seen import (MIB, SLACK, SYSFS, bytes_discarded, number, queue_of, sizes, trace_of,
                  use_next_qemu)

PCI = 'virtio-balloon-pci,free-page-reporting=on'
MMIO = 'virtio-balloon-device,free-page-reporting=on'
# Under TCG nothing tells a microvm how fast its TSC is, and nothing can check it: a guess.
CLOCK = 'tsc_early_khz=2000000 tsc=reliable'
RAM = '-machine memory-backend=ram -object memory-backend-'
RING = os.path.join(vm.TOP, 'scripts/lib/ring')
# QEMU's number of the reporting queue of a balloon without free-page-hint.
HINTS = 3
HUGE = '/proc/sys/vm/nr_hugepages'
FREED, MEMORY = 256, 1024
# Feature bits, by which a guest shows that it has the device that is to be tested.
EVENT_IDX, VERSION_1, PACKED = 29, 32, 34
CASES = {   # device, more for QEMU, more for the kernel, features
    'packed': (PCI + ',packed=on', '', '', {VERSION_1: '1', PACKED: '1'}),
    'legacy': (PCI + ',disable-legacy=off,disable-modern=on', '', '', {VERSION_1: '0'}),
    'mmio': (MMIO, '-machine microvm -global virtio-mmio.force-legacy=off', CLOCK,
             {VERSION_1: '1'}),
    'mmio-legacy': (MMIO, '-machine microvm', CLOCK, {VERSION_1: '0'}),
    'mmio-packed': (MMIO + ',packed=on', '-machine microvm -global virtio-mmio.force-legacy=off',
                    CLOCK, {VERSION_1: '1', PACKED: '1'}),
    'modern': (PCI + ',disable-legacy=on', '', '', {VERSION_1: '1', PACKED: '0'}),
    'transitional': (PCI + ',disable-legacy=off,disable-modern=off', '', '', {VERSION_1: '1'}),
    'event-idx': (PCI + ',event_idx=off', '', '', {EVENT_IDX: '0'}),
    'indirect-desc': (PCI + ',indirect_desc=off', '', '', {EVENT_IDX: '1'}),
    'swiotlb': (PCI, '', 'swiotlb=force', {VERSION_1: '1'}),
    'one-cpu': (PCI, '-smp 1', '', {VERSION_1: '1'}),
    'memfd': (PCI, RAM + 'memfd,id=ram,size=1G,share=on', '', {}),
    'file': (PCI, RAM + 'file,id=ram,size=1G,share=on,mem-path={directory}/ram', '', {}),
    'hugetlb': (PCI, RAM + 'memfd,id=ram,size=1G,hugetlb=on,hugetlbsize=2M', '', {}),
    'locked': (PCI, '-overcommit mem-lock=on', '', {}),
    **{f'ring-{size}': (PCI + ',id=balloon', '', '', {}) for size in (1, 2, 256, 1024)},
}
FAST = 'packed', 'legacy'
# Each line that is looked at from outside stays for some seconds.
COMMAND = f"""
    driver=/sys/bus/virtio/drivers/virtio_balloon
    name=$(basename $driver/virtio*)
    echo "### features $(cat $driver/$name/features)"
    state() {{ sed 's/^/### state /' {SYSFS}/state; }}
    hintload settle 60; dd if=/dev/zero of=/tmp/full bs=1M count={FREED} 2>/dev/null
    echo '### full'; sleep 3; rm /tmp/full
    hintload settle 60; hintload flush 1; hintload sum; echo '### empty'; sleep 3
    echo $name >$driver/unbind; state; hintload sum; echo '### unbound'; sleep 3
    echo $name >$driver/bind; hintload settle 60; state; hintload flush 1
    hintload sum; echo '### rebound'; sleep 3
"""


@contextlib.contextmanager
def huge_pages(check, what, pages):
    """So many more huge pages at the host for a while; false, and WHAT skipped: it has none"""
    def have():
        with open(HUGE, encoding='ascii') as knob:
            return int(knob.read())

    def change(by):
        before = have()
        with open(HUGE, 'w', encoding='ascii') as knob:
            knob.write(str(before + by))
        return have() - before

    try:
        got = change(pages)
    except OSError as error:
        got, why = 0, f'huge pages cannot be reserved: {error}'
    else:
        why = f'the host has only {got} of {pages} huge pages'
    try:
        if got < pages:
            check.skip(what, why)
        yield got >= pages
    finally:
        if got:
            change(-got)


def at_host(vmguest):
    """Bytes that the guest's memory takes at the host: those of its file, where it has one"""
    for entry in os.scandir(f'/proc/{vmguest.process.pid}/fd'):
        with contextlib.suppress(FileNotFoundError):    # closed meanwhile
            have = os.stat(entry.path)
            if stat.S_ISREG(have.st_mode) and have.st_size == MEMORY * MIB:
                return have.st_blocks * 512
    return vmguest.ram_resident()


def run_case(check, guest, name, program, directory):
    """A guest of that kind that has run COMMAND; what the host had and had discarded then"""
    device, qemu, append, _ = CASES[name]
    trace, views = trace_of(f'transport-{name}'), {}

    def look(_, text):
        word = re.match('### (full|empty|unbound|rebound)$', text)
        if word:
            views[word[1]] = at_host(vmguest), bytes_discarded(trace), sizes(trace, 0, 2 * MIB)
            if size and word[1] == 'rebound':
                check(str(queue_of(vmguest, HINTS)['vring-num']) == size,
                      f'{name}: the ring has {size} entries')

    extra = ['-device', device, *qemu.format(directory=directory).split()]
    size = name[5:] if name.startswith('ring-') else ''
    vmguest = guest('hinting', f'transport-{name}', COMMAND + program, memory=MEMORY,
                    append=append, trace=trace, balloon='none', extra=extra, on_line=look,
                    timeout=1200, monitor=bool(size),
                    prefix=[RING, size] if size else [])
    if vmguest.run() or len(views) != 4:
        raise vmguest.failure()
    return vmguest, views


def check_case(check, guest, name, directory):
    """Drain, rebind, content"""
    program = tap.shell('content', '--loop 5' if name == 'locked' else '')
    vmguest, views = run_case(check, guest, name, program, directory)
    text, trace = vmguest.text(), vmguest.trace
    features = re.search('### features ([01]+)', text)
    check(features and all(features[1][bit] == value for bit, value in CASES[name][3].items()),
          f'{name}: it is that kind of device', features and features[1])
    full, empty, unbound, rebound = (views[word] for word in
                                     ('full', 'empty', 'unbound', 'rebound'))
    sums = [number(line, 'hinted') for line in text.splitlines() if '### sum' in line]
    submitted = [number(line, 'submitted') for line in text.splitlines() if '### sum' in line]
    with open(trace, encoding='ascii') as lines:
        how = sorted(set(re.findall(r'madvise: . fallocate: . ret: \S+', lines.read())))
    figures = (f'{FREED} MiB freed: {full[0] / MIB:.1f} MiB before, {empty[0] / MIB:.1f} after; '
               f'{submitted[1] / MIB:.1f} MiB hinted, {unbound[1] / MIB:.1f} discarded, of '
               f'which {unbound[2] / MIB:.1f} in small blocks; by {how}')
    left = full[0] - empty[0]
    if name == 'locked':    # what fails is not in the trace
        with open(vmguest.log + '.qemu', encoding='utf-8', errors='replace') as said:
            failed = said.read().count('ram_block_discard_range: Failed')
        check(abs(left) <= SLACK and submitted[1] > FREED * MIB and not rebound[1] and failed,
              f'{name}: hints are acknowledged, each discard fails, and QEMU says so',
              f'{failed} failed; {figures}')
    else:
        check(left >= 0.95 * FREED * MIB,
              f'{name}: what was freed is free at the host', figures)
    if name == 'hugetlb':
        check(not unbound[2] and 0 < unbound[1] < submitted[1],
              f'{name}: whole huge pages are discarded, small blocks are not', figures)
    elif name != 'locked':
        check(unbound[1] == submitted[1] and unbound[2],
              f'{name}: the host was asked to discard each block, also small ones')
    again = rebound[1] - unbound[1]
    check(re.findall('### state (.*)', text)[:2] == ['no device', 'running'] and
          (name == 'locked' or again >= 0.95 * sums[0]) and sums[0] > FREED * MIB < sums[2],
          f'{name}: unbound and bound again, all is hinted anew',
          f'{sums[0] / MIB:.1f} MiB hinted before, {again / MIB:.1f} MiB discarded again')
    tap.report(check, vmguest, name, ('content',))


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in CASES])
def test_transports(check, guest, name):
    """Each kind of balloon and of memory: freed memory is discarded, a rebind hints anew"""
    with tempfile.TemporaryDirectory(dir=vm.BUILD) as directory, (
            huge_pages(check, name, MEMORY // 2) if name == 'hugetlb' else
            contextlib.nullcontext(True)) as works:
        if works:
            check_case(check, guest, name, directory)


@pytest.mark.slow
@pytest.mark.parametrize('name', ('modern', 'packed'))
def test_transports_next_qemu(check, guest, monkeypatch, name):
    """The same with the QEMU of Debian's next release"""
    if use_next_qemu(check, monkeypatch):
        with tempfile.TemporaryDirectory(dir=vm.BUILD) as directory:
            check_case(check, guest, name, directory)


def test_iommu(check, guest):
    """A balloon behind an IOMMU is refused by QEMU, as the driver cannot use one"""
    trace = trace_of('iommu')
    vmguest = guest('hinting', 'iommu', f"""
        hintload touch 256; sleep 4; sed 's/^/### state /' {SYSFS}/state
        dmesg | grep -i 'virtio\\|hint'; hintload sum""", append='swiotlb=force', trace=trace,
                    balloon='none', extra=[
                        '-device', PCI + ',disable-legacy=on,iommu_platform=on'])
    vmguest.run()
    check('### freed' in vmguest.text() and 'refuses features' in vmguest.text() and
          '### state no device' in vmguest.text() and not bytes_discarded(trace),
          'iommu_platform=on: QEMU refuses the driver, and state says: no device')
    tap.no_splat(check, vmguest, 'iommu_platform=on')
