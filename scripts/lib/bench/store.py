# SPDX-License-Identifier: GPL-2.0
"""The results: raw.csv, one line per case, variant, run and figure."""
import csv
import os
import statistics

import vm

KEY = ('case', 'variant', 'run', 'image', 'load')
ORIGIN = ('base', 'qemu', 'commit')
FIELDS = (*KEY, 'figure', 'value', *ORIGIN)
# Each run's last line: a run that has none was cut short, and is made again.
LAST = 'run_s'


class Store:
    """runs: {key: {figure: value}}, those that are whole; origins: {key: where from}."""

    def __init__(self, path):
        self.path, self.runs, self.origins = path, {}, {}
        if os.path.exists(path):
            with open(path, encoding='ascii', newline='') as lines:
                for row in csv.DictReader(lines):
                    self.take(row)
        self.runs = {key: figures for key, figures in self.runs.items() if LAST in figures}

    def take(self, row):
        try:
            key = tuple(row[name] for name in KEY)
            self.runs.setdefault(key, {})[row['figure']] = float(row['value'])
            self.origins[key] = tuple(row[name] for name in ORIGIN)
        except (KeyError, TypeError, ValueError) as error:
            raise vm.Failure(f'reading {self.path}', f'this line is not understood: '
                             f'{",".join(map(str, row.values()))}', f'rm {self.path}') from error

    def add(self, key, figures, origin):
        """One write, so that a benchmark that is killed leaves whole runs."""
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        begin = '' if os.path.exists(self.path) else ','.join(FIELDS) + '\n'
        with open(self.path, 'a', encoding='ascii') as out:
            out.write(begin + ''.join(
                ','.join((*key, name, f'{value:.6g}', *origin)) + '\n'
                for name, value in figures.items()))
        self.runs[key], self.origins[key] = figures, origin

    def values(self, case, variant, figure):
        """One for each run."""
        return [figures[figure] for key, figures in self.runs.items()
                if key[:2] == (case, variant) and figure in figures]

    def median(self, case, variant, figure):
        values = self.values(case, variant, figure)
        return statistics.median(values) if values else None

    def only(self, wanted):
        """The same with those runs alone whose key is in WANTED."""
        self.runs = {key: figures for key, figures in self.runs.items() if key in wanted}
        return self
