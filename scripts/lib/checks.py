# SPDX-License-Identifier: GPL-2.0
"""The tests of scripts/check, in the order in which they run."""
import errno
import glob
import json
import math
import mmap
import os
import re
import subprocess
import tempfile
import time

import tap
import vm

ENV = {'accel': None}
MIB = 1 << 20
SLACK = 16 * MIB
PROGRAMS = ('sysfs', 'threads', 'kpageflags', 'content', 'hotplug', 'contig', 'silent',
            'trace', 'flush', 'counters')
SYSFS = '/sys/kernel/mm/page_hinting'
HOLES = 192 * MIB   # what "benchload holes 384" frees
GUIDS = {'before': '324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87',
         'after': '4d1d4bf6-9bb6-4c91-8b87-324e6eafd1d1'}
TESTS = []
SLOW = set()        # those that only "make check-all" runs, or who asks for them by name


def test(function):
    TESTS.append(function)
    return function


def slow(function):
    SLOW.add(function)
    return function


def guest(kernels, flavour, name, command, **more):
    """A guest of that flavour, not started yet."""
    more.setdefault('timeout', 600 if flavour == 'debug' else 240)
    return vm.Guest(kernels.get(flavour), command, name=f'check-{name}-{flavour}',
                    accel=ENV['accel'], **more)


def trace_of(name):
    return os.path.join(vm.BUILD, 'console', name + '.trace')


def bytes_discarded(trace):
    return sum(size for _, size, _ in vm.discards(trace)) if os.path.exists(trace) else 0


def script(*line, env=None, timeout=300):
    return subprocess.run([os.path.join(vm.TOP, 'scripts', line[0]), *line[1:]], text=True,
                          env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, check=False)


def number(text, word):
    """The number behind WORD in the last "### sum" line."""
    found = re.findall(rf'### sum .*\b{word} (\d+)', text)
    if not found:
        raise vm.Failure('reading the counters', f'the guest printed no sum with "{word}"',
                         'ls -t build/console')
    return int(found[-1])


@test
def kunit(report, _kernels):
    """Unit tests, by the kernel's kunit.py"""
    done = script('kunit', timeout=3600)
    out = done.stdout + done.stderr
    total = re.findall(r'^(\d+) passed, (\d+) failed$', out, re.M)
    if not total or (done.returncode and total[-1][1] == '0'):
        report.result(False, 'the unit tests run', out[-2000:])
        return
    passed, failed = (int(n) for n in total[-1])
    print(out if failed else f'# {passed} unit tests passed')
    report.passed += passed
    report.failed += failed
    report.result(passed > 0, 'there are unit tests')


@test
@slow
def protocol(report, _kernels):
    """The protocol between threads, flush and host as a model: spin tries all orders of steps"""
    done = script('protocol', timeout=3600)
    lines = re.findall(r'^(not ok|ok) - (.*)$', done.stdout, re.M)
    for state, what in lines:
        report.result(state == 'ok', f'protocol: {what}')
    report.result(bool(lines) and f'{len(lines)} passed' in done.stdout, 'protocol: it was searched',
                  (done.stdout + done.stderr)[-2000:])


def selftests_of(report, kernels, flavour, programs):
    """Those programs in one guest; what they say, and what the kernel does"""
    vmguest = guest(kernels, flavour, 'selftests', 'export PAGE_HINTING_DEFAULTS=1\n'
                    + ''.join(tap.shell(name) for name in programs), append='cma=128M',
                    timeout=1800)
    try:
        vmguest.run()
    except vm.Failure as failure:
        report.result(False, f'{flavour}: the selftests end', str(failure))
    tap.report(report, vmguest, flavour, programs, may_skip=('silent', 'flush'))


@slow
@test
def selftests(report, kernels):
    """All selftests in a guest without debugging options"""
    selftests_of(report, kernels, 'hinting', PROGRAMS + ('sysfs',))


@test
def selftests_debug(report, kernels):
    """All selftests with all debugging options, one after another in one guest"""
    selftests_of(report, kernels, 'debug', PROGRAMS + ('sysfs',))


@test
def content_trace(report, kernels):
    """The host's trace shows that free pages were discarded before their next use"""
    trace, seen = trace_of('content'), {}

    def on_line(_, text):
        match = re.search(r'ok \d+ munmap: (memory in use|allocated again)', text)
        if match:
            seen.setdefault(match.group(1), bytes_discarded(trace))

    vmguest = guest(kernels, 'hinting', 'content', tap.shell('content'), trace=trace,
                    on_line=on_line)
    vmguest.run()
    tap.report(report, vmguest, 'traced', ('content',))
    grown = seen.get('allocated again', 0) - seen.get('memory in use', 0)
    report.result(len(seen) == 2 and grown >= 100 * MIB,
                  'discarded between the free and the next use',
                  f'{grown // MIB} MiB of 128 MiB')


@test
def content_loop(report, kernels):
    """Content under pressure, with hinting toggled and the driver rebound, for a minute"""
    vmguest = guest(kernels, 'debug', 'loop',
                    tap.shell('content', '--loop 60 --pressure --toggle --rebind'))
    vmguest.run()
    tap.report(report, vmguest, 'debug loop', ('content',))


@test
def counters(report, kernels):
    """submitted_bytes and acknowledged_bytes equal the host's trace of discards, to the byte"""
    trace = trace_of('counters')
    vmguest = guest(kernels, 'hinting', 'counters',
                    'hintload touch 1024; hintload settle 30\n'
                    'hintload touch 512 small; hintload settle 30\n'
                    f'echo 0 >{SYSFS}/enabled; sleep 1; hintload sum', trace=trace)
    vmguest.run()
    found = vm.discards(trace)
    traced = sum(size for _, size, _ in found)
    for counter in 'submitted', 'acknowledged':
        said = number(vmguest.text(), counter)
        report.result(traced == said and traced > 1024 * MIB, f'{counter}_bytes equal the trace',
                      f'trace {traced}, counters {said} bytes')
    report.result(not any(code for _, _, code in found), 'each discard worked')
    report.result(number(vmguest.text(), 'in_flight') == 0, 'nothing left in flight')


