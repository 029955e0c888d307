/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a policy costs, beside one that knows the future and beside simple ones.
 *
 * Keeping a MiB of free memory unhinted costs the time that it is kept; hinting
 * it costs the price of a refault if it is needed again. Free memory is a stack:
 * what was freed last is needed first. So each MiB of it has idle times of its
 * own, and for each of these it is known afterwards what would have been best.
 */
#ifndef SIM_JUDGE_H
#define SIM_JUDGE_H

#include <linux/types.h>

/* Free memory in MiB, from @ms on. */
struct point {
	u64 ms;
	unsigned long free_mib;
};

/**
 * struct series - free memory over time
 * @name: the file's
 * @points: changes of it, in their order
 * @nr: how many
 */
struct series {
	const char *name;
	struct point *points;
	size_t nr;
};

/**
 * struct cost - what a policy did with a series
 * @kept_mib_ms: for how long it kept how much free memory unhinted
 * @hinted_mib: allocated memory that it had hinted
 */
struct cost {
	double kept_mib_ms;
	double hinted_mib;
};

/* In MiB x ms: what it costs if a refault is worth so many milliseconds. */
static inline double cost_sum(const struct cost *cost, double price_ms)
{
	return cost->kept_mib_ms + price_ms * cost->hinted_mib;
}

/*
 * The cost for one that knows the future, in MiB x ms; 0 if nothing that was
 * free is ever needed again.
 */
double judge_optimum(const struct series *series, double price_ms);

/* Everything is hinted when it was free for so long. */
struct cost judge_fixed(const struct series *series, double settle_ms);

/* As mainline's free page reporting does it, with so long a delay. */
struct cost judge_mainline(const struct series *series, unsigned int delay_ms);

#endif
