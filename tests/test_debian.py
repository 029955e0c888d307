# SPDX-License-Identifier: GPL-2.0
"""The Debian packages, installed in a Debian guest that boots from its disk."""
import json
import os
import re
import time

import pytest
import vm
from seen import MIB, SYSFS, comes_true, script

DISK = os.path.join(vm.BUILD, 'debian')
# The rule of tp-qemu's test balloon_free: so much is used, ten times over, and then
# QEMU has to be back within 10 % of its size before, in 30 s.
USED_MIB, BACK_S = 2048, 30
SCRIPT = f"""
    echo "### system $(systemctl is-system-running --wait)"
    systemctl --failed --no-legend | sed 's/^/### failed /'
    echo "### target $(systemctl is-active multi-user.target)"
    echo "### kernel $(dpkg -S /boot/vmlinuz-$(uname -r))"
    echo "### tool $(dpkg -S $(command -v page_hinting_stat))"
    echo "### init $(readlink /proc/1/exe)"
    echo "### root $(findmnt -no SOURCE,FSTYPE / 2>/dev/null || grep ' / ' /proc/mounts)"
    echo "### state $(cat {SYSFS}/state)"
    sleep 15; echo '### before'; sleep 5
    memhog -r10 {USED_MIB}m >/dev/null; echo "### memhog $?"; sleep {BACK_S + 5}
    page_hinting_stat --json 1 3 | sed 's/^/### stat /'
    echo 0 >{SYSFS}/enabled; memhog {USED_MIB}m >/dev/null; echo '### control'; sleep 10
    echo '### guest-exit 0'; systemctl poweroff
"""


def packages():
    """The kernel's and the tool's, built if need be; DEB is for options of scripts/deb"""
    done = script('deb', *os.environ.get('DEB', '-s').split(), timeout=6 * 3600)
    if done.returncode:
        raise vm.Failure('building the packages', done.stderr.strip()[-1000:], 'scripts/deb -h')
    return [path for path in done.stdout.split() if '/linux-headers-' not in path]


def boot():
    """The guest, started from its disk"""
    return vm.Guest(f'{DISK}/vmlinuz', None, name='debian', initrd=f'{DISK}/initrd', memory=4096,
                    append='root=/dev/vda rw', timeout=2400,
                    extra=['-drive', f'file={DISK}/disk,if=virtio,format=raw']).start()


def size_at(vmguest, line):
    """QEMU's size in MiB when the guest prints that line"""
    if not vmguest.wait_line(line, 1200):
        raise vmguest.failure()
    return vmguest.resident() / MIB


def sizes(vmguest):
    """QEMU's size before memhog, at most, and when it was back or the time was over;
    how many seconds that took; and its size 5 s after a memhog without hinting"""
    before = size_at(vmguest, '### before')
    size_at(vmguest, '### memhog 0')
    begin = vmguest.now()
    comes_true(lambda: vmguest.resident() / MIB <= 1.1 * before, BACK_S)
    after, took = vmguest.resident() / MIB, vmguest.now() - begin
    most = max(size for _, size in vmguest.samples) / MIB
    size_at(vmguest, '### control')
    time.sleep(5)
    return before, most, after, took, vmguest.resident() / MIB


@pytest.mark.slow
def test_debian(check):
    """Packages of Debian's kernel with hinting: systemd boots, memhog's memory comes back"""
    done = script('lib/debian-disk', DISK, *packages(), stdin=SCRIPT, timeout=1800)
    if done.returncode:
        raise vm.Failure('making a Debian disk', done.stderr.strip()[-1000:],
                         f'less {DISK}/mmdebstrap.log')
    vmguest = boot()
    try:
        before, most, after, took, control = sizes(vmguest)
        vmguest.finish()
    finally:
        vmguest.stop()
    said = dict(re.findall(r'^### (\w+) (.*)$', vmguest.text(), re.M))
    check(said['system'] == 'running' and said['target'] == 'active' and
          said['init'].endswith('/systemd') and said['root'].startswith('/dev/vda'),
          'systemd is in multi-user, nothing has failed, the root is the disk', str(said))
    check(re.match(r'linux-image-\S+-hinting-(small|cloud|own)-amd64: ', said['kernel']) and
          said['tool'].startswith('page-hinting-tools: '), 'kernel and tool are the packages\'')
    check(said['state'] == 'running', 'hinting is on by default', said['state'])
    check(most > before + 0.9 * USED_MIB, f'memhog has used {USED_MIB} MiB',
          f'{before:.0f} MiB before, at most {most:.0f} MiB')
    check(after <= 1.1 * before, f'within {BACK_S} s QEMU is within 10 % of its size before',
          f'{before:.0f} MiB before, {after:.0f} MiB {took:.1f} s after it')
    check(control > before + 0.9 * USED_MIB, '... and without hinting it is not',
          f'{control:.0f} MiB 5 s after it')
    lines = [json.loads(line) for line in re.findall(r'^### stat (.*)$', vmguest.text(), re.M)]
    check(len(lines) == 3 and all(line['hinted_bytes'] > USED_MIB * MIB for line in lines),
          'page_hinting_stat says the same', str(lines[-1:]))


@pytest.mark.parametrize('line, why', (
    (('deb', '-c', '/dev/null'), '/dev/null is none of an x86-64 kernel'),
    (('deb', '-s', '9.9'), "there is no base '9.9'"),
    (('deb', '-x'), 'usage: scripts/deb'),
    (('lib/debian-disk', '/nowhere', '/nowhere/a.deb'), 'there is no package /nowhere/a.deb')))
def test_debian_refused(check, line, why):
    """Bad input: one clear message, and nothing done"""
    done = script(*line)
    check(done.returncode != 0 and why in done.stderr and not done.stdout and
          done.stderr.count('error: ') == (not why.startswith('usage')),
          f'{" ".join(line)} is refused', done.stderr.strip())
