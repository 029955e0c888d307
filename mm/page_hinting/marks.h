/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: which free blocks the host knows, and how many it does not.
 */
#ifndef _MM_PAGE_HINTING_MARKS_H
#define _MM_PAGE_HINTING_MARKS_H

#include <linux/mmzone.h>
#include <linux/page-isolation.h>

#include "zone.h"

/* The host's huge page, as far as it is known. Does not change while used. */
extern unsigned int page_hinting_granule_order;

/* Isolated blocks are about to go, and highatomic ones have to be at hand. */
static inline bool page_hinting_type_is_eligible(int migratetype)
{
	return !is_migrate_isolate(migratetype) &&
	       migratetype != MIGRATE_HIGHATOMIC;
}

/* Are all blocks of the zone counted? */
static inline bool page_hinting_all_counted(struct page_hinting_zone *pz)
{
	return READ_ONCE(pz->counted_pfn) == ULONG_MAX;
}

void page_hinting_take_out(struct page_hinting_zone *pz, struct page *page,
			   unsigned int order, unsigned int high,
			   int migratetype);
void page_hinting_put_in(struct page_hinting_zone *pz, struct page *page,
			 unsigned int order, bool acknowledged);
void page_hinting_lost(struct page_hinting_zone *pz, unsigned long pages);
void page_hinting_count_start(struct page_hinting_zone *pz);
void page_hinting_count_stop(struct page_hinting_zone *pz);
bool page_hinting_count_chunk(struct page_hinting_zone *pz);
void page_hinting_set_orders(struct page_hinting_zone *pz,
			     unsigned int min_order, unsigned int reach_order);
bool page_hinting_try_arm(struct page_hinting_zone *pz, unsigned long stay_pages,
			  unsigned long wake_pages);
void page_hinting_take_sample(struct page_hinting_zone *pz,
			      struct page_hinting_sample *sample);
unsigned long page_hinting_used(struct page_hinting_zone *pz);
unsigned long page_hinting_read(struct page_hinting_zone *pz,
				const unsigned long *pages);

#endif /* _MM_PAGE_HINTING_MARKS_H */
