// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: which free blocks the host knows.
 *
 * A free block that the host has acknowledged is Buddy|Offline, and at the tail
 * of its free list. The allocator's hooks count the others per list, carry the
 * mark over a split and a merge, and note the least memory that was free. Any
 * of these is done under the zone lock, in O(1); to count a zone's blocks
 * from the beginning takes many holds of it, for CHUNK_PAGES each.
 */
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>

#include "../internal.h"
#include "../page_alloc.h"
#include "hooks.h"
#include "marks.h"

/* Looked at in one hold of the zone lock, to count free blocks. */
#define CHUNK_PAGES		min(64UL, MAX_ORDER_NR_PAGES)

/* Where memory has a hole, at least this much is missing. */
#ifdef CONFIG_SPARSEMEM
#define HOLE_PAGES		PAGES_PER_SUBSECTION
#else
#define HOLE_PAGES		MAX_ORDER_NR_PAGES
#endif

static_assert(PGTY_buddy_offline == (PGTY_buddy | PGTY_offline));

unsigned int page_hinting_granule_order __read_mostly;

static bool is_counted(struct page_hinting_zone *pz, struct page *page)
{
	return pz && page_to_pfn(page) < pz->counted_pfn;
}

/* Unhinted blocks join a list, or leave it: add to the sums of the eligible. */
static void add_up(struct page_hinting_zone *pz, unsigned int order,
		   int migratetype, long nr)
{
	unsigned long pages = (unsigned long)nr << order;

	if (!page_hinting_type_is_eligible(migratetype))
		return;
	pz->any_order_pages += pages;
	if (order >= pz->reach_order)
		pz->reach_pages += pages;
	if (order >= pz->min_order)
		pz->unhinted_pages += pages;
}

/* Compute these sums again from nr_unhinted. */
static void sum_up(struct page_hinting_zone *pz)
{
	unsigned int order;
	int mt;

	pz->unhinted_pages = 0;
	pz->reach_pages = 0;
	pz->any_order_pages = 0;
	for (order = 0; order < NR_PAGE_ORDERS; order++)
		for (mt = 0; mt < MIGRATE_TYPES; mt++)
			add_up(pz, order, mt, pz->nr_unhinted[order][mt]);
}

/* Is there as much unhinted memory as the thread has asked for? */
static bool is_enough(const struct page_hinting_zone *pz)
{
	return pz->unhinted_pages > pz->stay_pages ||
	       pz->reach_pages - pz->unhinted_pages >= pz->wake_pages;
}

/* What was hinted and then used, ever: it wraps. */
static unsigned long used_pages(const struct page_hinting_zone *pz)
{
	return pz->acknowledged_pages - pz->hinted_pages - pz->unmarked_pages;
}

/* All that no program needs, wherever it is. */
static unsigned long zone_free(struct page_hinting_zone *pz)
{
	return pz->any_order_pages + pz->hinted_pages + pz->in_flight_pages +
	       pz->away_pages + pz->list_pages;
}

/* More unhinted memory: the thread is told, once, if it waits for that. */
static void count_unhinted(struct page_hinting_zone *pz, unsigned int order,
			   int migratetype)
{
	pz->nr_unhinted[order][migratetype]++;
	add_up(pz, order, migratetype, 1);
	if (!pz->armed || !is_enough(pz))
		return;
	pz->armed = false;
	page_hinting_wake_later(pz, PAGE_HINTING_EV_FREED);
}

static void uncount_unhinted(struct page_hinting_zone *pz, unsigned int order,
			     int migratetype)
{
	pz->nr_unhinted[order][migratetype]--;
	add_up(pz, order, migratetype, -1);
}

/* A hinted block was taken off the lists, but not to be used. */
static void goes_away(struct page_hinting_zone *pz, unsigned int order)
{
	pz->away_pages += 1UL << order;
	pz->unmarked_pages += 1UL << order;
}

/* Some of what went may never come back, such as memory that went offline. */
static void is_back(struct page_hinting_zone *pz, unsigned long pages)
{
	pz->away_pages -= min(pz->away_pages, pages);
}

static void uncount_hinted(struct page_hinting_zone *pz, unsigned int order,
			   int migratetype)
{
	pz->hinted_pages -= 1UL << order;
	/* Isolated memory goes offline, or is moved: that is no demand. */
	if (is_migrate_isolate(migratetype))
		goes_away(pz, order);
}

