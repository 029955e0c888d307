# SPDX-License-Identifier: GPL-2.0
"""What guests do, as the host sees it."""
import json
import os
import re

import pytest
import tap
import vm
from prometheus_client.parser import text_string_to_metric_families
from seen import MIB, SLACK, SYSFS, bytes_discarded, ms_until_back, number, script, trace_of


def test_counters(check, guest):
    """submitted_bytes and acknowledged_bytes equal the host's trace of discards, to the byte"""
    trace = trace_of('counters')
    vmguest = guest('hinting', 'counters',
                    'hintload touch 1024; hintload settle 30\n'
                    'hintload touch 512 small; hintload settle 30\n'
                    f'echo 0 >{SYSFS}/enabled; sleep 1; hintload sum', trace=trace)
    vmguest.run()
    found = vm.discards(trace)
    traced = sum(size for _, size, _ in found)
    for counter in 'submitted', 'acknowledged':
        said = number(vmguest.text(), counter)
        check(traced == said and traced > 1024 * MIB, f'{counter}_bytes equal the trace',
              f'trace {traced}, counters {said} bytes')
    check(not any(code for _, _, code in found), 'each discard worked')
    check(number(vmguest.text(), 'in_flight') == 0, 'nothing left in flight')


def test_resident(check, guest):
    """The guest's memory at the host is what it has, less what it hinted

    The guest touches nearly all its memory before, so that the host once had
    to back every page: what is resident then is what was not hinted.
    """
    vmguest = guest('hinting', 'resident',
                    'free=$(awk \'/^MemFree/ { print int($2 / 1024) }\' /proc/meminfo)\n'
                    'hintload touch $((free - 32)) small; hintload settle 30; sleep 1\n'
                    'hintload sum; sleep 4').start()
    found = vmguest.wait_line('### sum', 200)
    if not found:
        raise vmguest.failure()
    have = vmguest.ram_resident()
    vmguest.finish()
    want = vmguest.memory * MIB - number(vmguest.text(), 'hinted')
    check(abs(have - want) <= SLACK, 'resident is what was not hinted, within 16 MiB',
          f'resident {have / MIB:.1f} MiB, not hinted {want / MIB:.1f} MiB')
    check(want < 512 * MIB, 'nearly all free memory was hinted')


def has_memory(check, what, gib):
    """Is there memory for a guest of that and 2 GiB? Skips WHAT if not."""
    need = (gib + 3) << 10
    with open('/proc/meminfo', encoding='ascii') as meminfo:
        have = int(re.search(r'MemAvailable:\s+(\d+)', meminfo.read()).group(1)) // 1024
    if have < need:
        check.skip(what, f'{have} MiB available at the host, {need} needed')
    return have >= need


def drain_of(check, guest, gib):
    """GIB freed in a guest of 2 GiB more: 95 % back within 300 ms"""
    if not has_memory(check, f'drain of {gib} GiB', gib):
        return
    _, back = ms_until_back(guest, f'drain-{gib}', f'hintload touch {gib << 10}; hintload clock 6',
                            memory=(gib + 2) << 10)
    check(back <= 300, f'95 % of {gib} GiB are back within 300 ms', f'{back} ms')


def test_drain(check, guest):
    """In virtual time: 4 GiB freed in a 6 GiB guest are back within 300 ms"""
    drain_of(check, guest, 4)


@pytest.mark.slow
@pytest.mark.parametrize('gib', (2, 8, 14))
def test_drain_sizes(check, guest, gib):
    """In virtual time: so are 2, 8 and 14 GiB"""
    drain_of(check, guest, gib)


