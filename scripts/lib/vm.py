# SPDX-License-Identifier: GPL-2.0
"""A guest in QEMU, watched from outside: console, resident size, discards."""
import atexit
import functools
import hashlib
import json
import math
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, 'build')
PAGE = os.sysconf('SC_PAGE_SIZE')
# What a guest prints last, see scripts/guest/init.
END = re.compile(r'### guest-exit (\d+)')
TRACE = re.compile(r'ram_block_discard_range (\S+)@(0x[0-9a-f]+) \+ '
                   r'(0x[0-9a-f]+): madvise: (\d) fallocate: (\d) ret: (-?\d+)')

# A character on the guest's serial line.
SERIAL = re.compile(r'serial_write .*addr 0x0+ val 0x([0-9a-f]+)')

# What a guest of each architecture is: QEMU's machine, the console in it, and the
# processor under TCG.
MACHINES = {'x86_64': ('q35', 'ttyS0', 'max'),
            'aarch64': ('virt,gic-version=max', 'ttyAMA0', 'max')}


class Failure(Exception):
    """A step failed: which one, why, and the next command to try."""

    def __init__(self, step, why, hint):
        super().__init__(f'error: {step} failed: {why}\n  next: {hint}')


def exit_on_sigterm():
    """End in an orderly way, guests included; once."""
    def leave(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(143)
    signal.signal(signal.SIGTERM, leave)


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def built_kernel(base=None):
    """The path of a bzImage; installs what is missing, and builds it where needed."""
    environ = {**os.environ, **({'BASE': base} if base else {})}
    for step in ('install-deps', 'run'), ('build',):
        done = subprocess.run([os.path.join(TOP, 'scripts', step[0]), *step[1:]], env=environ,
                              text=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              check=False)
        if done.returncode:     # it has said why
            sys.exit(done.returncode)
    return done.stdout.strip().split('\n')[-1]


def available_mib():
    """Memory of this machine that guests can have."""
    with open('/proc/meminfo', encoding='ascii') as meminfo:
        return int(re.search(r'MemAvailable:\s+(\d+)', meminfo.read()).group(1)) // 1024


def machine_of(kernel):
    """What platform.machine() says on a machine that runs this kernel."""
    try:
        with open(kernel, 'rb') as image:
            head = image.read(64)
    except OSError as error:
        raise Failure('reading the kernel image', str(error), 'scripts/build') from error
    return 'aarch64' if head[56:60] == b'ARM\x64' else 'x86_64'


def initramfs(machine, command, out, programs=()):
    """The initramfs that runs the shell script COMMAND, as the file OUT."""
    builder = os.path.join(TOP, 'scripts/lib/initramfs')
    option = ['-a'] if machine == 'aarch64' else []
    done = subprocess.run([builder, *option, out], input=command, text=True,
                          env={**os.environ, 'PROGRAMS': ' '.join(programs)},
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          check=False)
    if done.returncode:
        raise Failure('building the initramfs', done.stderr.strip() or
                      f'exit code {done.returncode}', f'sh -x {builder} {out} </dev/null')


@functools.lru_cache
def choose_accel(kernel, wanted):
    """'kvm' where a trial boot of this kernel proves it, else 'tcg'; always that
    for a kernel of another architecture."""
    wanted = wanted or os.environ.get('ACCEL') or 'auto'
    if wanted not in ('auto', 'kvm', 'tcg'):
        raise Failure('choosing the accelerator', f"'{wanted}' is none of auto, kvm, tcg",
                      'ACCEL=tcg, or leave ACCEL unset')
    if machine_of(kernel) != platform.machine():
        return 'tcg'
    if wanted != 'auto':
        return wanted
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        say('accelerator: TCG, for /dev/kvm cannot be opened: times are not those of real hardware')
        return 'tcg'
    with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as boot_id:
        key = boot_id.read()
    stat = os.stat(kernel)
    key += f'{os.path.realpath(kernel)} {stat.st_size} {stat.st_mtime_ns}'
    cache = os.path.join(BUILD, 'accel', hashlib.sha256(key.encode()).hexdigest()[:16])
    if not os.path.exists(cache):
        prove_kvm(kernel, cache)
    with open(cache, encoding='ascii') as answer:
        accel = answer.read().strip()
    say('accelerator: KVM, a trial boot worked' if accel == 'kvm' else
        'accelerator: TCG, for a trial boot under KVM did not work: '
        'times are not those of real hardware')
    return accel


def prove_kvm(kernel, cache):
    os.makedirs(os.path.dirname(cache), exist_ok=True)
    say('accelerator: trying KVM (at most 8 s)')
    guest = Guest(kernel, 'true', name='kvm-trial', memory=256, smp=1, accel='kvm',
                  balloon='none', timeout=8)
    try:
        answer = 'kvm' if guest.run() == 0 else 'tcg'
    except Failure:
        answer = 'tcg'
    with open(cache + '.tmp', 'w', encoding='ascii') as out:
        out.write(answer + '\n')
    os.rename(cache + '.tmp', cache)


class Guest:
    """One boot. memory is in MiB; balloon is reporting, plain or none; prefix
    is a command that ends by executing what follows it; monitor is for qmp();
    programs are paths of this machine's, for the guest to run; talk is for tell();
    initrd is one that is used as it is, with no command."""

    def __init__(self, kernel, command, name='guest', memory=2048, smp=2, append='',
                 accel=None, icount=None, timeout=120, trace=None, balloon='reporting',
                 extra=(), on_line=None, prefix=(), monitor=False, programs=(),
                 talk=False, initrd=None):
        self.kernel, self.command, self.name = kernel, command, name
        self.own_initrd = None if initrd else os.path.join(BUILD, 'initramfs', name + '.cpio')
        self.initrd = initrd or self.own_initrd
        self.memory, self.smp, self.append = memory, smp, append
        self.accel, self.icount, self.timeout = accel, icount, timeout
        self.trace, self.balloon, self.extra = trace, balloon, list(extra)
        self.on_line, self.prefix, self.programs = on_line, list(prefix), programs
        self.stdin = subprocess.PIPE if talk else subprocess.DEVNULL
        # A pair of sockets has no path that could be too long.
        self.monitor, self.monitor_of_qemu = socket.socketpair() if monitor else (None, None)
        self.answers = None     # the monitor's, once it was asked for the first time
        self.lines = []         # (seconds since the start, text)
        self.samples = []       # (seconds since the start, bytes resident)
        self.begin = time.monotonic()
        self.process = self.reader = self.sampler = self.deadline = None
        self.timed_out = False
        self.ending = False     # from here on its size says nothing any more
        self.log = os.path.join(BUILD, 'console', name + '.log')

    def command_line(self):
        machine, console, cpu = MACHINES[machine_of(self.kernel)]
        accel = 'tcg' if self.icount is not None else choose_accel(self.kernel, self.accel)
        cpu = 'host' if accel == 'kvm' else cpu
        append = self.append
        if accel == 'tcg' and machine == 'q35':
            # On a busy host its ticks come so late that the kernel panics.
            append += ' no_timer_check'
        if self.icount is not None and machine == 'q35':
            # Checking this timer takes 25 s of the host's, and always fails with icount.
            append += ' nolapic_timer'
        if accel == 'tcg':
            accel += ',thread=single' if self.icount is not None else ',thread=multi'
        line = [self.qemu(), '-nodefaults', '-no-user-config', '-display', 'none',
                '-no-reboot', '-machine', machine, '-accel', accel, '-cpu', cpu,
                '-m', str(self.memory), '-smp', str(self.smp if self.icount is None else 1),
                '-kernel', self.kernel, '-initrd', self.initrd, '-serial', 'stdio',
                '-append', f'console={console} panic=-1 reboot=t loglevel=5 {append}'.strip()]
        if self.icount is not None:
            line += ['-icount', f'shift={self.icount},sleep=off']
        if self.balloon != 'none':
            onoff = 'on' if self.balloon == 'reporting' else 'off'
            line += ['-device', f'virtio-balloon-pci,free-page-reporting={onoff}']
        if self.trace:
            line += ['-trace', 'ram_block_discard_range', '-D', self.trace]
            if self.icount is not None:     # for ms_until_back()
                line += ['-trace', 'serial_write']
        if self.monitor:
            line += ['-chardev', f'socket,id=qmp,fd={self.monitor_of_qemu.fileno()}',
                     '-mon', 'chardev=qmp,mode=control']
        if shutil.which('setpriv'):     # no guest outlives the script that started it
            line = ['setpriv', '--pdeathsig', 'KILL'] + line
        return self.prefix + line + self.extra

    def qemu(self):
        machine = machine_of(self.kernel)
        own = os.environ.get('QEMU') if machine == 'x86_64' else None
        return own or f'qemu-system-{machine}'

    def start(self):
        if not os.path.isfile(self.kernel):
            raise Failure('starting the guest', f'there is no kernel image {self.kernel}',
                          'scripts/build')
        if not shutil.which(self.qemu()):
            raise Failure('starting the guest', f'{self.qemu()} is not installed',
                          'scripts/install-deps check')
        os.makedirs(os.path.dirname(self.log), exist_ok=True)
        if self.own_initrd:
            os.makedirs(os.path.dirname(self.initrd), exist_ok=True)
            initramfs(machine_of(self.kernel), self.command, self.initrd, self.programs)
        if self.trace and os.path.exists(self.trace):
            os.unlink(self.trace)
        line = self.command_line()
        inherit = (self.monitor_of_qemu.fileno(),) if self.monitor else ()
        self.begin = time.monotonic()
        with open(self.log + '.qemu', 'wb') as errors:
            self.process = subprocess.Popen(line, stdin=self.stdin, pass_fds=inherit,
                                            stdout=subprocess.PIPE, stderr=errors)
        if self.monitor:
            self.monitor_of_qemu.close()
        atexit.register(self.stop)
        self.reader = threading.Thread(target=self.read_console, daemon=True)
        self.sampler = threading.Thread(target=self.sample, daemon=True)
        self.deadline = threading.Timer(self.timeout, self.expire)
        self.deadline.daemon = True
        for thread in (self.reader, self.sampler, self.deadline):
            thread.start()
        return self

    def now(self):
        return time.monotonic() - self.begin

    def read_console(self):
        rest = b''
        with open(self.log, 'wb') as log:
            while True:
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    break
                log.write(data)
                log.flush()
                *whole, rest = (rest + data).split(b'\n')
                for raw in whole:
                    text = raw.decode(errors='replace').rstrip('\r')
                    self.ending = self.ending or bool(END.search(text))
                    self.lines.append((self.now(), text))
                    if self.on_line:
                        self.on_line(self.lines[-1][0], text)

    def sample(self):
        while self.process.poll() is None and not self.ending:
            try:
                size = self.resident()
            except (OSError, IndexError):
                break
            if size and not self.ending:
                self.samples.append((self.now(), size))
            time.sleep(0.02)

    def resident(self):
        with open(f'/proc/{self.process.pid}/statm', encoding='ascii') as statm:
            return int(statm.read().split()[1]) * PAGE

    def ram_resident(self):
        """Exact resident bytes of the guest's memory, without QEMU's own."""
        size = None
        with open(f'/proc/{self.process.pid}/smaps', encoding='ascii') as smaps:
            for line in smaps:
                if line.startswith('Size:'):
                    size = int(line.split()[1])
                elif line.startswith('Rss:') and size == self.memory * 1024:
                    return int(line.split()[1]) * 1024
        raise Failure('reading the resident size', 'QEMU has no mapping of the size of '
                      'the guest\'s memory', f'less /proc/{self.process.pid}/smaps')

    def expire(self):
        """Called by a thread of its own: it ends QEMU, and leaves the rest to stop()."""
        self.timed_out = True
        self.end_process()

    def tell(self, line):
        """A line on the guest's console, for what reads it there; see talk."""
        try:
            os.write(self.process.stdin.fileno(), line.encode() + b'\n')
        except OSError as error:    # QEMU has ended
            raise self.failure() from error

    def qmp(self, execute, seconds=60, **arguments):
        """What QEMU's monitor returns for a command; see monitor."""
        step = f'asking QEMU to {execute}'
        try:
            self.monitor.settimeout(seconds)
            if not self.answers:
                self.answers = self.monitor.makefile('r', encoding='utf-8')
                self.answers.readline()     # the greeting
                self.qmp('qmp_capabilities')
            self.monitor.sendall(json.dumps({'execute': execute,
                                             'arguments': arguments}).encode())
            for line in self.answers:
                answer = json.loads(line)
                if 'error' in answer:
                    raise Failure(step, answer['error']['desc'], f'less {self.log}.qemu')
                if 'return' in answer:      # all else are events
                    return answer['return']
        except (OSError, ValueError) as error:
            raise Failure(step, f'{error or type(error).__name__} (within {seconds} s); '
                          f'the guest\'s last lines: {self.tail()}', f'less {self.log}') from error
        raise Failure(step, f'QEMU has ended; the guest\'s last lines: {self.tail()}',
                      f'less {self.log}')

    def end_process(self):
        """End the process that start() started, and no other."""
        self.ending = True
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def stop(self):
        """End the guest, and remove what it needed."""
        if self.deadline:
            self.deadline.cancel()
        self.end_process()
        talk = self.process.stdin if self.process else None
        for end in (self.answers, self.monitor, self.monitor_of_qemu, talk):
            if end:
                end.close()
        atexit.unregister(self.stop)
        if self.own_initrd and os.path.exists(self.initrd):
            os.unlink(self.initrd)

    def wait_line(self, pattern, seconds):
        """(time, match) of the first line with PATTERN; None when none comes."""
        limit, seen = self.now() + seconds, 0
        while True:
            ended = self.process.poll() is not None and not self.reader.is_alive()
            while seen < len(self.lines):
                match = re.search(pattern, self.lines[seen][1])
                if match:
                    return self.lines[seen][0], match
                seen += 1
            if ended or self.now() > limit:
                return None
            time.sleep(0.005)

    def text(self):
        return '\n'.join(line for _, line in self.lines)

    def tail(self):
        with open(self.log + '.qemu', encoding='utf-8', errors='replace') as errors:
            own = ' '.join(line.strip() for line in errors if 'terminating on signal' not in line)
        last = [line for _, line in self.lines if line.strip()][-4:]
        return ' | '.join(([own] if own else []) + last) or 'the console is empty'

    def failure(self):
        return Failure(f'the guest "{self.name}"', self.tail(), f'less {self.log}')

    def finish(self):
        """Wait for the end; the exit code of what ran in the guest."""
        self.process.wait()
        self.deadline.cancel()
        self.reader.join()
        self.sampler.join()
        self.stop()
        match = END.search(self.text())
        if match:
            return int(match.group(1))
        if self.timed_out:
            raise Failure(f'running the guest "{self.name}"',
                          f'it had not ended after {self.timeout} s and was stopped; '
                          f'its last lines: {self.tail()}', f'less {self.log}')
        raise Failure(f'running the guest "{self.name}"', 'it ended without an exit code; '
                      f'its last lines: {self.tail()}', f'less {self.log}')

    def run(self):
        self.start()
        return self.finish()


def time_back(samples, t0, freed, percent):
    """Seconds from T0 until PERCENT of FREED bytes had left QEMU; None: never."""
    before = max((rss for t, rss in samples if t0 - 1 < t <= t0 + 0.005), default=0)
    goal = before - freed * percent / 100
    return next((t - t0 for t, rss in samples if t > t0 and rss <= goal), None)


def ms_until_back(trace, percent):
    """Milliseconds of the guest's own time until PERCENT of what it had freed was
    discarded; None: never. By what the host saw, in order, of a guest with icount
    set: its discards, and what the guest wrote to its serial line. That has the
    time ("### clock") before memory is freed ("### freed") and often after that."""
    back, goal, clock, start, text = 0, math.inf, None, None, ''
    with open(trace, encoding='ascii', errors='replace') as lines:
        for line in lines:
            match = TRACE.search(line)
            if match:
                back += int(match.group(3), 16)
            match = SERIAL.search(line)
            text += chr(int(match.group(1), 16)) if match else ''
            if not text.endswith('\n'):
                continue
            freed = re.search(r'### freed (\d+) (MiB|bytes)', text)
            if freed:
                start = clock
                goal = int(freed.group(1)) * (1 << 20 if freed.group(2) == 'MiB' else 1)
            tells = re.search(r'### clock (\d+)', text)
            if tells:
                clock = int(tells.group(1))
                if start is None:
                    back = 0
                elif back >= goal * percent / 100:
                    return clock - start
            text = ''
    return None


def discards(trace, begin=0, end=None):
    """[(host address, bytes, result)] of a QEMU discard trace, or of the part
    of it from byte BEGIN to END. A line that QEMU has not ended yet is left out."""
    found = []
    with open(trace, encoding='ascii', errors='replace') as lines:
        lines.seek(begin)
        for line in lines.read(-1 if end is None else end - begin).splitlines(keepends=True):
            if not line.endswith('\n'):
                break
            match = TRACE.search(line)
            if match:
                found.append((int(match.group(2), 16), int(match.group(3), 16),
                              int(match.group(6))))
            elif 'ram_block_discard_range' in line:
                raise Failure('reading the discard trace',
                              f'this line is not understood: {line.strip()}', f'less {trace}')
    return found
