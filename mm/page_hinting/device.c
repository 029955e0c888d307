// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: the host, what is in flight to it, and the way back.
 *
 * Threads use the device inside an SRCU read section, and check the state
 * inside that section. To stop, the state is set first and all sections are
 * waited for; then nobody pulls or submits any more, and whoever stops harvests
 * what is in flight, under page_hinting_mutex.
 *
 * The window bounds what is in flight: pages, over all zones, and the entries
 * of the provider's ring. A zone is charged for a part of it before it pulls
 * and uncharged for what it did not use; whoever brings blocks home uncharges
 * their zone. Zones that find no room queue up. The first in the queue is woken
 * when there is some, and the others get none before it.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/delay.h>
#include <linux/export.h>
#include <linux/fault-inject.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/vmstat.h>
#include <trace/events/page_hinting.h>

#include "device.h"

/*
 * Not more blocks than this in flight, however large the ring: they are walked
 * under the zone lock where somebody asks for a range.
 */
#define RING_MAX		128U

/* The largest page that a host of this architecture may have. */
#define HOST_PAGE_SHIFT		CONFIG_PAGE_HINTING_HOST_PAGE_SHIFT

/*
 * No smaller block is ever submitted. Many hosts extend what they are asked to
 * discard to whole pages of their own, and the guest does not know their size:
 * the memory around a smaller block would be lost. A device may raise it.
 */
unsigned int page_hinting_safe_order __read_mostly =
	MAX(HOST_PAGE_SHIFT, PAGE_SHIFT) - PAGE_SHIFT;

/*
 * The device, for who reads it under SRCU and works with it: NULL from the
 * time when all of that has to stop. Written under the mutex.
 */
struct page_hinting_device __rcu *page_hinting_dev;

/* It will answer no more, until another one is registered or it resumes. */
bool page_hinting_host_is_gone;

/* Who waits for a flush. */
DECLARE_WAIT_QUEUE_HEAD(page_hinting_flush_wait);

/* Pages brought home ever; wraps. */
atomic_long_t page_hinting_home_pages;

/**
 * struct window - what is in flight
 * @lock: protects the rest, and each zone's part
 * @used_pages: in flight, waiting for a reference, or charged for it
 * @used_blocks: how many blocks that is
 * @queue: zones that found no room
 */
static struct window {
	spinlock_t lock;	/* protects the rest */
	unsigned long used_pages;
	unsigned int used_blocks;
	struct list_head queue;
} window = {
	.lock = __SPIN_LOCK_UNLOCKED(window.lock),
	.queue = LIST_HEAD_INIT(window.queue),
};

/**
 * page_hinting_window_in_use - how much of the window is charged
 *
 * Context: Process context, not under a zone lock.
 * Return: pages that the provider holds, that wait on a retry list, or that are
 *	about to be pulled, over all zones.
 */
unsigned long page_hinting_window_in_use(void)
{
	unsigned long pages;

	spin_lock(&window.lock);
	pages = window.used_pages;
	spin_unlock(&window.lock);
	return pages;
}

static struct page_hinting_zone *first_in_queue(void)
{
	lockdep_assert_held(&window.lock);
	return list_first_entry_or_null(&window.queue, struct page_hinting_zone,
					window_node);
}

/* There may be room for who is first. */
static void wake_first(void)
{
	struct page_hinting_zone *pz = first_in_queue();

	if (pz)
		page_hinting_wake(pz, PAGE_HINTING_EV_WINDOW);
}

static void leave_queue(struct page_hinting_zone *pz)
{
	if (list_empty(&pz->window_node))
		return;
	list_del_init(&pz->window_node);
	wake_first();
}

/* What a zone may have in flight yet: 1/16 of its memory, or one block. */
static unsigned long zone_room(struct page_hinting_zone *pz,
			       unsigned long block_pages)
{
	unsigned long pages = max(zone_managed_pages(pz->zone) /
				  PAGE_HINTING_ZONE_SHARE, block_pages);

	return pages - min(pages, pz->charged_pages);
}