def test_flush(check, guest):
    """In virtual time: a flush of 2 GiB that are kept returns soon, and then they are gone"""
    trace = trace_of('flush')
    vmguest = guest('hinting', 'flush', f"""
        echo 86400000 >{SYSFS}/refault_cost_ms
        hintload touch 2048; sleep 3; hintload sum; hintload flush 1; hintload clock 1
        hintload sum; hintload flush 2; hintload sum""", memory=3072, timeout=400,
                    icount=0, trace=trace)
    vmguest.run()
    flushed = vmguest.wait_line(r'### flushed in (\d+) ms, error 0', 0)
    sums = [int(n) for n in re.findall(r'### sum .* acknowledged (\d+)', vmguest.text())]
    if not flushed or len(sums) != 3:
        raise vmguest.failure()
    back_ms, took_ms = vm.ms_until_back(trace, 95), int(flushed[1].group(1))
    check(took_ms < 500, 'flush returns within 0.5 s', f'{took_ms} ms')
    check(back_ms is not None and 3000 <= back_ms <= 3000 + took_ms + 100,
          'flush: 95 % of the memory was back when it returned, and not before',
          f'{back_ms} ms after it was freed')
    check(sums[2] - sums[1] >= 2048 * MIB, 'flush: 2 hints everything again',
          f'acknowledged {sums}')


@pytest.mark.parametrize('kib, limit_s', ((512, 5), (64, 10), (16, 30)))
def test_holes(check, guest, kib, limit_s):
    """In virtual time: free memory in small pieces is back while idle, the rest intact"""
    wait_s = limit_s + 3
    vmguest, back = ms_until_back(guest, f'holes-{kib}', 'sleep 3; benchload holes 640 '
                                  f'{kib} {wait_s} "hintload clock {wait_s} 50"', memory=1536)
    check(back <= limit_s * 1000, f'95 % of holes of {kib} KiB within {limit_s} s',
          f'{back} ms')
    check('### holes: 0 words wrong' in vmguest.text(),
          f'... and what is between holes of {kib} KiB is intact')


def test_small(check, guest):
    """256 MiB, nearly all in use: the rest is hinted, as its watermark is much lower"""
    vmguest = guest('hinting', 'small', """
        knob=/sys/kernel/mm/page_hinting/enabled
        echo 0 >$knob; mkdir /full; mount -t ramfs full /full
        free=$(awk '/MemFree/ { print int($2 / 1024) }' /proc/meminfo)
        dd if=/dev/zero of=/full/file bs=1M count=$((free - 46)) 2>/dev/null
        echo 1 >$knob; sleep 4; hintload sum
        """, memory=256)
    vmguest.run()
    unhinted = number(vmguest.text(), 'unhinted') / MIB
    check(unhinted <= 16, 'at most 16 MiB of 46 MiB stay', f'{unhinted:.0f} MiB')


def test_holes_debug(check, guest):
    """The same with all debugging options, for the content"""
    trace = trace_of('holes-debug')
    vmguest = guest('debug', 'holes', 'sleep 3; benchload holes 640 16 60',
                    memory=1536, trace=trace)
    if vmguest.run():
        raise vmguest.failure()
    small = sum(size for _, size, _ in vm.discards(trace) if size < 2 * MIB)
    check(small >= 0.95 * 320 * MIB, 'holes of 16 KiB are back', f'{small // MIB} MiB')
    check('### holes: 0 words wrong' in vmguest.text(), '... and the rest is intact')


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


