/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: how much of the free memory is idle.
 *
 * Pure functions over what their caller has seen: no lock, no allocation, no
 * kernel state, so that they can be tested and replayed anywhere.
 */
#ifndef _MM_PAGE_HINTING_POLICY_H
#define _MM_PAGE_HINTING_POLICY_H

#include <linux/types.h>

/* More buckets notice idle memory sooner, and wake the thread more often. */
#define PAGE_HINTING_BUCKETS	8

/**
 * struct page_hinting_policy - the recent lows of a zone's unhinted memory
 * @settle_ms: how long memory has to stay free until it counts as idle
 * @start_ms: when the newest bucket began
 * @newest: index of the newest bucket
 * @low_pages: the least unhinted memory within each bucket's time; all but
 *	the newest are complete and together as long as @settle_ms
 */
struct page_hinting_policy {
	unsigned int settle_ms;
	u64 start_ms;
	unsigned int newest;
	unsigned long low_pages[PAGE_HINTING_BUCKETS + 1];
};

/**
 * struct page_hinting_sample - what a zone looked like
 * @now_ms: the time, from a clock that does not go back
 * @low_pages: the least unhinted memory since the sample before
 * @unhinted_pages: unhinted memory at @now_ms
 */
struct page_hinting_sample {
	u64 now_ms;
	unsigned long low_pages;
	unsigned long unhinted_pages;
};

/**
 * struct page_hinting_advice - what to do
 * @hint_pages: hint this much now
 * @look_in_ms: take the next sample after this time, if there is anything
 *	unhinted left
 */
struct page_hinting_advice {
	unsigned long hint_pages;
	unsigned int look_in_ms;
};

void page_hinting_policy_init(struct page_hinting_policy *policy,
			      unsigned int settle_ms, u64 now_ms);
struct page_hinting_advice
page_hinting_policy_step(struct page_hinting_policy *policy,
			 const struct page_hinting_sample *sample);
void page_hinting_policy_pulled(struct page_hinting_policy *policy,
				unsigned long pages);

#endif /* _MM_PAGE_HINTING_POLICY_H */
