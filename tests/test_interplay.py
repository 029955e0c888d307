# SPDX-License-Identifier: GPL-2.0
"""Hinting beside what else moves, takes or reads a guest's memory."""
import os
import re
import tempfile
import time

import pytest
import tap
import vm
from seen import (LATE, LATE_FLAVOUR, MIB, SLACK, SYSFS, bytes_discarded, comes_true, number,
                  queue_of, trace_of, use_next_qemu)

BALLOON = 'virtio-balloon-pci,id=balloon,free-page-reporting=on'
# Memory in use keeps its content while other memory comes and goes, and pieces
# between it are hinted, until ends() is called. With so low a price, all is hinted
# soon: blocks are in flight all the time.
CHURN = f"""
    echo 100 >{SYSFS}/refault_cost_ms
    dd if=/dev/urandom of=/tmp/data bs=1M count=48 2>/dev/null; md5sum /tmp/data >/tmp/sum
    churn() {{
        local rounds=0
        until [ -e /tmp/stop ] && [ $rounds -ge 3 ]; do
            benchload holes 128 64 1 >/tmp/holes
            grep -q ': 0 words wrong' /tmp/holes || echo "### spoilt"
            rounds=$((rounds + 1))
        done
        echo "### churned $rounds rounds"
    }}
    touches() {{ until [ -e /tmp/stop ]; do hintload touch 96 >/dev/null; done; }}
    ends() {{
        touch /tmp/stop; wait; md5sum -c /tmp/sum && echo "### same content"
        hintload settle 120; hintload sum
    }}
    churn & touches &
"""


# With "late 100", what is submitted is in flight until "late 0"; with less, it comes home
# slowly. A flush submits all that is free, whatever the policy would keep.
LATELY = f"""
    echo -1 >{LATE}/times; echo 0 >{LATE}/verbose
    late() {{ echo $1 >{LATE}/probability; }}
    busy() {{
        late 100; hintload touch $1; echo 1 2>/dev/null >{SYSFS}/flush & sleep 4
        hintload sum | sed 's/### sum/### busy/'; late 90
    }}
"""


def was_busy(check, vmguest, label, times):
    """What was in flight when the guest said so"""
    flights = [int(n) for n in re.findall(r'### busy .*in_flight (\d+)', vmguest.text())]
    check(len(flights) >= times and min(flights) > MIB,
          f'{label}: blocks are in flight',
          ' '.join(f'{flight / MIB:.0f}' for flight in flights) + ' MiB')


def churned(check, vmguest, label):
    """What a guest says that has come to the end of CHURN"""
    text = vmguest.text()
    check('### churned' in text and '### spoilt' not in text and '### same content' in text,
          f'{label}: memory in use keeps its content', vmguest.tail())
    check('### settled' in text and number(text, 'in_flight') == 0,
          f'{label}: hinting goes on, and nothing stays in flight')
    tap.no_splat(check, vmguest, label)


def queue_used(vmguest, queue):
    """How many buffers QEMU has taken from a queue of the balloon"""
    return queue_of(vmguest, queue)['last-avail-idx']


def migrate(source, path, speed, least):
    """Slowly until LEAST bytes were discarded, then fast. How many were, in all."""
    def over():
        return source.qmp('query-migrate')['status'] in ('completed', 'failed')

    begin = bytes_discarded(source.trace)
    source.qmp('migrate-set-parameters', **{'max-bandwidth': speed, 'downtime-limit': 0})
    source.qmp('migrate', uri='unix:' + path)
    comes_true(lambda: bytes_discarded(source.trace) - begin >= least or over(), 300)
    source.qmp('migrate-set-parameters', **{'max-bandwidth': 1 << 32, 'downtime-limit': 10000})
    ended = comes_true(over, 120)
    said = source.qmp('query-migrate')
    print('#', said)
    if not ended or said['status'] != 'completed':
        raise vm.Failure('migrating the guest', str(said), f'less {source.log}.qemu')
    return bytes_discarded(source.trace) - begin


