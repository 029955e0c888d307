# SPDX-License-Identifier: GPL-2.0
"""make demo: what it shows, and how it ends."""
import os
import re
import signal
import subprocess
import time

import pytest
import vm
from seen import comes_true, script

# Their guests have the same names.
pytestmark = pytest.mark.xdist_group('demo')
ESCAPE = re.compile(r'\x1b\[\??[0-9;]*[A-Za-z]')


def demo_guests():
    """Those that run."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', encoding='utf-8', errors='replace') as line:
                found += [pid] if f'{vm.BUILD}/initramfs/demo-' in line.read() else []
        except OSError:
            pass    # it has just ended
    return found


@pytest.mark.slow    # it is one of wall time: a host that stalls breaks it
def test_demo(check, guest):
    """Three guests that take memory in turns fit into the memory of one; without hinting not"""
    begin, picture = time.time(), os.path.join(vm.BUILD, 'demo/demo.png')
    done = script('demo', '--seconds', '20', '--kernel', guest.kernel('hinting'),
                  'hinting', 'none', env={'ACCEL': guest.accel or 'auto'}, timeout=600)
    figures = {name: (int(peak.replace(',', '')), float(seconds)) for name, peak, seconds in
               re.findall(r'^(\S.*?) +([\d,]+) MiB +([\d.]+) s +[\d.]+$', done.stdout, re.M)}
    budget = re.search(r'^budget (\d+) MiB', done.stdout, re.M)
    if done.returncode or not budget or set(figures) != {'free page hinting', 'neither'}:
        raise vm.Failure('the demonstration', (done.stdout + done.stderr)[-2000:], 'make demo')
    (peak, over), (peak_none, over_none) = figures['free page hinting'], figures['neither']
    budget = int(budget.group(1))
    check(peak <= budget and over == 0, 'with hinting the guests stay within the budget',
          f'{peak} of {budget} MiB')
    check(peak_none > budget and over_none > 0, 'without it they do not',
          f'{peak_none} of {budget} MiB, over it for {over_none} s')
    check(not ESCAPE.search(done.stdout), 'no escape codes where stdout is no terminal')
    check(os.path.exists(picture) and os.path.getmtime(picture) >= begin, 'there is a picture')


def until(terminal, text, word, seconds):
    """Reads on until TEXT has WORD, or until its end, or for that time at most."""
    limit = time.monotonic() + seconds
    while word not in text and time.monotonic() < limit:
        try:
            data = os.read(terminal, 65536)
        except OSError:     # the other end is closed
            break
        text += data
    return text


@pytest.mark.slow    # as the one above
def test_demo_interrupted(check, guest):
    """On a terminal: a view of 40 lines at most; when interrupted, no guest is left"""
    terminal, other = os.openpty()
    # Who runs tests in the background ignores SIGINT, and so would what they start.
    with subprocess.Popen(['env', '--default-signal=INT', os.path.join(vm.TOP, 'scripts/demo'),
                           '--kernel', guest.kernel('hinting')], stdin=subprocess.DEVNULL,
                          stdout=other, stderr=subprocess.PIPE, start_new_session=True, text=True,
                          env={**os.environ, 'TERM': 'xterm', 'COLUMNS': '80', 'LINES': '40',
                               'ACCEL': guest.accel or 'auto'}) as demo:
        os.close(other)
        text = until(terminal, b'', b'works', 300)
        running = len(demo_guests())
        demo.send_signal(signal.SIGINT)
        text = until(terminal, text, b'no such word', 60).decode(errors='replace')
        try:
            errors = demo.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:   # it waits for somebody who reads what it writes
            demo.kill()
            errors = demo.communicate()[1]
    os.close(terminal)
    frames = [ESCAPE.sub('', frame).splitlines() for frame in re.split(r'\x1b\[\d+F', text)]
    check('works' in text and max(map(len, frames)) <= 40 and
          max(len(line) for frame in frames for line in frame) <= 80,
          'the view has 40 lines at most, of 80 columns', '\n'.join(frames[-1]))
    check(demo.returncode == 130 and text.endswith('\x1b[?25h') and 'Traceback' not in errors,
          'when it is interrupted, the cursor is there again', f'{demo.returncode}: {errors}')
    check(running == 3 and comes_true(lambda: not demo_guests(), 10), '... and no guest is left',
          f'{running} guests before, {len(demo_guests())} after')
