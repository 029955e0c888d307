# SPDX-License-Identifier: GPL-2.0
"""The figures of the images at hand, by case and variant."""
import statistics

from bench import store


class Results:
    """cases: those with results; each figure has a list of values, one per run."""

    def __init__(self, stored, cases, image_hash):
        self.figures, self.cases = {}, []
        for case in cases:
            found = {variant: self.collect(stored, case, variant, image_hash(variant))
                     for variant in case.variants}
            if any(found.values()) and case.name not in (have.name for have in self.cases):
                self.cases.append(case)
                self.figures[case.name] = found

    @staticmethod
    def collect(stored, case, variant, image):
        values = {}
        for (name, who, _, of, setup), figures in stored.runs.items():
            if (name, who, of, setup) == (case.name, variant, image, case.setup_text) \
                    and store.LAST in figures:
                for figure, value in figures.items():
                    if figure != store.LAST:
                        values.setdefault(figure, []).append(value)
        return values

    def values(self, case, variant, figure):
        return self.figures.get(case, {}).get(variant, {}).get(figure, [])

    def median(self, case, variant, figure):
        values = self.values(case, variant, figure)
        return statistics.median(values) if values else None

    def is_quick(self, name):
        return any(case.name == name and case.quick for case in self.cases)

    def names(self, scenario):
        return [case.name for case in self.cases if case.scenario == scenario]