@pytest.mark.slow
@pytest.mark.parametrize('flavour, hint', (
    ('hinting', 'off'), ('hinting', 'on'), ('hinting', 'flush'), ('debug', 'off'),
    ('debug', 'on'), ('debug', 'flush'), ('hinting+suites', 'off')))
def test_migration(check, guest, monkeypatch, flavour, hint):
    """A guest at work moves to another QEMU: its content is intact, and hinting goes on there

    In LATE_FLAVOUR the guest sees no acknowledgment from before the move until after it.
    """
    label = f'migration of {flavour}, free-page-hint={hint}'
    late = flavour == LATE_FLAVOUR
    # Older ones, such as 7.2, may lose what an emulated guest writes while it moves.
    if not use_next_qemu(check, monkeypatch):
        return
    # Nothing else tells a guest that it has moved.
    command = f"echo {int(hint == 'flush')} >{SYSFS}/flush_for_host" + CHURN + (
        LATELY if late else '') + f"""
        sleep 3; {"late 100" if late else ":"}; sleep 1; echo "### ready"
        until grep -q there /sys/firmware/qemu_fw_cfg/by_name/opt/place/raw; do sleep 1; done
        {"hintload sum | sed 's/### sum/### busy/'; late 0" if late else ":"}
        sleep 5; ends"""

    def start(name, place, *extra):
        return guest(flavour, f'{name}-{hint}', command, memory=768, monitor=True,
                     balloon='none', timeout=1200, trace=trace_of(f'{name}-{flavour}-{hint}'),
                     extra=['-object', 'iothread,id=io', '-device', f'{BALLOON},iothread=io,'
                            f"free-page-hint={'off' if hint == 'off' else 'on'}",
                            '-fw_cfg', f'name=opt/place,string={place}', *extra]).start()

    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'socket')
        source = start('leaves', 'here.')
        destination = start('arrives', 'there', '-incoming', 'unix:' + path)
        if not source.wait_line('### ready', 300):
            raise source.failure()
        # It must not be over before, although a guest that is slow dirties little.
        least = 0 if late else 256 * MIB
        meanwhile = migrate(source, path, MIB if flavour == 'debug' else 8 * MIB, least)
    if not late:
        check(meanwhile > least, f'{label}: it moves while hints are under way',
              f'{meanwhile // MIB} MiB discarded')
    if hint != 'off':
        # After its first buffer the guest says no more until the flush has ended, which may
        # be after the move.
        check(queue_used(source, 3) > (2 if hint == 'on' else 0),
              f'{label}: its free pages were asked for')
    source.stop()
    destination.finish()
    if late:
        was_busy(check, destination, label, 1)
    churned(check, destination, label)
    check(bytes_discarded(destination.trace) > 128 * MIB, f'{label}: the new host discards',
          f'{bytes_discarded(destination.trace) // MIB} MiB')
    tap.no_splat(check, source, label + ', source')


def discarded_before(trace):
    """MiB discarded until QEMU took each buffer that it only reads, and in all. While the
    balloon is empty, the first is for statistics, and the others are the beginnings and
    the ends of answers to requests for free pages."""
    found, discarded = [], 0
    with open(trace, encoding='ascii', errors='replace') as lines:
        for line in lines:
            discard = vm.TRACE.search(line)
            if discard:
                discarded += int(discard.group(3), 16)
            elif re.search(r'virtqueue_pop .* in_num 0 out_num 1$', line):
                found.append(discarded / MIB)
    return found + [discarded / MIB]


