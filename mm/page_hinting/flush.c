// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: hint all there is, and wait until the host has it.
 *
 * For who is about to pause the guest or to take a snapshot of it. The zones'
 * threads do the work, all at the same time, while the policy rests; what is
 * free when they begin is to be hinted, and what is freed later is not, so
 * that there is an end to it. One flush at a time.
 *
 * Waiting is interruptible, as a flush holds up nobody: a signal, and the
 * freezer before a suspend, end it, and what was acknowledged stays so. The
 * time limit is one on silence, not on the whole: how long that takes depends
 * on the size of the guest, and who wants to limit it kills the writer. As
 * silence is looked for once per limit, it may last up to twice as long.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>
#include <trace/events/page_hinting.h>

#include "../internal.h"
#include "internal.h"

/* A flush gives up when nothing came home for this long. Only tests change it. */
unsigned int page_hinting_flush_timeout_ms = 10 * MSEC_PER_SEC;

/* Held by who flushes; outside all other locks of hinting. */
static DEFINE_MUTEX(flush_mutex);
static DECLARE_WAIT_QUEUE_HEAD(flush_wait);

/* The number of the flush that goes on, 0 if none does. */
static unsigned int flush_nr;

/* Hinting has stopped since it began, and may run again. Under the mutex. */
static bool cancelled;

/**
 * page_hinting_flush_nr - the number of the flush that goes on
 *
 * Context: Any.
 * Return: its number, 0 if there is none.
 */
unsigned int page_hinting_flush_nr(void)
{
	/* Pairs with set_nr(). */
	return READ_ONCE(flush_nr);
}

static void set_nr(unsigned int nr)
{
	lockdep_assert_held(&flush_mutex);
	/* Pairs with page_hinting_flush_nr(). */
	WRITE_ONCE(flush_nr, nr);
	page_hinting_wake_all(PAGE_HINTING_EV_FLUSH);
}

/**
 * page_hinting_flush_wake - something changed that a flush may wait for
 *
 * Context: Any but NMI, and not under a zone lock.
 */
void page_hinting_flush_wake(void)
{
	wake_up(&flush_wait);
}

/**
 * page_hinting_flush_cancel - what was to be flushed is not hinted any more
 *
 * Context: Process context, under page_hinting_mutex.
 */
void page_hinting_flush_cancel(void)
{
	lockdep_assert_held(&page_hinting_mutex);
	/* Pairs with is_over(). */
	WRITE_ONCE(cancelled, true);
	page_hinting_flush_wake();
}

/**
 * page_hinting_flush_left - what the flush that goes on still has to do
 *
 * Return: pages, free or in flight; 0 if no flush goes on.
 */
unsigned long page_hinting_flush_left(void)
{
	unsigned int nr = page_hinting_flush_nr();
	struct page_hinting_zone *pz;
	unsigned long pages = 0;
	int idx;

	if (!nr)
		return 0;
	idx = srcu_read_lock(&page_hinting_srcu);
	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu)) {
		/* Pairs with hint_all(). */
		if (READ_ONCE(pz->flushed_nr) == nr)
			continue;
		/* Nobody knows what is in reach before all is counted. */
		if (READ_ONCE(pz->counted_pfn) != ULONG_MAX)
			pages += zone_page_state(pz->zone, NR_FREE_PAGES);
		/* Pairs with begin_flush(), which may be yet to come. */
		else if (READ_ONCE(pz->flush_nr) == nr)
			pages += READ_ONCE(pz->flush_pages);
		else
			pages += page_hinting_in_reach(pz);
		pages += READ_ONCE(pz->in_flight_pages);
	}
	srcu_read_unlock(&page_hinting_srcu, idx);
	return pages;
}