/* What there is of the window and the ring for this zone, in blocks. */
static unsigned long room(struct page_hinting_zone *pz, unsigned int capacity,
			  unsigned long block_pages, unsigned long *pages,
			  enum page_hinting_reason *reason)
{
	struct page_hinting_zone *first = first_in_queue();
	/* One block has to fit, however large it is. */
	unsigned long limit = max(READ_ONCE(page_hinting_window_pages),
				  block_pages);

	*reason = PAGE_HINTING_SKIP_WINDOW;
	if (first && first != pz)
		return 0;
	if (capacity <= window.used_blocks)
		*reason = PAGE_HINTING_SKIP_RING;
	*pages = min(*pages, limit - min(limit, window.used_pages));
	return min(*pages / block_pages,
		   (unsigned long)capacity - min(capacity, window.used_blocks));
}

/**
 * page_hinting_window_charge - charge a zone for a part of the window
 * @pz: the zone that wants it
 * @order: of the smallest block that it may be for
 * @capacity: entries of the provider's ring
 * @want_pages: how much it wants
 * @nr_blocks: how many blocks it wants; is set to how many it may have
 *
 * If there is no room, the zone queues up, and its thread is woken when there is
 * some. A zone at its own limit is not queued, as others need not wait for it:
 * it is woken when a part of its own is given back.
 *
 * Context: The zone's thread, not under a zone lock.
 * Return: how many pages it may have; 0, or enough for one block.
 */
unsigned long page_hinting_window_charge(struct page_hinting_zone *pz,
					 unsigned int order,
					 unsigned int capacity,
					 unsigned long want_pages,
					 unsigned int *nr_blocks)
{
	unsigned long block_pages = 1UL << order, own_pages, blocks;
	enum page_hinting_reason reason;

	spin_lock(&window.lock);
	own_pages = zone_room(pz, block_pages);
	want_pages = min(want_pages, own_pages);
	blocks = room(pz, min(capacity, RING_MAX), block_pages, &want_pages,
		      &reason);
	blocks = min_t(unsigned long, blocks, *nr_blocks);
	pz->at_limit = own_pages < block_pages;
	if (blocks) {
		window.used_pages += want_pages;
		window.used_blocks += blocks;
		pz->charged_pages += want_pages;
	}
	if (blocks || pz->at_limit)
		leave_queue(pz);
	else if (list_empty(&pz->window_node))
		list_add_tail(&pz->window_node, &window.queue);
	spin_unlock(&window.lock);

	if (!blocks)
		page_hinting_skipped(pz, reason);
	*nr_blocks = blocks;
	return blocks ? want_pages : 0;
}

/**
 * page_hinting_window_uncharge - give back a part of the window
 * @pz: the zone that was charged for it
 * @pages: how much is home again, or was not taken
 * @nr_blocks: how many blocks these are, or would have been
 *
 * Context: Process context, not under a zone lock.
 */
void page_hinting_window_uncharge(struct page_hinting_zone *pz,
				  unsigned long pages, unsigned int nr_blocks)
{
	if (!pages && !nr_blocks)
		return;
	spin_lock(&window.lock);
	if (WARN_ON_ONCE(pages > pz->charged_pages))
		pages = pz->charged_pages;
	if (WARN_ON_ONCE(nr_blocks > window.used_blocks))
		nr_blocks = window.used_blocks;
	pz->charged_pages -= pages;
	window.used_pages -= pages;
	window.used_blocks -= nr_blocks;
	if (pz->at_limit)
		page_hinting_wake(pz, PAGE_HINTING_EV_WINDOW);
	pz->at_limit = false;
	wake_first();
	spin_unlock(&window.lock);
}

/**
 * page_hinting_window_leave - a zone has no need of a part of the window now
 * @pz: the zone
 *
 * Context: Process context, not under a zone lock.
 */
