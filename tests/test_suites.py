# SPDX-License-Identifier: GPL-2.0
"""The suites of the field: what passes with page_hinting=off passes with hinting as well."""
import collections
import functools
import glob
import os
import re
import subprocess

import pytest
import tap
import vm
from seen import MIB

FLAVOUR = 'hinting+suites'
CATEGORIES = 'compaction thp migration hugetlb userfaultfd madv_populate cow gup_test'
SECONDS = 10        # for each stressor; more than a minute, and it hangs
PREPARE = """
    mkdir -p /dev/shm /etc; mount -t tmpfs shm /dev/shm; chmod 755 /; chmod 1777 /tmp
    echo 'nobody:x:65534:65534::/tmp:/bin/sh' >/etc/passwd
"""
# test_memcontrol wants page cache that can be reclaimed, and swap. Of run_vmtests.sh: who
# hangs is ended; charge_reserved_hugetlb.sh, which hangs without hinting, and its like are
# left out; a test of userfaultfd that fails does not end the others. Its "events" fail in
# an emulated guest, also in one without a balloon.
KSELFTEST = r"""
    mkdir -p /cg /disk; mount -t cgroup2 cg /cg; echo +memory +hugetlb >/cg/cgroup.subtree_control
    mke2fs /dev/vda >/dev/null; mount -t ext2 /dev/vda /disk; mkswap /dev/vdb >/dev/null
    cd /bin; sed -i -e 's/("$@" 2>&1)/(timeout 600 "$@" 2>\&1)/' -e '/hugetlb.*[.]sh/d' \
        -e '/run_test .\/uffd-unit/{s/^/for t in $(.\/uffd-unit-tests -l | grep -v events); do /' \
        -e 's/run_test/& timeout 60/;s/$/ -f $t; done/}' \
        run_vmtests.sh
""" + tap.shell('run_vmtests.sh', f'-n -t "{CATEGORIES}"') + tap.shell(
    'mem-on-off-test.sh', '-r 20') + 'swapon /dev/vdb; cd /disk\n' + tap.shell('test_memcontrol')
# As root, madvise poisons pages, of which a kernel complains, and mlockmany does not run.
STRESS_NG = """
    stressors() { for name in NAMES; do
        set -- timeout 60 stress-ng --$name 0 -t SECONDS --verify --oomable --temp-path /tmp
        case $name in madvise | mlockmany) set -- su nobody -c "$*" ;; esac
        "$@" >/tmp/said 2>&1; code=$?
        case $code in
        0) echo "ok 1 $name" ;;
        3 | 4) echo "ok 1 $name # SKIP" ;;
        *) grep -v info: /tmp/said; echo "not ok 1 $name" ;;
        esac
    done; }
"""
# tp-qemu's run for longer, over 2 GiB; these take a minute without KVM.
HOG = """
    hog() {
        sleep 5; echo "### begin $1"; "$@" >/dev/null; echo "### freed $1"
        sleep 30; echo "### end $1"
    }
    killed() {
        memhog -r80 1G & until grep -q 'VmRSS:.* 1[0-9][0-9][0-9]... kB' /proc/$!/status
        do sleep 1; done; kill $!; wait
    }
    memhog 64M >/dev/null; sleep 10; hog memhog -r2 1G; hog killed
"""
# Under TCG, memory is zeroed far faster without these.
CPU = ['-cpu', 'max,erms=off,fsrm=off']
# TAP; what userfaultfd's and khugepaged's say; what run_vmtests.sh says of a program.
CASE = re.compile(r'(?P<tap>not ok|ok) \d+ (?:- )?(?P<name>.*)|(?P<what>.*?)\.{3,} *'
                  r'(?P<said>OK|done|Fail|failed|Skip|skipped)\b|\[(?P<all>PASS|FAIL|SKIP)\]')

# What a program says as it begins and ends, and also when its time is over, is no case.
SETTING = re.compile(r'(Save|Restore) THP')


def build(kernel):
    """The kernel's selftests, from the tree that this kernel was built from; their paths"""
    tree = re.sub(r'/out-([\d.]+)-.*', r'/linux-\1', kernel)
    selftests, out = f'{tree}/tools/testing/selftests', os.path.join(vm.BUILD, 'suites')
    headers = f'KHDR_INCLUDES=-isystem {out}/headers/usr/include'
    for part in ('mm', 'cgroup'):
        os.makedirs(f'{out}/{part}', exist_ok=True)
    for line in (['-C', tree, f'O={out}/headers', 'headers'],
                 # khugepaged.c of 6.12 lacks a header.
                 ['-C', f'{selftests}/mm', f'OUTPUT={out}/mm', headers,
                  'EXTRA_CFLAGS=-static -DKSFT_SKIP=4'],
                 ['-C', f'{selftests}/cgroup', f'OUTPUT={out}/cgroup', headers,
                  f'{out}/cgroup/test_memcontrol']):
        with open(f'{out}/log', 'w', encoding='utf-8') as log:
            done = subprocess.run(['make', '-s', *line], stdout=log, stderr=log, check=False)
        if done.returncode:
            raise vm.Failure('building the selftests', f'exit code {done.returncode}',
                             f'less {out}/log')
    return [*glob.glob(f'{out}/mm/*'), f'{out}/cgroup/test_memcontrol',
            *glob.glob(f'{selftests}/mm/*.sh'),
            f'{selftests}/memory-hotplug/mem-on-off-test.sh', '/bin/bash']