/* Have all zones done their part, and are none still being counted? */
static bool is_done(unsigned int nr, bool *counting)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_zone *pz;
	bool done = true;

	*counting = false;
	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu)) {
		/* Pairs with hint_all(). */
		done &= READ_ONCE(pz->flushed_nr) == nr;
		*counting |= READ_ONCE(pz->counted_pfn) != ULONG_MAX;
	}
	srcu_read_unlock(&page_hinting_srcu, idx);
	return done;
}

/* Is there no reason to wait any more? */
static bool is_over(unsigned int nr, bool *counting)
{
	/* Pairs with page_hinting_flush_cancel(). */
	return READ_ONCE(cancelled) || page_hinting_host_is_gone() ||
	       is_done(nr, counting);
}

/* What the host has acknowledged, ever. */
static unsigned long acknowledged_pages(void)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_zone *pz;
	unsigned long pages = 0;

	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu))
		/* Pairs with page_hinting_acknowledged(). */
		pages += READ_ONCE(pz->acknowledged_pages);
	srcu_read_unlock(&page_hinting_srcu, idx);
	return pages;
}

/* Wait for the end of a flush. Returns 0 or an errno. */
static int wait_for_all(unsigned int nr)
{
	unsigned long pages;
	bool counting = false;
	long left;

	do {
		pages = acknowledged_pages();
		left = wait_event_interruptible_timeout(flush_wait,
				is_over(nr, &counting),
				msecs_to_jiffies(page_hinting_flush_timeout_ms));
	} while (!left && (counting || acknowledged_pages() != pages));

	/* Not -ERESTARTSYS: what was free when it began is another set by now. */
	if (left < 0)
		return -EINTR;
	if (!left)
		return -ETIMEDOUT;
	if (READ_ONCE(cancelled))
		return -ECANCELED;
	return page_hinting_host_is_gone() ? -EIO : 0;
}

/* Is there somebody to flush to? Returns 0 or an errno. */
static int prepare_locked(bool anew)
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
	if (page_hinting_host_is_gone())
		return -EIO;
	/* A zone without a thread would be left out, and nobody told. */
	err = page_hinting_zones_update();
	if (err)
		return err;
	if (anew)
		page_hinting_begin_anew();
	WRITE_ONCE(cancelled, false);
	return 0;
}

/* The same; whoever holds the mutex may wait for a silent host meanwhile. */
static int prepare(bool anew)
{
	int err;

	if (mutex_lock_interruptible(&page_hinting_mutex))
		return -EINTR;
	err = prepare_locked(anew);
	mutex_unlock(&page_hinting_mutex);
	return err;
}

/**
 * page_hinting_flush - hint all that is free, and wait until the host has it
 * @anew: also what is hinted already, as after a migration
 *
 * Whatever the policy would keep, down to the lowest order that is ever hinted, yet
 * not what the watermarks keep.
 *
 * Context: Process context, may sleep.
 * Return: 0 when the host has acknowledged all of it; -EBUSY if another flush
 *	goes on; -ENODEV if there is no device, or it is suspended;
 *	-EOPNOTSUPP if hinting is switched off; -ECANCELED if one of that came
 *	meanwhile; -ENOMEM, or another error of starting a thread, if a zone
 *	has none and it could not be started now either; -EIO if the host has
 *	stopped to answer for good; -ETIMEDOUT if nothing was acknowledged for
 *	page_hinting_flush_timeout_ms; -EINTR if there is a signal.
 */
int page_hinting_flush(bool anew)
{
	static unsigned int last_nr;
	unsigned long before = acknowledged_pages();
	int err;

	if (!mutex_trylock(&flush_mutex))
		return -EBUSY;
	err = prepare(anew);
	if (!err) {
		/* 0 is none. */
		last_nr = last_nr + 1 ?: 1;
		set_nr(last_nr);
		err = wait_for_all(last_nr);
		set_nr(0);
	}
	/* Without zones nobody knows any more. */
	trace_page_hinting_flush(max((long)(acknowledged_pages() - before), 0L),
				 err);
	mutex_unlock(&flush_mutex);
	return err;
}
