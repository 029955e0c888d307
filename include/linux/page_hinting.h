/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: what the rest of the kernel sees of it.
 *
 * See Documentation/mm/page_hinting.rst for how it works.
 */
#ifndef _LINUX_PAGE_HINTING_H
#define _LINUX_PAGE_HINTING_H

#include <linux/jump_label.h>
#include <linux/page-flags.h>
#include <linux/types.h>

struct page;
struct page_hinting_device;

/**
 * struct page_hinting_used - a block that the host has acknowledged
 * @page: the head page of the block, as it was submitted
 * @len_bytes: what the host says it has written; says nothing today
 */
struct page_hinting_used {
	struct page *page;
	u32 len_bytes;
};

/**
 * struct page_hinting_ops - how blocks reach the host and come back
 *
 * All are called from process context, by several tasks at a time, with no
 * spinlock held; none may allocate memory. None is called any more once
 * page_hinting_suspend() or page_hinting_unregister() has returned.
 *
 * A provider whose host answers at once (a hypercall) collects blocks in
 * @submit, makes the call in @kick, hands everything out in @harvest and
 * returns true from @arm.
 */
struct page_hinting_ops {
	/**
	 * @submit: queue one block. Does not wait. The block belongs to the
	 * provider until @harvest hands it out, or until it is given to
	 * page_hinting_abort(). May be called when there is no room: each zone
	 * may have one block queued, however small the capacity is.
	 *
	 * Return: 0, or an errno, and then the block was not queued.
	 */
	int (*submit)(struct page_hinting_device *dev, struct page *page,
		      unsigned int order);
	/** @kick: tell the host that blocks were queued. May take long. */
	void (*kick)(struct page_hinting_device *dev);
	/**
	 * @harvest: write up to @max acknowledged blocks into @used, in any
	 * order, and stop calls of page_hinting_notify() until @arm.
	 *
	 * Return: how many, or -ENODEV if the host will answer no more.
	 */
	int (*harvest)(struct page_hinting_device *dev,
		       struct page_hinting_used *used, unsigned int max);
	/**
	 * @arm: have page_hinting_notify() called when there is something to
	 * harvest. Looks whether there is only after it has asked for that, with
	 * a full barrier in between. Takes a lock that @harvest takes, too.
	 *
	 * Return: false if there is already, and then it is not called.
	 */
	bool (*arm)(struct page_hinting_device *dev);
};

/**
 * struct page_hinting_device - a provider, and the host behind it
 * @ops: how blocks reach the host
 * @capacity: blocks that can be queued at a time, at least one
 * @granule_order: the smallest part of a hinted block that still is hinted
 *	when the block is split, the host's huge page where that is known.
 *	Limited to pageblock_order, which 0 stands for.
 * @safe_order: nothing around a block of this order or more is harmed when the
 *	host discards it, as its pages are not larger. 0 if that is not known:
 *	then it is what is safe with any host of the architecture, and this
 *	never makes it less.
 */
struct page_hinting_device {
	const struct page_hinting_ops *ops;
	unsigned int capacity;
	unsigned int granule_order;
	unsigned int safe_order;
};

/*
 * PageBuddyOffline() indicates a hinted block: free and in the buddy system
 * as PageBuddy() says, and acknowledged by the host, which may have taken the
 * memory behind it away. Only its content is stale: unlike a PageOffline()
 * page it has no owner, is allocated as any other free page, and comes back
 * with the first touch. See Documentation/mm/page_hinting.rst.
 */
static __always_inline int PageBuddyOffline(const struct page *page)
{
	return IS_ENABLED(CONFIG_PAGE_HINTING) &&
	       page_type_is(data_race(page->page_type), PGTY_buddy_offline);
}

DECLARE_STATIC_KEY_FALSE(page_hinting_key);