/* No hook is called when a page joins a per-CPU list, or leaves it. */
static void count_list(struct page_hinting_zone *pz,
		       struct page_hinting_list *list,
		       const struct per_cpu_pages *pcp)
{
	int pages = data_race(READ_ONCE(pcp->count));

	pz->list_pages += pages - list->counted_pages;
	list->counted_pages = pages;
}

/* When a CPU goes to the free lists, its own list is used up, or full. */
static void count_this_list(struct page_hinting_zone *pz)
{
	count_list(pz, this_cpu_ptr(pz->lists),
		   this_cpu_ptr(pz->zone->per_cpu_pageset));
}

/* There may be many CPUs, so the lock is not held for all of them. */
static void count_all_lists(struct page_hinting_zone *pz)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct page_hinting_list *list = per_cpu_ptr(pz->lists, cpu);
		struct per_cpu_pages *pcp;

		/* Pairs with zone_pcp_reset(), when the zone becomes empty. */
		guard(rcu)();
		pcp = per_cpu_ptr(READ_ONCE(pz->zone->per_cpu_pageset), cpu);
		if (data_race(pcp->count == list->counted_pages))
			continue;
		guard(spinlock_irqsave)(&pz->zone->lock);
		count_list(pz, list, pcp);
	}
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

/* Buddy -> Buddy|Offline; to the tail of its list, to be used last. */
static void mark(struct page *page, struct zone *zone, unsigned int order,
		 int migratetype)
{
	VM_WARN_ON_ONCE_PAGE(!PageBuddy(page), page);
	page->page_type = (unsigned int)PGTY_buddy_offline << 24;
	list_move_tail(&page->buddy_list,
		       &zone->free_area[order].free_list[migratetype]);
}

/* What is likely to merge joins the tail; but what is hinted is used last. */
static void not_behind_hinted(struct page *page, struct list_head *list)
{
	if (!list_is_first(&page->buddy_list, list) &&
	    PageBuddyOffline(list_prev_entry(page, buddy_list)))
		list_move(&page->buddy_list, list);
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
		pz->hinted_pages += 1UL << order;
	} else {
		/* It was not isolated, so uncount_hinted() has not counted it. */
		if (is_splitting(pz) && is_migrate_isolate(migratetype))
			goes_away(pz, order);
		not_behind_hinted(page,
				  &zone->free_area[order].free_list[migratetype]);
		count_unhinted(pz, order, migratetype);
	}
	/* Last: the list has said before that it has this block no more. */
	if (!pz->splits)
		count_this_list(pz);
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
	count_this_list(pz);
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
	if (is_counted(pz, buddy) && PageBuddyOffline(buddy) &&
	    !is_migrate_isolate(get_pageblock_migratetype(buddy)))
		pz->unmarked_pages += 1UL << buddy_order(buddy);
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
	bool was_eligible = page_hinting_type_is_eligible(old_mt);
	struct page_hinting_zone *pz = zone->hinting;

	lockdep_assert_held(&zone->lock);
	if (!is_counted(pz, page) || PageBuddyOffline(page))
		return;
	/* In this order, or the move would look like a moment of demand. */
	count_unhinted(pz, order, new_mt);
	if (was_eligible != page_hinting_type_is_eligible(new_mt))
		move_gone(pz, order, was_eligible);
	uncount_unhinted(pz, order, old_mt);
	note_low(pz);
}

/* See page_hinting_gone(). */
void __page_hinting_gone(struct page *page, long pages)
{
	struct zone *zone = page_zone(page);
	struct page_hinting_zone *pz;

	guard(spinlock_irqsave)(&zone->lock);
	pz = zone->hinting;
	if (pz && pages > 0) {
		pz->away_pages += pages;
	} else if (pz) {
		is_back(pz, -pages);
		/* Most join this CPU's list; what does not, the hooks see. */
		pz->list_pages -= pages;
		this_cpu_ptr(pz->lists)->counted_pages -= pages;
	}
}
EXPORT_SYMBOL_GPL(__page_hinting_gone);

