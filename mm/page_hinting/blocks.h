/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: take blocks off the free lists, and put them back.
 */
#ifndef _MM_PAGE_HINTING_BLOCKS_H
#define _MM_PAGE_HINTING_BLOCKS_H

#include <linux/mm.h>

#include "marks.h"

/* Blocks handled between two looks at whether to stop, and per kick. */
#define PAGE_HINTING_BATCH_BLOCKS	16

/**
 * struct page_hinting_batch - blocks on their way between lists and host
 * @nr: how many
 * @broken_off: pulling them ended as the zone is to be left alone
 * @pages: their head pages
 */
struct page_hinting_batch {
	unsigned int nr;
	bool broken_off;
	struct page *pages[PAGE_HINTING_BATCH_BLOCKS];
};

/* About so much is in flight at most, over all zones. Only tests change it. */
extern unsigned long page_hinting_window_pages;

/* See put_back(). */
extern bool page_hinting_memory_failed;

/* page_private() of a block in flight: its order, and what blocks.c adds. */
#define PAGE_HINTING_BLOCK_ORDER	0xffUL

static inline unsigned int page_hinting_block_order(const struct page *page)
{
	return page_private(page) & PAGE_HINTING_BLOCK_ORDER;
}

unsigned long page_hinting_pull(struct page_hinting_zone *pz, unsigned int order,
				unsigned long want_pages, unsigned int capacity,
				struct page_hinting_batch *batch);
bool page_hinting_put_back(struct page *page, bool acknowledged);
void page_hinting_retry(struct page_hinting_zone *pz);
void page_hinting_void_retried(struct page_hinting_zone *pz);
void page_hinting_give_up(struct page_hinting_zone *pz, bool all);
bool page_hinting_range_in_flight(struct page_hinting_zone *pz,
				  unsigned long start_pfn,
				  unsigned long end_pfn);

#endif /* _MM_PAGE_HINTING_BLOCKS_H */