bool page_hinting_wanted(void);
void page_hinting_refuse(const char *why);
int page_hinting_register(struct page_hinting_device *dev);
void page_hinting_unregister(struct page_hinting_device *dev);
void page_hinting_suspend(struct page_hinting_device *dev);
void page_hinting_resume(struct page_hinting_device *dev);
void page_hinting_abort(struct page_hinting_device *dev, struct page *page);
void page_hinting_reset_done(struct page_hinting_device *dev);
void page_hinting_notify(struct page_hinting_device *dev);
bool page_hinting_flush_asked(void);

bool __page_hinting_hinted(const struct page *page);
bool __page_hinting_in_flight(const struct page *page);
void __page_hinting_memory_fails(unsigned long pfn);
void __page_hinting_drain_range(unsigned long start_pfn,
				unsigned long end_pfn);
void __page_hinting_show_mem(void);
void __page_hinting_gone(struct page *page, long pages);

/* Are the hooks on? Without the option, this is a constant. */
static __always_inline bool page_hinting_active(void)
{
	return IS_ENABLED(CONFIG_PAGE_HINTING) &&
	       static_branch_unlikely(&page_hinting_key);
}

/**
 * page_hinting_hinted - is this page part of a hinted free block?
 * @page: any page of the block, not only its head
 *
 * Its content is stale then, and reading it makes the host give memory to
 * it. The answer may be out of date at once unless the zone lock is held.
 *
 * Return: true if it is.
 */
static inline bool page_hinting_hinted(const struct page *page)
{
	return page_hinting_active() && __page_hinting_hinted(page);
}

/**
 * page_hinting_in_flight - is this the head page of a block in flight?
 * @page: any page
 *
 * Unlike other offline pages it is free again in a moment, or as soon as
 * page_hinting_drain_range() was called.
 *
 * Context: Under the lock of the page's zone.
 * Return: true if it is.
 */
static inline bool page_hinting_in_flight(const struct page *page)
{
	return page_hinting_active() && PageOffline(page) &&
	       __page_hinting_in_flight(page);
}

/**
 * page_hinting_drain_range - bring home what is in flight in a range
 * @start_pfn: first page frame of the range, of an online page
 * @end_pfn: one past the last, in the same zone
 *
 * To be called when the range is isolated, so that no more of it is pulled; for a
 * single page, at any time. If there are blocks in flight, it waits up to a quarter
 * of a second, unless the host has gone. What is still in flight then makes the
 * caller fail as any page in use would.
 *
 * Context: Process context, may sleep. Holds no lock on return.
 */
static inline void page_hinting_drain_range(unsigned long start_pfn,
					    unsigned long end_pfn)
{
	if (page_hinting_active())
		__page_hinting_drain_range(start_pfn, end_pfn);
}

/**
 * page_hinting_memory_fails - a page is about to be marked as failed
 * @pfn: its page frame, of an online page
 *
 * Brings its block home if that is in flight, so that the page is found free. If
 * the host is late, the page is kept from the allocator when the block comes home.
 * Blocks may be in flight while hinting is off, too.
 *
 * Context: Process context, may sleep. One call at a time, under mf_mutex.
 */
static inline void page_hinting_memory_fails(unsigned long pfn)
{
	if (IS_ENABLED(CONFIG_PAGE_HINTING))
		__page_hinting_memory_fails(pfn);
}

/**
 * page_hinting_show_mem - log how much free memory the host has
 *
 * For reports of what memory is used for: what is hinted is free, and what is
 * in flight is not.
 *
 * Context: Any but NMI.
 */
static inline void page_hinting_show_mem(void)
{
	if (page_hinting_active())
		__page_hinting_show_mem();
}

/**
 * page_hinting_gone - memory went that no program needs
 * @page: a page of it
 * @pages: how many were allocated, all of one zone; negative: that this CPU
 *	frees next
 *
 * To be called by who takes memory on behalf of the host, such as a balloon.
 * What programs need again tells how long memory should stay free until it is
 * hinted; this says nothing about that.
 *
 * Context: Any but NMI. Takes the zone lock.
 */
static inline void page_hinting_gone(struct page *page, long pages)
{
	if (page_hinting_active())
		__page_hinting_gone(page, pages);
}

#endif /* _LINUX_PAGE_HINTING_H */
