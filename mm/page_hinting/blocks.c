// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: take blocks off the free lists, and put them back.
 *
 *	Buddy -----------------> Offline ----------------> Buddy|Offline
 *	  ^       pull             | |     acknowledged         |
 *	  |                        | |                          |
 *	  +------------------------+ +-> retry -> ...           |
 *	  |     not acknowledged                                |
 *	  +-----------------------------------------------------+
 *	     allocated and freed, merged with a block that is not
 *	     hinted, split below the granule or to isolate a part, or void
 *
 * Every step is done under the lock of the block's zone. A block in flight is
 * PageOffline() with a reference count of one, which is ours, holds its order
 * in page_private() and is linked by its lru. The reference is taken back by
 * page_ref_freeze(): walkers such as memory offlining hold another one for a
 * moment, and then the block waits on the retry list. A reference count of
 * zero would not do in flight: memory offlining takes such a page for one
 * that its driver has agreed to lose.
 *
 * Each hold of the zone lock does a bounded amount of work: PULL_VISITS list
 * entries, one block put back, or one walk over what is in flight, which is at
 * most 128 blocks.
 */
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/sizes.h>
#include <linux/vmstat.h>
#include <trace/events/page_hinting.h>

#include "../internal.h"
#include "../page_alloc.h"
#include "blocks.h"

unsigned long page_hinting_window_pages = SZ_64M >> PAGE_SHIFT;

/* List entries looked at or taken in one hold of the zone lock. */
#define PULL_VISITS		8

/*
 * In page_private() of a block in flight, from the bottom: its order, these
 * flags, and a value that says that the block is ours. Other owners of offline
 * pages keep small numbers or pointers there, which do not begin with it.
 */
#define BLOCK_ORDER		PAGE_HINTING_BLOCK_ORDER
#define BLOCK_ACKNOWLEDGED	BIT(8)
#define BLOCK_WAITS		BIT(9)	/* on the retry list */
#define BLOCK_OWNER_SHIFT	(BITS_PER_LONG - 8)
#define BLOCK_OWNER		0x28UL

static_assert(MAX_PAGE_ORDER <= BLOCK_ORDER);
static_assert(!(BLOCK_ORDER & (BLOCK_ACKNOWLEDGED | BLOCK_WAITS)));

/*
 * Does hinting own this block, and can the provider have it? Whatever the
 * provider says, nothing else of the page is believed before this was asked.
 */
static bool is_with_provider(const struct page *page)
{
	unsigned long private = page_private(page);

	return PageOffline(page) &&
	       private >> BLOCK_OWNER_SHIFT == BLOCK_OWNER &&
	       !(private & BLOCK_WAITS) &&
	       (private & BLOCK_ORDER) <= MAX_PAGE_ORDER;
}

/*
 * Keep the zone above the high watermark by what may be in flight: many
 * allocations fail without getting as far as the OOM notifier, and so without
 * getting that back. The highest zone index makes the check respect what lower
 * zones reserve for themselves, and free CMA memory does not count. In
 * defrag_mode kswapd and kcompactd go by the memory in whole free pageblocks,
 * and so do we.
 */
static bool zone_has_headroom(struct zone *zone, unsigned long pages,
			      bool exact)
{
	unsigned long share = zone_managed_pages(zone) /
			      PAGE_HINTING_ZONE_SHARE;
	unsigned long window = READ_ONCE(page_hinting_window_pages);
	unsigned long stays = pages + min(window, share);
	enum zone_stat_item item = defrag_mode ? NR_FREE_PAGES_BLOCKS :
						 NR_FREE_PAGES;
	unsigned long free = zone_page_state(zone, item);

	/*
	 * Each CPU adds its changes to the sum now and then. percpu_drift_mark is
	 * 0 where what they have not added yet is too little to matter.
	 */
	if (exact && zone->percpu_drift_mark &&
	    free < zone->percpu_drift_mark + stays)
		free = zone_page_state_snapshot(zone, item);
	return __zone_watermark_ok(zone, 0, high_wmark_pages(zone) + stays,
				   MAX_NR_ZONES - 1, 0, free);
}

/*
 * An allocation of a high order must not find all blocks of that size in
 * flight: never more than half of them is. A single block may be when none is.
 */
