// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: hint all there is, and wait until the host has it.
 *
 * For who is about to pause the guest or to take a snapshot of it. The writer does
 * the work, zone after zone. Meanwhile the policy rests; the zones' threads count
 * blocks, and bring home what the host is done with. How much is hinted is what is
 * free when the writer comes to a zone, so that there is an end to it; what is
 * freed later may be hinted in its place. One flush at a time.
 *
 * Waiting is interruptible, but for memory hotplug, as a flush holds up nobody: a
 * signal, and the freezer before a suspend, end it, and what was acknowledged stays
 * so. The time limit is one on silence, not on the whole: how long that takes
 * depends on the size of the guest, and who wants to limit it kills the writer.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>
#include <trace/events/page_hinting.h>

#include "control.h"

/* A flush gives up after this without an acknowledgment. Only tests change it. */
unsigned int page_hinting_flush_timeout_ms = 10 * MSEC_PER_SEC;

/* While blocks are in flight, look again after this. */
#define POLL_MS			10

/* Held for a flush; outside all other locks of hinting. */
static DEFINE_MUTEX(flush_mutex);

/**
 * struct flush - a flush that goes on
 * @nr_stops: how often hinting had stopped when it began
 * @acknowledged_pages: what the host has acknowledged, ever, as last seen
 * @deadline: jiffies; it gives up if the host acknowledges nothing until then
 */
struct flush {
	unsigned int nr_stops;
	unsigned long acknowledged_pages;
	unsigned long deadline;
};

/* What the host has acknowledged, ever; less when a zone went away. */
static unsigned long acknowledged_pages(void)
{
	struct page_hinting_zone *pz;
	unsigned long pages = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(pz, &page_hinting_zones, node)
		/* Pairs with page_hinting_put_in(). */
		pages += READ_ONCE(pz->acknowledged_pages);
	rcu_read_unlock();
	return pages;
}

static bool is_over(const struct flush *flush)
{
	/* Has it stopped since then? It may run again. Pairs with set_state(). */
	return READ_ONCE(page_hinting_nr_stops) != flush->nr_stops ||
	       READ_ONCE(page_hinting_host_is_gone);
}

static void extend_deadline(struct flush *flush)
{
	flush->deadline = jiffies +
			  msecs_to_jiffies(READ_ONCE(page_hinting_flush_timeout_ms));
}

/* May a flush go on? Returns 0 or why not, an errno. */
static int check(struct flush *flush)
{
	unsigned long pages = acknowledged_pages();

	if (pages != flush->acknowledged_pages)
		extend_deadline(flush);
	flush->acknowledged_pages = pages;
	/* Not -ERESTARTSYS: what was free when it began is another set by now. */
	if (signal_pending(current))
		return -EINTR;
	if (READ_ONCE(page_hinting_nr_stops) != flush->nr_stops)
		return -ECANCELED;
	if (READ_ONCE(page_hinting_host_is_gone))
		return -EIO;
	return time_after(jiffies, flush->deadline) ? -ETIMEDOUT : 0;
}

/* Wait until the host has acknowledged something, or for POLL_MS. */
static void wait_some(struct flush *flush)
{
	page_hinting_retry_zones();
	if (page_hinting_host_was_faster()) {
		page_hinting_bring_home();
		return;
	}
	wait_event_interruptible_timeout(page_hinting_flush_wait,
					 is_over(flush) ||
					 acknowledged_pages() !=
					 flush->acknowledged_pages,
					 msecs_to_jiffies(POLL_MS));
}

/* Returns how many pages were submitted, or -EAGAIN. */
static long hint_some(struct page_hinting_zone *pz, unsigned long pages)
{
	/* Pairs with page_hinting_set_orders(), which may come any time. */
	unsigned int min_order = READ_ONCE(pz->min_order);
	unsigned int reach_order = READ_ONCE(pz->reach_order);
	unsigned int nr_home;
	long submitted;

	if (pages >> min_order) {
		submitted = page_hinting_hint_batch(pz, min_order, pages,
						    &nr_home);
		/* Smaller blocks only when no larger one is left. */
		if (submitted || READ_ONCE(pz->wants_room))
			return submitted;
		/* A larger one may be among them, or fit now. */
		if (nr_home)
			return -EAGAIN;
	}
	if (reach_order >= min_order || !(pages >> reach_order))
		return 0;
	return page_hinting_hint_batch(pz, reach_order, pages, &nr_home);
}

/*
 * Hint one batch of a zone. @left_pages is what is still to be submitted,
 * ULONG_MAX before that is known. Sets @wait if nothing could be, for the moment.
 * Returns false if nothing is left to do.
 */
