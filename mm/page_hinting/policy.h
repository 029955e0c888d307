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
 * @early_pages: hinted too early since something was learnt from that
 * @far_gap_ms: a time between two uses that was much longer than @settle_ms,
 *	seen once
 * @far_gap_seen_ms: when it ended
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
	unsigned int far_gap_ms;
	u64 far_gap_seen_ms;
};

/**
 * struct page_hinting_sample - what a zone looked like
 * @now_ms: the time, from a clock that does not go back
 * @low_pages: the least unhinted memory since the sample before
 * @unhinted_pages: unhinted memory at @now_ms
 * @taken_pages: hinted memory that was allocated since the sample before
 * @taken_ms: when, the first time that it was worth mentioning
 */
struct page_hinting_sample {
	u64 now_ms;
	unsigned long low_pages;
	unsigned long unhinted_pages;
	unsigned long taken_pages;
	u64 taken_ms;
};

/**
 * struct page_hinting_advice - what to do
 * @hint_pages: hint this much now
 * @look_in_ms: take the next sample after this time, if there is anything
 *	unhinted left
 * @refaulted_pages: so much of what was taken had been hinted too early
 */
struct page_hinting_advice {
	unsigned long hint_pages;
	unsigned int look_in_ms;
	unsigned long refaulted_pages;
};

void page_hinting_policy_init(struct page_hinting_policy *policy,
			      unsigned int min_settle_ms,
			      unsigned int max_settle_ms, u64 now_ms);
struct page_hinting_advice
page_hinting_policy_step(struct page_hinting_policy *policy,
			 const struct page_hinting_sample *sample);
void page_hinting_policy_pulled(struct page_hinting_policy *policy,
				unsigned long pages);

#endif /* _MM_PAGE_HINTING_POLICY_H */
