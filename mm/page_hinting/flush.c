// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: hint all there is, and wait until the host has it.
 *
 * For who is about to pause the guest or to take a snapshot of it. The zones'
 * threads do the work, all at the same time, while the policy rests. How much is
 * to be hinted is what is free when they begin, so that there is an end to it;
 * what is freed later may be hinted in its place. One flush at a time.
 *
 * Waiting is interruptible, as a flush holds up nobody: a signal, and the
 * freezer before a suspend, end it, and what was acknowledged stays so. The
 * time limit is one on silence, not on the whole: how long that takes depends
 * on the size of the guest, and who wants to limit it kills the writer. As
 * silence is looked for once per limit, it may last up to twice as long.
 *
 * Each zone has what it is asked for in &page_hinting_zone.flush. Its thread
 * changes that when it begins and when it is done, by cmpxchg(), so that it does
 * not take another flush, which was asked for meanwhile, for the one that it did.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>
#include <trace/events/page_hinting.h>

#include "control.h"

/* A flush gives up after this without an acknowledgment. Only tests change it. */
unsigned int page_hinting_flush_timeout_ms = 10 * MSEC_PER_SEC;

/* Held by who flushes; outside all other locks of hinting. */
static DEFINE_MUTEX(flush_mutex);

/* Ask all zones for a flush, or tell them that there is none any more. */
static void ask_zones(enum page_hinting_flush flush)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_zone *pz;

	lockdep_assert_held(&flush_mutex);
	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu))
		WRITE_ONCE(pz->flush, flush);
	srcu_read_unlock(&page_hinting_srcu, idx);
	page_hinting_wake_all(PAGE_HINTING_EV_FLUSH);
}

/* What a zone has still to do, in pages. */
static unsigned long left_of(struct page_hinting_zone *pz)
{
	unsigned long pages = READ_ONCE(pz->in_flight_pages);

	switch (READ_ONCE(pz->flush)) {
	case PAGE_HINTING_FLUSH_GOES_ON:
		/* Pairs with hint_some(). */
		return pages + READ_ONCE(pz->flush_pages);
	case PAGE_HINTING_FLUSH_ASKED:
		/* Nobody knows what is in reach before all is counted. */
		if (!page_hinting_all_counted(pz))
			return pages + zone_page_state(pz->zone, NR_FREE_PAGES);
		return pages + page_hinting_in_reach(pz);
	default:
		return 0;
	}
}

/**
 * page_hinting_flush_left - what the flush that goes on still has to do
 *
 * Context: Process context. Takes zone locks.
 * Return: pages, free or in flight; 0 if no flush goes on.
 */
unsigned long page_hinting_flush_left(void)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_zone *pz;
	unsigned long pages = 0;

	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu))
		pages += left_of(pz);
	srcu_read_unlock(&page_hinting_srcu, idx);
	return pages;
}

/* Have all zones done their part? Also says whether some are still counted. */
static bool is_done(bool *counting)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_zone *pz;
	bool done = true;

	*counting = false;
	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu)) {
		/* Pairs with hint_all(). */
		switch (READ_ONCE(pz->flush)) {
		case PAGE_HINTING_FLUSH_ASKED:
		case PAGE_HINTING_FLUSH_GOES_ON:
			done = false;
			break;
		default:
			/* Done, or it came online after the flush began. */
			break;
		}
		*counting |= !page_hinting_all_counted(pz);
	}
	srcu_read_unlock(&page_hinting_srcu, idx);
	return done;
}

/* Has hinting stopped since then? It may run again. */
static bool is_cancelled(unsigned int nr_stops)
{
	/* Pairs with set_state(). */
	return READ_ONCE(page_hinting_nr_stops) != nr_stops;
}

/* Is there no reason to wait any more? */
static bool is_over(unsigned int nr_stops, bool *counting)
{
	return is_cancelled(nr_stops) || READ_ONCE(page_hinting_host_is_gone) ||
	       is_done(counting);
}

