# SPDX-License-Identifier: GPL-2.0
"""Selftests in a guest: how they are called, and what their TAP says."""
import re

SKIP = 4        # kselftest's exit code
LINE = re.compile(r'^(not ok|ok) \d+ (?:# (SKIP|XFAIL) )?(.*)$')
# What a kernel prints when something is wrong with it.
SPLAT = re.compile(
    r'BUG: (?!KCSAN)|kernel BUG at|WARNING: (?!Spectre|.*vulnerab)|KASAN:|UBSAN:|Oops|'
    r'possible circular locking|possible recursive locking|inconsistent lock state|'
    r'suspicious RCU|general protection fault|unable to handle|Bad page (?:state|map)|'
    r'blocked for more than|soft lockup|self-detected stall|detected stalls|'
    r'(?<!hardware memory )corruption|sleeping function called|scheduling while atomic|'
    r'use-after-free|refcount_t:|DEBUG_LOCKS_WARN_ON|ODEBUG:|workqueue lockup|Kernel panic|'
    r'page_hinting: .*(?:KiB lost|which it did not have)')


def shell(program, arguments=''):
    """Run it, and print its output once more: a kernel message may cut a line."""
    return (f'echo "### begin {program}"\n'
            f'{{ {program} {arguments}; echo $? >/tmp/code; }} 2>&1 | tee /tmp/tap\n'
            f'sleep 0.2; echo "### begin {program}"; cat /tmp/tap\n'
            f'printf "\\n### end {program} %d\\n" $(cat /tmp/code)\n')


def complaints(guest):
    """What the kernel of this guest complained of."""
    return [text for _, text in guest.lines if SPLAT.search(text)]


def no_splat(check, guest, label):
    """One result: it complained of nothing."""
    bad = complaints(guest)
    check(not bad, f'{label}: the kernel does not complain',
          '\n'.join(bad[:5] + [f'see {guest.log}']) if bad else '')


def sections(lines):
    """[(program, its lines, its exit code or None)]"""
    found, program, own = [], None, []
    for _, text in lines:
        if match := re.search(r'### begin (\S+)', text):
            program, own = match.group(1), []
        elif match := re.search(r'### end (\S+) (\d+)', text):
            found.append((program, own, int(match.group(2))))
            program = None
        elif program:
            own.append(text)
    if program:
        found.append((program, own, None))
    return found


def report_program(check, label, lines, code, may_skip):
    """The results of one program."""
    plan, seen, notes = None, 0, []
    for text in lines:
        if match := re.search(r'^1\.\.(\d+)(?: # SKIP (.*))?', text):
            plan = int(match.group(1))
            notes += [match.group(2)] if match.group(2) else []
        if text.startswith('# '):
            notes.append(text[2:])
        match = LINE.search(text)
        if not match:
            continue
        seen += 1
        name = f'{label}: {match.group(3)}'
        if match.group(2) and may_skip:
            check.skip(label, match.group(3))
        elif match.group(2):    # the kernel is ours: whatever is tested must be in it
            check(False, name, 'skipped: configs/ lack what it needs')
        else:
            check(match.group(1) == 'ok', name,
                  '\n'.join(notes[-4:]) if match.group(1) != 'ok' else '')
        notes = []
    if code == SKIP and not seen and may_skip:
        check.skip(label, ' '.join(notes))
    elif code is None:
        check(False, f'{label}: ends', 'it did not; ' + ' | '.join(lines[-4:]))
    elif not seen or seen != plan:
        check(False, f'{label}: keeps its plan', f'{seen} results of {plan}, exit code '
              f'{code}; ' + ' | '.join(lines[-4:]))


def report(check, guest, label, programs, may_skip=()):
    """All results in a guest's console, and that the kernel did not complain."""
    found = sections(guest.lines)
    for program, lines, code in found:
        report_program(check, f'{label} {program}', lines, code, program in may_skip)
    for program in programs:
        if program not in (name for name, _, _ in found):
            check(False, f'{label} {program}', 'it did not begin')
    no_splat(check, guest, label + ' ' + ' '.join(programs))