@test
def resident(report, kernels):
    """The guest's memory at the host is what it has, less what it hinted

    The guest touches nearly all its memory before, so that the host once had
    to back every page: what is resident then is what was not hinted.
    """
    vmguest = guest(kernels, 'hinting', 'resident',
                    'free=$(awk \'/^MemFree/ { print int($2 / 1024) }\' /proc/meminfo)\n'
                    'hintload touch $((free - 32)) small; hintload settle 30; sleep 1\n'
                    'hintload sum; sleep 4').start()
    found = vmguest.wait_line('### sum', 200)
    if not found:
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    have = vmguest.ram_resident()
    vmguest.finish()
    want = vmguest.memory * MIB - number(vmguest.text(), 'hinted')
    report.result(abs(have - want) <= SLACK, 'resident is what was not hinted, within 16 MiB',
                  f'resident {have / MIB:.1f} MiB, not hinted {want / MIB:.1f} MiB')
    report.result(want < 512 * MIB, 'nearly all free memory was hinted')


def ms_until_back(kernels, name, command, percent=95, **more):
    """Milliseconds in the guest until so much of what COMMAND has freed was discarded;
    infinite: never. In virtual time, so that it does not matter how busy this machine is."""
    vmguest = guest(kernels, 'hinting', name, command, icount=0, trace=trace_of(name),
                    timeout=500, **more)
    if vmguest.run() or '### freed' not in vmguest.text():
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    back = vm.ms_until_back(vmguest.trace, percent)
    return vmguest, math.inf if back is None else back


def has_memory(report, what, gib):
    """Is there memory for a guest of that and 2 GiB? Skips WHAT if not."""
    need = (gib + 3) << 10
    with open('/proc/meminfo', encoding='ascii') as meminfo:
        have = int(re.search(r'MemAvailable:\s+(\d+)', meminfo.read()).group(1)) // 1024
    if have < need:
        report.skip(what, f'{have} MiB available at the host, {need} needed')
    return have >= need


def drain_of(report, kernels, gib):
    """GIB freed in a guest of 2 GiB more: 95 % back within 300 ms"""
    if not has_memory(report, f'drain of {gib} GiB', gib):
        return
    _, back = ms_until_back(kernels, f'drain-{gib}', f'hintload touch {gib << 10}; hintload clock 6',
                            memory=(gib + 2) << 10)
    report.result(back <= 300, f'95 % of {gib} GiB are back within 300 ms', f'{back} ms')


@test
def drain(report, kernels):
    """In virtual time: 4 GiB freed in a 6 GiB guest are back within 300 ms"""
    drain_of(report, kernels, 4)


@slow
@test
def drain_sizes(report, kernels):
    """In virtual time: so are 2, 8 and 14 GiB"""
    for gib in 2, 8, 14:
        drain_of(report, kernels, gib)


@test
def flush(report, kernels):
    """In virtual time: a flush of 2 GiB that are kept returns soon, and then they are gone"""
    trace = trace_of('flush')
    vmguest = guest(kernels, 'hinting', 'flush', f"""
        echo 86400000 >{SYSFS}/refault_cost_ms
        hintload touch 2048; sleep 3; hintload sum; hintload flush 1; hintload clock 1
        hintload sum; hintload flush 2; hintload sum""", memory=3072, timeout=400,
                    icount=0, trace=trace)
    vmguest.run()
    flushed = vmguest.wait_line(r'### flushed in (\d+) ms, error 0', 0)
    sums = [int(n) for n in re.findall(r'### sum .* acknowledged (\d+)', vmguest.text())]
    if not flushed or len(sums) != 3:
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    back_ms, took_ms = vm.ms_until_back(trace, 95), int(flushed[1].group(1))
    report.result(took_ms < 500, 'flush returns within 0.5 s', f'{took_ms} ms')
    report.result(back_ms is not None and 3000 <= back_ms <= 3000 + took_ms + 100,
                  'flush: 95 % of the memory was back when it returned, and not before',
                  f'{back_ms} ms after it was freed')
    report.result(sums[2] - sums[1] >= 2048 * MIB, 'flush: 2 hints everything again',
                  f'acknowledged {sums}')


@test
def holes(report, kernels):
    """In virtual time: free memory in small pieces is back while idle, the rest intact"""
    for kib, limit_s in ((512, 5), (64, 10), (16, 30)):
        wait_s = limit_s + 3
        vmguest, back = ms_until_back(kernels, f'holes-{kib}', 'sleep 3; benchload holes 640 '
                                      f'{kib} {wait_s} "hintload clock {wait_s} 50"', memory=1536)
        report.result(back <= limit_s * 1000, f'95 % of holes of {kib} KiB within {limit_s} s',
                      f'{back} ms')
        report.result('### holes: 0 words wrong' in vmguest.text(),
                      f'... and what is between holes of {kib} KiB is intact')


@test
def small(report, kernels):
    """256 MiB, nearly all in use: the rest is hinted, as its watermark is much lower"""
    vmguest = guest(kernels, 'hinting', 'small', """
        knob=/sys/kernel/mm/page_hinting/enabled
        echo 0 >$knob; mkdir /full; mount -t ramfs full /full
        free=$(awk '/MemFree/ { print int($2 / 1024) }' /proc/meminfo)
        dd if=/dev/zero of=/full/file bs=1M count=$((free - 46)) 2>/dev/null
        echo 1 >$knob; sleep 4; hintload sum
        """, memory=256)
    vmguest.run()
    unhinted = number(vmguest.text(), 'unhinted') / MIB
    report.result(unhinted <= 16, 'at most 16 MiB of 46 MiB stay', f'{unhinted:.0f} MiB')


@test
def holes_debug(report, kernels):
    """The same with all debugging options, for the content"""
    trace = trace_of('holes-debug')
    vmguest = guest(kernels, 'debug', 'holes', 'sleep 3; benchload holes 1280 16 60',
                    memory=2560, trace=trace)
    if vmguest.run():
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    small = sum(size for _, size, _ in vm.discards(trace) if size < 2 * MIB)
    report.result(small >= 0.95 * 640 * MIB, 'holes of 16 KiB are back', f'{small // MIB} MiB')
    report.result('### holes: 0 words wrong' in vmguest.text(), '... and the rest is intact')


