# SPDX-License-Identifier: GPL-2.0
"""The results: raw.csv, one line per run and figure."""
import csv
import os
import statistics

FIELDS = ('case', 'variant', 'run', 'image', 'setup', 'figure', 'value')
# Each run's last line: a run that has none was cut short, and is made again.
LAST = 'run_s'


class Store:
    """All runs in raw.csv: {(case, variant, run, image, setup): {figure: value}}"""

    def __init__(self, path):
        self.path, self.runs = path, {}
        if os.path.exists(path):
            with open(path, encoding='ascii', newline='') as lines:
                for row in csv.DictReader(lines):
                    self.take(row)

    def take(self, row):
        try:
            key = (row['case'], row['variant'], int(row['run']), row['image'], row['setup'])
            self.runs.setdefault(key, {})[row['figure']] = float(row['value'])
        except (TypeError, ValueError):
            pass    # a line that was cut when the benchmark was killed

    def has(self, key):
        return LAST in self.runs.get(key, {})

    def add(self, key, figures, seconds):
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        figures = {**figures, LAST: round(seconds, 1)}
        self.runs[key] = figures
        begin = '' if os.path.exists(self.path) else ','.join(FIELDS) + '\n'
        with open(self.path, 'a+', encoding='ascii', newline='') as out:
            if not begin and not self.ends_with_newline():
                begin = '\n'
            head = ','.join(str(part) for part in key)
            out.write(begin + ''.join(f'{head},{name},{value:.6g}\n'
                                      for name, value in figures.items()))

    def ends_with_newline(self):
        with open(self.path, 'rb') as data:
            data.seek(-1, os.SEEK_END)
            return data.read() == b'\n'

    def seconds(self, case, variant):
        """What such a run took so far; None when there was none."""
        took = [figures[LAST] for key, figures in self.runs.items()
                if key[:2] == (case.name, variant) and key[4] == case.setup_text
                and LAST in figures]
        return statistics.median(took) if took else None
