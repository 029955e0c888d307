/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: the host, what is in flight to it, and the way back.
 */
#ifndef _MM_PAGE_HINTING_DEVICE_H
#define _MM_PAGE_HINTING_DEVICE_H

#include <linux/page_hinting.h>

#include "blocks.h"

/* A range is waited for, and so are blocks in flight on OOM, up to this. */
#define PAGE_HINTING_WAIT_HOME_MS	250
/*
 * When hinting stops, the host has this long in all to give back what it has.
 * Threads with blocks in flight look this often.
 */
#define PAGE_HINTING_SILENCE_MS		1000

extern struct page_hinting_device __rcu *page_hinting_dev;
extern struct wait_queue_head page_hinting_flush_wait;

unsigned long page_hinting_pages_in_flight(void);
long page_hinting_hint_batch(struct page_hinting_zone *pz, unsigned int order,
			     unsigned long want_pages, unsigned int *nr_home);
void page_hinting_bring_home(void);
bool page_hinting_host_was_faster(void);
bool page_hinting_wait_home(struct page_hinting_zone *pz,
			    unsigned long start_pfn, unsigned long end_pfn,
			    unsigned int patience_ms);

#endif /* _MM_PAGE_HINTING_DEVICE_H */