SAFE = 64 << 10     # no host of arm64 has larger pages
# Frees every second piece of so many KiB of physical memory, runs a command,
# and looks whether what is in between is what it was.
GAPS = """
    gaps() { benchload gaps 256 "$@" || exit 1; }
    acknowledged() { hintload sum | sed 's/.*acknowledged //; s/ .*//'; }
"""


def run_arm64(kernels, flavour, name, command, append=''):
    """A guest that has run COMMAND; its discards as [(address, bytes)], and how
    many of them there were before the first gaps were used again"""
    trace, seen = trace_of(name), []
    vmguest = guest(kernels, flavour, name, GAPS + command, append=append, trace=trace,
                    on_line=lambda _, text: '### mark kept' in text and not seen and
                    seen.append(len(vm.discards(trace))))
    if vmguest.run():
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    return vmguest, [(address, size) for address, size, _ in vm.discards(trace)], seen[0]


def safe_on_arm64(report, kernels, flavour, more=''):
    """Drain, gaps of the safe size, and MORE, whatever might make smaller blocks be hinted"""
    vmguest, discards, seen = run_arm64(kernels, flavour, 'safe', f"""
        hintload settle 60; hintload sum
        hintload touch 512; hintload settle 60; hintload sum
        hintload flush 1
        gaps 64 "hintload reach $(($(acknowledged) + {127 * MIB})) 180"
        """ + more)
    text = vmguest.text()
    idle, drained = (int(n) for n in re.findall(r'### sum .* acknowledged (\d+)', text))
    report.result(drained - idle >= 0.95 * 512 * MIB, f'{flavour}: 95 % of 512 MiB are hinted',
                  f'{(drained - idle) / MIB:.1f} MiB')
    freed = int(re.search(r'### freed (\d+) bytes', text).group(1))
    found = SAFE * len({address for address, size in discards[:seen] if size == SAFE})
    report.result(found >= 0.95 * freed, f'{flavour}: 95 % of gaps of 64 KiB are discarded',
                  f'{found / MIB:.1f} of {freed / MIB:.1f} MiB')
    small = [size for _, size in discards if size < SAFE]
    report.result(discards and not small, f'{flavour}: no discard is smaller than 64 KiB',
                  f'{len(small)} of {len(discards)} are, {sum(small) / MIB:.1f} MiB in all, '
                  f'the least {min(small, default=0)} bytes')
    odd = [size for address, size in discards if address % SAFE or size % SAFE]
    report.result(not odd, f'{flavour}: each is of whole pages of 64 KiB',
                  f'{len(odd)} of {len(discards)} are not')
    flushed = re.findall(r'### flushed .*error (\d+)', text)
    report.result(set(flushed) == {'0'}, f'{flavour}: flushing works', ' '.join(flushed))
    tap.no_splat(report, vmguest, flavour)


@slow
@test
def arm64(report, kernels):
    """arm64 with pages of 4 KiB: safe on hosts with pages of 64 KiB, unless told otherwise"""
    safe_on_arm64(report, kernels, 'arm64', f"""
        gaps 16 'sleep 5; hintload flush 1'
        gaps 4 'sleep 5; hintload flush 1; cd {SYSFS}; echo 0 >min_order; echo 0 >idle_min_order
                sleep 5; hintload flush 1'
        """)
    _, discards, _ = run_arm64(kernels, 'arm64', 'unsafe', f"""
        hintload settle 60
        gaps 4 "hintload reach $(($(acknowledged) + {100 * MIB})) 180"
        """, append='page_hinting_safe_order=0')
    report.result(any(size < SAFE for _, size in discards),
                  'arm64: page_hinting_safe_order=0 allows smaller ones')


@slow
@test
def arm64_64k(report, kernels):
    """arm64 with pages of 64 KiB drains, down to single pages"""
    safe_on_arm64(report, kernels, 'arm64+64k')


def khintd_events(text):
    """Of khintd threads: the cycle, the event, and what it says"""
    found = (re.search(r'khintd\S+ .* (\d+): (\w+): (.*)', line)
             for line in text.splitlines())
    return [(int(match.group(1)), match.group(2), match.group(3)) for match in found if match]


def cycles_awake(events):
    """From each wake event to the switch that ends it"""
    total, begin = 0, None
    for cycle, event, _ in events:
        if event == 'sched_switch' and begin:
            total += cycle - begin
            begin = None
        elif event == 'page_hinting_wake' and not begin:
            begin = cycle
    return total


def longest_hold(events):
    """In cycles, of any lock of khintd's with interrupts off. The shortest one is
    taken off: so long it takes to record the two events."""
    holds, begin = [], None
    for cycle, event, text in events:
        if event == 'irq_disable' and 'caller=_raw_spin_lock_irqsave' in text:
            begin = cycle
        elif event == 'irq_enable' and begin:
            holds.append(cycle - begin)
            begin = None
    return max(holds) - min(holds) if holds else 0


def trace_khintd(kernels, flavour, events):
    """Under -icount, while 1 GiB is hinted. The per-CPU lists are short, or it would
    depend on chance how much the thread frees from them."""
    vmguest = guest(kernels, flavour, 'cost', f"""
        echo 1000000 >/proc/sys/vm/percpu_pagelist_high_fraction
        mount -t tracefs t /sys/kernel/tracing; cd /sys/kernel/tracing
        told() {{ hintload sum | sed "s/^### sum/### sum-$1/"; }}
        hintload settle 20; sleep 3; echo x86-tsc >trace_clock
        for event in {' '.join(events)}; do
            echo 'COMM ~ "khintd*"' >events/$event/filter; echo 1 >events/$event/enable
        done
        told before; hintload touch 1024; sleep 4; told after; cat trace
        """, icount=0)
    vmguest.run()
    text = vmguest.text()
    told = [int(n) for n in re.findall(r'### sum-\w+ .*acknowledged (\d+)', text)]
    kept = re.search(r'entries-in-buffer/entries-written: (\d+)/(\d+)', text)
    if len(told) != 2 or told[0] == told[1] or not kept or kept.group(1) != kept.group(2):
        raise vm.Failure('the guest', 'nothing was hinted, or events were lost; ' +
                         vmguest.tail(), f'less {vmguest.log}')
    return khintd_events(text), (told[1] - told[0]) / MIB / 1024