/* What the host has acknowledged, ever. */
static unsigned long acknowledged_pages(void)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_zone *pz;
	unsigned long pages = 0;

	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu))
		/* Pairs with acknowledge(). */
		pages += READ_ONCE(pz->acknowledged_pages);
	srcu_read_unlock(&page_hinting_srcu, idx);
	return pages;
}

/* Wait for the end of a flush. Returns 0 or an errno. */
static int wait_for_all(unsigned int nr_stops)
{
	unsigned long pages;
	bool counting = false;
	long left;

	do {
		unsigned int timeout_ms = READ_ONCE(page_hinting_flush_timeout_ms);

		pages = acknowledged_pages();
		left = wait_event_interruptible_timeout(page_hinting_flush_wait,
							is_over(nr_stops, &counting),
							msecs_to_jiffies(timeout_ms));
	} while (!left && (counting || acknowledged_pages() != pages));

	/* Not -ERESTARTSYS: what was free when it began is another set by now. */
	if (left < 0)
		return -EINTR;
	if (!left)
		return -ETIMEDOUT;
	if (is_cancelled(nr_stops))
		return -ECANCELED;
	return READ_ONCE(page_hinting_host_is_gone) ? -EIO : 0;
}

/* Is there a device? Start threads that lack, and void the marks for @anew. */
static int prepare_locked(bool anew, unsigned int *nr_stops)
{
	int err;

	lockdep_assert_held(&page_hinting_mutex);
	switch (page_hinting_get_state()) {
	case PAGE_HINTING_RUNNING:
		break;
	case PAGE_HINTING_DISABLED:
		/* Its device may be suspended as well, or on its way out. */
		return rcu_access_pointer(page_hinting_dev) ? -EOPNOTSUPP :
							      -ENODEV;
	default:
		return -ENODEV;
	}
	if (READ_ONCE(page_hinting_host_is_gone))
		return -EIO;
	/* A zone without a thread would be left out, and nobody told. */
	err = page_hinting_zones_update();
	if (err)
		return err;
	if (anew)
		page_hinting_begin_anew();
	*nr_stops = page_hinting_nr_stops;
	return 0;
}

/* The same; whoever holds the mutex may wait for a silent host meanwhile. */
static int prepare(bool anew, unsigned int *nr_stops)
{
	int err;

	if (mutex_lock_interruptible(&page_hinting_mutex))
		return -EINTR;
	err = prepare_locked(anew, nr_stops);
	mutex_unlock(&page_hinting_mutex);
	return err;
}

/**
 * page_hinting_flush - hint all that is free, and wait until the host has it
 * @anew: also what is hinted already, as after a migration
 *
 * Also what the policy would keep, down to the lowest order that is ever hinted,
 * but not what the watermarks keep.
 *
 * Context: Process context, may sleep. Takes the mutex, and with @anew the CPU
 *	hotplug lock.
 * Return: 0 when the host has acknowledged all that could be pulled; -EBUSY if
 *	another flush goes on; -ENODEV if there is no device, it is suspended, or
 *	the system goes down; -EOPNOTSUPP if hinting is switched off; -ECANCELED
 *	if it was stopped meanwhile; -ENOMEM, or another error of starting a
 *	thread, if a zone has none and it could not be started now either; -EIO if
 *	the device is broken; -ETIMEDOUT if nothing was acknowledged for
 *	page_hinting_flush_timeout_ms; -EINTR by a signal or the freezer.
 */
int page_hinting_flush(bool anew)
{
	unsigned long before = acknowledged_pages();
	unsigned int nr_stops;
	int err;

	if (!mutex_trylock(&flush_mutex))
		return -EBUSY;
	err = prepare(anew, &nr_stops);
	if (!err) {
		ask_zones(PAGE_HINTING_FLUSH_ASKED);
		err = wait_for_all(nr_stops);
		ask_zones(PAGE_HINTING_FLUSH_NONE);
	}
	/* Without zones nobody knows any more. */
	trace_page_hinting_flush(max((long)(acknowledged_pages() - before), 0L),
				 err);
	mutex_unlock(&flush_mutex);
	return err;
}
