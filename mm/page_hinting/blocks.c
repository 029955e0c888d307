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
 * most RING_MAX blocks.
 *
 * What may be in flight, the window, is divided among the zones by their size,
 * and so are the places in the host's ring. To share it dynamically would need a
 * queue, or a zone that is hinted all the time could starve the others; and as
 * all zones lead to the same host, one of them would not be much faster with
 * all of the window.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/bitops.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/vmstat.h>
#include <trace/events/page_hinting.h>

#include "../internal.h"
#include "../page_alloc.h"
#include "blocks.h"

unsigned long page_hinting_window_pages = SZ_64M >> PAGE_SHIFT;

/* A zone has at most one part in so many of its memory in flight, or one block. */
#define ZONE_SHARE		16
/*
 * Not more blocks than this in flight, however large the ring: they are walked
 * under the zone lock where somebody asks for a range.
 */
#define RING_MAX		128U
/* Memory per kick: on some hosts the work is done inside it. */
#define BATCH_BYTES		(32UL << 20)
/* List entries looked at or taken in one hold of the zone lock. */
#define PULL_VISITS		6

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

/* A zone's part of something that is for all zones. */
static unsigned long zone_part(struct zone *zone, unsigned long of_all)
{
	return div64_ul((u64)of_all * zone_managed_pages(zone),
			totalram_pages());
}

/* What a zone may have in flight, in pages; one block is always allowed. */
static unsigned long zone_window(struct zone *zone)
{
	return min(zone_part(zone, READ_ONCE(page_hinting_window_pages)),
		   zone_managed_pages(zone) / ZONE_SHARE);
}

/*
 * Keep the zone above the high watermark by what may be in flight: many
 * allocations fail without getting as far as the OOM notifier, and so without
 * getting that back. The highest zone index makes the check respect what lower
 * zones reserve for themselves, and free CMA memory does not count. In
 * defrag_mode kswapd and kcompactd go by the memory in whole free pageblocks,
 * and so do we.
 */
static bool zone_has_headroom(struct zone *zone, unsigned long pages)
{
	unsigned long stays = pages + zone_window(zone);
	enum zone_stat_item item = defrag_mode ? NR_FREE_PAGES_BLOCKS :
						 NR_FREE_PAGES;
	unsigned long free = zone_page_state(zone, item);

	/*
	 * Each CPU adds its changes to the sum now and then. percpu_drift_mark is
	 * 0 where what they have not added yet is too little to matter.
	 */
	if (zone->percpu_drift_mark && free < zone->percpu_drift_mark + stays)
		free = zone_page_state_snapshot(zone, item);
	return __zone_watermark_ok(zone, 0, high_wmark_pages(zone) + stays,
				   MAX_NR_ZONES - 1, 0, free);
}

/*
 * An allocation of a high order must not find all blocks of that size in
 * flight: never more than half of them is. A single block may be when none is.
 */