@pytest.mark.parametrize('flush', (0, 1))
def test_host_asks(check, guest, flush):
    """A host asks for free pages: with flush_for_host it has them when the guest says so"""
    label = f'a host that asks, flush_for_host={flush}'
    # Nothing is hinted by itself, as it would have to be free for longer than this takes.
    vmguest = guest('hinting', f'asks-{flush}', f"""
        echo 86400000 >{SYSFS}/refault_cost_ms; echo {flush} >{SYSFS}/flush_for_host
        hintload touch 256; echo "### ready"; read -r line
        """, memory=768, monitor=True, balloon='none', trace=trace_of(f'asks-{flush}'),
        extra=['-trace', 'virtqueue_pop', '-object', 'iothread,id=io', '-device',
               BALLOON + ',free-page-hint=on,iothread=io']).start()
    if not vmguest.wait_line('### ready', 120):
        raise vmguest.failure()
    before = bytes_discarded(vmguest.trace) // MIB
    # A migration asks, wherever it goes.
    vmguest.qmp('migrate', uri='exec:cat >/dev/null')
    comes_true(lambda: vmguest.qmp('query-migrate')['status'] in ('completed', 'failed'), 120)
    buffers = queue_used(vmguest, 3)
    vmguest.stop()
    _, *answers, everything = discarded_before(vmguest.trace)
    print(f'# {buffers} buffers, MiB discarded: {before} before, {answers}, {everything}')
    check(len(answers) >= 2, f'{label}: the guest answers, and says when it is done')
    if flush:
        check(answers[1] - before > 240, f'{label}: then the host has discarded all')
        check(buffers == len(answers), f'{label}: no page is on the other queue')
    else:
        check(everything - before < 16, f'{label}: nothing is discarded')
        check(buffers - len(answers) > 60, f'{label}: free pages are on the other queue')
    check(everything == answers[-1], f'{label}: nothing is discarded after the end')
    tap.no_splat(check, vmguest, label)


@pytest.mark.slow
def test_host_asks_again(check, guest):
    """A host asks anew during a flush: the guest says "done" when all is flushed for that"""
    label = 'a host that asks again'
    vmguest = guest(LATE_FLAVOUR, 'asks-again', f"""
        echo 86400000 >{SYSFS}/refault_cost_ms; echo 1 >{SYSFS}/flush_for_host
        hintload touch 256; echo 0 >{LATE}/verbose; echo -1 >{LATE}/times
        echo 100 >{LATE}/probability
        echo "### ready"; read -r line; echo 0 >{LATE}/probability; read -r line
        """, memory=768, monitor=True, balloon='none', talk=True,
        extra=['-object', 'iothread,id=io', '-device',
               BALLOON + ',free-page-hint=on,iothread=io']).start()
    if not vmguest.wait_line('### ready', 120):
        raise vmguest.failure()
    # The flush of the first request cannot end, as no acknowledgement is seen.
    vmguest.qmp('migrate-set-parameters', **{'max-bandwidth': MIB})
    vmguest.qmp('migrate', uri='exec:cat >/dev/null')
    asked = comes_true(lambda: queue_used(vmguest, 3) == 1, 60)
    vmguest.qmp('migrate_cancel')
    cancelled = comes_true(lambda: vmguest.qmp('query-migrate')['status'] == 'cancelled', 60)
    vmguest.qmp('migrate', uri='exec:cat >/dev/null')
    time.sleep(1)       # QEMU asks as the migration begins
    check(asked and cancelled and queue_used(vmguest, 3) == 1, f'{label}: the first is under way')
    vmguest.tell('answer')
    # The beginnings of both, and one end.
    comes_true(lambda: queue_used(vmguest, 3) > 3, 20)
    used = queue_used(vmguest, 3)
    check(used == 3, f'{label}: only the last answer ends', f'{used} buffers')
    vmguest.stop()
    tap.no_splat(check, vmguest, label)


def obeyed(guest, flavour, name, command, answers, **more):
    """A guest that asks for what happens to it: a line "### ask WORD NUMBER" calls
    ANSWERS[WORD](guest, NUMBER). So it never matters how slow it is."""
    def on_line(_, text):
        asked = re.match(r'### ask (\w+) ?(\d*)', text)
        if asked:
            answers[asked.group(1)](vmguest, int(asked.group(2) or 0))

    vmguest = guest(flavour, name, command, monitor=True, on_line=on_line, timeout=1800, **more)
    return vmguest