@test
def cost(report, kernels):
    """Under -icount: instructions of khintd per GiB hinted, with short per-CPU lists"""
    events, gib = trace_khintd(kernels, 'hinting',
                               ('page_hinting/page_hinting_wake', 'sched/sched_switch'))
    per_gib = cycles_awake(events) / gib
    report.result(0 < per_gib <= 550000, 'at most 0.55 million instructions per GiB',
                  f'{per_gib / 1e6:.2f} million')


@slow
@test
def hold(report, kernels):
    """Under -icount: the longest hold of the zone lock by khintd, in instructions"""
    events, _ = trace_khintd(kernels, 'hinting+irqs',
                             ('preemptirq/irq_disable', 'preemptirq/irq_enable'))
    held = longest_hold(events)
    report.result(0 < held <= 3000, 'the zone lock is held for at most 3000 instructions',
                  f'{held} instructions')


@test
def after(report, kernels):
    """In virtual time: what is freed for good is hinted at once, a loop's share soon after it"""
    vmguest = guest(kernels, 'hinting', 'after', """
        hintload settle 20; sleep 7
        hintload after 384 100 10 1024; sleep 20
        hintload after 384 1500 15 1024""", memory=2048, icount=0, timeout=600)
    vmguest.run()
    found = [[int(n) for n in line] for line in re.findall(
        r'### after \d+ MiB every (\d+) ms beside \d+ MiB: (-?\d+) ms, all (-?\d+) ms, '
        r'filled in (\d+) ms', vmguest.text())]
    if len(found) != 2:
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    for pause, kept, everything, fill in found:
        report.result(0 <= kept <= 300, f'1 GiB beside a loop with pauses of {pause} ms is '
                      'hinted within 300 ms', f'{kept} ms')
        # The last of it is needed again when it is filled.
        limit = 2 * (pause + fill) + 300
        report.result(0 <= everything <= limit, f'the loop\'s share within {limit} ms',
                      f'{everything} ms')


@test
def balloon(report, kernels):
    """In virtual time: what a balloon takes and gives back does not delay what is freed later"""
    vmguest = None

    def inflate(_, text):
        asked = re.match(r'### balloon (\d+)', text)
        if asked:
            vmguest.qmp('balloon', value=int(asked.group(1)) * MIB)

    vmguest = guest(kernels, 'hinting', 'balloon', """
        total() { awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo; }
        hintload settle 20; sleep 7
        all=$(total)
        for pulse in 1 2 3; do
            echo '### balloon 500'; while [ $(total) -gt $((all - 1030)) ]; do sleep 0.2; done
            sleep 2
            echo '### balloon 1536'; while [ $(total) -lt $((all - 4)) ]; do sleep 0.2; done
            sleep 2
        done
        echo "### given back"
        hintload after 1 3000 2 300""", memory=1536, icount=0, timeout=600,
                    monitor=True, on_line=inflate)
    vmguest.run()
    found = re.search(r'### given back[^#]*### after .*: (-?\d+) ms, all', vmguest.text())
    if not found:
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    report.result(0 <= int(found.group(1)) <= 500, 'after three pulses of 1 GiB, '
                  '95 % of 300 MiB are hinted within 500 ms', f'{found.group(1)} ms')


def figures(text):
    """What hintload replay and scripts/simulate say: MiB allocated hinted, and kept"""
    found = re.search(r'of which hinted (\d+);.* kept unhinted (\d+) MiB', text)
    return tuple(int(n) for n in found.groups()) if found else None


def glue_of(report, kernels, name):
    """A guest that follows a recorded series: what hinting made of that is what the
    simulator makes of the same, which knows all free memory at any time"""
    path = os.path.join(vm.TOP, 'scripts/sim/series', f'recorded-{name}.txt')
    with open(path, encoding='ascii') as series:
        points = ''.join(line for line in series if line[0] != '#')
    vmguest = guest(kernels, 'hinting', f'glue-{name}', f"""
        cat >/tmp/series <<'END'\n{points}END
        hintload settle 20; sleep 20
        echo 6700 >{SYSFS}/refault_cost_ms
        hintload replay /tmp/series""", memory=2048, icount=0, timeout=500)
    vmguest.run()
    replayed = os.path.join(vm.BUILD, f'replayed-{name}.txt')
    with open(replayed, 'w', encoding='ascii') as series:
        series.write('\n'.join(re.findall(r'### point (\d+ \d+)', vmguest.text())) + '\n')
    have, want = figures(vmguest.text()), figures(script('simulate', replayed).stdout)
    if not have or not want:
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    seconds = int(points.split()[-2]) / 1000
    cost, simulated = (kept * seconds + 6.7 * hinted for hinted, kept in (have, want))
    report.result(abs(cost - simulated) <= 0.1 * simulated,
                  f'{name}: it costs what the simulator says, within 10 %',
                  f'{cost:.0f} MiB x s, simulated {simulated:.0f}; allocated hinted '
                  f'{have[0]} and {want[0]} MiB, kept {have[1]} and {want[1]}')


@slow
@test
def glue(report, kernels):
    """In virtual time: the policy in a guest costs what it does in the simulator"""
    for name in 'build', 'churn', 'scatter':
        glue_of(report, kernels, name)


@slow
@test
def next_qemu(report, kernels):
    """The QEMU of Debian's next release: selftests, and the host's view"""
    done = script('next-qemu')
    if done.returncode == 3:
        report.skip('QEMU of the next release', done.stderr.strip().splitlines()[0])
        return
    if done.returncode:
        raise vm.Failure('unpacking another QEMU', done.stderr.strip(), 'scripts/next-qemu')
    os.environ['QEMU'] = done.stdout.strip()
    try:
        selftests_of(report, kernels, 'hinting', PROGRAMS)
        drain_of(report, kernels, 2)
    finally:
        del os.environ['QEMU']


def own_functions(image):
    """The names of our functions in a kernel that was built here"""
    out = image.removesuffix('/arch/x86/boot/bzImage')
    objects = glob.glob(out + '/mm/page_hinting/*.o') + glob.glob(
        out + '/drivers/virtio/virtio_balloon*.o')
    done = subprocess.run(['nm', *objects], stdout=subprocess.PIPE, text=True, check=True)
    return set(re.findall(r' [tT] (\w+)', done.stdout))


