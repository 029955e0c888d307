// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: the host, what is in flight to it, and the way back.
 *
 * Threads use the device inside an SRCU read section, and check the state
 * inside that section. To stop, the state is set first and all sections are
 * waited for; then nobody pulls or submits any more, and whoever stops harvests
 * what is in flight, under page_hinting_mutex.
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

/* Where a flush waits for the zones' threads. */
DECLARE_WAIT_QUEUE_HEAD(page_hinting_flush_wait);

/**
 * page_hinting_pages_in_flight - what is not home
 *
 * Context: Any.
 * Return: pages that the provider holds, or that wait on a retry list, over all
 *	zones.
 */
unsigned long page_hinting_pages_in_flight(void)
{
	struct page_hinting_zone *pz;
	unsigned long pages = 0;

	page_hinting_for_each_zone(pz)
		pages += READ_ONCE(pz->in_flight_pages);
	return pages;
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

static void host_has_gone(int err)
{
	if (!READ_ONCE(page_hinting_host_is_gone))
		pr_err("the host answers no more, error %d: hinting stops until the device is bound anew\n",
		       err);
	WRITE_ONCE(page_hinting_host_is_gone, true);
	wake_up(&page_hinting_flush_wait);
}

/*
 * Bring home what the host has acknowledged. Returns how many blocks the provider
 * returned, also those that were refused, or that somebody else holds a reference
 * to.
 */
static unsigned int harvest(struct page_hinting_device *dev)
{
	struct page_hinting_used used[PAGE_HINTING_BATCH_BLOCKS];
	unsigned int total = 0;
	int i, nr;

	if (host_plays_dead())
		return 0;
	do {
		nr = dev->ops->harvest(dev, used, ARRAY_SIZE(used));
		if (nr < 0) {
			host_has_gone(nr);
			break;
		}
		for (i = 0; i < nr; i++)
			if (!page_hinting_put_back(used[i].page, true))
				pr_err_ratelimited("the host acknowledged pfn %#lx, which it did not have\n",
						   page_to_pfn(used[i].page));
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

/*
 * Hand a batch of blocks to the host, and kick it once for all. This is the one
 * place where blocks leave the guest, and so where their size is checked: see
 * page_hinting_safe_order. Returns how many pages the provider took; the others
 * are free again, or wait on the retry list.
 */
static unsigned long submit(struct page_hinting_device *dev,
			    struct page_hinting_batch *batch)
{
	unsigned long pages = 0;
	unsigned int i;

	for (i = 0; i < batch->nr; i++) {
		struct page *page = batch->pages[i];
		unsigned int order = page_hinting_block_order(page);

		if (WARN_ON_ONCE(order < page_hinting_safe_order)) {
			page_hinting_put_back(page, false);
			continue;
		}
		trace_page_hinting_submit(page, order);
		/* From here on it may be home at any time. */
		if (dev->ops->submit(dev, page, order)) {
			page_hinting_put_back(page, false);
			continue;
		}
		pages += 1UL << order;
	}
	count_vm_events(PAGE_HINTING_SUBMITTED, pages);
	dev->ops->kick(dev);
	return pages;
}

/**
 * page_hinting_hint_batch - pull, submit and harvest once
 * @pz: the zone to pull from
 * @order: see page_hinting_pull()
 * @want_pages: at most so much; less if the zone's window or a watermark does
 *	not allow more
 * @nr_home: is set to how many blocks, of any zone, the host was done with
 *
 * One batch per SRCU section, because whoever stops hinting waits for it.
 *
 * Context: The zone's thread. May sleep.
 * Return: how many pages were submitted; 0 if there was nothing to pull, no
 *	room, or too little free; -EAGAIN if nothing was submitted because the
 *	zone is left alone or still counted, hinting stops, or the provider
 *	refused all.
 */
long page_hinting_hint_batch(struct page_hinting_zone *pz, unsigned int order,
			     unsigned long want_pages, unsigned int *nr_home)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_batch batch = { .broken_off = true };
	struct page_hinting_device *dev;
	long pages = 0;

	*nr_home = 0;
	dev = srcu_dereference(page_hinting_dev, &page_hinting_srcu);
	if (dev && page_hinting_may_pull(pz)) {
		page_hinting_pull(pz, order, want_pages, dev->capacity, &batch);
		if (batch.nr)
			pages = submit(dev, &batch);
		*nr_home = harvest(dev);
	}
	srcu_read_unlock(&page_hinting_srcu, idx);
	if (page_hinting_quiet_left(pz))
		page_hinting_skipped(pz, PAGE_HINTING_SKIP_BACK_OFF);
	if (!pages && (batch.broken_off || batch.nr))
		return -EAGAIN;
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
		harvest(dev);
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
	faster = dev && page_hinting_pages_in_flight() && !arm(dev);
	srcu_read_unlock(&page_hinting_srcu, idx);
	return faster;
}

static void retry_zones(void)
{
	struct page_hinting_zone *pz;

	page_hinting_for_each_zone(pz)
		page_hinting_retry(pz);
}

static bool nothing_is_in_flight(struct page_hinting_zone *pz,
				 unsigned long start_pfn, unsigned long end_pfn)
{
	return pz ? !page_hinting_range_in_flight(pz, start_pfn, end_pfn) :
		    !page_hinting_pages_in_flight();
}

/**
 * page_hinting_wait_home - bring home what is in flight
 * @pz: the zone, of which a range is asked for; NULL for all of all zones
 * @start_pfn: first page frame of the range
 * @end_pfn: one past the last
 * @patience_ms: wait for so long
 *
 * Without the help of the threads, and so also where these are on their way out.
 * Only for who made sure that no more of it is submitted. A host that has gone is
 * not waited for.
 *
 * Context: Process context, may sleep.
 * Return: false if some still is in flight.
 */
bool page_hinting_wait_home(struct page_hinting_zone *pz,
			    unsigned long start_pfn, unsigned long end_pfn,
			    unsigned int patience_ms)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(patience_ms);
	bool home = nothing_is_in_flight(pz, start_pfn, end_pfn);

	if (home)
		return true;
	for (;;) {
		page_hinting_bring_home();
		retry_zones();
		home = nothing_is_in_flight(pz, start_pfn, end_pfn);
		if (home || READ_ONCE(page_hinting_host_is_gone) ||
		    time_after(jiffies, deadline))
			break;
		fsleep(USEC_PER_MSEC);
	}
	/* Each harvest disarms: the threads would not be told of the next blocks. */
	if (page_hinting_host_was_faster())
		page_hinting_wake_all(PAGE_HINTING_EV_HARVEST);
	return home;
}
