// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: the window, which bounds what is in flight.
 *
 * It counts pages, over all zones, and the entries of the provider's ring. A
 * zone's thread reserves a part before it pulls and releases what it did not
 * use; whoever brings blocks home releases theirs, and wakes the threads that
 * found no room.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "internal.h"

/* Not more than this is in flight. Only tests change it. */
unsigned long page_hinting_window_pages = SZ_64M >> PAGE_SHIFT;

/**
 * struct window - what is in flight
 * @lock: protects the rest, and each zone's part; a leaf
 * @used_pages: in flight or reserved for it
 * @used_blocks: in flight, waiting for a reference, or reserved
 * @nr_competing: zones that have a part of it or want one
 * @waited_for: a zone found no room since the last wake-up
 */
static struct window {
	spinlock_t lock;	/* protects the rest */
	unsigned long used_pages;
	unsigned int used_blocks;
	unsigned int nr_competing;
	bool waited_for;
} page_hinting_window = {
	.lock = __SPIN_LOCK_UNLOCKED(page_hinting_window.lock),
};

/**
 * page_hinting_window_in_use - how much is in flight
 *
 * Return: pages in flight or about to be, over all zones.
 */
unsigned long page_hinting_window_in_use(void)
{
	unsigned long pages;

	spin_lock(&page_hinting_window.lock);
	pages = page_hinting_window.used_pages;
	spin_unlock(&page_hinting_window.lock);
	return pages;
}

/* Has it a part of the window, or does it want one? Under the window's lock. */
static void update_competing(struct page_hinting_zone *pz)
{
	bool competes = pz->reserved_pages || pz->wants_window;

	if (competes == pz->competes)
		return;
	pz->competes = competes;
	page_hinting_window.nr_competing += competes ? 1 : -1;
}

/*
 * A zone has at most its part of the window, for as many zones as there are
 * who want one, and a small share of its own memory in flight, yet one block.
 */
static unsigned long zone_room(struct page_hinting_zone *pz, unsigned int order,
			       unsigned int capacity, unsigned long limit_pages)
{
	unsigned int others = page_hinting_window.nr_competing - pz->competes;
	unsigned long share_pages;

	/* Small blocks use up the ring before they use up the window. */
	if (others)
		limit_pages = min(limit_pages,
				  (unsigned long)capacity << order);
	share_pages = min(zone_managed_pages(pz->zone) / PAGE_HINTING_ZONE_SHARE,
			  limit_pages / (others + 1));
	share_pages = max(share_pages, 1UL << order);
	return share_pages - min(share_pages, pz->reserved_pages);
}

/**
 * page_hinting_window_reserve - reserve a part of the window
 * @pz: the zone that wants it
 * @order: of the smallest block that it may be for
 * @capacity: entries of the provider's ring
 * @want_pages: how much it wants
 * @nr_blocks: how many blocks it wants; is set to how many it may have
 *
 * If there is no room, the zone's thread is woken when there is.
 *
 * Return: how many pages it may have; 0, or enough for one block.
 */
unsigned long page_hinting_window_reserve(struct page_hinting_zone *pz,
					  unsigned int order,
					  unsigned int capacity,
					  unsigned long want_pages,
					  unsigned int *nr_blocks)
{
	unsigned long block_pages = 1UL << order;
	struct window *window = &page_hinting_window;
	unsigned long limit, pages, blocks;
	enum page_hinting_reason reason;

	capacity = min(capacity, PAGE_HINTING_RING_MAX);
	spin_lock(&window->lock);
	/* One block has to fit, however large it is. */
	limit = max(page_hinting_window_pages, block_pages);
	pages = limit - min(limit, window->used_pages);
	pages = min3(pages, want_pages, zone_room(pz, order, capacity, limit));
	blocks = capacity - min(capacity, window->used_blocks);
	reason = blocks ? PAGE_HINTING_SKIP_WINDOW : PAGE_HINTING_SKIP_RING;
	blocks = min3(blocks, (unsigned long)*nr_blocks, pages / block_pages);
	if (!blocks)
		pages = 0;
	window->used_pages += pages;
	window->used_blocks += blocks;
	pz->reserved_pages += pages;
	pz->wants_window = !blocks;
	update_competing(pz);
	window->waited_for |= !blocks;
	spin_unlock(&window->lock);

	if (!blocks)
		page_hinting_skipped(pz, reason);
	*nr_blocks = blocks;
	return pages;
}

/* Tell the zones that found no room that there is some. */
static void wake_waiters(void)
{
	struct page_hinting_zone *pz;
	int idx = srcu_read_lock(&page_hinting_srcu);

	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu)) {
		bool wants;

		spin_lock(&page_hinting_window.lock);
		wants = pz->wants_window;
		pz->wants_window = false;
		/* It competes until it has looked: others may be faster. */
		spin_unlock(&page_hinting_window.lock);
		if (wants)
			page_hinting_wake(pz, PAGE_HINTING_EV_WINDOW);
	}
	srcu_read_unlock(&page_hinting_srcu, idx);
}

/**
 * page_hinting_window_release - give back a part of the window
 * @pz: the zone that had reserved it
 * @pages: how much is home again, or was not taken
 * @nr_blocks: how many blocks these are, or would have been
 */
void page_hinting_window_release(struct page_hinting_zone *pz,
				 unsigned long pages, unsigned int nr_blocks)
{
	struct window *window = &page_hinting_window;
	bool wake;

	if (!pages && !nr_blocks)
		return;
	spin_lock(&window->lock);
	if (WARN_ON_ONCE(pages > pz->reserved_pages))
		pages = pz->reserved_pages;
	if (WARN_ON_ONCE(nr_blocks > window->used_blocks))
		nr_blocks = window->used_blocks;
	pz->reserved_pages -= pages;
	window->used_pages -= pages;
	window->used_blocks -= nr_blocks;
	update_competing(pz);
	wake = window->waited_for;
	window->waited_for = false;
	spin_unlock(&window->lock);

	if (wake)
		wake_waiters();
}

/**
 * page_hinting_window_looked - a zone has tried to hint, or has no need to
 * @pz: the zone
 *
 * Context: The zone's thread.
 */
void page_hinting_window_looked(struct page_hinting_zone *pz)
{
	spin_lock(&page_hinting_window.lock);
	update_competing(pz);
	spin_unlock(&page_hinting_window.lock);
}

/**
 * page_hinting_window_leave - a zone is about to be forgotten
 * @pz: the zone, which has nothing in flight
 */
void page_hinting_window_leave(struct page_hinting_zone *pz)
{
	spin_lock(&page_hinting_window.lock);
	pz->wants_window = false;
	update_competing(pz);
	spin_unlock(&page_hinting_window.lock);
}