@slow
@test
def kcsan(report, kernels):
    """KCSAN, strict: of all races that it sees in the selftests, none is ours"""
    vmguest = guest(kernels, 'hinting+kcsan', 'kcsan', 'dmesg | grep kcsan:\n'
                    + ''.join(tap.shell(name) for name in PROGRAMS), append='cma=128M',
                    timeout=3600)
    vmguest.run()
    tap.report(report, vmguest, 'KCSAN', PROGRAMS, may_skip=('silent', 'flush'))
    report.result('kcsan: enabled early' in vmguest.text(), 'KCSAN: it is on')
    races = re.findall(r'BUG: KCSAN: .* in (.*)', vmguest.text())
    own = own_functions(kernels.get('hinting+kcsan'))
    found = [race for race in races if own & set(re.findall(r'[a-z]\w+', race))]
    print(f'# {len(races)} races in all', *sorted(set(races)), sep='\n#   ')
    report.result(not found, 'KCSAN: none is in page hinting', '\n'.join(found))


@test
def rt(report, kernels):
    """PREEMPT_RT with lockdep: the selftests that lock most, and the kernel is silent"""
    selftests_of(report, kernels, 'hinting+rt',
                 ('threads', 'content', 'hotplug', 'flush', 'counters'))


@test
def wakeups(report, kernels):
    """Memory that has to stay for the watermark wakes the threads ever less often"""
    vmguest = guest(kernels, 'hinting', 'wakeups', """
        woken() {
            for task in $(ps | awk '/[k]hintd/ { print $1 }'); do
                cat /proc/$task/status
            done | awk '/^voluntary/ { n += $2 } END { print n }'
        }
        hintload settle 20
        echo $((300 * 1024)) >/proc/sys/vm/min_free_kbytes
        echo 1000 >/proc/sys/vm/watermark_scale_factor
        hintload touch 48; benchload holes 64 16 80 >/dev/null & sleep 10; hintload sum
        before=$(woken); sleep 60; echo "### woken $(($(woken) - before))"
        """, memory=512, icount=0)
    vmguest.run()
    woken = re.search(r'### woken (\d+)', vmguest.text())
    if not woken:
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    free = number(vmguest.text(), 'free') << 10
    report.result(free - number(vmguest.text(), 'hinted') >= 32 * MIB, 'memory has to stay')
    report.result(int(woken.group(1)) <= 15, 'the threads wake at most 15 times in 60 s',
                  f'{woken.group(1)} times')


@test
def lists(report, kernels):
    """What was freed into the per-CPU lists alone is back within seconds"""
    vmguest = guest(kernels, 'hinting', 'lists', """
        echo 400 >/proc/sys/vm/watermark_scale_factor
        hintload settle 20; sleep 5; hintload sum
        head -c $((24 << 20)) /dev/zero >/tmp/file; sleep 60; rm /tmp/file; hintload sum
        for i in $(seq 10); do sleep 1; done; hintload sum""", memory=1024, icount=0)
    vmguest.run()
    sums = [(int(kib) << 10, int(hinted)) for kib, hinted in
            re.findall(r'### sum free (\d+) kB .*\bhinted (\d+)', vmguest.text())]
    if len(sums) != 3:
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    free, hinted = zip(*sums)
    report.result(free[1] < free[0] - 16 * MIB, 'memory was freed into the lists', f'free {free}')
    report.result(hinted[2] >= hinted[0] - 4 * MIB, '... and is hinted after 10 s',
                  f'hinted {hinted}')


@test
def mainline(report, kernels):
    """page_hinting=off: mainline's free page reporting, and no trace of hinting"""
    trace = trace_of('mainline')
    vmguest = guest(kernels, 'hinting', 'mainline', 'ps | grep "[k]hintd" && echo "### thread"\n'
                    f'ls -d {SYSFS}/node* && echo "### zone"\nhintload touch 256; sleep 20',
                    memory=512, append='page_hinting=off', trace=trace)
    report.result(vmguest.run() == 0, 'page_hinting=off boots')
    text = vmguest.text()
    report.result('### thread' not in text and '### zone' not in text, 'no threads, no zones')
    freed = vmguest.wait_line('### freed', 0)
    back = vm.time_back(vmguest.samples, freed[0], 256 * MIB, 80) if freed else None
    report.result(back is not None and bytes_discarded(trace) > 0, 'free pages are reported',
                  f'80 % back after {back:.1f} s' if back else 'not within 20 s')
    tap.no_splat(report, vmguest, 'page_hinting=off')


@test
def stat(report, kernels):
    """page_hinting_stat: rows fit a terminal, JSON agrees with the counters, errors say what to do"""
    vmguest = guest(kernels, 'hinting', 'stat', """
        each() { sed "s/^/### $1 /"; }
        hintload settle 20
        page_hinting_stat 0.2 3 | each row
        page_hinting_stat --zones --json 0.25 30 | each json &
        hintload touch 256; wait
        hintload sum; page_hinting_stat --json | each last; hintload sum
        for bad in 0 -1 x '1 0' '1 1.5' '1 1 1' --wrong; do
            page_hinting_stat $bad 2>&1 && echo "### taken $bad"
        done | grep '###'
        mount -t tmpfs none /sys; page_hinting_stat 2>&1 | each none""")
    vmguest.run()
    text = vmguest.text()
    rows = re.findall(r'### row (.*)', text)
    report.result(len(rows) == 4 and rows[0].split()[0] == 'zone' and
                  all(len(row.split()) == 9 and len(row) <= 80 for row in rows),
                  'stat: a head and three rows of at most 80 columns', '\n'.join(rows))
    series = [json.loads(line) for line in re.findall(r'### json (.*)', text)]
    last = [json.loads(line) for line in re.findall(r'### last (.*)', text)]
    told = [int(n) for n in re.findall(r'### sum .* acknowledged (\d+)', text)]
    report.result(len(last) == 1 and len(told) == 2 and
                  told[0] <= last[0]['acknowledged_bytes'] <= told[1] and
                  abs(last[0]['hinted_bytes'] - number(text, 'hinted')) <= 2 * SLACK and
                  last[0]['hinted_bytes'] <= last[0]['free_bytes'] and
                  last[0]['not_hinted']['kept'] > 0,
                  'stat: --json says what the counters say', f'{last}, acknowledged {told}')
    grown = sum(b['acknowledged_bytes_per_s'] * (b['time_s'] - a['time_s'])
                for a, b in zip(series, series[1:]) if a['zone'] == b['zone'])
    report.result(len(series) == 30 and series[0]['acknowledged_bytes_per_s'] is None and
                  grown >= 200 * MIB and
                  abs(grown - series[-1]['acknowledged_bytes']
                      + series[0]['acknowledged_bytes']) <= MIB,
                  'stat: rates add up to what was acknowledged', f'{grown / MIB:.0f} MiB')
    report.result('### taken' not in text, 'stat: bad operands are refused')
    report.result('CONFIG_PAGE_HINTING' in ''.join(re.findall(r'### none (.*)', text)),
                  'stat: without page hinting it says so')


