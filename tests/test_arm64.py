# SPDX-License-Identifier: GPL-2.0
"""Guests of arm64, whose hosts may have pages of 64 KiB."""
import re

import pytest
import tap
import vm
from seen import MIB, SYSFS, trace_of

SAFE = 64 << 10     # no host of arm64 has larger pages
# Frees every second piece of so many KiB of physical memory, runs a command,
# and looks whether what is in between is what it was.
GAPS = """
    gaps() { benchload gaps 256 "$@" || exit 1; }
    acknowledged() { hintload sum | sed 's/.*acknowledged //; s/ .*//'; }
"""


def run_arm64(guest, flavour, name, command, append=''):
    """A guest that has run COMMAND; its discards as [(address, bytes)], and how
    many of them there were before the first gaps were used again"""
    trace, seen = trace_of(name), []
    vmguest = guest(flavour, name, GAPS + command, append=append, trace=trace,
                    on_line=lambda _, text: '### mark kept' in text and not seen and
                    seen.append(len(vm.discards(trace))))
    if vmguest.run():
        raise vmguest.failure()
    return vmguest, [(address, size) for address, size, _ in vm.discards(trace)], seen[0]


def safe_on_arm64(check, guest, flavour, more=''):
    """Drain, gaps of the safe size, and MORE, whatever might make smaller blocks be hinted"""
    vmguest, discards, seen = run_arm64(guest, flavour, 'safe', f"""
        hintload settle 60; hintload sum
        hintload touch 512; hintload settle 60; hintload sum
        hintload flush 1
        gaps 64 "hintload reach $(($(acknowledged) + {127 * MIB})) 180; sleep 10"
        """ + more)
    text = vmguest.text()
    idle, drained = (int(n) for n in re.findall(r'### sum .* acknowledged (\d+)', text))
    check(drained - idle >= 0.95 * 512 * MIB, f'{flavour}: 95 % of 512 MiB are hinted',
          f'{(drained - idle) / MIB:.1f} MiB')
    freed = int(re.search(r'### freed (\d+) bytes', text).group(1))
    found = SAFE * len({address for address, size in discards[:seen] if size == SAFE})
    check(found >= 0.95 * freed, f'{flavour}: 95 % of gaps of 64 KiB are discarded',
          f'{found / MIB:.1f} of {freed / MIB:.1f} MiB')
    small = [size for _, size in discards if size < SAFE]
    check(discards and not small, f'{flavour}: no discard is smaller than 64 KiB',
          f'{len(small)} of {len(discards)} are, {sum(small) / MIB:.1f} MiB in all, '
          f'the least {min(small, default=0)} bytes')
    odd = [size for address, size in discards if address % SAFE or size % SAFE]
    check(not odd, f'{flavour}: each is of whole pages of 64 KiB',
          f'{len(odd)} of {len(discards)} are not')
    flushed = re.findall(r'### flushed .*error (\d+)', text)
    check(set(flushed) == {'0'}, f'{flavour}: flushing works', ' '.join(flushed))
    tap.no_splat(check, vmguest, flavour)


@pytest.mark.slow
def test_arm64(check, guest):
    """arm64 with pages of 4 KiB: safe on hosts with pages of 64 KiB, unless told otherwise"""
    safe_on_arm64(check, guest, 'arm64', f"""
        gaps 16 'sleep 5; hintload flush 1'
        gaps 4 'sleep 5; hintload flush 1; cd {SYSFS}; echo 0 >min_order; echo 0 >idle_min_order
                sleep 5; hintload flush 1'
        """)
    _, discards, _ = run_arm64(guest, 'arm64', 'unsafe', f"""
        hintload settle 60
        gaps 4 "hintload reach $(($(acknowledged) + {100 * MIB})) 180"
        """, append='page_hinting_safe_order=0')
    check(any(size < SAFE for _, size in discards),
          'arm64: page_hinting_safe_order=0 allows smaller ones')


@pytest.mark.slow
def test_arm64_64k(check, guest):
    """arm64 with pages of 64 KiB drains, down to single pages"""
    safe_on_arm64(check, guest, 'arm64+64k')
