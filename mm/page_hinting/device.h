/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: the host, what is in flight to it, and the way back.
 */
#ifndef _MM_PAGE_HINTING_DEVICE_H
#define _MM_PAGE_HINTING_DEVICE_H

#include <linux/page_hinting.h>

#include "blocks.h"

/*
 * A range is waited for, and so are blocks in flight on OOM, up to this; and
 * when its blocks are home, the caller has as long to isolate it.
 */
#define PAGE_HINTING_WAIT_HOME_MS	250
/* A host that acknowledges nothing for this long is not waited for. */
#define PAGE_HINTING_SILENCE_MS		1000

extern struct page_hinting_device __rcu *page_hinting_dev;
extern struct wait_queue_head page_hinting_flush_wait;
extern atomic_long_t page_hinting_home_pages;

unsigned long page_hinting_window_in_use(void);
unsigned long page_hinting_window_charge(struct page_hinting_zone *pz,
					 unsigned int order,
					 unsigned int capacity,
					 unsigned long want_pages,
					 unsigned int *nr_blocks);
void page_hinting_window_uncharge(struct page_hinting_zone *pz,
				  unsigned long pages, unsigned int nr_blocks);
void page_hinting_window_leave(struct page_hinting_zone *pz);
unsigned long page_hinting_submit(struct page_hinting_device *dev,
				  struct page_hinting_batch *batch);
unsigned int page_hinting_harvest(struct page_hinting_device *dev);
void page_hinting_bring_home(void);
void page_hinting_retry_all(struct page_hinting_zone *pz);
bool page_hinting_host_was_faster(void);
bool page_hinting_take_back(struct page *page);
void page_hinting_drain(struct page_hinting_device *dev);
void page_hinting_wait_retried(void);
bool page_hinting_wait_home(struct page_hinting_zone *pz,
			    unsigned long start_pfn, unsigned long end_pfn);
void page_hinting_give_up(struct page_hinting_zone *pz, bool all);

#endif /* _MM_PAGE_HINTING_DEVICE_H */
