# SPDX-License-Identifier: GPL-2.0
"""What needs no guest of ours: KUnit, and the model of the protocol."""
import re

import pytest
from seen import script


def test_kunit(check):
    """Unit tests, by the kernel's kunit.py"""
    done = script('kunit', timeout=3600)
    out = done.stdout + done.stderr
    total = re.findall(r'^(\d+) passed, (\d+) failed$', out, re.M)
    if not total or (done.returncode and total[-1][1] == '0'):
        check(False, 'the unit tests run', out[-2000:])
        return
    passed, failed = (int(n) for n in total[-1])
    print(out if failed else f'# {passed} unit tests passed')
    check.passed += passed
    check.failed += failed
    check(passed > 0, 'there are unit tests')


def results_of(check, name, *options):
    """What a script says with "ok" and "not ok" lines."""
    done = script(name, *options, timeout=3600)
    lines = re.findall(r'^(not ok|ok) - (.*)$', done.stdout, re.M)
    for state, what in lines:
        check(state == 'ok', f'{name}: {what}')
    check(lines and f'{len(lines)} passed' in done.stdout, f'{name}: it comes to its end',
          (done.stdout + done.stderr)[-2000:])


@pytest.mark.parametrize('options', (
    pytest.param((), id='all', marks=pytest.mark.slow), pytest.param(('-f',), id='faults')))
def test_protocol(check, options):
    """The protocol between threads, flush and host as a model: spin tries all orders of steps"""
    results_of(check, 'protocol', *options)


@pytest.mark.slow
def test_mutants(check):
    """The mechanism is broken in one place after the other: each time a unit test fails"""
    results_of(check, 'mutants')


@pytest.mark.slow
def test_coverage(check):
    """At least 95 % of our lines run in the tests, and each that does not has a reason"""
    results_of(check, 'coverage')
