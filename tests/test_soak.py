# SPDX-License-Identifier: GPL-2.0
"""Everything at once, for two minutes, or for as long as "make soak MINUTES=60" says."""
import os
import re

import pytest
import tap
from seen import SYSFS

# "content" begins and ends while nothing else runs, as it counts the guest's memory.
QUIET_S = 25
# Each page that content and stress-ng --verify write has words of its own, which are
# looked at before it is freed; what comes fresh has to be zero.
LOADS = f"""
    beside() {{ (while [ ! -e /tmp/over ]; do "$@"; done >/dev/null 2>&1) & }}
    stress() {{ stress-ng --verify --oomable --timeout 10 "$@" || echo "$? $*" >>/tmp/wrong; }}
    knobs() {{
        for line in 'enabled 0' 'enabled 1' 'min_order 10' 'idle_min_order 4' 'flush 1' \\
            'refault_cost_ms 300' 'flush_for_host 1' 'min_order 9' 'idle_min_order 0' 'flush 2' \\
            'flush_for_host 0' 'refault_cost_ms 20'
        do
            echo ${{line#* }} >{SYSFS}/${{line% *}} || case $line in
            flush*) ;;  # while the driver is not bound
            *) echo "not written: $line" >>/tmp/wrong ;;
            esac
            usleep 200000
        done
        echo knobs >>/tmp/done
    }}
    compact() {{ echo 1 >/proc/sys/vm/compact_memory; echo compactions >>/tmp/done; sleep 1; }}
    split() {{ echo 1 >/sys/kernel/debug/split_huge_pages; echo splits >>/tmp/done; sleep 3; }}
    limited() {{
        sh -c 'echo $$ >/cg/soak/cgroup.procs; exec stress-ng --oomable --vm 1 --vm-bytes 96M -t 5'
        grep -q '^max [1-9]' /cg/soak/memory.events && echo limited >>/tmp/done
    }}
    echo madvise >/sys/kernel/mm/transparent_hugepage/enabled; >/tmp/wrong
    mkdir /cg; mount -t cgroup2 cg /cg; echo +memory >/cg/cgroup.subtree_control
    mkdir /cg/soak; echo 64M >/cg/soak/memory.max
    content --loop SECONDS --pressure --rebind >/tmp/tap 2>&1 & content=$!
    sleep {QUIET_S}
    beside stress --fork 2 --vm 2 --vm-bytes 64M --vm-madvise hugepage
    beside stress --mremap 1 --mremap-bytes 16M --brk 1
    beside knobs; beside compact; beside split; beside limited
    sleep $((SECONDS - {QUIET_S} - 10)); >/tmp/over; sleep 12
    wait $content; code=$?
    echo "### begin content"; cat /tmp/tap; echo "### end content $code"
    dmesg | grep 'page_hinting: the free lists are checked'
    sed 's/^/### wrong /' /tmp/wrong; sort /tmp/done | uniq -c | sed 's/^ */### done /'
    awk '/^(oom_kill |compact_isolated|thp_split_page |pgmigrate_success|page_hinting_)/ \\
        {{ print "### event", $1, $2 }}' /proc/vmstat"""
# What all of that has to come to.
DONE = ('knobs', 'compactions', 'splits', 'limited')
EVENTS = ('compact_isolated', 'thp_split_page', 'pgmigrate_success', 'page_hinting_acknowledged')


@pytest.mark.slow
def test_soak(check, guest):
    """Loads, forks, splits, compaction, a limit, every knob: no content is wrong"""
    minutes = int(os.environ.get('MINUTES') or 2)
    vmguest = guest('hinting+suites', 'soak', LOADS.replace('SECONDS', str(minutes * 60)),
                    memory=768, timeout=minutes * 120 + 1200, programs=['/usr/bin/stress-ng'])
    vmguest.run()
    text = vmguest.text()
    tap.report(check, vmguest, f'soak of {minutes} min', ('content',))
    found = re.search(r'(\d+) rounds, hinting in (\d+).*?(\d+) pages: (\d+) turned to zeros, '
                      r'(\d+) wrong', text, re.DOTALL)
    done = {name: int(n) for n, name in re.findall(r'### done (\d+) (\w+)', text)}
    events = {name: int(n) for name, n in re.findall(r'### event (\w+) (\d+)', text)}
    if not found:
        raise vmguest.failure()
    rounds, _, pages, zero, wrong = map(int, found.groups())
    print(f'# {rounds} cycles, {pages * 4096} bytes checked, {zero + wrong} mismatches',
          done, events)
    check('page_hinting: the free lists are checked' in text,
          'soak: the free lists were checked each second')
    check(pages and not zero + wrong, 'soak: each page had what was written to it')
    bad = re.findall(r'### wrong (.*)', text)
    check(not bad, 'soak: stress-ng finds nothing wrong', '\n'.join(bad))
    check(all(done.get(name) for name in DONE) and all(events.get(name) for name in EVENTS),
          'soak: all of it took place', f'{done} {events}')