void page_hinting_window_leave(struct page_hinting_zone *pz)
{
	spin_lock(&window.lock);
	leave_queue(pz);
	spin_unlock(&window.lock);
}

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
static DECLARE_FAULT_ATTR(fail_page_hinting_ack);

static int __init setup_fail_page_hinting_ack(char *str)
{
	return setup_fault_attr(&fail_page_hinting_ack, str);
}
__setup("fail_page_hinting_ack=", setup_fail_page_hinting_ack);

static int __init page_hinting_device_init(void)
{
	fault_create_debugfs_attr("fail_page_hinting_ack", NULL,
				  &fail_page_hinting_ack);
	return 0;
}
subsys_initcall(page_hinting_device_init);

/* Play a host that has acknowledged nothing, for tests. */
static bool host_plays_dead(void)
{
	return should_fail(&fail_page_hinting_ack, 1);
}
#else
static bool host_plays_dead(void)
{
	return false;
}
#endif

static void brought_home(struct page_hinting_zone *pz, unsigned long pages,
			 unsigned int nr_blocks)
{
	atomic_long_add(pages, &page_hinting_home_pages);
	page_hinting_window_uncharge(pz, pages, nr_blocks);
	/*
	 * Whoever harvests, a flush waits for the zone's thread. Either this
	 * sees the flush, or the thread sees that nothing is in flight. Pairs
	 * with the barrier of page_hinting_wake(), which tells the thread.
	 */
	smp_mb();
	if (READ_ONCE(pz->flush) && !READ_ONCE(pz->in_flight_pages))
		page_hinting_wake(pz, PAGE_HINTING_EV_HARVEST);
}

/* Acknowledged blocks come home, with one look at the window for many. */
static void take_home(struct page_hinting_used *used, unsigned int nr)
{
	struct page_hinting_zone *pz = NULL;
	unsigned int i, nr_blocks = 0;
	unsigned long pages = 0;

	for (i = 0; i < nr; i++) {
		struct page_hinting_zone *next;
		unsigned long home;

		next = page_hinting_put_back(used[i].page, true, &home);
		if (!next) {
			pr_err_ratelimited("the host acknowledged pfn %#lx, which it did not have\n",
					   page_to_pfn(used[i].page));
			continue;
		}
		if (pz && pz != next) {
			brought_home(pz, pages, nr_blocks);
			pages = 0;
			nr_blocks = 0;
		}
		pz = next;
		pages += home;
		nr_blocks += !!home;
	}
	if (pz)
		brought_home(pz, pages, nr_blocks);
}

static void host_has_gone(int err)
{
	if (!READ_ONCE(page_hinting_host_is_gone))
		pr_err("the host answers no more, error %d: hinting stops until the device is bound anew\n",
		       err);
	WRITE_ONCE(page_hinting_host_is_gone, true);
	wake_up(&page_hinting_flush_wait);
}

/**
 * page_hinting_harvest - bring home what the host has acknowledged
 * @dev: the provider
 *
 * Context: Process context, under SRCU or the mutex.
 * Return: how many blocks the provider returned, also those that were refused,
 *	or that somebody else holds a reference to.
 */
unsigned int page_hinting_harvest(struct page_hinting_device *dev)
{
	struct page_hinting_used used[PAGE_HINTING_BATCH_BLOCKS];
	unsigned int total = 0;
	int nr;

	if (host_plays_dead())
		return 0;
	do {
		nr = dev->ops->harvest(dev, used, ARRAY_SIZE(used));
		if (nr < 0) {
			host_has_gone(nr);
			break;
		}
		take_home(used, nr);
		total += nr;
	} while (nr == ARRAY_SIZE(used));

	return total;
}

/* Be told when there is something to harvest; false if there is already. */
static bool arm(struct page_hinting_device *dev)
{
	return READ_ONCE(page_hinting_host_is_gone) || host_plays_dead() ||
	       dev->ops->arm(dev);
}