def refused_state(kernels, append, device):
    """One boot with that balloon: state file, log line, and what reached the host."""
    trace = trace_of('refused')
    vmguest = guest(kernels, 'hinting', 'refused', f"""
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


REPORTING = 'free-page-reporting=on'
NO_POISON = REPORTING + ',page-poison=off'      # as most hosts but QEMU
POISONED = 'not used: free pages are poisoned; boot with page_poison=0'
ZEROED = 'not used: free pages are zeroed; boot with init_on_free=0'


@test
def refused(report, kernels):
    """Where hinting is not used, log and state say why, and what they advise makes it run"""
    for append, device, state in (
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
            ('', '', 'no device')):
        name = f'"{append}", {device or "no balloon"}'
        seen = refused_state(kernels, append, device)
        report.result(is_running(seen) if state == 'running' else is_refused(seen, state),
                      f'{name}: {state}', str(seen))
        if state in (POISONED, ZEROED):
            report.result(not seen['discarded'], f'{name}: nothing is discarded', str(seen))
        advice = re.search('boot with (.*)', seen['log'])
        if advice:
            append += ' ' + advice.group(1)
            seen = refused_state(kernels, append, device)
            report.result(is_running(seen), f'"{append}": the advice is right', str(seen))


@test
def poison(report, kernels):
    """Refused where the host would discard nothing: a poison value that is not 0"""
    trace = trace_of('poison')
    vmguest = guest(kernels, 'debug', 'poison', 'hintload touch 256; sleep 4\n'
                    'dmesg | grep -i hint', append='page_poison=1', trace=trace)
    vmguest.run()
    report.result(re.search(r'(?i)hint.*poison|poison.*hint', vmguest.text()) is not None,
                  'page_poison=1 is refused in the log')
    report.result('### freed' in vmguest.text() and not bytes_discarded(trace),
                  'page_poison=1: nothing is discarded')
    tap.no_splat(report, vmguest, 'page_poison=1')


@test
def silent_shutdown(report, kernels):
    """A guest whose host never acknowledges still shuts down"""
    vmguest = guest(kernels, 'debug', 'shutdown', tap.shell('silent', '--leave'))
    vmguest.run()
    ended = vmguest.now()
    said = vmguest.wait_line(vm.END.pattern, 0)
    tap.report(report, vmguest, 'silent', ('silent',))
    report.result(ended - said[0] < 20, 'shutdown with blocks in flight ends',
                  f'{ended - said[0]:.1f} s')


@test
def suspend(report, kernels):
    """Suspended and woken while a program allocates and frees, as far as the devices"""
    trace = trace_of('suspend')
    vmguest = guest(kernels, 'debug', 'suspend', """
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
    report.result('### slept freeze' in text and '### slept disk' in text,
                  'suspend and hibernation go as far as the devices, and back')
    report.result('### settled' in text.split('### slept disk')[-1], 'hinting goes on afterwards')
    report.result(number(text, 'in_flight') == 0 and number(text, 'hinted') == 0,
                  'all comes home')
    traced, said = bytes_discarded(trace), number(text, 'acknowledged')
    report.result(traced == said, 'the counters equal the trace',
                  f'trace {traced}, counters {said} bytes')
    tap.no_splat(report, vmguest, 'suspend')


@test
def unplug(report, kernels):
    """The balloon is unplugged while all programs are frozen for a suspend"""
    vmguest = guest(kernels, 'hinting', 'unplug', f"""
        hintload settle 30; echo 8 >/sys/module/suspend/parameters/pm_test_delay
        echo freezer >/sys/power/pm_test; echo '### sleeps'
        echo freeze >/sys/power/state; echo '### slept'
        sleep 5; sed 's/^/### state /' {SYSFS}/state
        echo "### threads $(ps | grep -c '[k]hintd')"
        hintload touch 256; hintload sum""", balloon='none', monitor=True, extra=[
            '-device', 'pcie-root-port,id=rp0', '-device',
            'virtio-balloon-pci,bus=rp0,id=balloon,free-page-reporting=on'])
    vmguest.start()
    if not vmguest.wait_line('### sleeps', 200):
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    time.sleep(2)
    vmguest.qmp('device_del', id='balloon')
    gone = comes_true(lambda: 'balloon' not in [device['name'] for device in vmguest.qmp(
        'qom-list', path='/machine/peripheral')], 60)
    vmguest.finish()
    text = vmguest.text()
    # While this kernel waits, asleep, no grace period of RCU ends: so it may go later.
    report.result(gone and '### slept' in text, 'unplug: the balloon goes, and all wakes up')
    report.result('### state no device' in text and '### threads 0' in text,
                  'unplug: nothing is left of hinting')
    report.result('### freed' in text and number(text, 'in_flight') == 0 and
                  number(text, 'hinted') == 0, 'unplug: the guest goes on')
    tap.no_splat(report, vmguest, 'unplug')


@test
def hibernation(report, kernels):
    """A guest with hinted memory is written to a disk, and goes on in another QEMU"""
    with tempfile.TemporaryDirectory(dir=vm.BUILD) as directory:
        disk = os.path.join(directory, 'swap')
        with open(disk, 'wb') as swap:
            swap.truncate(1 << 30)
        more = {'memory': 512, 'append': 'resume=/dev/vda',
                'extra': ['-drive', f'file={disk},format=raw,if=virtio']}
        first = guest(kernels, 'hinting', 'hibernate', """
            mkswap /dev/vda >/dev/null; swapon /dev/vda
            dd if=/dev/urandom of=/tmp/data bs=1M count=64 2>/dev/null
            md5sum /tmp/data >/tmp/sum; hintload settle 20; hintload sum
            echo shutdown >/sys/power/disk; echo disk >/sys/power/state; echo "### awake $?"
            md5sum -c /tmp/sum && echo "### same content"
            hintload settle 20; hintload touch 256; hintload settle 20; hintload sum""", **more)
        first.start().process.wait()
        first.stop()
        report.result('Power down' in first.text() and number(first.text(), 'hinted') > 0,
                      'a guest with hinted memory hibernates', first.tail())
        trace = trace_of('restore')
        second = guest(kernels, 'hinting', 'restore',
                       'cat /sys/block/vda/dev >/sys/power/resume; echo "### did not resume"',
                       trace=trace, **more)
        report.result(second.run() == 0 and '### awake 0' in second.text(), 'it is restored')
        report.result('### same content' in second.text(), 'its memory is what it was')
        report.result(number(second.text(), 'hinted') > 256 * MIB and
                      bytes_discarded(trace) > 256 * MIB, 'it hints anew, all marks void')
        tap.no_splat(report, second, 'hibernation')


WATCH_RESTORE = f"""
    cd {SYSFS}; hintload settle 20
    dd if=/dev/urandom of=/tmp/data bs=1M count=64 2>/dev/null; md5sum /tmp/data >/tmp/sum
    benchload holes 384 16 3600 >/dev/null &
    while sleep 1; do
        hintload sum; [ $(cat restored) = 0 ] || break
    done
    hintload settle 30; sleep 10
    md5sum -c /tmp/sum && echo "### same content"
    dmesg | grep page_hinting: | sed 's/^/### log /'; hintload sum
    echo "### restored $(cat restored) idle_min_order $(cat idle_min_order)"; sleep 2
    echo 0 >idle_min_order; sleep 600"""


def sizes(trace, low, high=math.inf):
    """Bytes discarded in blocks of at least LOW and less than HIGH bytes."""
    return sum(size for _, size, _ in vm.discards(trace) if low <= size < high)


def comes_true(condition, seconds):
    """Does it, in that time?"""
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.2)
    return condition()


