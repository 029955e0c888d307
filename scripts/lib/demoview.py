# SPDX-License-Identifier: GPL-2.0
"""What scripts/demo shows while it runs: charts on a terminal, else lines."""
import itertools
import math
import os
import shutil
import sys
import time

COLUMNS, LINES = 80, 20     # a terminal of less has lines
EVERY_S, LINES_EVERY_S = 0.25, 10
CHART = 68                  # columns of a chart
BELOW = 3                   # lines of a chart below the budget
BAR = 34
COLOURS = (36, 33, 34)      # of the guests: cyan, yellow, blue
OVER, FAINT, BOLD = 31, 2, 1


def view_of(args, arms):
    size = shutil.get_terminal_size()
    if sys.stdout.isatty() and os.environ.get('TERM', 'dumb') != 'dumb' and \
            size.columns >= COLUMNS and size.lines >= LINES:
        return Charts(args, arms, size.lines)
    return Lines(args)


class Lines:
    """A line now and then."""

    def __init__(self, args):
        self.args, self.last = args, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def show(self, arm):
        if self.last and self.last[0] is arm and arm.now < self.last[1] + LINES_EVERY_S:
            return
        self.last = arm, arm.now
        each = [member.resident >> 20 for member in arm.members]
        peak, seconds, _ = arm.figures()
        print(f'{arm.name}: {arm.now:.0f} s, {" + ".join(map(str, each))} = {sum(each)} MiB of '
              f'{self.args.budget}; peak {peak}, over budget for {seconds}', flush=True)

    def end(self):
        print()


class Charts:
    """For each arm, what the guests hold over time, and for the present one its guests."""

    def __init__(self, args, arms, lines):
        self.args, self.arms = args, arms
        self.step = (args.budget << 20) / BELOW     # bytes that a line stands for
        most = len(arms[0].members) * (args.take + args.mem // 8) << 20
        self.above = math.ceil(most / self.step) - BELOW
        self.all_fit = (BELOW + self.above + 2) * len(arms) + 7 < lines
        self.drawn = self.shown = 0
        try:
            '█░─▀▄'.encode(sys.stdout.encoding or 'ascii')
            self.full, self.light, self.line, self.halves = '█', '░', '─', True
        except UnicodeEncodeError:
            self.full, self.light, self.line, self.halves = '#', '.', '-', False

    def __enter__(self):
        sys.stdout.write('\033[?25l')
        return self

    def __exit__(self, *_):
        sys.stdout.write('\033[?25h')
        sys.stdout.flush()

    @staticmethod
    def paint(colour, text):
        return f'\033[{colour}m{text}\033[m' if colour else text

    def colour_at(self, each, line):
        """Of the guest that is there when they are piled up; 0 if none is."""
        at = line * self.step
        if sum(each) <= at:
            return 0
        return OVER if line >= BELOW else COLOURS[
            next(i for i, _ in enumerate(each) if sum(each[:i + 1]) > at)]

    def cell(self, each, line):
        """The colour of a chart's cell, and what is in it; line -1 is the budget's."""
        if line < 0:
            over = sum(each) > self.args.budget << 20
            return (OVER, self.full) if over else (FAINT, self.line)
        lower, upper = self.colour_at(each, line + 0.25), self.colour_at(each, line + 0.75)
        if lower == upper or not self.halves:
            return lower, self.full if lower else ' '
        return (f'{upper};{lower + 10}', '▀') if upper else (lower, '▄')

    def columns(self, arm):
        """What each guest held, for each column of the chart, when it was the most."""
        whole = max(self.args.share, arm.now)
        columns = [[0] * len(arm.members)] * CHART
        for column, samples in itertools.groupby(
                arm.samples, lambda sample: min(CHART - 1, int(sample[0] / whole * CHART))):
            columns[column] = max((each for _, each in samples), key=sum)
        return columns

    def chart(self, arm):
        columns = self.columns(arm)
        for line in [*range(BELOW + self.above - 1, BELOW - 1, -1), -1, *range(BELOW - 1, -1, -1)]:
            cells = [self.cell(each, line) for each in columns]
            label = f'{self.args.budget:,} MiB' if line < 0 else ''
            yield f'{label:>10} ' + ''.join(
                self.paint(colour, ''.join(text for _, text in run))
                for colour, run in itertools.groupby(cells, lambda cell: cell[0]))

    def bar(self, i, member):
        part = BAR / (member.guest.memory << 20)
        resident = round(member.resident * part)
        used = min(resident, round(member.used * part))
        return (f'   guest {i + 1} {member.state:<6} ' + self.paint(
            COLOURS[i], self.full * used + self.light * (resident - used)) +
            ' ' * (BAR - resident) + f' holds {member.resident >> 20:>5,}, '
            f'uses {member.used >> 20:>5,} MiB')

    def frame(self, arm):
        args = self.args
        yield (f'{len(arm.members)} guests of {args.mem:,} MiB take {args.take:,} MiB in turns; '
               f'the host has {args.budget:,} MiB for all')
        yield ''
        for each in self.arms:
            peak, seconds, gib_s = each.figures()
            over = self.paint(OVER if each.over_s else 0, f'over {seconds:>6}, {gib_s:>4} GiB x s')
            yield f'{self.paint(BOLD, f"{each.name:<31}")} peak {peak:>9}, {over}'
            if self.all_fit or each is arm:
                yield from self.chart(each)
        yield ''
        for i, member in enumerate(arm.members):
            yield self.bar(i, member)
        yield (f'   {self.full} in use  {self.light} free, and still held at the host'
               f'{"":<14}{max(0, args.share - arm.now):>4.0f} s to go')

    def draw(self, lines):
        up = f'\033[{self.drawn}F' if self.drawn else ''
        sys.stdout.write(up + ''.join(f'{line}\033[K\n' for line in lines) + '\033[J')
        sys.stdout.flush()
        self.drawn = len(lines)

    def show(self, arm):
        if time.monotonic() >= self.shown + EVERY_S:
            self.shown = time.monotonic()
            self.draw(list(self.frame(arm)))

    def end(self):
        """The charts stay, the guests have ended."""
        self.draw(list(self.frame(self.arms[-1]))[:-len(self.arms[-1].members) - 1])
