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
#include <linux/win_minmax.h>

/* Less than this, in pages, is no habit. */
#define PAGE_HINTING_SIGNIFICANT_PAGES	(SZ_8M >> PAGE_SHIFT)
/* Looks at a zone within one settle time. */
#define PAGE_HINTING_LOOKS		4
/* Pulls that are told apart when their memory is needed again. */
#define PAGE_HINTING_LEDGER_LEN		8

/* In pages: a zone in which no more than this comes and goes is calm. */
#define PAGE_HINTING_CALM_PAGES		(SZ_16M >> PAGE_SHIFT)
/* In pages: with less than this left to do, a sweep is over. */
#define PAGE_HINTING_REST_PAGES		(SZ_1M >> PAGE_SHIFT)
/* In pages: so much of a sweep is hinted between two looks. */
#define PAGE_HINTING_SLICE_PAGES	((unsigned long)SZ_16M >> PAGE_SHIFT)

/**
 * struct page_hinting_entry - memory that was hinted at one time
 * @unused_ms: since when nobody had needed it
 * @settle_ms: how long that was at least
 * @pages: how much of it was not needed since
 */
struct page_hinting_entry {
	u64 unused_ms;
	unsigned int settle_ms;
	unsigned long pages;
};

/**
 * struct page_hinting_ladder - smaller blocks, after longer idleness
 * @usual_order: blocks of this order and above are hinted always
 * @lowest_order: and down to this one while nothing happens
 * @order: of the sweep that goes on; @usual_order if there is none
 * @rung: so many sweeps, each one lower, were done since the zone is calm
 * @caution: each doubles the waiting for a sweep
 * @calm_ms: since when the zone is calm
 * @swept_ms: when the last sweep began
 * @activity_pages: came and went since @calm_ms or the end of the last sweep
 * @level_pages: free memory at the last sample
 * @taken_pages: since @swept_ms so much was taken that a sweep had hinted
 * @on_trial: whether the last sweep was too early is not known yet
 */
struct page_hinting_ladder {
	unsigned int usual_order;
	unsigned int lowest_order;
	unsigned int order;
	unsigned int rung;
	unsigned int caution;
	u64 calm_ms;
	u64 swept_ms;
	unsigned long activity_pages;
	unsigned long level_pages;
	unsigned long taken_pages;
	bool on_trial;
};

/**
 * struct page_hinting_lists - free memory that nobody sees, in per-CPU lists
 * @due: they are to be emptied
 * @came: since then memory came, as it may once without putting it off for good
 * @emptied: they were, a moment ago
 * @quiet_ms: since when nothing is taken, or since when they are due
 * @went_pages: was taken since then
 * @moved_pages: came and went since they were last emptied
 */
struct page_hinting_lists {
	bool due;
	bool came;
	bool emptied;
	u64 quiet_ms;
	unsigned long went_pages;
	unsigned long moved_pages;
};

/**
 * struct page_hinting_policy - what is known of a zone's habits
 * @min_settle_ms: the least that @settle_ms may be
 * @max_settle_ms: the most
 * @settle_ms: how long memory has to stay free until it counts as idle
 * @now_ms: when the last sample was taken
 * @proved_ms: when @settle_ms last turned out to be needed
 * @fresh: memory that was free from the start is still being hinted, of
 *	which nobody knows how long it had been unused
 * @low: the least unhinted memory, in pages, within @settle_ms
 * @recent_low: the same within the part of it that proves it of use
 * @level_pages: unhinted memory after the last sample
 * @ledger: what was hinted when, oldest first
 * @ledger_len: how many entries are in use
 * @early_pages: hinted too early, from which nothing was learnt yet
 * @early_ms: when the last of it was needed
 * @far_gap_ms: a time between two uses that was much longer than @settle_ms,
 *	seen once
 * @far_gap_seen_ms: when it ended
 * @lists: when to empty the per-CPU lists
 * @ladder: what else is hinted while nothing happens
 */
struct page_hinting_policy {
	unsigned int min_settle_ms;
	unsigned int max_settle_ms;
	unsigned int settle_ms;
	u64 now_ms;
	u64 proved_ms;
	bool fresh;
	struct minmax low;
	struct minmax recent_low;
	unsigned long level_pages;
	struct page_hinting_entry ledger[PAGE_HINTING_LEDGER_LEN];
	unsigned int ledger_len;
	unsigned long early_pages;
	u64 early_ms;
	unsigned int far_gap_ms;
	u64 far_gap_seen_ms;
	struct page_hinting_lists lists;
	struct page_hinting_ladder ladder;
};

/**
 * struct page_hinting_sample - what a zone looked like
 * @now_ms: the time, from a clock that does not go back
 * @low_pages: the least unhinted memory since the sample before
 * @unhinted_pages: unhinted memory at @now_ms, at or above the usual order
 * @small_pages: the same below it, in reach of the ladder
 * @sweep_pages: that part of it that the sweep which goes on can hint; 0 if
 *	none does
 * @free_pages: all free memory in reach of the ladder, hinted or not
 * @free_low_pages: its least since the sample before
 * @taken_pages: hinted memory that was allocated since the sample before
 * @taken_small_pages: the same in blocks that only a sweep hints; these are
 *	not in @taken_pages
 * @taken_ms: when, the first time that it was worth mentioning
 * @freed: it is taken because of a free that its taker had waited for
 */
struct page_hinting_sample {
	u64 now_ms;
	unsigned long low_pages;
	unsigned long unhinted_pages;
	unsigned long small_pages;
	unsigned long sweep_pages;
	unsigned long free_pages;
	unsigned long free_low_pages;
	unsigned long taken_pages;
	unsigned long taken_small_pages;
	u64 taken_ms;
	bool freed;
};

/**
 * struct page_hinting_advice - what to do
 * @hint_pages: hint this much now, at or above the usual order
 * @look_in_ms: take the next sample after this time, if there is anything
 *	unhinted left
 * @sweep_pages: hint this much now in smaller blocks
 * @sweep_order: of this order and above; the usual order if no sweep goes on
 * @idle_look_in_ms: take a sample after this time even if there is nothing
 *	unhinted left; 0 if there is no need to
 * @drain_lists: empty the per-CPU lists now
 * @wake_pages: take a sample when this much is unhinted in smaller blocks
 * @refaulted_pages: so much of what was taken had been hinted too early
 */
struct page_hinting_advice {
	unsigned long hint_pages;
	unsigned int look_in_ms;
	unsigned long sweep_pages;
	unsigned int sweep_order;
	unsigned int idle_look_in_ms;
	bool drain_lists;
	unsigned long wake_pages;
	unsigned long refaulted_pages;
};

void page_hinting_policy_init(struct page_hinting_policy *policy,
			      unsigned int min_settle_ms,
			      unsigned int max_settle_ms, u64 now_ms);
void page_hinting_policy_set_orders(struct page_hinting_policy *policy,
				    unsigned int usual_order,
				    unsigned int lowest_order);
struct page_hinting_advice
page_hinting_policy_step(struct page_hinting_policy *policy,
			 const struct page_hinting_sample *sample);
void page_hinting_policy_flushed(struct page_hinting_policy *policy,
				 unsigned long pages);
void page_hinting_policy_pulled(struct page_hinting_policy *policy,
				unsigned long pages);

#endif /* _MM_PAGE_HINTING_POLICY_H */
