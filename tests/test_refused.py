# SPDX-License-Identifier: GPL-2.0
"""What cannot work says so, and what to do."""
import errno
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
import tap
import vm
from seen import MIB, SYSFS, bytes_discarded, number, script, trace_of

REPORTING = 'free-page-reporting=on'
NO_POISON = REPORTING + ',page-poison=off'      # as most hosts but QEMU
POISONED = 'not used: free pages are poisoned; boot with page_poison=0'
ZEROED = 'not used: free pages are zeroed; boot with init_on_free=0'


def refused_state(guest, append, device):
    """One boot with that balloon: state file, log line, and what reached the host."""
    trace = trace_of('refused')
    vmguest = guest('hinting', 'refused', f"""
        hintload touch 128; hintload settle 8; hintload sum
        hintload flush 1 2>&1; page_hinting_stat 2>&1 | sed 's/^/### stat /' | head -n 1
        echo "### threads $(ps | grep -c '[k]hintd')"
        sed 's/^/### state /' {SYSFS}/state
        dmesg | sed -n 's/.*page_hinting: not used/### log not used/p'""", memory=384,
                    append=append, trace=trace, balloon='none',
                    extra=['-device', 'virtio-balloon-pci,' + device] if device else [])
    code = vmguest.run()
    text = vmguest.text()

    def said(word):
        return '\n'.join(re.findall(rf'^### {word} (.*)$', text, re.M))

    return {'boots': code == 0 and '### freed' in text, 'state': said('state'),
            'log': said('log'), 'stat': said('stat'), 'threads': said('threads'),
            'flush': re.findall(r'### flushed in \d+ ms, error (\d+)', text),
            'hinted': number(text, 'hinted') / MIB, 'discarded': bytes_discarded(trace) / MIB}


def is_running(seen):
    return (seen['boots'] and seen['state'] == 'running' and not seen['log'] and
            seen['hinted'] >= 128 and seen['discarded'] >= 128 and seen['flush'] == ['0'])


def is_refused(seen, state):
    return (seen['boots'] and seen['state'] == state and not seen['hinted'] and
            seen['log'] == (state if state.startswith('not used') else '') and
            seen['stat'].endswith(': ' + state) and seen['threads'] == '0' and
            seen['flush'] == [str(errno.ENODEV)])


@pytest.mark.parametrize('append, device, state', (
    
    ('', REPORTING, 'running'),
    ('', NO_POISON, 'running'),
    ('init_on_free=1', REPORTING, 'running'),
    ('page_poison=1', REPORTING, POISONED),
    ('page_poison=1 init_on_free=1', REPORTING, POISONED),
    ('page_poison=1', NO_POISON, POISONED),
    ('init_on_free=1', NO_POISON, ZEROED),
    ('', 'free-page-reporting=off',
     'not used: the host does not offer free page reporting'),
    ('page_hinting=off', REPORTING, 'not used: page_hinting=off was given'),
    ('', '', 'no device')))
def test_refused(check, guest, append, device, state):
    """Where hinting is not used, log and state say why, and what they advise makes it run"""
    name = f'"{append}", {device or "no balloon"}'
    seen = refused_state(guest, append, device)
    check(is_running(seen) if state == 'running' else is_refused(seen, state),
          f'{name}: {state}', str(seen))
    if state in (POISONED, ZEROED):
        check(not seen['discarded'], f'{name}: nothing is discarded', str(seen))
    advice = re.search('boot with (.*)', seen['log'])
    if advice:
        append += ' ' + advice.group(1)
        seen = refused_state(guest, append, device)
        check(is_running(seen), f'"{append}": the advice is right', str(seen))


def test_poison(check, guest):
    """Refused where the host would discard nothing: a poison value that is not 0"""
    trace = trace_of('poison')
    vmguest = guest('debug', 'poison', 'hintload touch 256; sleep 4\n'
                    'dmesg | grep -i hint', append='page_poison=1', trace=trace)
    vmguest.run()
    check(re.search(r'(?i)hint.*poison|poison.*hint', vmguest.text()) is not None,
          'page_poison=1 is refused in the log')
    check('### freed' in vmguest.text() and not bytes_discarded(trace),
          'page_poison=1: nothing is discarded')
    tap.no_splat(check, vmguest, 'page_poison=1')


@pytest.fixture
def moved_on(tmp_path):
    """A git tree, as for KSRC, of which build/ seems to have a copy of another commit"""
    for name in ('Makefile', 'Kconfig', 'MAINTAINERS', 'mm/page_alloc.c', 'mm/page_reporting.c',
                 'drivers/virtio/virtio_balloon.c'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('VERSION = 6\nPATCHLEVEL = 12\n', encoding='ascii')
    done = subprocess.run(['bash', '-euc', f"""
        cd {tmp_path}; git init -q
        git -c user.name=x -c user.email=x@localhost commit -q --allow-empty -m x
        . {vm.TOP}/scripts/lib.sh; choose_base; echo $TREE
        """], env={**os.environ, 'KSRC': str(tmp_path)}, stdout=subprocess.PIPE, text=True,
        check=True)
    tree = pathlib.Path(done.stdout.strip())
    (tree / '.git').mkdir(parents=True)
    (tree / '.git/origin').write_text(f'KSRC {tmp_path} {"0" * 40}\n', encoding='ascii')
    yield str(tmp_path)
    shutil.rmtree(tree)


def test_bad_input(check, guest, moved_on):
    """What cannot work says so, once, and fails"""
    image = guest.kernel('hinting')
    with tempfile.TemporaryDirectory() as empty:
        for name, line, env, say in (
                ('KSRC that is not there', ('build',), {'KSRC': '/nonexistent'}, '/nonexistent'),
                ('KSRC that is no kernel', ('build',), {'KSRC': empty}, empty),
                ('KSRC that has moved on', ('make-base',), {'KSRC': moved_on}, 'another commit'),
                ('a wrong BASE', ('build',), {'BASE': '9.9'}, '9.9'),
                ('a wrong accelerator', ('boot', image, 'true'), {'ACCEL': 'abc'}, 'abc'),
                ('no kernel image', ('boot', empty + '/bzImage', 'true'), {}, 'bzImage'),
                ('too little memory', ('run', '--mem', '64'), {}, '64 MiB'),
                ('a kernel image that is a directory', ('demo', '--kernel', empty), {}, empty),
                ('guests that are too small', ('demo', '--mem', '64'), {}, '64 MiB'),
                ('a word that demo does not know', ('demo', 'swap'), {}, 'swap'),
                ('a guest that hangs', ('boot', '--timeout', '15', image, 'sleep 1000'), {},
                 'after 15 s'),
                ('a guest that panics', ('boot', image, 'echo c >/proc/sysrq-trigger'), {},
                 'without an exit code')):
            done = script(*line, env=env)
            errors = [text for text in done.stderr.splitlines() if text.startswith('error:')]
            check(done.returncode != 0 and len(errors) == 1 and say in errors[0]
                  and 'Traceback' not in done.stderr, name,
                  f'exit {done.returncode}: {done.stderr[-2000:]}')
    # Two threads that clean up at once are in each other's way.
    vmguest = guest('hinting', 'expires', 'sleep 1000').start()
    vmguest.expire()
    check(vmguest.process.poll() is not None and os.path.exists(vmguest.initrd),
          'a guest that hangs is ended, and cleaned up by its owner')