/**
 * page_hinting_take_out - take a block off its free list, to hint it
 * @pz: the zone
 * @page: its head page
 * @order: take so much of it; the rest stays
 * @high: the order of the block
 * @migratetype: the list that it is on
 *
 * What hinting takes is no demand, and a split is not either.
 *
 * Context: Under the zone lock.
 */
void page_hinting_take_out(struct page_hinting_zone *pz, struct page *page,
			   unsigned int order, unsigned int high,
			   int migratetype)
{
	/* First, or it would look used for a moment. Lockless readers, too. */
	WRITE_ONCE(pz->in_flight_pages, pz->in_flight_pages + (1UL << order));
	page_hinting_take(pz->zone, page, order, high, migratetype);
}

/* Isolation may have changed the type of some of a block's pageblocks meanwhile. */
static unsigned int order_of_parts(struct page *page, unsigned int order)
{
	int migratetype = get_pageblock_migratetype(page);
	unsigned long i;

	for (i = pageblock_nr_pages; i < 1UL << order; i += pageblock_nr_pages)
		if (get_pageblock_migratetype(page + i) != migratetype)
			return pageblock_order;
	return order;
}

/**
 * page_hinting_put_in - put a block on a free list again
 * @pz: the zone
 * @page: its head page, without a reference
 * @order: its order
 * @acknowledged: mark it, if the walk over the zone has passed it already
 *
 * Context: Under the zone lock.
 */
void page_hinting_put_in(struct page_hinting_zone *pz, struct page *page,
			 unsigned int order, bool acknowledged)
{
	unsigned int part_order = order_of_parts(page, order);
	unsigned long used = used_pages(pz), i;

	lockdep_assert_held(&pz->zone->lock);
	if (acknowledged && is_counted(pz, page))
		pz->keep_order = 0;
	for (i = 0; i < 1UL << order; i += 1UL << part_order) {
		int migratetype = get_pageblock_migratetype(page + i);

		/* Isolated meanwhile: that is no demand. */
		if (is_migrate_isolate(migratetype) && is_counted(pz, page))
			pz->away_pages += 1UL << part_order;
		page_hinting_give(pz->zone, page + i, part_order, migratetype);
	}
	pz->keep_order = PAGE_HINTING_KEEP_NONE;
	if (acknowledged)
		/* Pairs with acknowledged_pages() in flush.c. */
		WRITE_ONCE(pz->acknowledged_pages,
			   pz->acknowledged_pages + (1UL << order));
	/* What got no mark was not used either. */
	pz->unmarked_pages += used_pages(pz) - used;
	/* Only now, or it would look used for a moment. */
	WRITE_ONCE(pz->in_flight_pages, pz->in_flight_pages - (1UL << order));
}

/**
 * page_hinting_lost - blocks that were taken out never come back
 * @pz: the zone
 * @pages: what they are
 *
 * Context: Under the zone lock.
 */
