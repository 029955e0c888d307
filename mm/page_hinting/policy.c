// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: how much of the free memory is idle.
 *
 * Memory that stayed free and unhinted for a whole settle time was needed by
 * nobody in that time. How much that is follows from the lowest point of the
 * amount of unhinted memory, whichever blocks were allocated and freed in
 * between: a program that allocates and frees the same 512 MB in a loop makes
 * the amount dip by 512 MB again and again, and those stay unhinted, while a
 * one-off free is idle one settle time later.
 *
 *	unhinted
 *	   ^      ______
 *	   |     |      |  __     ____________ <- freed for good
 *	   |_____|      |_|  |___|
 *	   |~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~ <- idle: the lowest point
 *	   +---------------------------------> time
 *	     |<---- settle time ---->|
 *
 * The settle time is cut into buckets, each of which keeps its own lowest
 * point, so that one lapse is forgotten one settle time and one bucket later.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "policy.h"

#define NR_LOWS		(PAGE_HINTING_BUCKETS + 1)

static unsigned int bucket_ms(const struct page_hinting_policy *policy)
{
	return max(policy->settle_ms / PAGE_HINTING_BUCKETS, 1U);
}

/* Begin new buckets until the newest one includes @sample->now_ms. */
static void advance(struct page_hinting_policy *policy,
		    const struct page_hinting_sample *sample)
{
	unsigned int length_ms = bucket_ms(policy);
	unsigned int i;

	for (i = 0; i < NR_LOWS; i++) {
		if (sample->now_ms - policy->start_ms < length_ms)
			return;
		policy->start_ms += length_ms;
		policy->newest = (policy->newest + 1) % NR_LOWS;
		/* All that is known of a time with no sample is its low. */
		policy->low_pages[policy->newest] = sample->low_pages;
		if (sample->now_ms - policy->start_ms < length_ms)
			policy->low_pages[policy->newest] =
				sample->unhinted_pages;
	}
	policy->start_ms = sample->now_ms;
}

/**
 * page_hinting_policy_init - forget all that was seen
 * @policy: the policy
 * @settle_ms: how long memory has to stay free until it counts as idle
 * @now_ms: the time
 *
 * No memory counts as idle until a settle time from now.
 */
void page_hinting_policy_init(struct page_hinting_policy *policy,
			      unsigned int settle_ms, u64 now_ms)
{
	memset(policy, 0, sizeof(*policy));
	policy->settle_ms = settle_ms;
	policy->start_ms = now_ms;
}

/**
 * page_hinting_policy_step - what to do after a look at a zone
 * @policy: the policy
 * @sample: what was seen
 *
 * Return: how much to hint now, and when to look again.
 */
struct page_hinting_advice
page_hinting_policy_step(struct page_hinting_policy *policy,
			 const struct page_hinting_sample *sample)
{
	struct page_hinting_advice advice = {
		.hint_pages = sample->unhinted_pages,
	};
	unsigned long *low_pages = policy->low_pages;
	unsigned int i;

	low_pages[policy->newest] = min(low_pages[policy->newest],
					sample->low_pages);
	advance(policy, sample);
	for (i = 0; i < NR_LOWS; i++)
		advice.hint_pages = min(advice.hint_pages, low_pages[i]);

	advice.look_in_ms = bucket_ms(policy) -
			    (unsigned int)(sample->now_ms - policy->start_ms);
	return advice;
}

/**
 * page_hinting_policy_pulled - unhinted memory went, and nobody needed it
 * @policy: the policy
 * @pages: how much hinting itself took since the last step
 */
void page_hinting_policy_pulled(struct page_hinting_policy *policy,
				unsigned long pages)
{
	unsigned int i;

	for (i = 0; i < NR_LOWS; i++)
		policy->low_pages[i] -= min(policy->low_pages[i], pages);
}