static unsigned long allowance(const struct page_hinting_zone *pz,
			       unsigned int order)
{
	unsigned long stays = 0;
	unsigned int i;

	for (i = order; i < NR_PAGE_ORDERS; i++)
		stays += pz->zone->free_area[i].nr_free << i;
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
 * @pages: taken so far
 * @limit_pages: not more than this any more
 * @allowed_pages: nor more than this in one hold of the zone lock
 * @limit_nr: nor more blocks than this in all
 * @lap_visits: list entries to visit before giving up; each hinted one that
 *	stands in the way moves to the tail, so that a lap finds all others
 */
struct pull {
	struct page_hinting_zone *pz;
	struct page_hinting_batch *batch;
	unsigned int low_order;
	unsigned int high_order;
	unsigned long pages;
	unsigned long limit_pages;
	unsigned long allowed_pages;
	unsigned int limit_nr;
	unsigned long lap_visits;
};

/* Buddy -> Offline for as much of a block as is allowed. */
static bool pull_block(struct pull *pull, struct page *page, unsigned int high,
		       int migratetype)
{
	struct page_hinting_zone *pz = pull->pz;
	unsigned long limit_pages = min(pull->limit_pages, pull->allowed_pages);
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
	pz->nr_in_flight++;

	count_vm_events(PAGE_HINTING_PULLED, 1UL << order);
	trace_page_hinting_pull(page, order);
	pull->limit_pages -= 1UL << order;
	pull->allowed_pages -= 1UL << order;
	pull->pages += 1UL << order;
	pull->batch->pages[pull->batch->nr++] = page;
	return true;
}

/*
 * The next block to look at. Unhinted blocks stand before the hinted ones, but
 * for those that changed their type or came online. So look at the head, then at
 * the tail, and rotate where both are hinted.
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
		/* The count is wrong, which never happens: try the other lists. */
		if (WARN_ON_ONCE(list_empty(list)))
			return true;
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
	pull->allowed_pages = allowance(pz, pull->low_order);
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

/* Returns false if the zone has no room for a block. */
static bool set_limits(struct pull *pull, unsigned int capacity)
{
	struct page_hinting_zone *pz = pull->pz;
	unsigned long block_pages = 1UL << pull->low_order;
	unsigned long pages = max(zone_window(pz->zone), block_pages);
	unsigned long nr = max(zone_part(pz->zone, min(capacity, RING_MAX)), 1UL);
	bool fits;
	unsigned int order;

	pull->limit_pages = min(pull->limit_pages,
				pages - min(pages, pz->in_flight_pages));
	pull->limit_nr = min(nr - min(nr, pz->nr_in_flight),
			     PAGE_HINTING_BATCH_BLOCKS);
	fits = pull->limit_pages >= block_pages && pull->limit_nr;
	/* Pairs with who reads it without the lock. */
	WRITE_ONCE(pz->wants_room, !fits);
	if (!fits)
		page_hinting_skipped(pz, pull->limit_nr ?
					 PAGE_HINTING_SKIP_WINDOW :
					 PAGE_HINTING_SKIP_RING);

	for (order = pull->low_order; order <= pull->high_order; order++)
		pull->lap_visits += pz->zone->free_area[order].nr_free;
	return fits;
}

/**
 * page_hinting_pull - take unhinted blocks off the free lists
 * @pz: the zone
 * @order: the smallest order to take; if it is below the zone's minimum order,
 *	only blocks below that are taken
 * @want_pages: take at most this much
 * @capacity: of the host's ring, in blocks
 * @batch: receives the blocks, each with its order in page_private()
 *
 * A block that is larger than what may be taken is split, and the rest of it
 * stays.
 *
 * Context: The zone's thread, under SRCU, may sleep. Takes the zone lock, for
 *	PULL_VISITS list entries at a time.
 * Return: how many pages were taken.
 */
unsigned long page_hinting_pull(struct page_hinting_zone *pz, unsigned int order,
				unsigned long want_pages, unsigned int capacity,
				struct page_hinting_batch *batch)
{
	/* Pairs with page_hinting_set_orders(). */
	unsigned int min_order = READ_ONCE(pz->min_order);
	struct pull pull = {
		.pz = pz,
		.batch = batch,
		.low_order = order,
		.high_order = order < min_order ? min_order - 1 : MAX_PAGE_ORDER,
		/* At least one block, whatever the size of a batch or a zone. */
		.limit_pages = min3(want_pages,
				    max(BATCH_BYTES >> PAGE_SHIFT, 1UL << order),
				    max(zone_window(pz->zone), 1UL << order)),
	};
	bool more, first = true;

	batch->nr = 0;
	batch->broken_off = false;
	do {
		/* Not under the lock, as it may have to ask each CPU. */
		if (!zone_has_headroom(pz->zone, pull.limit_pages)) {
			page_hinting_skipped(pz, PAGE_HINTING_SKIP_WATERMARK);
			break;
		}
		scoped_guard(spinlock_irqsave, &pz->zone->lock)
			more = (!first || set_limits(&pull, capacity)) &&
			       pull_some(&pull);
		first = false;
		cond_resched();
	} while (more);

	return pull.pages;
}

#ifndef CONFIG_MEMORY_FAILURE
static void SetPageHWPoisonTakenOff(struct page *page) { }
#endif

/* A page in flight may have failed. Once true, stays true. Without a lock. */
bool page_hinting_memory_failed;

/*
 * Put a block back without its failed pages, which are left as by
 * take_page_off_buddy() and its caller, for unpoison_memory(). Calls itself, as
 * deep as there are orders.
 */
static void put_in_but_failed(struct page_hinting_zone *pz, struct page *page,
			      unsigned int order, bool acknowledged)
{
	unsigned long i, nr = 1UL << order;

	for (i = 0; i < nr && !PageHWPoison(page + i); i++)
		;
	if (i == nr) {
		page_hinting_put_in(pz, page, order, acknowledged);
	} else if (!order) {
		SetPageHWPoisonTakenOff(page);
		set_page_refcounted(page);
		page_hinting_lost(pz, 1);
	} else {
		put_in_but_failed(pz, page, order - 1, acknowledged);
		put_in_but_failed(pz, page + nr / 2, order - 1, acknowledged);
	}
}

/* Offline -> free again, unless somebody else holds a reference right now. */
static bool put_back(struct page_hinting_zone *pz, struct page *page)
{
	unsigned long private = page_private(page);
	unsigned int order = page_hinting_block_order(page);

	lockdep_assert_held(&pz->zone->lock);
	if (!page_ref_freeze(page, 1)) {
		/* Its thread tries again, and may sleep now. */
		if (!(private & BLOCK_WAITS) && current != READ_ONCE(pz->task))
			page_hinting_wake_later(pz, PAGE_HINTING_EV_HARVEST);
		set_page_private(page, private | BLOCK_WAITS);
		list_move_tail(&page->lru, &pz->retry);
		return false;
	}
	list_del(&page->lru);
	pz->nr_in_flight--;
	__ClearPageOffline(page);
	set_page_private(page, 0);
	/* Pairs with __page_hinting_memory_fails(). */
	if (unlikely(READ_ONCE(page_hinting_memory_failed)))
		put_in_but_failed(pz, page, order, private & BLOCK_ACKNOWLEDGED);
	else
		page_hinting_put_in(pz, page, order, private & BLOCK_ACKNOWLEDGED);
	/* Its thread may wait for room, or for the last of a flush. */
	if ((pz->wants_room || READ_ONCE(pz->flush_nr)) &&
	    current != READ_ONCE(pz->task))
		page_hinting_wake_later(pz, PAGE_HINTING_EV_HARVEST);
	WRITE_ONCE(pz->wants_room, false);
	return true;
}

static void acknowledge(struct page *page, unsigned int order)
{
	trace_page_hinting_acknowledge(page, order);
	count_vm_events(PAGE_HINTING_ACKNOWLEDGED, 1UL << order);
	set_page_private(page, page_private(page) | BLOCK_ACKNOWLEDGED);
}

/**
 * page_hinting_put_back - the provider is done with a block
 * @page: what the provider says is the block
 * @acknowledged: the host has acknowledged it; otherwise it comes back without
 *	an answer
 *
 * Offline -> Buddy|Offline, or -> Buddy. If somebody holds a reference to it,
 * that is tried again later.
 *
 * Context: Process context. Takes the zone lock, for one block.
 * Return: false if that is no block that the provider had, and nothing was done.
 */
bool page_hinting_put_back(struct page *page, bool acknowledged)
{
	struct zone *zone = page_zone(page);
	struct page_hinting_zone *pz;
	unsigned int order;

	guard(spinlock_irqsave)(&zone->lock);
	pz = zone->hinting;
	if (!pz || !is_with_provider(page))
		return false;
	order = page_hinting_block_order(page);
	if (acknowledged) {
		acknowledge(page, order);
	} else {
		trace_page_hinting_return(page, order);
		count_vm_events(PAGE_HINTING_RETURNED, 1UL << order);
	}
	put_back(pz, page);
	return true;
}

/**
 * page_hinting_retry - try again to free blocks that were referenced
 * @pz: the zone
 *
 * Up to the first that is still referenced, which goes to the end of the list.
 *
 * Context: Process context. Takes the zone lock, for one block at a time.
 */
void page_hinting_retry(struct page_hinting_zone *pz)
{
	struct page *page;
	bool is_free;

	do {
		guard(spinlock_irqsave)(&pz->zone->lock);
		page = list_first_entry_or_null(&pz->retry, struct page, lru);
		is_free = page && put_back(pz, page);
	} while (is_free);
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
	struct page *page;

	guard(spinlock_irqsave)(&pz->zone->lock);
	list_for_each_entry(page, &pz->retry, lru)
		set_page_private(page,
				 page_private(page) & ~BLOCK_ACKNOWLEDGED);
}

/**
 * page_hinting_give_up - give up what a host has not given back
 * @pz: the zone
 * @all: also what the host has acknowledged and somebody holds a reference to,
 *	as the zone goes away
 *
 * The blocks stay PageOffline() with a reference for ever: the host may still
 * discard them, or somebody may write to them, so that they must not be free
 * again. They have no owner any more, so that an answer that comes after all is
 * refused.
 *
 * Context: Process context, with nothing submitted meanwhile. Takes the zone
 *	lock, for as many blocks as may be in flight.
 */
void page_hinting_give_up(struct page_hinting_zone *pz, bool all)
{
	struct page *page, *next;
	unsigned long pages = 0;
	unsigned long flags;

	spin_lock_irqsave(&pz->zone->lock, flags);
	if (all)
		list_splice_init(&pz->retry, &pz->in_flight);
	list_for_each_entry_safe(page, next, &pz->in_flight, lru) {
		pz->nr_in_flight--;
		pages += 1UL << page_hinting_block_order(page);
		set_page_private(page, 0);
		list_del_init(&page->lru);
	}
	page_hinting_lost(pz, pages);
	WRITE_ONCE(pz->wants_room, false);
	spin_unlock_irqrestore(&pz->zone->lock, flags);
	if (pages)
		pr_err("node %d, zone %s: %lu KiB lost: the host never gave them back, or somebody still holds a reference\n",
		       zone_to_nid(pz->zone), pz->zone->name,
		       pages << (PAGE_SHIFT - 10));
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
	guard(spinlock_irqsave)(&pz->zone->lock);
	return list_overlaps(&pz->in_flight, start_pfn, end_pfn) ||
	       list_overlaps(&pz->retry, start_pfn, end_pfn);
}

/* See page_hinting_in_flight(). */
bool __page_hinting_in_flight(const struct page *page)
{
	lockdep_assert_held(&page_zone(page)->lock);
	return page_zone(page)->hinting &&
	       page_private(page) >> BLOCK_OWNER_SHIFT == BLOCK_OWNER;
}