/**
 * page_hinting_take_back - the provider returns a block unacknowledged
 * @page: what the provider says is the block
 *
 * Context: Process context, under SRCU or the mutex.
 * Return: false if that is no block that the provider had, and nothing was done.
 */
bool page_hinting_take_back(struct page *page)
{
	struct page_hinting_zone *pz;
	unsigned long pages;

	pz = page_hinting_put_back(page, false, &pages);
	if (pages)
		brought_home(pz, pages, 1);
	return pz;
}

/**
 * page_hinting_submit - hand a batch of blocks to the host
 * @dev: the provider
 * @batch: the blocks, which have a place in its ring each
 *
 * The one place where blocks leave the guest, and so where their size is
 * checked: see page_hinting_safe_order.
 *
 * Context: Process context, under SRCU.
 * Return: how many pages it took; the others are free again.
 */
unsigned long page_hinting_submit(struct page_hinting_device *dev,
				  struct page_hinting_batch *batch)
{
	unsigned long pages = 0;
	unsigned int i;

	for (i = 0; i < batch->nr; i++) {
		struct page *page = batch->pages[i];
		unsigned int order = page_hinting_block_order(page);

		if (WARN_ON_ONCE(order < page_hinting_safe_order)) {
			page_hinting_take_back(page);
			continue;
		}
		trace_page_hinting_submit(page, order);
		/* From here on it may be home at any time. */
		if (dev->ops->submit(dev, page, order)) {
			page_hinting_take_back(page);
			continue;
		}
		pages += 1UL << order;
	}
	count_vm_events(PAGE_HINTING_SUBMITTED, pages);
	dev->ops->kick(dev);
	return pages;
}

/**
 * page_hinting_notify - there is something to harvest
 * @dev: the provider
 *
 * Context: Any but NMI, not under a zone lock.
 */
void page_hinting_notify(struct page_hinting_device *dev)
{
	page_hinting_wake_all(PAGE_HINTING_EV_HARVEST);
}
EXPORT_SYMBOL_GPL(page_hinting_notify);

/**
 * page_hinting_retry_all - free blocks that waited for others' references
 * @pz: their zone
 *
 * Up to the first that is still referenced, which goes to the end of the list.
 *
 * Context: Process context, under SRCU or the mutex, or the zone's thread.
 */
void page_hinting_retry_all(struct page_hinting_zone *pz)
{
	unsigned long pages;

	while ((pages = page_hinting_retry(pz)))
		brought_home(pz, pages, 1);
}

/**
 * page_hinting_bring_home - harvest, if there is a device
 *
 * Context: Process context.
 */
void page_hinting_bring_home(void)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_device *dev;

	dev = srcu_dereference(page_hinting_dev, &page_hinting_srcu);
	if (dev)
		page_hinting_harvest(dev);
	srcu_read_unlock(&page_hinting_srcu, idx);
}

/**
 * page_hinting_host_was_faster - have the provider notify all zones
 *
 * Each harvest ends that, for all zones, too.
 *
 * Context: Process context.
 * Return: true if there is something to harvest already, and no notification
 *	will come. False also if nothing is in flight, or there is no device.
 */
bool page_hinting_host_was_faster(void)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_device *dev;
	bool faster;

	dev = srcu_dereference(page_hinting_dev, &page_hinting_srcu);
	faster = dev && page_hinting_window_in_use() && !arm(dev);
	srcu_read_unlock(&page_hinting_srcu, idx);
	return faster;
}

static void retry_all_zones(void)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_zone *pz;

	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu))
		page_hinting_retry_all(pz);
	srcu_read_unlock(&page_hinting_srcu, idx);
}

static bool nothing_is_in_flight(struct page_hinting_zone *pz,
				 unsigned long start_pfn, unsigned long end_pfn)
{
	return pz ? !page_hinting_range_in_flight(pz, start_pfn, end_pfn) :
		    !page_hinting_window_in_use();
}