def trace_khintd(guest, flavour, events):
    """Under -icount, while 1 GiB is hinted. The per-CPU lists are short, or it would
    depend on chance how much the thread frees from them."""
    vmguest = guest(flavour, 'cost', f"""
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


def test_cost(check, guest):
    """Under -icount: instructions of khintd per GiB hinted, with short per-CPU lists"""
    events, gib = trace_khintd(guest, 'hinting',
                               ('page_hinting/page_hinting_wake', 'sched/sched_switch'))
    per_gib = cycles_awake(events) / gib
    check(0 < per_gib <= 550000, 'at most 0.55 million instructions per GiB',
          f'{per_gib / 1e6:.2f} million')


@pytest.mark.slow
def test_hold(check, guest):
    """Under -icount: the longest hold of the zone lock by khintd, in instructions"""
    events, _ = trace_khintd(guest, 'hinting+irqs',
                             ('preemptirq/irq_disable', 'preemptirq/irq_enable'))
    held = longest_hold(events)
    check(0 < held <= 3000, 'the zone lock is held for at most 3000 instructions',
          f'{held} instructions')


def test_after(check, guest):
    """In virtual time: what is freed for good is hinted at once, a loop's share soon after it"""
    vmguest = guest('hinting', 'after', """
        hintload settle 20; sleep 7
        hintload after 384 100 10 1024; sleep 20
        hintload after 384 1500 15 1024""", memory=2048, icount=0, timeout=600)
    vmguest.run()
    found = [[int(n) for n in line] for line in re.findall(
        r'### after \d+ MiB every (\d+) ms beside \d+ MiB: (-?\d+) ms, all (-?\d+) ms, '
        r'filled in (\d+) ms', vmguest.text())]
    if len(found) != 2:
        raise vmguest.failure()
    for pause, kept, everything, fill in found:
        check(0 <= kept <= 300, f'1 GiB beside a loop with pauses of {pause} ms is '
              'hinted within 300 ms', f'{kept} ms')
        # The last of it is needed again when it is filled.
        limit = 2 * (pause + fill) + 300
        check(0 <= everything <= limit, f'the loop\'s share within {limit} ms',
              f'{everything} ms')


def test_balloon(check, guest):
    """In virtual time: what a balloon takes and gives back does not delay what is freed later"""
    vmguest = None

    def inflate(_, text):
        asked = re.match(r'### balloon (\d+)', text)
        if asked:
            vmguest.qmp('balloon', value=int(asked.group(1)) * MIB)

    vmguest = guest('hinting', 'balloon', """
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
        raise vmguest.failure()
    check(0 <= int(found.group(1)) <= 500, 'after three pulses of 1 GiB, '
          '95 % of 300 MiB are hinted within 500 ms', f'{found.group(1)} ms')


def figures(text):
    """What hintload replay and scripts/simulate say: MiB allocated hinted, and kept"""
    found = re.search(r'of which hinted (\d+);.* kept unhinted (\d+) MiB', text)
    return tuple(int(n) for n in found.groups()) if found else None


@pytest.mark.slow
@pytest.mark.parametrize('name', ('build', 'churn', 'scatter'))
def test_glue(check, guest, name):
    """In virtual time: the policy in a guest costs what it does in the simulator

    The guest follows a recorded series; the simulator knows all free memory at any time.
    """
    path = os.path.join(vm.TOP, 'scripts/sim/series', f'recorded-{name}.txt')
    with open(path, encoding='ascii') as series:
        points = ''.join(line for line in series if line[0] != '#')
    vmguest = guest('hinting', f'glue-{name}', f"""
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
        raise vmguest.failure()
    seconds = int(points.split()[-2]) / 1000
    cost, simulated = (kept * seconds + 6.7 * hinted for hinted, kept in (have, want))
    check(abs(cost - simulated) <= 0.1 * simulated,
          f'{name}: it costs what the simulator says, within 10 %',
          f'{cost:.0f} MiB x s, simulated {simulated:.0f}; allocated hinted '
          f'{have[0]} and {want[0]} MiB, kept {have[1]} and {want[1]}')


def test_wakeups(check, guest):
    """Memory that has to stay for the watermark wakes the threads ever less often"""
    vmguest = guest('hinting', 'wakeups', """
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
        raise vmguest.failure()
    free = number(vmguest.text(), 'free') << 10
    check(free - number(vmguest.text(), 'hinted') >= 32 * MIB, 'memory has to stay')
    check(int(woken.group(1)) <= 15, 'the threads wake at most 15 times in 60 s',
          f'{woken.group(1)} times')


def test_lists(check, guest):
    """What was freed into the per-CPU lists alone is back within seconds"""
    vmguest = guest('hinting', 'lists', """
        echo 400 >/proc/sys/vm/watermark_scale_factor
        hintload settle 20; sleep 5; hintload sum
        head -c $((24 << 20)) /dev/zero >/tmp/file; sleep 60; rm /tmp/file; hintload sum
        for i in $(seq 10); do sleep 1; done; hintload sum""", memory=1024, icount=0)
    vmguest.run()
    sums = [(int(kib) << 10, int(hinted)) for kib, hinted in
            re.findall(r'### sum free (\d+) kB .*\bhinted (\d+)', vmguest.text())]
    if len(sums) != 3:
        raise vmguest.failure()
    free, hinted = zip(*sums)
    check(free[1] < free[0] - 16 * MIB, 'memory was freed into the lists', f'free {free}')
    check(hinted[2] >= hinted[0] - 4 * MIB, '... and is hinted after 10 s',
          f'hinted {hinted}')


def test_mainline(check, guest):
    """page_hinting=off: mainline's free page reporting, and no trace of hinting"""
    trace = trace_of('mainline')
    vmguest = guest('hinting', 'mainline', 'ps | grep "[k]hintd" && echo "### thread"\n'
                    f'ls -d {SYSFS}/node* && echo "### zone"\nhintload touch 256; sleep 20',
                    memory=512, append='page_hinting=off', trace=trace)
    check(vmguest.run() == 0, 'page_hinting=off boots')
    text = vmguest.text()
    check('### thread' not in text and '### zone' not in text, 'no threads, no zones')
    freed = vmguest.wait_line('### freed', 0)
    back = vm.time_back(vmguest.samples, freed[0], 256 * MIB, 80) if freed else None
    check(back is not None and bytes_discarded(trace) > 0, 'free pages are reported',
          f'80 % back after {back:.1f} s' if back else 'not within 20 s')
    tap.no_splat(check, vmguest, 'page_hinting=off')


@pytest.mark.parametrize('nodes', (4, pytest.param(2, marks=pytest.mark.slow)))
def test_nodes(check, guest, nodes):
    """Some nodes: each of their zones is hinted, by a thread of its own, whatever is bound to it"""
    trace = trace_of('nodes')
    vmguest = guest('debug', 'nodes', f"""
        given() {{
            cat {SYSFS}/node$1-*/stat | awk '/^ack/ {{ n += $2 }} END {{ print int(n / {MIB}) }}'
        }}
        hintload settle 60; hintload touch 3072; hintload settle 60
        for node in $(seq 0 {nodes - 1}); do
            before=$(given $node); numactl --membind=$node hintload touch 256; hintload settle 60
            echo "### bound $node $(($(given $node) - before))"
        done
        echo "### zones $(ls -d {SYSFS}/node* | wc -l) threads $(ps | grep -c '[k]hintd')"
        for zone in {SYSFS}/node*; do
            echo "### zone $(basename $zone) $(cat $zone/hinted_bytes) $(cat $zone/unhinted_bytes)"
        done
        echo 0 >{SYSFS}/enabled; sleep 1; hintload sum""", memory=5120, append=f'numa=fake={nodes}',
                    trace=trace, programs=['/usr/bin/numactl'])
    vmguest.run()
    text = vmguest.text()
    zones = re.findall(r'### zone (\S+) (\d+) (\d+)', text)
    names = [zone for zone, *_ in zones]
    check(len({name.split('-')[0] for name in names}) == nodes and
          f'### zones {len(names)} threads {len(names)}' in text,
          f'zones on {nodes} nodes, a thread for each', ' '.join(names))
    bound = re.findall(r'### bound (\d+) (\d+)', text)
    check(len(bound) == nodes and all(int(given) > 200 for _, given in bound),
          'what a load bound to a node frees is hinted', str(bound))
    check(zones and all(int(hinted) > 64 * MIB and int(unhinted) <= SLACK
                        for _, hinted, unhinted in zones), 'all zones are hinted')
    traced, said = bytes_discarded(trace), number(text, 'acknowledged')
    check(traced == said, 'the counters equal the trace',
          f'trace {traced}, counters {said} bytes')
    tap.no_splat(check, vmguest, f'{nodes} nodes')


def test_stat(check, guest):
    """page_hinting_stat: rows fit a terminal, JSON agrees with the counters, errors say what to do"""
    vmguest = guest('hinting', 'stat', """
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
    check(len(rows) == 4 and rows[0].split()[0] == 'zone' and
          all(len(row.split()) == 9 and len(row) <= 80 for row in rows),
          'stat: a head and three rows of at most 80 columns', '\n'.join(rows))
    series = [json.loads(line) for line in re.findall(r'### json (.*)', text)]
    last = [json.loads(line) for line in re.findall(r'### last (.*)', text)]
    told = [int(n) for n in re.findall(r'### sum .* acknowledged (\d+)', text)]
    check(len(last) == 1 and len(told) == 2 and
          told[0] <= last[0]['acknowledged_bytes'] <= told[1] and
          abs(last[0]['hinted_bytes'] - number(text, 'hinted')) <= 2 * SLACK and
          last[0]['hinted_bytes'] <= last[0]['free_bytes'] and
          last[0]['not_hinted']['kept'] > 0,
          'stat: --json says what the counters say', f'{last}, acknowledged {told}')
    grown = sum(b['acknowledged_bytes_per_s'] * (b['time_s'] - a['time_s'])
                for a, b in zip(series, series[1:]) if a['zone'] == b['zone'])
    check(len(series) == 30 and series[0]['acknowledged_bytes_per_s'] is None and
          grown >= 200 * MIB and
          abs(grown - series[-1]['acknowledged_bytes']
              + series[0]['acknowledged_bytes']) <= MIB,
          'stat: rates add up to what was acknowledged', f'{grown / MIB:.0f} MiB')
    check('### taken' not in text, 'stat: bad operands are refused')
    check('CONFIG_PAGE_HINTING' in ''.join(re.findall(r'### none (.*)', text)),
          'stat: without page hinting it says so')


def metrics_of(text, word):
    """What the guest has printed under that word, as Prometheus' own client reads it"""
    text = ''.join(line + '\n' for line in re.findall(rf'^### {word} (.*)$', text, re.M))
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_metrics(check, guest):
    """page_hinting_stat --prometheus: a file for node_exporter, which says what the counters say"""
    vmguest = guest('hinting', 'metrics', """
        cd /tmp; hintload touch 256; hintload settle 60; hintload sum
        page_hinting_stat --prometheus a.prom 0.2 2 || echo "### failed"
        sed 's/^/### some /' a.prom; hintload sum
        drivers=/sys/bus/virtio/drivers/virtio_balloon
        echo $(basename $drivers/virtio*) >$drivers/unbind
        page_hinting_stat --prometheus a.prom 1 1; sed 's/^/### none /' a.prom; ls | sed 's/^/### file /'
        for bad in /nowhere/a.prom a.txt .prom; do
            page_hinting_stat --prometheus $bad 1 1 2>&1 && echo "### taken $bad"
        done | sed 's/^/### bad /'""")
    vmguest.run()
    text = vmguest.text()
    some, none = metrics_of(text, 'some'), metrics_of(text, 'none')
    told = [int(n) for n in re.findall(r'### sum .* acknowledged (\d+)', text)]

    def total(name):
        return sum(sample.value for sample in some[name].samples)

    check(some['page_hinting_acknowledged_bytes'].type == 'counter' and
          told[0] <= total('page_hinting_acknowledged_bytes') <= told[1] and
          some['page_hinting_hinted_bytes'].type == 'gauge' and
          total('page_hinting_hinted_bytes') > 256 * MIB and
          total('page_hinting_zones') == len(some['page_hinting_hinted_bytes'].samples) > 0 and
          {sample.labels['reason'] for sample in some['page_hinting_not_hinted'].samples} >
          {'kept', 'watermark'} and '### failed' not in text,
          'metrics: the file says what the counters say', f'{some}, acknowledged {told}')
    check(none['page_hinting_zones'].samples[0].value == 0 and
          not none['page_hinting_hinted_bytes'].samples, 'metrics: without a balloon there is no zone')
    check('.new' not in ''.join(re.findall('### file (.*)', text)) and
          len(re.findall('### bad page_hinting_stat: ', text)) == 3 and '### taken' not in text,
          'metrics: a file that cannot be written is said, and none is left behind')