def restored_guest(kernels, directory, name, device):
    """The same guest in another QEMU, which goes on from a snapshot of the first;
    with DEVICE its generation ID is another. What was hinted before."""
    disk = os.path.join(directory, name)
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', disk, '1G'], check=True)

    def start(step, *extra):
        extra = ['-drive', f'file={disk},format=qcow2,if=none', *extra]
        if device:
            extra += ['-device', f'vmgenid,guid={GUIDS[step]}']
        return guest(kernels, 'hinting', f'{step}-{name}', WATCH_RESTORE, memory=1024,
                     trace=trace_of(f'{step}-{name}'), monitor=True, extra=extra).start()

    first = start('before')

    holed = comes_true(lambda: os.path.exists(first.trace) and
                       sizes(first.trace, 0, 2 * MIB) > 0.8 * HOLES, 200)
    seen = len(first.lines)

    def is_idle():
        told = re.findall(r'### sum .*acknowledged (\d+)',
                          '\n'.join(text for _, text in first.lines[seen:]))[-4:]
        return len(told) == 4 and told[0] == told[3]

    if not holed or not comes_true(is_idle, 60):
        raise vm.Failure('the guest', first.tail(), f'less {first.log}')
    hinted = number(first.text(), 'hinted')
    said = first.qmp('human-monitor-command', 600, **{'command-line': 'savevm all'})
    first.stop()
    if said:
        raise vm.Failure('taking a snapshot', said.strip(), f'less {first.log}.qemu')
    return start('after', '-loadvm', 'all'), hinted


def restored_with_device(report, kernels, directory):
    """Marks are void, and no small blocks are hinted before they are asked for"""
    vmguest, before = restored_guest(kernels, directory, 'vmgenid', True)
    told = vmguest.wait_line(r'### restored (\d+) idle_min_order (\d+)', 200)
    if not told:
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    whole, small = sizes(vmguest.trace, 2 * MIB), sizes(vmguest.trace, 0, 2 * MIB)
    hinted, text = number(vmguest.text(), 'hinted'), vmguest.text()
    report.result(told[1].groups() == ('1', '10') and
                  re.search('### log .*restored from a snapshot', text) is not None,
                  'restored: the guest has noticed, once', told[1].group(0))
    report.result('### same content' in text, 'restored: its memory is what it was')
    report.result(whole >= hinted > 256 * MIB, 'restored: the new host was told of all that is '
                  'marked', f'{before // MIB} MiB marked before, {hinted // MIB} MiB after, '
                  f'{whole // MIB} MiB discarded')
    report.result(not small, 'restored: nothing small is hinted', f'{small} bytes')
    report.result(comes_true(lambda: sizes(vmguest.trace, 0, 2 * MIB) > 0.8 * HOLES, 120),
                  'restored: small blocks follow once idle_min_order is written')
    tap.no_splat(report, vmguest, 'restored')
    vmguest.stop()


def restored_without_device(report, kernels, directory):
    """Nothing tells the guest: its marks stand"""
    vmguest, before = restored_guest(kernels, directory, 'no-vmgenid', False)
    goes_on = comes_true(lambda: vmguest.text().count('### sum') >= 10, 120)
    discarded, hinted = sizes(vmguest.trace, 0), number(vmguest.text(), 'hinted')
    report.result(goes_on and '### restored' not in vmguest.text() and
                  discarded < 32 * MIB and abs(hinted - before) < 32 * MIB,
                  'restored without a vmgenid device: nothing is noticed, as documented',
                  f'{hinted // MIB} MiB marked, {discarded // MIB} MiB discarded')
    vmguest.stop()


@test
def restore(report, kernels):
    """A guest goes on from a snapshot in another QEMU, with and without a vmgenid device"""
    with tempfile.TemporaryDirectory(dir=vm.BUILD) as directory:
        restored_with_device(report, kernels, directory)
        restored_without_device(report, kernels, directory)


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


