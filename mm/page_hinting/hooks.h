/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: what the buddy allocator calls.
 *
 * These are on the allocator's hot paths, under zone->lock. Whether they are on
 * is asked once on each path, by a static branch at its beginning that leads
 * to a copy of the path which has them: a call in the middle of a function
 * costs registers even if it is never taken. Hence the argument @hinting: it
 * is a constant where it matters, and page_hinting_active() where not.
 */
#ifndef _MM_PAGE_HINTING_HOOKS_H
#define _MM_PAGE_HINTING_HOOKS_H

#include <linux/mmzone.h>
#include <linux/page-flags.h>
#include <linux/page_hinting.h>

struct alloc_context;

/*
 * Provided by the allocator. The first is also what an allocation calls while
 * the hooks are on.
 */
void page_hinting_take(struct zone *zone, struct page *page, int low, int high,
		       int migratetype);
void page_hinting_give(struct zone *zone, struct page *page, int order,
		       int migratetype);

void __page_hinting_added(struct page *page, struct zone *zone,
			  unsigned int order, int migratetype);
void __page_hinting_removed(struct page *page, struct zone *zone,
			    unsigned int order, int migratetype);
void __page_hinting_moved(struct page *page, struct zone *zone,
			  unsigned int order, int old_mt, int new_mt);
void __page_hinting_cpu_idle(void);
void __page_hinting_back_off(gfp_t gfp_mask, unsigned int order,
			     const struct alloc_context *ac);
void __page_hinting_split_begin(struct page *page, struct zone *zone);
void __page_hinting_split_end(struct zone *zone);
bool __page_hinting_stays_apart(struct page *buddy, struct zone *zone);

/* A block was put on a free list, its type and order already set. */
static __always_inline void page_hinting_added(bool hinting, struct page *page,
					       struct zone *zone,
					       unsigned int order,
					       int migratetype)
{
	if (IS_ENABLED(CONFIG_PAGE_HINTING) && hinting)
		__page_hinting_added(page, zone, order, migratetype);
}

/* A block is about to leave its free list, and to lose its mark. */
static __always_inline void page_hinting_removed(bool hinting, struct page *page,
						 struct zone *zone,
						 unsigned int order,
						 int migratetype)
{
	if (IS_ENABLED(CONFIG_PAGE_HINTING) && hinting)
		__page_hinting_removed(page, zone, order, migratetype);
}

/* A block was moved to the free list of another migratetype. */
static __always_inline void page_hinting_moved(struct page *page,
					       struct zone *zone,
					       unsigned int order,
					       int old_mt, int new_mt)
{
	if (page_hinting_active())
		__page_hinting_moved(page, zone, order, old_mt, new_mt);
}

/*
 * A block is about to leave its free list, and its parts will join others
 * before page_hinting_split_end(). If it is hinted, so is every part that is
 * at least a granule, for the host gives a whole granule back at the first
 * touch. Kept in the zone, as an argument would cost those who never hint.
 */
static __always_inline void page_hinting_split_begin(bool hinting,
						     struct page *page,
						     struct zone *zone)
{
	if (IS_ENABLED(CONFIG_PAGE_HINTING) && hinting)
		__page_hinting_split_begin(page, zone);
}

static __always_inline void page_hinting_split_end(bool hinting,
						   struct zone *zone)
{
	if (IS_ENABLED(CONFIG_PAGE_HINTING) && hinting)
		__page_hinting_split_end(zone);
}

/*
 * Must a block that is about to join a list not merge with this buddy? A hinted
 * block that is put back, or a hinted part of a split block, must not merge with a
 * buddy that is not hinted: it would have to be hinted again, without end. A
 * block that is freed may merge with any.
 */
static __always_inline bool page_hinting_stays_apart(bool hinting,
						     struct page *buddy,
						     struct zone *zone)
{
	return IS_ENABLED(CONFIG_PAGE_HINTING) && hinting &&
	       __page_hinting_stays_apart(buddy, zone);
}

/* An allocation took the slow path: leave its zones alone for a while. */
static __always_inline void
page_hinting_back_off(gfp_t gfp_mask, unsigned int order,
		      const struct alloc_context *ac)
{
	if (page_hinting_active())
		__page_hinting_back_off(gfp_mask, order, ac);
}

/* This CPU becomes idle, and what it has freed may be in its lists. */
static __always_inline void page_hinting_cpu_idle(void)
{
	if (page_hinting_active())
		__page_hinting_cpu_idle();
}

#endif /* _MM_PAGE_HINTING_HOOKS_H */