/*
 * Bring home what is in flight, of a range or of all zones, without the help of
 * the threads. Returns false if that takes more than @patience_ms. With
 * @any_counts, whatever the host acknowledges begins that time anew, and a
 * device that is broken ends it.
 */
static bool wait_home(struct page_hinting_device *dev,
		      struct page_hinting_zone *pz, unsigned long start_pfn,
		      unsigned long end_pfn, unsigned int patience_ms,
		      bool any_counts)
{
	unsigned long patience = msecs_to_jiffies(patience_ms);
	unsigned long deadline = jiffies + patience;

	while (!nothing_is_in_flight(pz, start_pfn, end_pfn)) {
		if (dev && page_hinting_harvest(dev) && any_counts)
			deadline = jiffies + patience;
		retry_all_zones();
		if (nothing_is_in_flight(pz, start_pfn, end_pfn))
			break;
		if (time_after(jiffies, deadline) ||
		    (any_counts && READ_ONCE(page_hinting_host_is_gone)))
			return false;
		fsleep(USEC_PER_MSEC);
	}
	return true;
}

/**
 * page_hinting_drain - bring everything home
 * @dev: the provider; NULL if it is down
 *
 * A host that is silent for PAGE_HINTING_SILENCE_MS is not waited for, which is
 * logged.
 *
 * Context: Process context, under the mutex, may sleep. Only for who made sure
 *	that no more is submitted.
 */
void page_hinting_drain(struct page_hinting_device *dev)
{
	if (wait_home(dev, NULL, 0, ULONG_MAX, PAGE_HINTING_SILENCE_MS, true))
		return;
	pr_warn("%lu KiB are still in flight: the host does not answer, or somebody holds a reference\n",
		page_hinting_window_in_use() << (PAGE_SHIFT - 10));
}

/**
 * page_hinting_wait_retried - let who holds a reference to a block drop it
 *
 * Context: Process context, may sleep PAGE_HINTING_WAIT_HOME_MS. The device holds
 *	no block.
 */
void page_hinting_wait_retried(void)
{
	wait_home(NULL, NULL, 0, ULONG_MAX, PAGE_HINTING_WAIT_HOME_MS, false);
}

/**
 * page_hinting_wait_home - bring home what is in flight in a range
 * @pz: the zone
 * @start_pfn: first page frame of the range
 * @end_pfn: one past the last
 *
 * Context: Process context, under SRCU, may sleep PAGE_HINTING_WAIT_HOME_MS.
 * Return: false if some still is.
 */
bool page_hinting_wait_home(struct page_hinting_zone *pz,
			    unsigned long start_pfn, unsigned long end_pfn)
{
	struct page_hinting_device *dev;

	dev = srcu_dereference(page_hinting_dev, &page_hinting_srcu);
	return wait_home(dev, pz, start_pfn, end_pfn, PAGE_HINTING_WAIT_HOME_MS,
			 false);
}

/**
 * page_hinting_give_up - give up what a host has not given back
 * @pz: the zone
 * @all: also what only waits for others' references to be dropped, as the zone
 *	goes away
 *
 * Those pages are never freed: the host may still discard them, or somebody
 * still holds a reference.
 *
 * Context: Process context, with nothing submitted meanwhile.
 */
void page_hinting_give_up(struct page_hinting_zone *pz, bool all)
{
	unsigned int nr_blocks;
	unsigned long pages = page_hinting_lose(pz, all, &nr_blocks);

	if (!nr_blocks)
		return;
	pr_err("node %d, zone %s: %lu KiB lost: the host never gave them back, or somebody still holds a reference\n",
	       zone_to_nid(pz->zone), pz->zone->name,
	       pages << (PAGE_SHIFT - 10));
	page_hinting_window_uncharge(pz, pages, nr_blocks);
}
