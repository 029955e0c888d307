/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: one thread per zone.
 */
#ifndef _MM_PAGE_HINTING_THREAD_H
#define _MM_PAGE_HINTING_THREAD_H

#include "device.h"

/*
 * What a refault is worth, in time of keeping the memory, unless set. See
 * Documentation/mm/page_hinting.rst for where it comes from.
 */
#define PAGE_HINTING_REFAULT_COST_MS	6700

/* The knobs that the threads follow; written by control. */
extern unsigned int page_hinting_min_order;
extern unsigned int page_hinting_idle_min_order;
extern unsigned int page_hinting_refault_cost_ms;

/* The lowest order that an idle zone hints. */
static inline unsigned int page_hinting_reach_order(void)
{
	return min(page_hinting_min_order, page_hinting_idle_min_order);
}

/* A zone's files, and the parent of its directory: see sysfs.c. */
extern const struct attribute_group page_hinting_zone_group;
extern struct kobject *page_hinting_kobj;

void page_hinting_empty_lists(struct page_hinting_zone *pz);
int page_hinting_threads_update(void);
void page_hinting_threads_stop(void);

#endif /* _MM_PAGE_HINTING_THREAD_H */
