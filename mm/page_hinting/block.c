// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: what happens to a block.
 *
 *	Buddy -----------------> Offline ----------------> Buddy|Offline
 *	  ^       pull             | |     acknowledged         |
 *	  |                        | |                          |
 *	  +------------------------+ +-> retry -> ...           |
 *	  |     not acknowledged                                |
 *	  +-----------------------------------------------------+
 *	     allocated and freed, merged with a block that is not
 *	     hinted, split below the granule, isolated, or void
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
 * entries, or one block put back, or CHUNK_PAGES looked at for free blocks.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/bitops.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/page_ref.h>
#include <linux/printk.h>
#include <linux/vmstat.h>
#include <trace/events/page_hinting.h>

#include "../internal.h"
#include "internal.h"

/* List entries looked at or taken in one hold of the zone lock. */
#define PULL_VISITS		8

/* Looked at in one hold of the zone lock, to count free blocks. */
#define CHUNK_PAGES		min(64UL, MAX_ORDER_NR_PAGES)

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

/* Where memory has a hole, at least this much is missing. */
#ifdef CONFIG_SPARSEMEM
#define HOLE_PAGES		PAGES_PER_SUBSECTION
#else
#define HOLE_PAGES		MAX_ORDER_NR_PAGES
#endif

static_assert(PGTY_buddy_offline == (PGTY_buddy | PGTY_offline));
static_assert(MAX_PAGE_ORDER <= BLOCK_ORDER);
static_assert(!(BLOCK_ORDER & (BLOCK_ACKNOWLEDGED | BLOCK_WAITS)));

/* The host's huge page, as far as it is known. Does not change while used. */
unsigned int page_hinting_granule_order __read_mostly;

/* Isolated blocks are about to go, and highatomic ones have to be at hand. */
static bool type_is_eligible(int migratetype)
{
	return !is_migrate_isolate(migratetype) &&
	       migratetype != MIGRATE_HIGHATOMIC;
}

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

static bool is_counted(struct page_hinting_zone *pz, struct page *page)
{
	return pz && page_to_pfn(page) < pz->counted_pfn;
}

/* Sum up what is unhinted and eligible: O(lists). */
static void sum_up(struct page_hinting_zone *pz)
{
	unsigned int order;
	int migratetype;

	pz->unhinted_pages = 0;
	pz->reach_pages = 0;
	pz->any_order_pages = 0;
	for (order = 0; order < NR_PAGE_ORDERS; order++)
		for (migratetype = 0; migratetype < MIGRATE_TYPES;
		     migratetype++) {
			unsigned long pages;

			if (!type_is_eligible(migratetype))
				continue;
			pages = pz->nr_unhinted[order][migratetype] << order;
			pz->any_order_pages += pages;
			if (order >= pz->reach_order)
				pz->reach_pages += pages;
			if (order >= pz->min_order)
				pz->unhinted_pages += pages;
		}
}

/* All that no program needs, wherever it is. */
static unsigned long zone_free(struct page_hinting_zone *pz)
{
	return pz->any_order_pages + pz->hinted_pages + pz->in_flight_pages +
	       pz->away_pages + pz->list_pages;
}

static void wake_armed(struct page_hinting_zone *pz,
		       enum page_hinting_event event)
{
	if (!pz->armed)
		return;
	pz->armed = false;
	/* Pairs with wake_from_irq_work(). */
	WRITE_ONCE(pz->wake_event, event);
	/*
	 * Waking a task needs locks that nest outside zone->lock. Not while
	 * suspended: per-CPU lists are drained with interrupts off before a
	 * hibernation image is taken, and work that is pending in the image
	 * would be pending for ever. Resuming wakes the thread.
	 */
	if (page_hinting_get_state() == PAGE_HINTING_RUNNING)
		irq_work_queue(&pz->wake_work);
}