static bool flush_some(struct flush *flush, struct page_hinting_zone *pz,
		       unsigned long *left_pages, bool *wait)
{
	bool was_out;
	long pages;

	*wait = true;
	if (!page_hinting_all_counted(pz)) {
		extend_deadline(flush);
		return true;
	}
	if (*left_pages == ULONG_MAX)
		*left_pages = page_hinting_read(pz, &pz->reach_pages);
	/* What is out may be why nothing can be pulled. */
	was_out = READ_ONCE(pz->in_flight_pages);
	pages = hint_some(pz, *left_pages);
	if (pages <= 0)
		return pages || was_out;
	*left_pages -= min_t(unsigned long, *left_pages, pages);
	*wait = false;
	return *left_pages;
}

/* Hint all that may be hinted in a zone. Returns 0 or an errno. */
static int flush_zone(struct flush *flush, struct zone *zone)
{
	unsigned long left_pages = ULONG_MAX;
	struct page_hinting_zone *pz;
	bool more, wait;
	int idx, err;

	page_hinting_empty_lists(zone);
	/* Somebody may have held the memory hotplug lock for long. */
	extend_deadline(flush);
	do {
		idx = srcu_read_lock(&page_hinting_srcu);
		/* Pairs with publish_zone() and remove_zone(). */
		pz = READ_ONCE(zone->hinting);
		more = pz && flush_some(flush, pz, &left_pages, &wait);
		srcu_read_unlock(&page_hinting_srcu, idx);
		if (more && wait)
			wait_some(flush);
		cond_resched();
		err = check(flush);
	} while (more && !err);
	return err;
}

/* Hint all that is free, and wait for it. Returns 0 or an errno. */
static int flush_all(struct flush *flush)
{
	struct zone *zone;
	bool more;
	int err;

	for_each_populated_zone(zone) {
		if (!READ_ONCE(zone->hinting))
			continue;
		err = flush_zone(flush, zone);
		if (err)
			return err;
	}
	do {
		more = page_hinting_pages_in_flight();
		if (more)
			wait_some(flush);
		err = check(flush);
	} while (more && !err);
	return err;
}

/*
 * Can a flush begin? Starts missing threads; with @anew, voids all marks. Returns 0
 * or an errno.
 */
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
	if (READ_ONCE(page_hinting_host_is_gone))
		return -EIO;
	/* A zone without a thread would be left out, and nobody told. */
	err = page_hinting_zones_update();
	if (!err && anew)
		page_hinting_begin_anew();
	return err;
}

/* Takes the mutex interruptibly, as its holder may wait for a silent host. */
static int prepare(struct flush *flush, bool anew)
{
	int err;

	if (mutex_lock_interruptible(&page_hinting_mutex))
		return -EINTR;
	err = prepare_locked(anew);
	flush->nr_stops = page_hinting_nr_stops;
	mutex_unlock(&page_hinting_mutex);
	flush->acknowledged_pages = acknowledged_pages();
	extend_deadline(flush);
	return err;
}

/**
 * page_hinting_flush_left - what is free and not acknowledged during a flush
 *
 * Context: Process context. Takes zone locks.
 * Return: pages, unhinted or in flight; 0 if no flush goes on.
 */
unsigned long page_hinting_flush_left(void)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_zone *pz;
	unsigned long pages = 0;

	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu))
		pages += page_hinting_read(pz, &pz->reach_pages) +
			 READ_ONCE(pz->in_flight_pages);
	srcu_read_unlock(&page_hinting_srcu, idx);
	return READ_ONCE(page_hinting_flushing) ? pages : 0;
}

/**
 * page_hinting_flush - hint all that is free, and wait until the host has it
 * @anew: also what is hinted already, as after a migration
 *
 * Also what the policy would keep, down to the lowest order that is ever hinted,
 * but not what the watermarks keep.
 *
 * Context: Process context, may sleep. Takes the mutex, the memory hotplug lock,
 *	and with @anew the CPU hotplug lock.
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
	struct flush flush;
	int err;

	if (!mutex_trylock(&flush_mutex))
		return -EBUSY;
	WRITE_ONCE(page_hinting_flushing, true);
	/* From here on the threads pull nothing. */
	synchronize_srcu(&page_hinting_srcu);
	err = prepare(&flush, anew);
	if (!err)
		err = flush_all(&flush);
	WRITE_ONCE(page_hinting_flushing, false);
	page_hinting_wake_all(PAGE_HINTING_EV_FLUSH);
	/* Without zones nobody knows any more. */
	trace_page_hinting_flush(max((long)(acknowledged_pages() - before), 0L),
				 err);
	mutex_unlock(&flush_mutex);
	return err;
}