def cases_of(vmguest):
    """{case: passed, failed or skipped} of what ran in a guest"""
    found, program, test = {}, '', ''
    for suite, lines, code in tap.sections(vmguest.lines):
        found[suite] = 'passed' if code == 0 else 'failed'
        for line in lines:
            line = re.sub(r'\x1b\[\d*m|.*\r(?=.)', '', line).removeprefix('# ').strip()
            if match := re.match(r'running .*?\./(.*)', line):
                program, test = match.group(1), ''
            elif match := re.match(r'(?:Run test:|\[RUN\]) (.*)', line):
                test = match.group(1)
            elif (match := CASE.match(line)) and not SETTING.match(line):
                tells = match['tap'] or match['said'] or match['all']
                name = ' '.join([suite, program, test, match['name'] or match['what'] or ''])
                result = ('skipped' if '# SKIP' in name or tells.lower().startswith('skip') else
                          'passed' if tells in ('ok', 'OK', 'done', 'PASS') else 'failed')
                name = re.sub(r' *# SKIP.*|0x[0-9a-f]{6,}', '', ' '.join(name.split()))
                # One name may occur many times; it has passed when each has.
                if found.get(name) != 'failed':
                    found[name] = result
        program = test = ''
    return found


def compare(check, guest, label, commands, least, **more):
    """Run the commands without hinting and with it: each case that passes without passes"""
    def progress(name, seconds, text):
        if re.match(r'running|### (begin|end)|(not )?ok \d+ \S+$', text):
            print(f'# {label}, {name}, {seconds:.0f} s: {text}', flush=True)
    guests = [guest(FLAVOUR, f'suites-{label}-{name}', PREPARE + commands, timeout=3600,
                    append=append, on_line=functools.partial(progress, name), **more)
              for name, append in (('off', 'page_hinting=off'), ('hinting', ''))]
    # Side by side: much of it sleeps, or runs for so many seconds.
    for vmguest in guests:
        vmguest.start()
    for vmguest in guests:
        vmguest.finish()
    without, hinting = map(cases_of, guests)
    passed = [case for case, result in without.items() if result == 'passed']
    for name, cases in (('off', without), ('hinting', hinting)):
        count = collections.Counter(cases.values())
        print(f'# {label}, {name}: {len(cases)} cases, {dict(count)}; failed:', *(
            case for case, result in cases.items() if result == 'failed'), sep='\n#   ')
    check(len(passed) >= least, f'{label}: at least {least} cases pass without hinting',
          f'{len(passed)}')
    worse = [f'{case}: {hinting.get(case, "did not run")}' for case in passed
             if hinting.get(case) != 'passed']
    check(not worse, f'{label}: what passes without hinting passes with it', '\n'.join(worse))
    for vmguest in guests:
        # The programs, too, speak of corruption, and userfaultfd's test "poison" asks for it.
        vmguest.lines = [line for line in vmguest.lines if re.search(
            r'\[ *\d+\.\d{6}\] (?!MCE: Killing uffd-unit-tests)', line[1])]
        tap.no_splat(check, vmguest, os.path.basename(vmguest.log))


@pytest.mark.slow
def test_kselftest(check, guest):
    """The kernel's selftests of mm, memory-hotplug, cgroup: as without hinting"""
    programs = build(guest.kernel(FLAVOUR))
    empty = os.path.join(vm.BUILD, 'suites', 'disk')
    with open(empty, 'wb') as file:
        file.truncate(512 * MIB)
    compare(check, guest, 'kselftest', KSELFTEST, 600, memory=2048, programs=programs,
            extra=CPU + 2 * ['-drive', f'file={empty},format=raw,if=virtio,snapshot=on'])


@pytest.mark.slow
def test_stress_ng(check, guest):
    """All of stress-ng's class vm, one after the other: as without hinting"""
    said = subprocess.run(['stress-ng', '--class', 'vm?'], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, check=False).stdout
    names = re.search(r"class 'vm' stressors: (.*)", said).group(1)
    script = STRESS_NG.replace('NAMES', names).replace('SECONDS', str(SECONDS))
    compare(check, guest, 'stress-ng', script + tap.shell('stressors'), 25, memory=1024,
            programs=['/usr/bin/stress-ng'], extra=CPU)


@pytest.mark.slow
@pytest.mark.parametrize('mode', ('hinting', 'off', 'plain'))
def test_hog(check, guest, mode):
    """A process fills 1 of 4 GiB: in 30 s the guest is as small as before; tp-qemu's rules"""
    vmguest = guest('hinting', f'hog-{mode}', HOG, memory=4096, extra=CPU, timeout=900,
                    programs=['/usr/bin/memhog'],
                    append='page_hinting=off' if mode == 'off' else '',
                    balloon='plain' if mode == 'plain' else 'reporting')
    vmguest.run()
    # What does not come back, the second one has already.
    for name in ('memhog',) if mode == 'plain' else ('memhog', 'killed'):
        begin, freed, end = (vmguest.wait_line(f'### {what} {name}', 0)[0]
                             for what in ('begin', 'freed', 'end'))
        before = max(size for t, size in vmguest.samples if begin - 2 < t < begin)
        peak = max(size for t, size in vmguest.samples if begin < t < end)
        after = [size for t, size in vmguest.samples if freed < t < end][-1]
        text = ', '.join(f'{what} {size // MIB} MiB' for what, size in (
            ('before', before), ('most', peak), ('after', after)))
        check(peak - before >= 800 * MIB, f'{mode}, {name}: it takes memory', text)
        if mode == 'plain':
            check(peak - after < 50 * MIB, f'{mode}, {name}: nothing comes back', text)
        else:
            check(after <= 1.1 * before, f'{mode}, {name}: within 10 % of before', text)
