# SPDX-License-Identifier: GPL-2.0
"""Dumps of guests, and what makedumpfile makes of them."""
import mmap
import os
import re
import subprocess
import tempfile

import vm
from seen import MIB, SLACK, number

MARKER = b'marker-of-memory-that-is-in-use\n'     # of 32 bytes: no page cuts it in two
CONTRIB = os.path.join(vm.TOP, 'contrib/makedumpfile')


def makedumpfile(dump, out, *options, program='makedumpfile'):
    """What became of DUMP: bytes read, written and left out as free, markers kept."""
    # Its reads are counted, and would not be if it mapped the file.
    with subprocess.Popen([program, '-f', '--non-mmap', '--message-level', '20', '-d',
                           '16', *options, dump, out], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        said = process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with open(f'/proc/{process.pid}/io', encoding='ascii') as counts:
            read = int(re.search(r'rchar: (\d+)', counts.read()).group(1))
    free = re.search(r'Free pages +: (0x[0-9a-f]+)', said)
    if process.returncode or not free:
        raise vm.Failure('makedumpfile', said.strip()[-500:] or f'exit {process.returncode}',
                         'makedumpfile -h')
    with open(out, 'rb') as written:
        content = written.read()
    return {'read': read, 'written': len(content), 'free': int(free.group(1), 16) * vm.PAGE,
            'markers': content.count(MARKER)}


def reads_bring_memory():
    """True if a host gives memory to who only reads what is not there: some do
    not map the zero page then, whatever use_zero_page says."""
    with open('/proc/self/statm', encoding='ascii') as statm, \
            mmap.mmap(-1, 64 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        before = int(statm.read().split()[1])
        memory.madvise(mmap.MADV_HUGEPAGE)      # as QEMU does
        for offset in range(0, len(memory), vm.PAGE):
            assert not memory[offset]
        statm.seek(0)
        return (int(statm.read().split()[1]) - before) * vm.PAGE > 32 * MIB


def dump_of_idle_guest(check, guest, dump):
    """Have QEMU write the file; what the guest printed before."""
    with open(os.path.join(CONTRIB, 'README.md'), encoding='utf-8') as readme:
        info = re.search(r'^    (head .*) >hinted.info$', readme.read(), re.M).group(1)
    vmguest = guest('hinting', 'vmcore', f"""
        {info} | sed 's/^/### info /'
        yes {MARKER.decode().strip()} | head -c {16 * MIB} >/tmp/used
        hintload touch 384; hintload settle 30; sleep 1
        awk '/^MemFree/ {{ print "### free", $2 * 1024 }}' /proc/meminfo
        hintload sum; sleep 200""", memory=512, extra=['-device', 'vmcoreinfo'],
                    monitor=True).start()
    if not vmguest.wait_line('### sum', 200):
        raise vmguest.failure()
    before = vmguest.ram_resident()
    vmguest.qmp('dump-guest-memory', paging=False, protocol=f'file:{dump}')
    after = vmguest.ram_resident()
    vmguest.stop()
    os.chmod(dump, 0o600)
    name = 'vmcore: a dump does not bring hinted memory back'
    if reads_bring_memory():
        check.skip(name, 'any read brings memory on this host: it does not map the zero page')
    else:
        check(after - before <= SLACK, name,
              f'resident {before // MIB} MiB, then {after // MIB} MiB')
    return vmguest.text()


def patched_makedumpfile():
    """The path of one with our patch; None if its source is not to be had."""
    done = subprocess.run([os.path.join(vm.TOP, 'scripts/makedumpfile')], stdout=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode not in (0, 3):
        raise vm.Failure('building makedumpfile', 'see above', 'scripts/makedumpfile')
    return done.stdout.strip() if not done.returncode else None


def refuses_bad_dumps(check, tool, dump):
    """What is no complete dump is refused in one line, and stays as it is."""
    with open(dump, 'rb') as source:
        start = source.read(4096)
    bad = dump + '.bad'
    for name, content, say in (('empty', b'', 'no ELF'), ('text', b'x' * 99, 'no ELF'),
                               ('cut off', start[:100], 'the dump ends'),
                               ('without VMCOREINFO', start.replace(b'VMCOREINFO', b'ANOTHER...')
                                + bytes(65536), 'no such note')):
        with open(bad, 'wb') as out:
            out.write(content)
        done = subprocess.run([tool, bad], stderr=subprocess.PIPE, text=True, check=False)
        with open(bad, 'rb') as kept:
            same = kept.read() == content
        check(done.returncode == 1 and done.stderr.startswith('error:') and same and
              say in done.stderr.splitlines()[0] and '\n  next: ' in done.stderr,
              f'vmcore: a dump that is bad ({name}) is refused', done.stderr)


def test_vmcore(check, guest):
    """makedumpfile leaves hinted memory out of QEMU's dump, after contrib/makedumpfile"""
    tool = os.path.join(CONTRIB, 'follow-free-lists')

    def prepare(*options):
        done = subprocess.run([tool, *options, dump], stderr=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode:
            raise vm.Failure('preparing the dump', done.stderr, f'{tool} -h')
        with open(dump, 'rb') as changed:
            return changed.read(MIB)

    def told(name, result, seen):
        check(result, f'vmcore: {name}', ', '.join(
    f'{word} {size / MIB:.1f} MiB' for word, size in seen.items() if word != 'markers'))

    with tempfile.TemporaryDirectory(dir=vm.BUILD) as directory:
        dump, out, again = (os.path.join(directory, name) for name in ('dump', 'out', 'again'))
        text = dump_of_idle_guest(check, guest, dump)
        free = int(re.search(r'### free (\d+)', text).group(1))
        hinted = number(text, 'hinted')
        with open(dump + '.info', 'w', encoding='ascii') as info:
            info.writelines(line + '\n' for line in re.findall(r'### info (.*)', text))
        refuses_bad_dumps(check, tool, dump)

        before = prepare('--headers')
        plain = makedumpfile(dump, out)
        told('makedumpfile takes the dump once its headers are in order',
             plain['markers'] >= 16 * MIB // len(MARKER), plain)
        known = makedumpfile(dump, out, '-i', dump + '.info')
        told('with -i, hinted memory is left out', plain['read'] - known['read'] >= 0.9 * hinted
             and abs(known['free'] - hinted) <= SLACK and known['markers'] >= plain['markers'],
             known)
        known = makedumpfile(out, again)
        told('... and in a second pass the rest of what is free', known['markers'] ==
             plain['markers'] and known['written'] <= plain['written'] - 0.95 * free, known)

        name = 'with our patch, makedumpfile leaves out all that is free'
        program = patched_makedumpfile()
        if program:
            known = makedumpfile(dump, out, program=program)
            told(name, abs(known['free'] - free) <= SLACK and known['markers'] ==
                 plain['markers'] and plain['read'] - known['read'] >= 0.9 * hinted and
                 plain['written'] - known['written'] >= 0.9 * hinted, known)
        else:
            check.skip(f'vmcore: {name}', 'no source of makedumpfile, see above')

        prepare()
        lists = makedumpfile(dump, out)
        told('after the tool, hinted memory is neither read nor written', all(
            plain[did] - lists[did] >= 0.9 * hinted for did in ('read', 'written')), lists)
        check(abs(lists['free'] - free) <= SLACK,
              'vmcore: after the tool, all that is free is left out',
              f'{lists["free"] / MIB:.1f} of {free / MIB:.1f} MiB')
        check(lists['markers'] == plain['markers'], 'vmcore: what is in use is kept',
              f'{lists["markers"]} of {plain["markers"]} lines of a file')
        check(prepare('--undo') == before, 'vmcore: --undo undoes it')