def dump_of_idle_guest(report, kernels, dump):
    """Have QEMU write the file; what the guest printed before."""
    with open(os.path.join(CONTRIB, 'README.md'), encoding='utf-8') as readme:
        info = re.search(r'^    (head .*) >hinted.info$', readme.read(), re.M).group(1)
    vmguest = guest(kernels, 'hinting', 'vmcore', f"""
        {info} | sed 's/^/### info /'
        yes {MARKER.decode().strip()} | head -c {16 * MIB} >/tmp/used
        hintload touch 384; hintload settle 30; sleep 1
        awk '/^MemFree/ {{ print "### free", $2 * 1024 }}' /proc/meminfo
        hintload sum; sleep 200""", memory=512, extra=['-device', 'vmcoreinfo'],
                    monitor=True).start()
    if not vmguest.wait_line('### sum', 200):
        raise vm.Failure('the guest', vmguest.tail(), f'less {vmguest.log}')
    before = vmguest.ram_resident()
    vmguest.qmp('dump-guest-memory', paging=False, protocol=f'file:{dump}')
    after = vmguest.ram_resident()
    vmguest.stop()
    os.chmod(dump, 0o600)
    name = 'vmcore: a dump does not bring hinted memory back'
    if reads_bring_memory():
        report.skip(name, 'any read brings memory on this host: it does not map the zero page')
    else:
        report.result(after - before <= SLACK, name,
                      f'resident {before // MIB} MiB, then {after // MIB} MiB')
    return vmguest.text()


def patched_makedumpfile():
    """The path of one with our patch; None if its source is not to be had."""
    done = subprocess.run([os.path.join(vm.TOP, 'scripts/makedumpfile')], stdout=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode not in (0, 3):
        raise vm.Failure('building makedumpfile', 'see above', 'scripts/makedumpfile')
    return done.stdout.strip() if not done.returncode else None


def refuses_bad_dumps(report, tool, dump):
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
        report.result(done.returncode == 1 and done.stderr.startswith('error:') and same and
                      say in done.stderr.splitlines()[0] and '\n  next: ' in done.stderr,
                      f'vmcore: a dump that is bad ({name}) is refused', done.stderr)


@test
def vmcore(report, kernels):
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
        report.result(result, f'vmcore: {name}', ', '.join(
            f'{word} {size / MIB:.1f} MiB' for word, size in seen.items() if word != 'markers'))

    with tempfile.TemporaryDirectory(dir=vm.BUILD) as directory:
        dump, out, again = (os.path.join(directory, name) for name in ('dump', 'out', 'again'))
        text = dump_of_idle_guest(report, kernels, dump)
        free = int(re.search(r'### free (\d+)', text).group(1))
        hinted = number(text, 'hinted')
        with open(dump + '.info', 'w', encoding='ascii') as info:
            info.writelines(line + '\n' for line in re.findall(r'### info (.*)', text))
        refuses_bad_dumps(report, tool, dump)

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
            report.skip(f'vmcore: {name}', 'no source of makedumpfile, see above')

        prepare()
        lists = makedumpfile(dump, out)
        told('after the tool, hinted memory is neither read nor written', all(
            plain[did] - lists[did] >= 0.9 * hinted for did in ('read', 'written')), lists)
        report.result(abs(lists['free'] - free) <= SLACK,
                      'vmcore: after the tool, all that is free is left out',
                      f'{lists["free"] / MIB:.1f} of {free / MIB:.1f} MiB')
        report.result(lists['markers'] == plain['markers'], 'vmcore: what is in use is kept',
                      f'{lists["markers"]} of {plain["markers"]} lines of a file')
        report.result(prepare('--undo') == before, 'vmcore: --undo undoes it')


@test
def nodes(report, kernels):
    """Four nodes: each of their zones is hinted, by a thread of its own"""
    trace = trace_of('nodes')
    vmguest = guest(kernels, 'debug', 'nodes', f"""
        hintload settle 60; hintload touch 3072; hintload settle 60
        echo "### zones $(ls -d {SYSFS}/node* | wc -l) threads $(ps | grep -c '[k]hintd')"
        for zone in {SYSFS}/node*; do
            echo "### zone $(basename $zone) $(cat $zone/hinted_bytes) $(cat $zone/unhinted_bytes)"
        done
        echo 0 >{SYSFS}/enabled; sleep 1; hintload sum""", memory=5120, append='numa=fake=4',
                    trace=trace)
    vmguest.run()
    text = vmguest.text()
    zones = re.findall(r'### zone (\S+) (\d+) (\d+)', text)
    names = [zone for zone, *_ in zones]
    report.result(len({name.split('-')[0] for name in names}) == 4 and
                  f'### zones {len(names)} threads {len(names)}' in text,
                  'zones on four nodes, a thread for each', ' '.join(names))
    report.result(zones and all(int(hinted) > 64 * MIB and int(unhinted) <= SLACK
                                for _, hinted, unhinted in zones), 'all zones are hinted')
    traced, said = bytes_discarded(trace), number(text, 'acknowledged')
    report.result(traced == said, 'the counters equal the trace',
                  f'trace {traced}, counters {said} bytes')
    tap.no_splat(report, vmguest, 'four nodes')


@test
def bad_input(report, kernels):
    """What cannot work says so, once, and fails"""
    image = kernels.get('hinting')
    with tempfile.TemporaryDirectory() as empty:
        for name, line, env, say in (
                ('KSRC that is not there', ('build',), {'KSRC': '/nonexistent'}, '/nonexistent'),
                ('KSRC that is no kernel', ('build',), {'KSRC': empty}, empty),
                ('a wrong BASE', ('build',), {'BASE': '9.9'}, '9.9'),
                ('a wrong accelerator', ('boot', image, 'true'), {'ACCEL': 'abc'}, 'abc'),
                ('no kernel image', ('boot', empty + '/bzImage', 'true'), {}, 'bzImage'),
                ('too little memory', ('run', '--mem', '64'), {}, '64 MiB'),
                ('a guest that hangs', ('boot', '--timeout', '15', image, 'sleep 1000'), {},
                 'after 15 s'),
                ('a guest that panics', ('boot', image, 'echo c >/proc/sysrq-trigger'), {},
                 'without an exit code')):
            done = script(*line, env=env)
            errors = [text for text in done.stderr.splitlines() if text.startswith('error:')]
            report.result(done.returncode != 0 and len(errors) == 1 and say in errors[0]
                          and 'Traceback' not in done.stderr, name,
                          f'exit {done.returncode}: {" ".join(errors) or done.stderr[-500:]}')