static unsigned long allowance(struct page_hinting_zone *pz, unsigned int order)
{
	unsigned long stays = pz->hinted_pages;

	if (order < pz->min_order)
		stays += pz->reach_pages;
	else
		stays += pz->unhinted_pages - pz->hinted_small_pages;
	if (!pz->in_flight_pages)
		return max(stays / 2, 1UL << order);
	return (stays - min(stays, pz->in_flight_pages)) / 2;
}

/**
 * struct pull - one call of page_hinting_pull()
 * @pz: where from
 * @batch: where to
 * @low_order: smaller blocks stay
 * @high_order: and larger ones
 * @limit_pages: not more than this any more
 * @limit_nr: nor more blocks than this
 * @lap_visits: list entries to visit before giving up; each hinted one that
 *	stands in the way moves to the tail, so that a lap finds all others
 */
struct pull {
	struct page_hinting_zone *pz;
	struct page_hinting_batch *batch;
	unsigned int low_order;
	unsigned int high_order;
	unsigned long limit_pages;
	unsigned int limit_nr;
	unsigned long lap_visits;
};

/* Buddy -> Offline for as much of a block as is allowed. */
static bool pull_block(struct pull *pull, struct page *page, unsigned int high,
		       int migratetype)
{
	struct page_hinting_zone *pz = pull->pz;
	unsigned long limit_pages = min(pull->limit_pages,
					allowance(pz, pull->low_order));
	unsigned int order = high;

	while (order > pull->low_order && 1UL << order > limit_pages)
		order--;
	if (1UL << order > limit_pages)
		return false;

	page_hinting_take_out(pz, page, order, high, migratetype);
	set_page_private(page, BLOCK_OWNER << BLOCK_OWNER_SHIFT | order);
	__SetPageOffline(page);
	set_page_refcounted(page);
	list_add_tail(&page->lru, &pz->in_flight);

	count_vm_events(PAGE_HINTING_PULLED, 1UL << order);
	trace_page_hinting_pull(page, order);
	pull->limit_pages -= 1UL << order;
	pull->batch->pages[pull->batch->nr++] = page;
	return true;
}

/*
 * The next block to look at. Hinted blocks are moved to the tail. Blocks that
 * are freed later join the head or, when they come online, the tail again.
 */
static struct page *next_on_list(struct list_head *list)
{
	struct page *page = list_first_entry(list, struct page, buddy_list);

	if (PageBuddyOffline(page))
		page = list_last_entry(list, struct page, buddy_list);
	return page;
}

/* Returns false when nothing more can be taken in this hold of the lock. */
static bool pull_from_list(struct pull *pull, unsigned int order,
			   int migratetype, unsigned int *visits)
{
	struct page_hinting_zone *pz = pull->pz;
	struct list_head *list;
	struct page *page;

	list = &pz->zone->free_area[order].free_list[migratetype];
	while (pz->nr_unhinted[order][migratetype]) {
		if (!*visits || !pull->lap_visits ||
		    pull->batch->nr >= pull->limit_nr)
			return false;
		if (WARN_ON_ONCE(list_empty(list))) {
			page_hinting_mend_count(pz, order, migratetype);
			return false;
		}
		--*visits;
		pull->lap_visits--;
		page = next_on_list(list);
		if (PageBuddyOffline(page))
			list_rotate_left(list);
		else if (!pull_block(pull, page, order, migratetype))
			return false;
	}
	return true;
}

/* One hold of the zone lock. Returns whether another one makes sense. */
static bool pull_some(struct pull *pull)
{
	struct page_hinting_zone *pz = pull->pz;
	unsigned int visits = PULL_VISITS;
	int order, migratetype;

	if (!page_hinting_may_pull(pz) || !page_hinting_all_counted(pz)) {
		pull->batch->broken_off = true;
		return false;
	}
	if (!zone_has_headroom(pz->zone, pull->limit_pages, false)) {
		page_hinting_skipped(pz, PAGE_HINTING_SKIP_WATERMARK);
		return false;
	}

	for (order = pull->high_order; order >= (int)pull->low_order; order--) {
		for (migratetype = 0; migratetype < MIGRATE_TYPES;
		     migratetype++) {
			if (!page_hinting_type_is_eligible(migratetype))
				continue;
			if (!pull_from_list(pull, order, migratetype, &visits))
				return !visits && pull->lap_visits;
		}
	}
	return false;
}

static unsigned long count_free_blocks(const struct pull *pull)
{
	unsigned long nr = 0;
	unsigned int order;

	for (order = pull->low_order; order <= pull->high_order; order++)
		nr += pull->pz->zone->free_area[order].nr_free;
	return nr;
}