/* More unhinted memory: whoever waits for some is told, once. */
static void count_unhinted(struct page_hinting_zone *pz, unsigned int order,
			   int migratetype)
{
	pz->nr_unhinted[order][migratetype]++;
	if (!type_is_eligible(migratetype))
		return;
	pz->any_order_pages += 1UL << order;
	if (order < pz->reach_order)
		return;
	pz->reach_pages += 1UL << order;
	if (order >= pz->min_order) {
		pz->unhinted_pages += 1UL << order;
		if (pz->unhinted_pages <= pz->stay_pages)
			return;
	} else if (pz->reach_pages < pz->wake_pages) {
		return;
	}
	wake_armed(pz, PAGE_HINTING_EV_FREED);
}

static void uncount_unhinted(struct page_hinting_zone *pz, unsigned int order,
			     int migratetype)
{
	pz->nr_unhinted[order][migratetype]--;
	if (!type_is_eligible(migratetype))
		return;
	pz->any_order_pages -= 1UL << order;
	if (order < pz->reach_order)
		return;
	pz->reach_pages -= 1UL << order;
	if (order >= pz->min_order)
		pz->unhinted_pages -= 1UL << order;
}

/* A hinted block is taken off the lists, though nobody needs its memory. */
static void is_gone(struct page_hinting_zone *pz, unsigned int order)
{
	pz->reused_pages -= 1UL << order;
	pz->away_pages += 1UL << order;
}

/* Some of what went may never come back, such as memory that went offline. */
static void is_back(struct page_hinting_zone *pz, unsigned long pages)
{
	pz->away_pages -= min(pz->away_pages, pages);
}

/* What was hinted is used again, or, for a moment, merged or split. */
static void uncount_hinted(struct page_hinting_zone *pz, unsigned int order,
			   int migratetype)
{
	pz->hinted_pages -= 1UL << order;
	pz->reused_pages += 1UL << order;
	if (order < pz->min_order)
		pz->hinted_small_pages -= min(pz->hinted_small_pages,
					      1UL << order);
	/* Isolated memory goes offline, or is moved: that is no demand. */
	if (is_migrate_isolate(migratetype))
		is_gone(pz, order);
}

/*
 * Something was taken: remember when, the least that there was, and until when.
 * Not while a block is split or merges, when its parts are on no list for a
 * moment.
 */
static void note_low(struct page_hinting_zone *pz)
{
	unsigned long free_pages = zone_free(pz);

	if (pz->splits || pz->merges || free_pages > pz->low_pages)
		return;
	pz->went_page_ticks += (u64)(pz->low_pages - free_pages) *
			       (jiffies - pz->sampled_at);
	pz->low_pages = free_pages;
	pz->low_at = jiffies;
}

/* When the memory was taken that was missing at the lowest point: the mean. */
static unsigned long went_at(const struct page_hinting_zone *pz)
{
	unsigned long went_pages = pz->sampled_free_pages - pz->low_pages;

	if (!went_pages)
		return pz->low_at;
	return pz->sampled_at + (unsigned long)div64_u64(pz->went_page_ticks,
							 went_pages);
}

static void count_hinted(struct page_hinting_zone *pz, unsigned int order)
{
	pz->hinted_pages += 1UL << order;
	if (order < pz->min_order)
		pz->hinted_small_pages += 1UL << order;
}

/* Buddy -> Buddy|Offline; to the tail of its list, to be used last. */
static void mark(struct page *page, struct zone *zone, unsigned int order,
		 int migratetype)
{
	VM_WARN_ON_ONCE_PAGE(!PageBuddy(page), page);
	page->page_type = (unsigned int)PGTY_buddy_offline << 24;
	list_move_tail(&page->buddy_list,
		       &zone->free_area[order].free_list[migratetype]);
}

/* Not while a block is put back, of which all parts are hinted. */
static bool is_splitting(const struct page_hinting_zone *pz)
{
	return pz->keep_order && pz->keep_order != PAGE_HINTING_KEEP_NONE;
}

