# SPDX-License-Identifier: GPL-2.0
"""The selftests in guests."""
import glob
import re
import subprocess

import pytest
import tap
import vm
from seen import MIB, bytes_discarded, trace_of, use_next_qemu
from test_host import drain_of

PROGRAMS = ('sysfs', 'threads', 'kpageflags', 'content', 'hotplug', 'contig', 'silent',
            'trace', 'flush', 'counters')


# What debugging options find behind the programs' backs. An object that is new is
# no leak yet for kmemleak.
FOUND = """
dmesg | sed -n 's/.*page_hinting: the free lists are checked/### checked/p'
leaks=/sys/kernel/debug/kmemleak
if [ -e $leaks ]; then
    echo scan >$leaks; sleep 6; echo scan >$leaks
    sed 's/^/### leak /' $leaks; echo "### scanned"
fi
"""


def selftests_of(check, guest, flavour, programs, append=''):
    """Those programs in one guest; what they say, and what the kernel does"""
    vmguest = guest(flavour, 'selftests', 'export PAGE_HINTING_DEFAULTS=1\n'
                    + ''.join(tap.shell(name) for name in programs) + FOUND,
                    append='cma=128M ' + append, timeout=1800)
    label = ' '.join([flavour, append]).strip()
    try:
        vmguest.run()
    except vm.Failure as failure:
        check(False, f'{label}: the selftests end', str(failure))
    tap.report(check, vmguest, label, programs, may_skip=('silent', 'flush'))
    return vmguest


def debug_of(check, guest, flavour, programs, append=''):
    """The same, and what a kernel with debugging options has found"""
    text = selftests_of(check, guest, flavour, programs, append).text()
    # A fault in the lists is a warning, which tap.report() has seen.
    check('### checked' in text, f'{flavour}: the free lists were checked each second')
    if flavour == 'debug':
        leaks = [line for line in text.splitlines() if line.startswith('### leak')]
        check('### scanned' in text and not leaks, f'{flavour}: nothing leaks',
              '\n'.join(leaks[:20]))


@pytest.mark.slow
def test_selftests(check, guest):
    """All selftests in a guest without debugging options"""
    selftests_of(check, guest, 'hinting', PROGRAMS + ('sysfs',))


def test_selftests_debug(check, guest):
    """All selftests with all debugging options, one after another in one guest"""
    debug_of(check, guest, 'debug', PROGRAMS + ('faults', 'sysfs'), 'kmemleak=on')


@pytest.mark.slow
def test_init(check, guest):
    """Pages are zeroed when they are allocated and freed, and lists shuffled: the selftests"""
    debug_of(check, guest, 'debug', PROGRAMS,
             'kmemleak=on init_on_alloc=1 init_on_free=1 page_alloc.shuffle=1')


def test_rt(check, guest):
    """PREEMPT_RT with lockdep: the selftests that lock most, and the kernel is silent"""
    debug_of(check, guest, 'hinting+rt',
             ('threads', 'content', 'hotplug', 'flush', 'counters'))


def test_content_trace(check, guest):
    """The host's trace shows that free pages were discarded before their next use"""
    trace, seen = trace_of('content'), {}

    def on_line(_, text):
        match = re.search(r'ok \d+ munmap: (memory in use|allocated again)', text)
        if match:
            seen.setdefault(match.group(1), bytes_discarded(trace))

    vmguest = guest('hinting', 'content', tap.shell('content'), trace=trace,
                    on_line=on_line)
    vmguest.run()
    tap.report(check, vmguest, 'traced', ('content',))
    grown = seen.get('allocated again', 0) - seen.get('memory in use', 0)
    check(len(seen) == 2 and grown >= 100 * MIB,
          'discarded between the free and the next use',
          f'{grown // MIB} MiB of 128 MiB')


def test_content_loop(check, guest):
    """Content under pressure, with hinting toggled and the driver rebound, for a minute"""
    vmguest = guest('debug', 'loop',
                    tap.shell('content', '--loop 60 --pressure --toggle --rebind'),
                    append='page_owner=on')     # too slow beside memory that goes offline
    vmguest.run()
    tap.report(check, vmguest, 'debug loop', ('content',))


def test_silent_shutdown(check, guest):
    """A guest whose host never acknowledges still shuts down"""
    vmguest = guest('debug', 'shutdown', tap.shell('silent', '--leave'))
    vmguest.run()
    ended = vmguest.now()
    said = vmguest.wait_line(vm.END.pattern, 0)
    tap.report(check, vmguest, 'silent', ('silent',))
    check(ended - said[0] < 20, 'shutdown with blocks in flight ends',
          f'{ended - said[0]:.1f} s')


@pytest.mark.slow
def test_next_qemu(check, guest, monkeypatch):
    """The QEMU of Debian's next release: selftests, and the host's view"""
    if use_next_qemu(check, monkeypatch):
        selftests_of(check, guest, 'hinting', PROGRAMS)
        drain_of(check, guest, 2)


def own_functions(image):
    """The names of our functions in a kernel that was built here"""
    out = image.removesuffix('/arch/x86/boot/bzImage')
    objects = glob.glob(out + '/mm/page_hinting/*.o') + glob.glob(
        out + '/drivers/virtio/virtio_balloon*.o')
    done = subprocess.run(['nm', *objects], stdout=subprocess.PIPE, text=True, check=True)
    return set(re.findall(r' [tT] (\w+)', done.stdout))


@pytest.mark.slow
def test_kcsan(check, guest):
    """KCSAN, strict: of all races that it sees in the selftests, none is ours"""
    vmguest = guest('hinting+kcsan', 'kcsan', 'dmesg | grep kcsan:\n'
                    + ''.join(tap.shell(name) for name in PROGRAMS), append='cma=128M',
                    timeout=3600)
    vmguest.run()
    tap.report(check, vmguest, 'KCSAN', PROGRAMS, may_skip=('silent', 'flush'))
    check('kcsan: enabled early' in vmguest.text(), 'KCSAN: it is on')
    races = re.findall(r'BUG: KCSAN: .* in (.*)', vmguest.text())
    own = own_functions(guest.kernel('hinting+kcsan'))
    found = [race for race in races if own & set(re.findall(r'[a-z]\w+', race))]
    print(f'# {len(races)} races in all', *sorted(set(races)), sep='\n#   ')
    check(not found, 'KCSAN: none is in page hinting', '\n'.join(found))