TOTAL = """
    total() { awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo; }
    free() { awk '/^MemFree/ { print int($2 / 1024) }' /proc/meminfo; }
    # falls or grows MIB: wait until there is so much less, or more, than at first.
    falls() { until [ $(total) -le $((all - $1)) ]; do sleep 0.2; done; }
    grows() { until [ $(total) -ge $((all + $1)) ]; do sleep 0.2; done; }
    all=$(total)
"""


def set_balloon(vmguest, mib):
    vmguest.qmp('balloon', value=mib * MIB)


@pytest.mark.parametrize('flavour', ('hinting', pytest.param('debug', marks=pytest.mark.slow)))
def test_inflate(check, guest, flavour):
    """A balloon that grows and shrinks, and tells statistics, while the guest is at work"""
    looks, label = [], f'balloon of {flavour}'

    def look(vmguest, _):
        said = vmguest.qmp('qom-get', path='/machine/peripheral/balloon',
                           property='guest-stats')
        looks.append((vmguest.qmp('query-balloon')['actual'], said['last-update'],
                      said['stats']['stat-total-memory']))

    vmguest = obeyed(guest, flavour, 'inflate', TOTAL + CHURN + """
        echo "### ask poll 1"
        for pulse in 1 2 3; do
            echo "### ask balloon 640"; falls 630; sleep 3; echo "### ask look"; sleep 1
            echo "### ask balloon 1280"; grows 0; sleep 3; echo "### ask look"; sleep 1
        done
        ends; echo "### ask look"; sleep 1""", {
            'balloon': set_balloon, 'look': look,
            'poll': lambda vmguest, seconds: vmguest.qmp(
                'qom-set', path='/machine/peripheral/balloon',
                property='guest-stats-polling-interval', value=seconds)},
        memory=1280, balloon='none', extra=['-device', BALLOON])
    vmguest.run()
    actual, updated, told = zip(*looks)
    want = [640 * MIB, 1280 * MIB] * 3 + [1280 * MIB]
    check(list(actual) == want, f'{label}: it has each size that was asked for',
          ' '.join(str(size // MIB) for size in actual))
    check(all(a < b for a, b in zip(updated, updated[1:])) and
          all(b - a > 600 * MIB for a, b in zip(told[0:6:2], told[1:6:2])),
          f'{label}: its statistics are of that time', f'{updated}, {told}')
    churned(check, vmguest, label)


@pytest.mark.slow
@pytest.mark.parametrize('flavour', ('hinting', 'debug'))
def test_deflate_on_oom(check, guest, flavour):
    """deflate-on-oom: a guest in need takes the balloon's memory, and nobody is killed"""
    actual = []
    vmguest = obeyed(guest, flavour, 'oom', TOTAL + """
        hintload settle 60; echo "### ask balloon $((1224 - $(free)))"
        until [ $(free) -le 220 ]; do sleep 0.2; done; sleep 5
        until [ -e /tmp/stop ]; do hintload touch 24 >/dev/null; done & sleep 3
        echo "### ask look"; hintload sum; hintload touch 500 small
        echo "### ask look"; touch /tmp/stop; wait; hintload settle 60; hintload sum
        sed -n 's/^oom_kill /### killed /p' /proc/vmstat""", {
            'balloon': set_balloon,
            'look': lambda vmguest, _: actual.append(vmguest.qmp('query-balloon')['actual'])},
        memory=1024, balloon='none', extra=['-device', BALLOON + ',deflate-on-oom=on'])
    vmguest.run()
    text = vmguest.text()
    check(len(actual) == 2 and actual[1] - actual[0] >= 256 * MIB,
          'deflate-on-oom: the balloon gives memory back', f'{actual}')
    check('### freed 500 MiB' in text and '### killed 0' in text,
          'deflate-on-oom: who needs it gets it, and nobody is killed', vmguest.tail())
    check('### settled' in text and number(text, 'in_flight') == 0,
          'deflate-on-oom: hinting goes on, and nothing stays in flight')
    tap.no_splat(check, vmguest, 'deflate-on-oom')


@pytest.mark.parametrize('flavour', ('hinting', pytest.param('debug', marks=pytest.mark.slow)))
def test_readers(check, guest, flavour):
    """Who reads all memory's state, or all memory, disturbs nothing and brings nothing back"""
    label, have = f'readers of {flavour}', []
    # In a shared file of the host's, a page that is only read is there again, too.
    vmguest = obeyed(guest, flavour, 'readers', TOTAL + CHURN + """
        reads() {
            hintload kcore
            for file in kpageflags kpagecount pagetypeinfo buddyinfo zoneinfo; do
                cat /proc/$file >/dev/null || echo "### no $file"
            done
        }
        for round in 1 2 3 4; do reads; done; ends
        hintload touch $(($(free) - 40)) small; hintload flush 1; hintload settle 60; sleep 5
        echo "### ask look"; sleep 1
        reads; echo "### ask look"; sleep 1
        dd if=/dev/mem of=/dev/null bs=1M skip=16 count=480; echo "### ask look"; sleep 1
        """, {'look': lambda vmguest, _: have.append(vmguest.ram_resident())}, memory=512, extra=[
            '-object', 'memory-backend-memfd,id=ram,size=512M,share=on',
            '-machine', 'memory-backend=ram'])
    vmguest.run()
    read = [int(n) for n in re.findall(r'### kcore (\d+) MiB', vmguest.text())]
    check(len(read) == 5 and min(read) >= 500 and '### no ' not in vmguest.text(),
          f'{label}: all of it is read', f'{read} MiB')
    check(have[1] - have[0] <= SLACK, f'{label}: hinted memory stays with the host',
          f'resident {have[0] / MIB:.1f} MiB, after that {have[1] / MIB:.1f} MiB')
    check(have[2] - have[1] > 2 * SLACK, f'{label}: the memory itself, read, does not',
          f'{have[2] / MIB:.1f} MiB')
    churned(check, vmguest, label)


@pytest.mark.slow
@pytest.mark.parametrize('flavour', ('hinting', 'debug'))
def test_cpus(check, guest, flavour):
    """CPUs go and come while the guest is at work"""
    vmguest = guest(flavour, 'cpus', CHURN + """
        for round in $(seq 10); do
            for state in 0 1; do
                for cpu in 1 2; do
                    echo $state >/sys/devices/system/cpu/cpu$cpu/online || echo "### stays"
                done
                sleep 1
            done
        done
        echo "### cpus $(grep -c ^processor /proc/cpuinfo)"; ends""", smp=3, timeout=1200)
    vmguest.run()
    check('### cpus 3' in vmguest.text() and '### stays' not in vmguest.text(),
          'CPUs: they go and come')
    churned(check, vmguest, 'CPUs')


@pytest.mark.slow
@pytest.mark.parametrize('flavour', ('hinting', 'debug'))
def test_sleep_steps(check, guest, flavour):
    """Suspend and hibernation as far as each of their steps, while the guest is at work"""
    vmguest = guest(flavour, 'steps', CHURN + """
        echo 1 >/sys/module/suspend/parameters/pm_test_delay
        echo "### states $(cat /sys/power/state)"
        for state in $(cat /sys/power/state); do
            for step in freezer devices platform processors core; do
                case $state-$step in freeze-[pc][ro]*) continue ;; esac
                echo $step >/sys/power/pm_test
                echo $state >/sys/power/state && echo "### slept $state $step"; sleep 1
            done
        done
        ends""", timeout=1800)
    vmguest.run()
    text = vmguest.text()
    want = [f'{state} {step}' for state in ('freeze', 'mem', 'disk')
            for step in ('freezer', 'devices', 'platform', 'processors', 'core')
            if state != 'freeze' or step not in ('processors', 'core')]
    slept = re.findall(r'### slept (.*)', text)
    check(slept == want, 'sleep: each step is reached, and left', ', '.join(slept))
    churned(check, vmguest, 'sleep')


def discarded_in(trace, block):
    """Bytes discarded in that RAM block of QEMU's"""
    with open(trace, encoding='ascii') as lines:
        found = (vm.TRACE.search(line) for line in lines)
        return sum(int(match.group(3), 16) for match in found
                   if match and match.group(1).endswith(block))


# Plug memory while page_hinting_threads_update() gets none. A work item calls that for each
# memory block, so what fails is chosen by call stack, not by task.
NO_MEMORY = f"""
    plug_without_memory() {{
        local slab=/sys/kernel/debug/failslab zone={SYSFS}/node0-Movable
        set -- $(awk '$3 == "page_hinting_threads_update" {{ found = $1 }}
                      found && $1 > found {{ print found, $1; exit }}' /proc/kallsyms)
        echo 0x$1 >$slab/require-start; echo 0x$2 >$slab/require-end; echo 0 >$slab/verbose
        echo N >$slab/ignore-gfp-wait; echo -1 >$slab/times; echo 100 >$slab/probability
        echo "### ask plug 0"; grows 500; sleep 5
        echo 0 >$slab/probability; [ -d $zone ] || echo "### refused $(cat {SYSFS}/state)"
        echo 1 >{SYSFS}/enabled; [ ! -d $zone ] || echo "### tried again"
        all=$(total)
    }}
    plug_without_memory
"""


@pytest.mark.slow
def test_dimm(check, guest):
    """DIMMs are plugged and unplugged while the guest is at work in them"""
    trace = trace_of('dimm')

    def plug(vmguest, one):
        vmguest.qmp('object-add', **{'qom-type': 'memory-backend-ram', 'id': f'ram{one}',
                                     'size': 512 * MIB})
        vmguest.qmp('device_add', driver='pc-dimm', id=f'dimm{one}', memdev=f'ram{one}')

    def unplug(vmguest, one):
        if f'dimm{one}' in [dimm['data']['id'] for dimm in vmguest.qmp('query-memory-devices')]:
            vmguest.qmp('device_del', id=f'dimm{one}')

    vmguest = obeyed(guest, 'debug+hotplug', 'dimm', TOTAL + NO_MEMORY + LATELY + CHURN + f"""
        for round in 1 2 3; do
            echo "### ask plug $round"; grows 500; hintload touch 600; sleep 10
            busy 300
            for try in $(seq 20); do
                echo "### ask unplug $round"; sleep 5; [ $(total) -gt $((all + 400)) ] || break
            done
            falls 0; late 0; echo "### gone after $try"
        done
        ends; echo 0 >{SYSFS}/enabled; sleep 1; hintload sum""", {
            'plug': plug, 'unplug': unplug}, memory=768, trace=trace,
        append='memhp_default_state=online_movable', extra=['-m', 'slots=5,maxmem=4G'])
    vmguest.run()
    text = vmguest.text()
    tries = re.findall(r'### gone after (\d+)', text)
    was_busy(check, vmguest, 'DIMM', 3)
    check(len(tries) == 3, 'DIMM: three come and go', f'after {", ".join(tries)} attempts')
    check('node 0, zone Movable: not hinted, as its thread did not start: error -12' in text and
          '### refused running' in text and '### tried again' in text,
          'DIMM: without memory for its thread it is not hinted, until a write tries again')
    within = [discarded_in(trace, 'ram' + one) for one in '0123']
    check(min(within) > 256 * MIB, 'DIMM: hints of each reach the host', f'{within} bytes')
    traced, said = bytes_discarded(trace), number(text, 'submitted')
    check(traced == said, 'DIMM: the counters equal the trace',
          f'trace {traced}, counters {said} bytes')
    churned(check, vmguest, 'DIMM')


@pytest.mark.slow
def test_virtio_mem(check, guest):
    """A virtio-mem device grows and shrinks while the guest is at work in it"""
    trace, sizes = trace_of('virtio-mem'), []

    def size(vmguest, mib):
        vmguest.qmp('qom-set', path='/machine/peripheral/vmem', property='requested-size',
                    value=mib * MIB)

    def look(vmguest, _):
        sizes.append(vmguest.qmp('qom-get', path='/machine/peripheral/vmem', property='size'))

    vmguest = obeyed(guest, 'debug+hotplug', 'virtio-mem', TOTAL + LATELY + CHURN + """
        for round in 1 2 3; do
            echo "### ask size 512"; grows 500; hintload touch 600; sleep 10; echo "### ask look"
            busy 300; echo "### ask size 0"; falls 0; late 0; sleep 2; echo "### ask look"
        done
        ends""", {'size': size, 'look': look}, memory=768, trace=trace,
        append='memhp_default_state=online_movable', extra=[
            '-m', 'slots=4,maxmem=4G', '-object', 'memory-backend-ram,id=more,size=512M',
            '-device', 'virtio-mem-pci,id=vmem,memdev=more,requested-size=0'])
    vmguest.run()
    was_busy(check, vmguest, 'virtio-mem', 3)
    check(sizes == [512 * MIB, 0] * 3, 'virtio-mem: it grows and shrinks as is asked for',
          f'{sizes}')
    check(discarded_in(trace, 'more') > 512 * MIB, 'virtio-mem: hints of it reach the host')
    churned(check, vmguest, 'virtio-mem')


def after_last(trace, line):
    """Bytes discarded after the guest's last line with that; needs serial_write in the trace"""
    text, discarded = '', None
    with open(trace, encoding='ascii', errors='replace') as lines:
        for one in lines:
            char, block = vm.SERIAL.search(one), vm.TRACE.search(one)
            if block and discarded is not None:
                discarded += int(block.group(3), 16)
            if char:
                text = (text + chr(int(char.group(1), 16)))[-len(line):]
                discarded = 0 if text == line else discarded
    return discarded


@pytest.mark.parametrize('flavour', ('hinting', pytest.param('debug', marks=pytest.mark.slow)))
def test_kexec(check, guest, flavour):
    """kexec while blocks are in flight: the host takes nothing from the kernel that follows"""
    label, trace = f'kexec of {flavour}', trace_of(f'kexec-{flavour}')
    # The debug kernel's host is silent: what is in flight never comes home.
    vmguest = guest(flavour, 'kexec', TOTAL + CHURN + f"""
        if grep -q another /proc/cmdline; then
            echo "### second $all"; sleep 5; ends; echo 0 >{SYSFS}/enabled; sleep 1; hintload sum
            exit
        fi
        cat /dev/vda >/tmp/kernel; cat /dev/vdb >/tmp/initrd
        kexec -l /tmp/kernel --initrd=/tmp/initrd --command-line="$(cat /proc/cmdline) another"
        while :; do hintload flush 2 >/dev/null; done & sleep 4
        [ ! -e {LATE} ] || {{ echo -1 >{LATE}/times; echo 100 >{LATE}/probability; sleep 3; }}
        hintload sum; echo "### first $all"; kexec -e""",
                    memory=1024, trace=trace, timeout=1200, append='loglevel=6',
                    programs=['/usr/sbin/kexec'])
    vmguest.extra += ['-trace', 'serial_write']
    for file in guest.kernel(flavour), vmguest.initrd:
        vmguest.extra += ['-drive', f'file={file},format=raw,if=virtio,readonly=on']
    vmguest.run()
    text = vmguest.text()
    sums = [dict(re.findall(r'(\w+) (\d+)', line)) for line in re.findall('### sum .*', text)]
    seen = dict(re.findall(r'### (first|second) (\d+)', text))
    check(len(seen) == 2 and seen['first'] == seen['second'],
          f'{label}: the kernel that follows has all memory', f'{seen}')
    check(int(sums[0]['acknowledged']) > 256 * MIB and
          (flavour != 'debug' or int(sums[0]['in_flight']) > 16 * MIB),
          f'{label}: the first one hints until then', f'{sums[0]}')
    traced, said = after_last(trace, 'Starting new kernel'), number(text, 'submitted')
    check(traced == said > 256 * MIB, f'{label}: the host discards what the second one hints, '
          'and nothing else', f'trace {traced}, counters {said} bytes')
    churned(check, vmguest, label)


# Two gigantic pages are asked for, and then as many huge ones as there are: in a guest
# whose free memory is hinted, in flight, or both.
HUGE = f"""
    gigantic=/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages
    huge=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
    mkdir /huge /gigantic; mount -t hugetlbfs none /huge
    mount -t hugetlbfs -o pagesize=1G none /gigantic
    [ ! -e {SYSFS}/min_order ] || echo 100 >{SYSFS}/refault_cost_ms
    dd if=/dev/urandom of=/tmp/data bs=1M count=48 2>/dev/null; md5sum /tmp/data >/tmp/sum
    for round in {{rounds}}; do
        hintload touch 300 small >/dev/null; sleep 0.$round
        echo 2 >$gigantic; n=$(cat $gigantic); echo "### gigantic $n"
        hintload huge /gigantic/data $((n * 1024)); rm /gigantic/data
        # Nothing is left for a new process now: some go back.
        echo 4000 >$huge; read n <$huge; echo $((n - 40)) >$huge; echo "### obtained $n"
        hintload huge /huge/data $((n * 2 - 80)); rm /huge/data
        echo 0 >$huge; echo 0 >$gigantic
    done
    md5sum -c /tmp/sum && echo "### same content"
    sed -n 's/^oom_kill /### killed /p' /proc/vmstat"""


@pytest.mark.slow
def test_hugetlb(check, guest):
    """Huge and gigantic pages come and go as without hinting, and keep what is in them"""
    rounds, found = 4, {}
    for hinting in 'off', 'on':
        vmguest = guest('hinting', f'hugetlb-{hinting}', HUGE.replace(
            '{rounds}', ' '.join(map(str, range(rounds)))) + """
            hintload settle 120; hintload sum""", memory=4096, timeout=1200,
                        append=f'page_hinting={hinting} hugetlb_cma=1G')
        vmguest.run()
        text = vmguest.text()
        found[hinting] = [[int(n) for n in re.findall(rf'### {what} (\d+)', text)]
                          for what in ('gigantic', 'obtained')]
        print(f'# {hinting}: {found[hinting]}')
        check(text.count(' 0 pages wrong') == 2 * rounds and '### same content' in text and
              '### killed 0' in text, f'hugetlb, {hinting}: all keep their content',
              vmguest.tail())
        tap.no_splat(check, vmguest, f'hugetlb, {hinting}')
    for kind, name, least, slack in (0, 'gigantic', 1, 0), (1, 'huge', 1000, 4):
        on, off = min(found['on'][kind]), min(found['off'][kind])
        check(on >= off - slack and off >= least, f'hugetlb: as many {name} pages as without '
              'hinting', f'at least {on}, without {off}')
    check(number(text, 'acknowledged') > rounds * 1024 * MIB and number(text, 'in_flight') == 0,
          'hugetlb: what was free is hinted each time, and nothing stays in flight')


@pytest.mark.slow
def test_failed_memory(check, guest):
    """Memory fails, or goes to CMA, where no debugging option holds failed pages back"""
    vmguest = guest('hinting+suites', 'failed', tap.shell('contig'), memory=1024,
                    append='cma=128M', timeout=1200)
    vmguest.run()
    tap.report(check, vmguest, 'without debugging options', ('contig',))