void __page_hinting_added(struct page *page, struct zone *zone,
			  unsigned int order, int migratetype)
{
	struct page_hinting_zone *pz = zone->hinting;

	lockdep_assert_held(&zone->lock);
	if (!pz)
		return;
	/* Until now there was not more; nor is there, if it has only merged. */
	note_low(pz);
	pz->merges = false;
	if (!is_counted(pz, page))
		return;
	if (order >= pz->keep_order && !is_migrate_isolate(migratetype))
		mark(page, zone, order, migratetype);
	if (PageBuddyOffline(page)) {
		count_hinted(pz, order);
		if (is_splitting(pz))
			pz->reused_pages -= 1UL << order;
		return;
	}
	/*
	 * The part of a hinted block that is too small to keep the mark counts
	 * as used, with what was taken of the block; not if that is isolated,
	 * which the block was not: see uncount_hinted().
	 */
	if (is_splitting(pz) && is_migrate_isolate(migratetype))
		is_gone(pz, order);
	/* Those that are likely to merge join the tail, where the marked are. */
	if (order < pz->min_order && pz->hinted_small_pages)
		list_move(&page->buddy_list,
			  &zone->free_area[order].free_list[migratetype]);
	count_unhinted(pz, order, migratetype);
}

void __page_hinting_removed(struct page *page, struct zone *zone,
			    unsigned int order, int migratetype)
{
	struct page_hinting_zone *pz = zone->hinting;

	lockdep_assert_held(&zone->lock);
	if (!is_counted(pz, page))
		return;
	if (PageBuddyOffline(page))
		uncount_hinted(pz, order, migratetype);
	else
		uncount_unhinted(pz, order, migratetype);
	note_low(pz);
}

void __page_hinting_split_begin(struct page *page, struct zone *zone)
{
	struct page_hinting_zone *pz = zone->hinting;

	lockdep_assert_held(&zone->lock);
	if (!pz)
		return;
	pz->splits = true;
	/* What compaction captures in the midst of a merge joins no list. */
	pz->merges = false;
	if (is_counted(pz, page) && PageBuddyOffline(page))
		pz->keep_order = page_hinting_granule_order;
}

void __page_hinting_split_end(struct zone *zone)
{
	struct page_hinting_zone *pz = zone->hinting;

	lockdep_assert_held(&zone->lock);
	if (!pz)
		return;
	pz->keep_order = PAGE_HINTING_KEEP_NONE;
	pz->splits = false;
	note_low(pz);
}

/* A hinted buddy loses its mark to a neighbour, which is no demand for it. */
static void lose_mark(struct page_hinting_zone *pz, struct page *buddy)
{
	if (!is_counted(pz, buddy) || !PageBuddyOffline(buddy) ||
	    is_migrate_isolate(get_pageblock_migratetype(buddy)))
		return;
	pz->reused_pages -= 1UL << buddy_order(buddy);
}

bool __page_hinting_stays_apart(struct page *buddy, struct zone *zone)
{
	struct page_hinting_zone *pz = zone->hinting;

	lockdep_assert_held(&zone->lock);
	if (!pz)
		return false;
	if (pz->keep_order == PAGE_HINTING_KEEP_NONE)
		lose_mark(pz, buddy);
	/* A guard page is free with its buddy only; that is not hinted then. */
	else if (page_is_guard(buddy))
		pz->keep_order = PAGE_HINTING_KEEP_NONE;
	/* Beyond what is counted, marks are void. */
	else if (!is_counted(pz, buddy) || !PageBuddyOffline(buddy))
		return true;
	note_low(pz);
	pz->merges = true;
	return false;
}

/* Isolated, or reserved for atomic allocations, or not any more. */
static void move_gone(struct page_hinting_zone *pz, unsigned int order,
		      bool goes)
{
	if (goes)
		pz->away_pages += 1UL << order;
	else
		is_back(pz, 1UL << order);
}

void __page_hinting_moved(struct page *page, struct zone *zone,
			  unsigned int order, int old_mt, int new_mt)
{
	struct page_hinting_zone *pz = zone->hinting;

	lockdep_assert_held(&zone->lock);
	if (!is_counted(pz, page) || PageBuddyOffline(page))
		return;
	/* In this order, or the move would look like a moment of demand. */
	count_unhinted(pz, order, new_mt);
	if (type_is_eligible(old_mt) != type_is_eligible(new_mt))
		move_gone(pz, order, type_is_eligible(old_mt));
	uncount_unhinted(pz, order, old_mt);
	note_low(pz);
}

