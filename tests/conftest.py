# SPDX-License-Identifier: GPL-2.0
"""What all tests share: the kernels, the guests, and how results are counted.

A test has many results, each of which is printed, and one that fails does not
end the test. So the last line counts results, not tests.
"""
import contextlib
import io
import os
import re
import subprocess
import sys

import pytest

sys.dont_write_bytecode = True
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, 'scripts/lib'))
import tap  # noqa: E402
import vm   # noqa: E402

SUM, DONE = {'passed': 0, 'failed': 0, 'skipped': 0}, set()
# Which of the processes that share the tests this one is; '' where one runs them all.
WORKER = os.environ.get('PYTEST_XDIST_WORKER', '')


class Check:
    """The results of one test."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def __call__(self, ok, name, why=''):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
        print(('ok' if ok else 'not ok'), '-', name, flush=True)
        if why:
            print(*('    ' + line for line in why.splitlines()), sep='\n', flush=True)
        return ok

    def skip(self, name, why):
        self.skipped += 1
        print(f'ok - {name} # SKIP {why}', flush=True)


class Guests:
    """Guests that a test starts, of kernels that are built when they are first asked for."""

    images = {flavour: os.environ.get('KERNEL_' + flavour.upper())
              for flavour in ('hinting', 'debug')}

    def __init__(self, accel):
        self.accel, self.started = accel, []

    def kernel(self, flavour):
        if self.images.get(flavour) is None:
            done = subprocess.run([os.path.join(TOP, 'scripts/build'), '-c', flavour], text=True,
                                  stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
            self.images[flavour] = '' if done.returncode else done.stdout.strip().split('\n')[-1]
        if not self.images[flavour]:
            raise vm.Failure(f'building the {flavour} kernel', 'see above',
                             f'scripts/build -c {flavour}')
        return self.images[flavour]

    def __call__(self, flavour, name, command, **more):
        """A guest of that flavour, not started yet."""
        more.setdefault('timeout', 600 if flavour == 'debug' else 240)
        self.started.append(vm.Guest(self.kernel(flavour), command, accel=self.accel,
                                     name=f'check-{name}-{flavour}{WORKER}', **more))
        return self.started[-1]


@pytest.fixture
def check():
    return Check()


@pytest.fixture
def guest(request):
    guests = Guests(request.config.getoption('accel'))
    yield guests
    for one in guests.started:
        one.stop()
    bad = [one for one in guests.started if tap.complaints(one)]
    if bad:
        raise vm.Failure(f'the guest "{bad[0].name}"', 'its kernel complains: ' +
                         ' | '.join(tap.complaints(bad[0])[:5]), f'less {bad[0].log}')


def pytest_addoption(parser):
    add = parser.getgroup('page hinting').addoption
    add('--only', default='', help='only tests whose name matches this')
    add('--all', action='store_true', help='also those that take long')
    add('--base', default=os.environ.get('BASE'), help='base kernel, see bases/')
    add('--accel', default=os.environ.get('ACCEL'), help='auto, kvm or tcg')


def pytest_configure(config):
    config.addinivalue_line('markers', 'slow: left to "make check-all", or who asks for it')
    if config.getoption('base'):
        os.environ['BASE'] = config.getoption('base')
    vm.exit_on_sigterm()


def name_of(nodeid):
    """What users know a test by, with its parameters; what is behind '@' is xdist's"""
    return re.sub(r'.*::test_|@\w+$', '', nodeid)


def pytest_collection_modifyitems(config, items):
    only, everything = config.getoption('only'), config.getoption('all')
    left = [item for item in items if not (
        re.search(only, name_of(item.nodeid).split('[')[0]) if only else
        everything or not item.get_closest_marker('slow'))]
    items[:] = [item for item in items if item not in left]
    if not items:
        raise pytest.UsageError(f'no test matches "{only}"; next: scripts/check --list')
    # What takes longest comes first, so that no process is the only one at work in the end.
    if WORKER:
        items.sort(key=lambda item: 'test_units' not in item.nodeid)
    elif left and not only:
        print('# left to "make check-all":', *dict.fromkeys(
            name_of(item.nodeid).split('[')[0] for item in left))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session):
    if session.config.getoption('collectonly'):
        for test in dict.fromkeys(item.function for item in session.items):
            print(f'{test.__name__.removeprefix("test_"):<20} {test.__doc__.splitlines()[0]}')
        session.items.clear()


def pytest_sessionfinish(session):
    if session.config.getoption('collectonly') and session.exitstatus == 5:
        session.exitstatus = 0


def pytest_sessionstart(session):
    Check.session = session


def pytest_runtest_logstart(nodeid):
    print('#', name_of(nodeid), flush=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.when != 'call' or report.skipped:
        return
    results, said = item.funcargs['check'], io.StringIO()
    with contextlib.redirect_stdout(said):
        if call.excinfo:
            error = call.excinfo.value
            results(False, item.name,
                    str(error if isinstance(error, vm.Failure) else report.longrepr))
        elif not results.passed + results.failed + results.skipped:
            results(False, item.name, 'the test has tested nothing')
    if results.failed:
        report.outcome, report.longrepr = 'failed', f'{results.failed} results, see above'
    report.sections.append(('Captured stdout call', said.getvalue()))
    report.user_properties += [(kind, getattr(results, kind)) for kind in SUM]


def pytest_runtest_logreport(report):
    """What a test has said, if that was held back, and how far we are."""
    if WORKER or not (report.failed or report.when == 'call'):
        return
    name, results = name_of(report.nodeid), dict(report.user_properties)
    if report.when == 'call':
        print(report.capstdout, end='')
    if report.failed and not results:   # not in the test, or its process has died
        results = {'failed': 1}
        print(f'not ok - {name}\n{report.longreprtext}')
    for kind, times in results.items():
        SUM[kind] += times
    DONE.add(report.nodeid)
    print(f'# {name}: {report.duration:.0f} s; {len(DONE)} of {Check.session.testscollected}',
          flush=True)


def pytest_report_teststatus(report):
    """No dots."""
    return report.outcome if report.when == 'call' or report.failed else '', '', ''


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    if config.getoption('collectonly'):
        return
    if SUM['skipped']:
        print(f'{SUM["skipped"]} skipped')
    errors = len(terminalreporter.stats.get('error', ()))
    print(f'{SUM["passed"]} passed, {SUM["failed"] + errors} failed')