void page_hinting_lost(struct page_hinting_zone *pz, unsigned long pages)
{
	lockdep_assert_held(&pz->zone->lock);
	WRITE_ONCE(pz->in_flight_pages, pz->in_flight_pages - pages);
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
 * All marks are void. page_hinting_count_chunk() does the work. What was
 * acknowledged before and comes home later is not to be marked either: see
 * page_hinting_void_retried().
 *
 * Context: Takes the zone lock.
 */
void page_hinting_count_start(struct page_hinting_zone *pz)
{
	guard(spinlock_irqsave)(&pz->zone->lock);
	memset(pz->nr_unhinted, 0, sizeof(pz->nr_unhinted));
	pz->unmarked_pages += pz->hinted_pages;
	pz->hinted_pages = 0;
	/* The key may have been switched off in the middle of a split. */
	pz->keep_order = PAGE_HINTING_KEEP_NONE;
	pz->splits = false;
	pz->merges = false;
	/* Pairs with the zone's thread, which begins to count then. */
	WRITE_ONCE(pz->counted_pfn, 0);
	pz->armed = false;
	sum_up(pz);
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
	unsigned long pfn, start_pfn, end_pfn;

	guard(spinlock_irqsave)(&pz->zone->lock);
	if (pz->counted_pfn == ULONG_MAX)
		return false;
	get_span(pz->zone, &start_pfn, &end_pfn);
	pfn = max(pz->counted_pfn, start_pfn);
	pfn = pfn < end_pfn ? visit_chunk(pz, pfn, true) : ULONG_MAX;
	WRITE_ONCE(pz->counted_pfn, pfn);
	sum_up(pz);
	return pfn != ULONG_MAX;
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
	unsigned long pfn, end_pfn;

	page_hinting_count_start(pz);
	get_span(pz->zone, &pfn, &end_pfn);
	while (pfn < end_pfn) {
		scoped_guard(spinlock_irqsave, &pz->zone->lock)
			pfn = visit_chunk(pz, pfn, false);
		cond_resched();
	}
}

/**
 * page_hinting_set_orders - change what counts as unhinted
 * @pz: the zone
 * @min_order: at most MAX_PAGE_ORDER
 * @reach_order: at most @min_order; smaller blocks are never hinted
 *
 * Context: Under page_hinting_mutex. Takes the zone lock.
 */
void page_hinting_set_orders(struct page_hinting_zone *pz,
			     unsigned int min_order, unsigned int reach_order)
{
	guard(spinlock_irqsave)(&pz->zone->lock);
	/* Pairs with who reads it without the lock. */
	WRITE_ONCE(pz->min_order, min_order);
	WRITE_ONCE(pz->reach_order, reach_order);
	sum_up(pz);
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
	guard(spinlock_irqsave)(&pz->zone->lock);
	pz->stay_pages = stay_pages;
	pz->wake_pages = wake_pages;
	pz->armed = !is_enough(pz);
	return pz->armed;
}

/*
 * Unhinted memory below the minimum order, in reach, by order. Returns whether
 * there are larger blocks that would be hinted but for the type of their
 * pageblock.
 */
static bool sum_up_small(struct page_hinting_zone *pz, unsigned long *pages)
{
	bool has_ineligible = false;
	unsigned int order;
	int mt;

	for (order = pz->reach_order; order < NR_PAGE_ORDERS; order++)
		for (mt = 0; mt < MIGRATE_TYPES; mt++) {
			unsigned long nr = pz->nr_unhinted[order][mt];
			bool eligible = page_hinting_type_is_eligible(mt);

			if (eligible && order < pz->min_order)
				pages[order] += nr << order;
			has_ineligible |= nr && !eligible &&
					  order >= pz->min_order;
		}
	return has_ineligible;
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
	count_all_lists(pz);

	guard(spinlock_irqsave)(&pz->zone->lock);
	note_low(pz);

	memset(sample, 0, sizeof(*sample));
	sample->now_ms = ktime_to_ms(ktime_get());
	sample->free_pages = zone_free(pz);
	sample->low_pages = pz->low_pages;
	sample->low_ms = sample->now_ms -
			 jiffies_to_msecs(jiffies - pz->low_at);
	sample->went_ms = sample->now_ms -
			  jiffies_to_msecs(jiffies - went_at(pz));
	sample->list_pages = pz->list_pages;
	sample->unhinted_pages = pz->unhinted_pages;
	if (sum_up_small(pz, sample->small_pages))
		page_hinting_skipped(pz, PAGE_HINTING_SKIP_ISOLATED);

	sample->taken_pages = used_pages(pz) - pz->sampled_used_pages;
	pz->low_pages = zone_free(pz);
	pz->low_at = jiffies;
	pz->sampled_free_pages = pz->low_pages;
	pz->sampled_at = jiffies;
	pz->went_page_ticks = 0;
	pz->sampled_used_pages = used_pages(pz);
	/* What is freed from here on is seen, or asked for anew. */
	pz->armed = false;
}

/**
 * page_hinting_used - what was hinted and then used, or taken to be used in part
 * @pz: the zone
 *
 * Context: Takes the zone lock.
 * Return: pages, ever; wraps.
 */
unsigned long page_hinting_used(struct page_hinting_zone *pz)
{
	guard(spinlock_irqsave)(&pz->zone->lock);
	return used_pages(pz);
}

/**
 * page_hinting_read - read a count that is written under the zone lock
 * @pz: the zone
 * @pages: the count, in @pz
 *
 * Context: Takes the zone lock, under which counts are wrong for a moment.
 * Return: its value.
 */
unsigned long page_hinting_read(struct page_hinting_zone *pz,
				const unsigned long *pages)
{
	guard(spinlock_irqsave)(&pz->zone->lock);
	return *pages;
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
