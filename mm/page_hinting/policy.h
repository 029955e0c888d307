/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: how much of the free memory is idle.
 *
 * Pure functions over what their caller has seen: no lock, no allocation, no
 * kernel state, so that they can be tested and replayed anywhere.
 */
#ifndef _MM_PAGE_HINTING_POLICY_H
#define _MM_PAGE_HINTING_POLICY_H

#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/types.h>

/* In pages: less than this is not worth a look of its own. */
#define PAGE_HINTING_SIGNIFICANT_PAGES	(SZ_8M >> PAGE_SHIFT)
/* In pages: less is not told from an error, nor worth hinting in smaller blocks. */
#define PAGE_HINTING_REST_PAGES		(SZ_4M >> PAGE_SHIFT)
/* In pages: so much is hinted in smaller blocks between two looks. */
#define PAGE_HINTING_SLICE_PAGES	((unsigned long)SZ_16M >> PAGE_SHIFT)

/* The stack of free memory is known in so many layers. */
#define PAGE_HINTING_LAYERS		20
/* Levels that learn for themselves: each is twice as large as the one above. */
#define PAGE_HINTING_LEVELS		13
/* In pages: the size of the first of them. */
#define PAGE_HINTING_FIRST_PAGES	((unsigned long)SZ_4M >> PAGE_SHIFT)
/* Idle times that are told apart: below the price, two for each factor of 2. */
#define PAGE_HINTING_LENGTHS		13

/**
 * struct page_hinting_layer - memory that is free since some time
 * @since_ms: since when
 * @pages: how much
 */
struct page_hinting_layer {
	u64 since_ms;
	unsigned long pages;
};

/**
 * struct page_hinting_level - how long some of the free memory was idle
 * @lengths: what was needed again, by its idle time
 * @settle_ms: so it has to be free for so long until it is hinted
 */
struct page_hinting_level {
	u16 lengths[PAGE_HINTING_LENGTHS];
	u32 settle_ms;
};

/**
 * struct page_hinting_policy - what is known of a zone's habits
 * @refault_cost_ms: what it is worth not to need hinted memory again, in time
 *	of keeping it
 * @usual_order: blocks of this order and above are cheap to hint
 * @lowest_order: smaller ones than these are never hinted
 * @free_pages: free memory at the last sample
 * @start_ms: the time of the first sample
 * @peak_pages: the most free memory of late
 * @peak_ms: when that was, the last time; see PEAK_MS
 * @used_end: of the memory needed again, the deepest, in two half-lives
 * @fade_ms: when the past of the level before @fade_nr is counted half
 * @fade_nr: the level whose was last
 * @nr_layers: how many are in use
 * @layers: the free memory by its age, the oldest first; the first is as old as
 *	@start_ms, also if there is nothing in it
 * @levels: what was learnt, by depth below the peak; the last learns nothing
 * @demand_pages: what was needed since something was freed last
 * @demand_since_ms: since when the most of that had been free
 * @drain_ms: the per-CPU lists are not emptied before
 */
struct page_hinting_policy {
	unsigned int refault_cost_ms;
	unsigned int usual_order;
	unsigned int lowest_order;
	unsigned long free_pages;
	u64 start_ms;
	unsigned long peak_pages;
	u64 peak_ms;
	unsigned long used_end[2];
	u64 fade_ms;
	unsigned int fade_nr;
	unsigned int nr_layers;
	struct page_hinting_layer layers[PAGE_HINTING_LAYERS];
	struct page_hinting_level levels[PAGE_HINTING_LEVELS + 1];
	unsigned long demand_pages;
	u64 demand_since_ms;
	u64 drain_ms;
};

/**
 * struct page_hinting_sample - what a zone looked like
 * @now_ms: the time, from a clock that does not go back
 * @free_pages: free memory, hinted or not, in free lists and per-CPU lists, and
 *	what went though no program needed it
 * @low_pages: the least of it since the sample before
 * @low_ms: when that was, the last time
 * @went_ms: when what was missing then was taken, in the mean
 * @freed: the caller was woken by a free, or because per-CPU lists were used: what
 *	came since the low counts as freed now
 * @taken_pages: hinted memory that was used since then
 * @list_pages: the part of @free_pages that is in the per-CPU lists
 * @unhinted_pages: that is in the free lists and not hinted, in blocks of the
 *	usual order and above
 * @small_pages: the same in smaller blocks, by their order
 */
struct page_hinting_sample {
	u64 now_ms;
	unsigned long free_pages;
	unsigned long low_pages;
	u64 low_ms;
	u64 went_ms;
	bool freed;
	unsigned long taken_pages;
	unsigned long list_pages;
	unsigned long unhinted_pages;
	unsigned long small_pages[NR_PAGE_ORDERS];
};

/**
 * struct page_hinting_advice - what to do
 * @hint_pages: hint this much now, in blocks of the usual order and above
 * @small_pages: hint this much now in smaller blocks
 * @small_order: of this order and above
 * @look_in_ms: take the next sample after this time; 0 if there is nothing to
 *	wait for but a free
 * @stay_pages: or when more than this is unhinted after a free
 * @wake_pages: or when this much is unhinted in smaller blocks
 * @drain_lists: empty the per-CPU lists now
 * @early_pages: so much, hinted or not, was needed after being free for less
 *	than the price
 * @refaulted_pages: the part of it that had been hinted
 */
struct page_hinting_advice {
	unsigned long hint_pages;
	unsigned long small_pages;
	unsigned int small_order;
	unsigned int look_in_ms;
	unsigned long stay_pages;
	unsigned long wake_pages;
	bool drain_lists;
	unsigned long early_pages;
	unsigned long refaulted_pages;
};

void page_hinting_policy_init(struct page_hinting_policy *policy,
			      unsigned int refault_cost_ms,
			      unsigned int usual_order,
			      unsigned int lowest_order);
struct page_hinting_advice
page_hinting_policy_step(struct page_hinting_policy *policy,
			 const struct page_hinting_sample *sample);
unsigned int
page_hinting_policy_settle_ms(const struct page_hinting_policy *policy);
unsigned int
page_hinting_policy_wait_ms(const struct page_hinting_policy *policy,
			    unsigned int nr);

#endif /* _MM_PAGE_HINTING_POLICY_H */