/**
 * page_hinting_pull - take unhinted blocks off the free lists
 * @pz: the zone
 * @order: the smallest order to take; if it is below the zone's minimum order,
 *	only blocks below that are taken
 * @limit_pages: take at most this much, which the zone is charged for
 * @limit_nr: and at most that many blocks
 * @batch: receives the blocks, each with its order in page_private()
 *
 * A block that is larger than what may be taken is split, and the rest of it
 * stays.
 *
 * Context: The zone's thread, under SRCU, may sleep. Takes the zone lock, for
 *	PULL_VISITS list entries at a time.
 * Return: how many pages were taken.
 */
unsigned int page_hinting_pull(struct page_hinting_zone *pz, unsigned int order,
			       unsigned long limit_pages, unsigned int limit_nr,
			       struct page_hinting_batch *batch)
{
	/* Pairs with page_hinting_set_orders(). */
	unsigned int min_order = READ_ONCE(pz->min_order);
	struct pull pull = {
		.pz = pz,
		.batch = batch,
		.low_order = order,
		.high_order = order < min_order ? min_order - 1 : MAX_PAGE_ORDER,
		.limit_pages = limit_pages,
		.limit_nr = min(limit_nr, PAGE_HINTING_BATCH_BLOCKS),
	};
	bool more, first = true;

	batch->nr = 0;
	batch->broken_off = false;
	do {
		unsigned long flags;

		/* Not under the lock, as it may have to ask each CPU. */
		if (!zone_has_headroom(pz->zone, pull.limit_pages, true)) {
			page_hinting_skipped(pz, PAGE_HINTING_SKIP_WATERMARK);
			break;
		}
		flags = page_hinting_lock(pz->zone);
		if (first)
			pull.lap_visits = count_free_blocks(&pull);
		first = false;
		more = pull_some(&pull);
		page_hinting_unlock(pz->zone, flags);
		cond_resched();
	} while (more);

	return limit_pages - pull.limit_pages;
}

/* Offline -> free again, unless somebody else holds a reference right now. */
static bool put_back(struct page_hinting_zone *pz, struct page *page)
{
	unsigned long private = page_private(page);
	unsigned int order = page_hinting_block_order(page);

	lockdep_assert_held(&pz->zone->lock);
	if (!page_ref_freeze(page, 1)) {
		set_page_private(page, private | BLOCK_WAITS);
		list_move_tail(&page->lru, &pz->retry);
		return false;
	}
	list_del(&page->lru);
	__ClearPageOffline(page);
	set_page_private(page, 0);
	page_hinting_put_in(pz, page, order, private & BLOCK_ACKNOWLEDGED);
	return true;
}

static void acknowledge(struct page_hinting_zone *pz, struct page *page,
			unsigned int order)
{
	trace_page_hinting_acknowledge(page, order);
	count_vm_events(PAGE_HINTING_ACKNOWLEDGED, 1UL << order);
	/* Pairs with who sums it up for a flush, or shows it. */
	WRITE_ONCE(pz->acknowledged_pages,
		   pz->acknowledged_pages + (1UL << order));
	set_page_private(page, page_private(page) | BLOCK_ACKNOWLEDGED);
}

/**
 * page_hinting_put_back - the provider is done with a block
 * @page: what the provider says is the block
 * @acknowledged: the host has acknowledged it; otherwise it comes back without
 *	an answer
 * @home_pages: is set to the size of the block if it is free again, to 0 if
 *	somebody holds a reference to it, and then it is tried again later
 *
 * Offline -> Buddy|Offline, or -> Buddy.
 *
 * Context: Process context, under SRCU or the mutex, so that the zone stays.
 *	Takes the zone lock, for one block.
 * Return: the block's zone; NULL if that is no block that the provider had,
 *	and nothing was done then.
 */
struct page_hinting_zone *page_hinting_put_back(struct page *page,
						bool acknowledged,
						unsigned long *home_pages)
{
	struct zone *zone = page_zone(page);
	unsigned long flags = page_hinting_lock(zone);
	struct page_hinting_zone *pz = zone->hinting;
	unsigned int order = page_hinting_block_order(page);

	*home_pages = 0;
	if (!is_with_provider(page))
		pz = NULL;
	if (pz && acknowledged) {
		acknowledge(pz, page, order);
	} else if (pz) {
		trace_page_hinting_return(page, order);
		count_vm_events(PAGE_HINTING_RETURNED, 1UL << order);
	}
	if (pz && put_back(pz, page))
		*home_pages = 1UL << order;
	page_hinting_unlock(zone, flags);
	return pz;
}