/* See page_hinting_gone(). */
void __page_hinting_gone(struct page *page, long pages)
{
	struct zone *zone = page_zone(page);
	unsigned long flags = page_hinting_lock(zone);
	struct page_hinting_zone *pz = zone->hinting;

	if (pz && pages > 0) {
		pz->away_pages += pages;
		/* What of it was hinted was not used either. */
		pz->sampled_reused_pages += min_t(unsigned long, pages,
						  pz->reused_pages -
						  pz->sampled_reused_pages);
	} else if (pz) {
		is_back(pz, -pages);
		/* Pages are freed there first, as far as there is room. */
		pz->list_pages -= pages;
	}
	page_hinting_unlock(zone, flags);
}
EXPORT_SYMBOL_GPL(__page_hinting_gone);

/*
 * Stay well above the high watermark, by what may be in flight: many failing
 * allocations do not get as far as the OOM notifier. No lower zone may be
 * taken below what it reserves for itself either, hence the highest index,
 * and CMA memory helps movable allocations only. In defrag_mode kswapd and
 * kcompactd go by the memory in whole free pageblocks, and so do we.
 */
static bool zone_has_headroom(struct zone *zone, unsigned long pages,
			      bool exact)
{
	unsigned long share = zone_managed_pages(zone) /
			      PAGE_HINTING_ZONE_SHARE;
	unsigned long stays = pages + min(page_hinting_window_pages, share);
	enum zone_stat_item item = defrag_mode ? NR_FREE_PAGES_BLOCKS :
						 NR_FREE_PAGES;
	unsigned long free = zone_page_state(zone, item);

	/*
	 * Each CPU adds its changes to the sum now and then. The mark is 0 where
	 * what they have not added yet is too little to matter.
	 */
	if (exact && zone->percpu_drift_mark &&
	    free < zone->percpu_drift_mark + stays)
		free = zone_page_state_snapshot(zone, item);
	return __zone_watermark_ok(zone, 0, high_wmark_pages(zone) + stays,
				   MAX_NR_ZONES - 1, 0, free);
}

