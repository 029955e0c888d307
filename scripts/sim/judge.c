// SPDX-License-Identifier: GPL-2.0
/*
 * What a policy costs. See judge.h.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/minmax.h>

#include "judge.h"

/* Who wins or loses less than this on a whole series has not. */
#define LEAST_COST_MIB_MS	1000.0
/* Mainline: so many blocks of an order at once, or a part of all free ones. */
#define REPORTING_BATCH_MIB	(32 * 4)
#define REPORTING_PART		16

/* Memory that is free since some time. */
struct layer {
	u64 since_ms;
	unsigned long mib;
};

/* An idle time of some memory: it ends when it is needed, or with the series. */
typedef void (*idle_fn)(void *arg, unsigned long mib, double idle_ms,
			bool needed);

static void for_each_idle_time(const struct series *series, idle_fn fn,
			       void *arg)
{
	struct layer *stack = calloc(series->nr + 1, sizeof(*stack));
	const struct point *point = series->points;
	unsigned long free_mib = 0;
	size_t i, nr = 0;

	if (!stack) {
		perror("error: judging a series");
		exit(1);
	}
	for (i = 0; i < series->nr; i++, point++) {
		unsigned long left_mib = 0;

		if (point->free_mib > free_mib)
			stack[nr++] = (struct layer){ point->ms,
						      point->free_mib - free_mib };
		else
			left_mib = free_mib - point->free_mib;
		while (left_mib) {
			struct layer *top = &stack[nr - 1];
			unsigned long mib = min(left_mib, top->mib);

			fn(arg, mib, point->ms - top->since_ms, true);
			left_mib -= mib;
			top->mib -= mib;
			if (!top->mib)
				nr--;
		}
		free_mib = point->free_mib;
	}
	while (nr--)
		fn(arg, stack[nr].mib, point[-1].ms - stack[nr].since_ms, false);
	free(stack);
}

struct optimum {
	double price_ms;
	double sum_mib_ms;
	bool needed;
};

static void add_best(void *arg, unsigned long mib, double idle_ms, bool needed)
{
	struct optimum *best = arg;

	if (!needed)
		return;
	best->sum_mib_ms += mib * min(idle_ms, best->price_ms);
	best->needed = true;
}

double judge_optimum(const struct series *series, double price_ms)
{
	struct optimum best = { .price_ms = price_ms };

	for_each_idle_time(series, add_best, &best);
	return best.needed ? max(best.sum_mib_ms, LEAST_COST_MIB_MS) : 0;
}

struct fixed {
	double settle_ms;
	struct cost cost;
};

static void add_fixed(void *arg, unsigned long mib, double idle_ms, bool needed)
{
	struct fixed *fixed = arg;

	fixed->cost.kept_mib_ms += mib * min(idle_ms, fixed->settle_ms);
	if (needed && idle_ms > fixed->settle_ms)
		fixed->cost.hinted_mib += mib;
}

struct cost judge_fixed(const struct series *series, double settle_ms)
{
	struct fixed fixed = { .settle_ms = settle_ms };

	for_each_idle_time(series, add_fixed, &fixed);
	return fixed.cost;
}

/*
 * A free of something that is not reported starts the worker after the delay; as
 * long as something is left it comes again. All blocks are taken to be of 4 MiB.
 */
struct cost judge_mainline(const struct series *series, unsigned int delay_ms)
{
	unsigned long free_mib = series->points->free_mib;
	unsigned long unreported_mib = free_mib;
	u64 now_ms = series->points->ms, report_ms = now_ms + delay_ms;
	struct cost cost = { };
	size_t i;

	for (i = 1; i < series->nr; i++) {
		const struct point *next = &series->points[i];
		unsigned long mib;

		while (unreported_mib && report_ms <= next->ms) {
			cost.kept_mib_ms += (double)unreported_mib *
					    (report_ms - now_ms);
			now_ms = report_ms;
			report_ms += delay_ms;
			mib = max(REPORTING_BATCH_MIB, free_mib / REPORTING_PART);
			unreported_mib -= min(unreported_mib, mib);
		}
		cost.kept_mib_ms += (double)unreported_mib * (next->ms - now_ms);
		now_ms = next->ms;
		if (next->free_mib < free_mib) {
			mib = min(unreported_mib, free_mib - next->free_mib);
			cost.hinted_mib += free_mib - next->free_mib - mib;
			unreported_mib -= mib;
		} else if (next->free_mib > free_mib) {
			if (!unreported_mib)
				report_ms = now_ms + delay_ms;
			unreported_mib += next->free_mib - free_mib;
		}
		free_mib = next->free_mib;
	}
	return cost;
}
