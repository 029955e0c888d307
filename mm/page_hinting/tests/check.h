/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: does what is known of a zone agree with its free lists?
 */
#ifndef _MM_PAGE_HINTING_TESTS_CHECK_H
#define _MM_PAGE_HINTING_TESTS_CHECK_H

#include "../blocks.h"

/**
 * enum page_hinting_fault - what can be wrong with a zone
 * @PAGE_HINTING_BAD_FREE: a block on a free list has another type, order,
 *	migratetype or zone than it should have, or a reference
 * @PAGE_HINTING_BAD_COUNT: unhinted blocks of a list, or hinted pages
 * @PAGE_HINTING_BAD_SUM: sums of the unhinted blocks
 * @PAGE_HINTING_BAD_LISTS: the sum of what is in the per-CPU lists
 * @PAGE_HINTING_BAD_IN_FLIGHT: a block in flight is not Offline or has no
 *	reference, or such blocks are not as many as counted
 * @PAGE_HINTING_BAD_WINDOW: more is in flight than may be
 * @PAGE_HINTING_BAD_STEP: a split, a merge or putting back a block has no end
 * @NR_PAGE_HINTING_FAULTS: how many there are
 */
enum page_hinting_fault {
	PAGE_HINTING_BAD_FREE,
	PAGE_HINTING_BAD_COUNT,
	PAGE_HINTING_BAD_SUM,
	PAGE_HINTING_BAD_LISTS,
	PAGE_HINTING_BAD_IN_FLIGHT,
	PAGE_HINTING_BAD_WINDOW,
	PAGE_HINTING_BAD_STEP,
	NR_PAGE_HINTING_FAULTS,
};

unsigned long page_hinting_check_locked(struct page_hinting_zone *pz);
unsigned long page_hinting_check(struct page_hinting_zone *pz);

#endif /* _MM_PAGE_HINTING_TESTS_CHECK_H */