/**
 * page_hinting_retry - try again to free a block that was referenced
 * @pz: the zone
 *
 * Context: Process context. Takes the zone lock, for one block.
 * Return: the size of the block in pages; 0 if there is none, or somebody still
 *	holds a reference.
 */
unsigned long page_hinting_retry(struct page_hinting_zone *pz)
{
	unsigned long flags = page_hinting_lock(pz->zone);
	unsigned long pages = 0;
	struct page *page;

	page = list_first_entry_or_null(&pz->retry, struct page, lru);
	if (page) {
		pages = 1UL << page_hinting_block_order(page);
		if (!put_back(pz, page))
			pages = 0;
	}
	page_hinting_unlock(pz->zone, flags);
	return pages;
}

/**
 * page_hinting_void_retried - blocks on the retry list are not acknowledged
 * @pz: the zone, of which all marks were declared void a moment ago, and from
 *	which nothing is pulled yet
 *
 * Context: Process context. Takes the zone lock, for as many blocks as may be
 *	in flight.
 */
void page_hinting_void_retried(struct page_hinting_zone *pz)
{
	unsigned long flags = page_hinting_lock(pz->zone);
	struct page *page;

	list_for_each_entry(page, &pz->retry, lru)
		set_page_private(page,
				 page_private(page) & ~BLOCK_ACKNOWLEDGED);
	page_hinting_unlock(pz->zone, flags);
}

/**
 * page_hinting_lose - give up what a host has not given back
 * @pz: the zone
 * @all: also what the host has acknowledged and somebody holds a reference to,
 *	as the zone is about to be forgotten
 * @nr_blocks: is set to how many blocks that are
 *
 * The blocks stay PageOffline() with a reference for ever: they could still
 * be written to, so that they must not be free again. They have no owner any
 * more, so that an answer that comes after all is refused.
 *
 * Context: Process context. Takes the zone lock, for as many blocks as may be
 *	in flight.
 * Return: how many pages were lost.
 */
unsigned long page_hinting_lose(struct page_hinting_zone *pz, bool all,
				unsigned int *nr_blocks)
{
	unsigned long flags = page_hinting_lock(pz->zone);
	struct page *page, *next;
	unsigned long pages = 0;

	*nr_blocks = 0;
	if (all)
		list_splice_init(&pz->retry, &pz->in_flight);
	list_for_each_entry_safe(page, next, &pz->in_flight, lru) {
		++*nr_blocks;
		pages += 1UL << page_hinting_block_order(page);
		set_page_private(page, 0);
		list_del_init(&page->lru);
	}
	page_hinting_lost(pz, pages);
	page_hinting_unlock(pz->zone, flags);
	return pages;
}

static bool list_overlaps(struct list_head *list, unsigned long start_pfn,
			  unsigned long end_pfn)
{
	struct page *page;

	list_for_each_entry(page, list, lru) {
		unsigned long pfn = page_to_pfn(page);
		unsigned int order = page_hinting_block_order(page);

		if (pfn < end_pfn && pfn + (1UL << order) > start_pfn)
			return true;
	}
	return false;
}

/**
 * page_hinting_range_in_flight - is a part of a range in flight?
 * @pz: the zone
 * @start_pfn: first page frame of the range
 * @end_pfn: one past the last
 *
 * Context: Takes the zone lock, for as many blocks as may be in flight.
 * Return: true if it is.
 */
bool page_hinting_range_in_flight(struct page_hinting_zone *pz,
				  unsigned long start_pfn,
				  unsigned long end_pfn)
{
	unsigned long flags = page_hinting_lock(pz->zone);
	bool overlaps;

	overlaps = list_overlaps(&pz->in_flight, start_pfn, end_pfn) ||
		   list_overlaps(&pz->retry, start_pfn, end_pfn);
	page_hinting_unlock(pz->zone, flags);
	return overlaps;
}

/* See page_hinting_in_flight(). */
bool __page_hinting_in_flight(const struct page *page)
{
	lockdep_assert_held(&page_zone(page)->lock);
	return page_zone(page)->hinting &&
	       page_private(page) >> BLOCK_OWNER_SHIFT == BLOCK_OWNER;
}