/*
 * An allocation of a high order must not find all blocks of that size out:
 * at least as much stays as goes. Of a last single block nothing can stay.
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
	unsigned long low_pages = pz->low_pages, low_at = pz->low_at;
	unsigned int order = high;
	u64 went_page_ticks = pz->went_page_ticks;

	while (order > pull->low_order && 1UL << order > limit_pages)
		order--;
	if (1UL << order > limit_pages)
		return false;

	page_hinting_take(pz->zone, page, order, high, migratetype);
	/* What hinting takes is not demand, nor is the split's own dip. */
	pz->low_pages = low_pages;
	pz->low_at = low_at;
	pz->went_page_ticks = went_page_ticks;

	set_page_private(page, BLOCK_OWNER << BLOCK_OWNER_SHIFT | order);
	__SetPageOffline(page);
	set_page_refcounted(page);
	list_add_tail(&page->lru, &pz->in_flight);
	WRITE_ONCE(pz->in_flight_pages, pz->in_flight_pages + (1UL << order));

	__count_vm_events(PAGE_HINTING_PULLED, 1UL << order);
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
			pz->nr_unhinted[order][migratetype] = 0;
			sum_up(pz);
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

	if (!page_hinting_may_pull(pz) || pz->counted_pfn != ULONG_MAX) {
		pz->cut_short = true;
		return false;
	}
	if (!zone_has_headroom(pz->zone, pull->limit_pages, false)) {
		page_hinting_skipped(pz, PAGE_HINTING_SKIP_WATERMARK);
		return false;
	}

	for (order = pull->high_order; order >= (int)pull->low_order; order--) {
		for (migratetype = 0; migratetype < MIGRATE_TYPES;
		     migratetype++) {
			if (!type_is_eligible(migratetype))
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
 * @order: take blocks of this order and above; if it is below the zone's
 *	minimum order, only such as are, too
 * @limit_pages: take at most this much, which is reserved in the window
 * @limit_nr: and at most that many blocks
 * @batch: receives the blocks, each with its order in page_private()
 *
 * A block that is larger than what is left of @limit_pages is split, and the
 * rest of it stays.
 *
 * Context: Process context. Takes the zone lock, for PULL_VISITS list entries
 *	at a time.
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

/* Isolation may have changed some of a block's pageblocks meanwhile. */
static bool is_of_one_type(struct page *page, unsigned int order)
{
	int migratetype = get_pageblock_migratetype(page);
	unsigned long i;

	for (i = pageblock_nr_pages; i < 1UL << order; i += pageblock_nr_pages)
		if (get_pageblock_migratetype(page + i) != migratetype)
			return false;
	return true;
}

/* By pageblocks unless they are all of one type. */
static void give(struct zone *zone, struct page *page, unsigned int order)
{
	unsigned int part_order = order;
	unsigned long i;

	if (order > pageblock_order && !is_of_one_type(page, order))
		part_order = pageblock_order;
	for (i = 0; i < 1UL << order; i += 1UL << part_order)
		page_hinting_give(zone, page + i, part_order,
				  get_pageblock_migratetype(page + i));
}

/* Offline -> free again, unless somebody else holds a reference right now. */
static bool put_back(struct page_hinting_zone *pz, struct page *page)
{
	unsigned long reused_pages = pz->reused_pages;
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
	if (private & BLOCK_ACKNOWLEDGED && is_counted(pz, page))
		pz->keep_order = 0;
	give(pz->zone, page, order);
	pz->keep_order = PAGE_HINTING_KEEP_NONE;
	/* Of what it merged with nothing was used. */
	pz->reused_pages = reused_pages;
	/* Only now, or it would look used for a moment. */
	WRITE_ONCE(pz->in_flight_pages, pz->in_flight_pages - (1UL << order));
	return true;
}

/**
 * page_hinting_acknowledged - the host has acknowledged a block
 * @page: what the provider says is the block
 * @home_pages: is set to the size of the block if it is free again, to 0 if
 *	somebody holds a reference to it, and then it is tried again later
 *
 * Offline -> Buddy|Offline.
 *
 * Context: Process context. Takes the zone lock, for one block.
 * Return: the block's zone; NULL if that is no block that the host had, and
 *	nothing was done then.
 */
struct page_hinting_zone *
page_hinting_acknowledged(struct page *page, unsigned long *home_pages)
{
	struct zone *zone = page_zone(page);
	unsigned long flags = page_hinting_lock(zone);
	struct page_hinting_zone *pz = zone->hinting;
	bool valid = pz && is_with_provider(page);

	*home_pages = 0;
	if (valid) {
		unsigned int order = page_hinting_block_order(page);

		trace_page_hinting_acknowledge(page, order);
		__count_vm_events(PAGE_HINTING_ACKNOWLEDGED, 1UL << order);
		/* Pairs with who sums it up for a flush, or shows it. */
		WRITE_ONCE(pz->acknowledged_pages,
			   pz->acknowledged_pages + (1UL << order));
		set_page_private(page, page_private(page) | BLOCK_ACKNOWLEDGED);
		if (put_back(pz, page))
			*home_pages = 1UL << order;
	}
	page_hinting_unlock(zone, flags);

	if (!valid)
		pr_err_ratelimited("the host acknowledged pfn %#lx, which it did not have\n",
				   page_to_pfn(page));
	return valid ? pz : NULL;
}

/**
 * page_hinting_not_acknowledged - a block comes back without an answer
 * @page: what the provider says is the block
 * @home_pages: as for page_hinting_acknowledged()
 *
 * Offline -> Buddy, or to the retry list.
 *
 * Context: Process context. Takes the zone lock, for one block.
 * Return: the block's zone; NULL if that is no block that the provider had,
 *	and nothing was done then.
 */
struct page_hinting_zone *
page_hinting_not_acknowledged(struct page *page, unsigned long *home_pages)
{
	struct zone *zone = page_zone(page);
	unsigned long flags = page_hinting_lock(zone);
	struct page_hinting_zone *pz = zone->hinting;
	bool valid = pz && is_with_provider(page);

	*home_pages = 0;
	if (valid) {
		unsigned int order = page_hinting_block_order(page);

		trace_page_hinting_return(page, order);
		__count_vm_events(PAGE_HINTING_RETURNED, 1UL << order);
		if (put_back(pz, page))
			*home_pages = 1UL << order;
	}
	page_hinting_unlock(zone, flags);
	return valid ? pz : NULL;
}

/**
 * page_hinting_retry - try again to take back the reference to a block
 * @pz: the zone
 *
 * Context: Process context. Takes the zone lock, for one block.
 * Return: the size of one block in pages that is free again, 0 if there is
 *	none.
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
	WRITE_ONCE(pz->in_flight_pages, pz->in_flight_pages - pages);
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

/*
 * Void the marks of the blocks that begin in one chunk, and count those that
 * are free. Returns where the last of them ends, which may be further on.
 */
static unsigned long visit_chunk(struct page_hinting_zone *pz,
				 unsigned long start_pfn, bool count)
{
	unsigned long end_pfn = start_pfn + CHUNK_PAGES;
	unsigned long pfn = start_pfn;
	unsigned int order;

	/*
	 * Under the zone lock, so that it cannot go offline meanwhile; between
	 * two chunks it can, in the midst of a hole's worth of pages, too.
	 */
	lockdep_assert_held(&pz->zone->lock);

	for (; pfn < end_pfn; pfn += 1UL << order) {
		struct page *page;

		order = 0;
		if (pfn == start_pfn || IS_ALIGNED(pfn, HOLE_PAGES)) {
			if (!pfn_to_online_page(pfn))
				return ALIGN(pfn + 1, HOLE_PAGES);
		}
		page = pfn_to_page(pfn);
		if (page_zone(page) != pz->zone || !PageBuddy(page))
			continue;
		order = buddy_order(page);
		if (PageBuddyOffline(page))
			page->page_type = (unsigned int)PGTY_buddy << 24;
		if (count)
			pz->nr_unhinted[order][get_pageblock_migratetype(page)]++;
	}
	return pfn;
}

/* The zone's span may change meanwhile, by hotplug, not under its lock. */
static void get_span(struct zone *zone, unsigned long *start_pfn,
		     unsigned long *end_pfn)
{
	unsigned int seq;

	do {
		seq = zone_span_seqbegin(zone);
		*start_pfn = ALIGN_DOWN(zone->zone_start_pfn,
					MAX_ORDER_NR_PAGES);
		*end_pfn = zone_end_pfn(zone);
	} while (zone_span_seqretry(zone, seq));
}

/**
 * page_hinting_count_start - begin to count a zone's blocks anew
 * @pz: the zone
 *
 * All marks are void. page_hinting_count_chunk() does the work.
 */
void page_hinting_count_start(struct page_hinting_zone *pz)
{
	unsigned long flags = page_hinting_lock(pz->zone);
	struct page *page;

	memset(pz->nr_unhinted, 0, sizeof(pz->nr_unhinted));
	pz->hinted_pages = 0;
	pz->hinted_small_pages = 0;
	/* The key may have been switched off in the middle of a split. */
	pz->keep_order = PAGE_HINTING_KEEP_NONE;
	pz->splits = false;
	pz->merges = false;
	/* What is acknowledged and still referenced is hinted anew, too. */
	list_for_each_entry(page, &pz->retry, lru)
		set_page_private(page,
				 page_private(page) & ~BLOCK_ACKNOWLEDGED);
	/* Pairs with the zone's thread, which begins to count then. */
	WRITE_ONCE(pz->counted_pfn, 0);
	pz->armed = false;
	sum_up(pz);
	page_hinting_unlock(pz->zone, flags);
}

/**
 * page_hinting_count_chunk - count the next few blocks
 * @pz: the zone
 *
 * The hooks know by its page frame number whether a block is counted already.
 * One that merges across that point begins below it, and is counted by them.
 *
 * Context: Process context. Takes the zone lock, for CHUNK_PAGES.
 * Return: false when all are counted.
 */
bool page_hinting_count_chunk(struct page_hinting_zone *pz)
{
	unsigned long flags = page_hinting_lock(pz->zone);
	unsigned long pfn = pz->counted_pfn;
	bool more = pfn != ULONG_MAX;
	unsigned long start_pfn, end_pfn;

	if (more) {
		get_span(pz->zone, &start_pfn, &end_pfn);
		pfn = max(pfn, start_pfn);
		more = pfn < end_pfn;
		if (more) {
			pfn = visit_chunk(pz, pfn, true);
			WRITE_ONCE(pz->counted_pfn, pfn);
		} else {
			WRITE_ONCE(pz->counted_pfn, ULONG_MAX);
		}
		sum_up(pz);
	}
	page_hinting_unlock(pz->zone, flags);
	return more;
}

/**
 * page_hinting_count_stop - stop counting, and void all marks
 * @pz: the zone
 *
 * Context: Process context, may sleep. Takes the zone lock, for CHUNK_PAGES at
 *	a time.
 */
void page_hinting_count_stop(struct page_hinting_zone *pz)
{
	unsigned long pfn, end_pfn, flags;

	page_hinting_count_start(pz);
	get_span(pz->zone, &pfn, &end_pfn);
	while (pfn < end_pfn) {
		flags = page_hinting_lock(pz->zone);
		pfn = visit_chunk(pz, pfn, false);
		page_hinting_unlock(pz->zone, flags);
		cond_resched();
	}
}

static unsigned long sum_up_small_hinted(struct page_hinting_zone *pz)
{
	unsigned long pages = 0;
	unsigned int order;
	int migratetype;

	for (order = 0; order < pz->min_order; order++) {
		pages += pz->zone->free_area[order].nr_free << order;
		for (migratetype = 0; migratetype < MIGRATE_TYPES;
		     migratetype++)
			pages -= pz->nr_unhinted[order][migratetype] << order;
	}
	return pages;
}

/**
 * page_hinting_set_orders - change what counts as unhinted
 * @pz: the zone
 * @min_order: at most MAX_PAGE_ORDER
 * @reach_order: at most @min_order; smaller blocks are never hinted
 */
void page_hinting_set_orders(struct page_hinting_zone *pz,
			     unsigned int min_order, unsigned int reach_order)
{
	unsigned long flags = page_hinting_lock(pz->zone);

	/* Pairs with who reads it without the lock. */
	WRITE_ONCE(pz->min_order, min_order);
	WRITE_ONCE(pz->reach_order, reach_order);
	/* While blocks are still being counted, there are no marks. */
	pz->hinted_small_pages = 0;
	if (pz->counted_pfn == ULONG_MAX)
		pz->hinted_small_pages = sum_up_small_hinted(pz);
	sum_up(pz);
	page_hinting_unlock(pz->zone, flags);
}

/**
 * page_hinting_try_arm - ask to be woken by the next free
 * @pz: the zone
 * @stay_pages: not before more than this is unhinted; 0 unless some has to stay
 * @wake_pages: or when this much is unhinted in smaller blocks
 *
 * Context: The zone's thread. Takes the zone lock.
 * Return: false if there is something to look at already.
 */
bool page_hinting_try_arm(struct page_hinting_zone *pz, unsigned long stay_pages,
			  unsigned long wake_pages)
{
	unsigned long flags = page_hinting_lock(pz->zone);
	bool armed;

	pz->stay_pages = stay_pages;
	/* What stays is in reach, too. */
	pz->wake_pages = wake_pages + min(pz->unhinted_pages,
					  ULONG_MAX - wake_pages);
	armed = pz->unhinted_pages <= stay_pages &&
		pz->reach_pages < pz->wake_pages;
	pz->armed = armed;
	page_hinting_unlock(pz->zone, flags);
	return armed;
}

/* Unhinted memory below the minimum order, in reach, by order. */
static void sum_up_small(struct page_hinting_zone *pz, unsigned long *pages)
{
	unsigned int order;
	int migratetype;

	for (order = pz->reach_order; order < pz->min_order; order++)
		for (migratetype = 0; migratetype < MIGRATE_TYPES;
		     migratetype++)
			if (type_is_eligible(migratetype))
				pages[order] += pz->nr_unhinted[order][migratetype]
						<< order;
}

/* Is there memory that would be hinted but for the type of its pageblock? */
static bool has_ineligible(struct page_hinting_zone *pz)
{
	unsigned int order;
	int migratetype;

	for (order = pz->min_order; order < NR_PAGE_ORDERS; order++)
		for (migratetype = MIGRATE_PCPTYPES;
		     migratetype < MIGRATE_TYPES; migratetype++)
			if (!type_is_eligible(migratetype) &&
			    pz->nr_unhinted[order][migratetype])
				return true;
	return false;
}

/*
 * Free memory in the per-CPU lists, about. An empty zone has no lists any more;
 * vmstat asks the same.
 */
static unsigned long pages_in_lists(struct zone *zone)
{
	unsigned long pages = 0;
	int cpu;

	if (!populated_zone(zone))
		return 0;
	for_each_online_cpu(cpu)
		pages += data_race(per_cpu_ptr(zone->per_cpu_pageset,
					       cpu)->count);
	return pages;
}

/**
 * page_hinting_take_sample - what happened since the last sample
 * @pz: the zone
 * @sample: is set
 *
 * Context: The zone's thread, which is not armed any more. Takes the zone lock.
 */
void page_hinting_take_sample(struct page_hinting_zone *pz,
			      struct page_hinting_sample *sample)
{
	unsigned long list_pages = pages_in_lists(pz->zone);
	unsigned long flags = page_hinting_lock(pz->zone);
	unsigned long listed_pages = pz->list_pages;

	/* What went was taken out of the lists, if not off the free lists. */
	pz->list_pages = list_pages;
	note_low(pz);

	memset(sample, 0, sizeof(*sample));
	sample->now_ms = ktime_to_ms(ktime_get());
	sample->free_pages = zone_free(pz);
	sample->low_pages = pz->low_pages;
	/* At the low, those who took so much had emptied the lists first. */
	if (sample->free_pages > pz->low_pages &&
	    pz->sampled_free_pages - pz->low_pages >= listed_pages)
		sample->low_pages -= min(pz->low_pages, listed_pages);
	sample->low_ms = sample->now_ms -
			 jiffies_to_msecs(jiffies - pz->low_at);
	sample->went_ms = sample->now_ms -
			  jiffies_to_msecs(jiffies - went_at(pz));
	sample->list_pages = list_pages;
	sample->unhinted_pages = pz->unhinted_pages;
	sum_up_small(pz, sample->small_pages);
	if (has_ineligible(pz))
		page_hinting_skipped(pz, PAGE_HINTING_SKIP_ISOLATED);

	sample->taken_pages = pz->reused_pages - pz->sampled_reused_pages;
	pz->low_pages = zone_free(pz);
	pz->low_at = jiffies;
	pz->sampled_free_pages = pz->low_pages;
	pz->sampled_at = jiffies;
	pz->went_page_ticks = 0;
	pz->sampled_reused_pages = pz->reused_pages;
	/* What is freed from here on is seen, or asked for anew. */
	pz->armed = false;
	page_hinting_unlock(pz->zone, flags);
}

/**
 * page_hinting_in_reach - what could be hinted if nothing was kept
 * @pz: the zone
 *
 * Return: unhinted pages, down to the lowest order that is ever hinted.
 */
unsigned long page_hinting_in_reach(struct page_hinting_zone *pz)
{
	unsigned long flags = page_hinting_lock(pz->zone);
	unsigned long pages = pz->reach_pages;

	page_hinting_unlock(pz->zone, flags);
	return pages;
}

/* Is this the head of a hinted block that reaches over @offset pages? */
static bool covers(const struct page *head, unsigned long offset)
{
	unsigned long order;

	if (!PageBuddyOffline(head))
		return false;
	order = buddy_order_unsafe(head);
	return offset < 1UL << min_t(unsigned long, order, MAX_PAGE_ORDER);
}

/* See page_hinting_hinted(). */
bool __page_hinting_hinted(const struct page *page)
{
	unsigned long pfn = page_to_pfn(page);
	unsigned int order;

	for (order = 0; order < NR_PAGE_ORDERS; order++) {
		unsigned long offset = pfn & ((1UL << order) - 1);

		if (covers(page - offset, offset))
			return true;
	}
	return false;
}
