// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: hint all there is, and wait until the host has it.
 *
 * For who is about to pause the guest or to take a snapshot of it: a writer in the
 * guest, or the host. The zones' threads do the work, in place of what the policy
 * says; whoever flushes asks them, and waits. One flush at a time.
 *
 * Waiting is interruptible, but for memory hotplug, as a flush holds up nobody: a
 * signal, and the freezer before a suspend, end it, and what was acknowledged stays
 * so. The time limit is one on silence, not on the whole: how long that takes
 * depends on the size of the guest, and who wants to limit it kills the writer.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/printk.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>
#include <trace/events/page_hinting.h>

#include "control.h"

/* A flush gives up after this without an acknowledgment. Only tests change it. */
unsigned int page_hinting_flush_timeout_ms = 10 * MSEC_PER_SEC;

/* Flush when the host asks for free pages. Written under page_hinting_mutex. */
unsigned int page_hinting_flush_for_host;

/* Look this often whether the host has acknowledged anything. */
#define LOOK_MS			100

/* Held for a flush; outside all other locks of hinting. */
static DEFINE_MUTEX(flush_mutex);
/* The last one. Under it. */
static unsigned long last_nr;

/**
 * struct flush - a flush that goes on
 * @nr_stops: how often hinting had stopped when it began
 * @acknowledged_pages: what the host has acknowledged of zones that are not done
 *	yet, as last seen
 * @deadline: jiffies; it gives up if the host acknowledges nothing until then
 */
struct flush {
	unsigned int nr_stops;
	unsigned long acknowledged_pages;
	unsigned long deadline;
};

/* Is a zone's thread not done yet? */
static bool is_flushing(const struct page_hinting_zone *pz)
{
	return READ_ONCE(pz->task) && READ_ONCE(pz->flush_nr);
}

/* What the host has acknowledged, ever: of all zones, or of those not done yet. */
static unsigned long acknowledged_pages(bool of_all)
{
	struct page_hinting_zone *pz;
	unsigned long pages = 0;

	page_hinting_for_each_zone(pz)
		if (of_all || is_flushing(pz))
			/* Pairs with page_hinting_put_in(). */
			pages += READ_ONCE(pz->acknowledged_pages);
	return pages;
}

static bool any_is_flushing(void)
{
	struct page_hinting_zone *pz;

	page_hinting_for_each_zone(pz)
		if (is_flushing(pz))
			return true;
	return false;
}

/* To count blocks is progress, too. */
static bool any_is_counting(void)
{
	struct page_hinting_zone *pz;

	page_hinting_for_each_zone(pz)
		if (is_flushing(pz) && !page_hinting_all_counted(pz))
			return true;
	return false;
}

/* Begin a flush, or (0) give it up. */
static void ask_zones(unsigned long nr)
{
	struct page_hinting_zone *pz;

	page_hinting_for_each_zone(pz)
		/* Pairs with look_and_hint(): by then, it sees that marks are void. */
		smp_store_release(&pz->flush_nr, nr);
	page_hinting_wake_all(PAGE_HINTING_EV_FLUSH);
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
	unsigned long pages = acknowledged_pages(false);

	/* Less is progress, too: a zone is done. */
	if (pages != flush->acknowledged_pages || any_is_counting())
		extend_deadline(flush);
	flush->acknowledged_pages = pages;
	/* Not -ERESTARTSYS: what was free when it began is another set by now. */
	if (signal_pending(current))
		return -EINTR;
	/* The freezer does not wake a worker, and waits for it. */
	if (READ_ONCE(page_hinting_sleeps))
		return -EINTR;
	if (READ_ONCE(page_hinting_nr_stops) != flush->nr_stops)
		return -ECANCELED;
	if (READ_ONCE(page_hinting_host_is_gone))
		return -EIO;
	return time_after(jiffies, flush->deadline) ? -ETIMEDOUT : 0;
}

/* Have the threads hint all that is free, and wait. Returns 0 or an errno. */
static int flush_all(struct flush *flush)
{
	struct page_hinting_zone *pz;
	bool more;
	int err;

	page_hinting_for_each_zone(pz)
		if (READ_ONCE(pz->task))
			page_hinting_empty_lists(pz);
	/* Somebody may have held the memory hotplug lock for long. */
	extend_deadline(flush);
	ask_zones(++last_nr);
	do {
		wait_event_interruptible_timeout(page_hinting_flush_wait,
						 is_over(flush) ||
						 !any_is_flushing(),
						 msecs_to_jiffies(LOOK_MS));
		more = any_is_flushing();
		/*
		 * A zone may also be done as hinting was stopped, which is seen
		 * then. Pairs with set_state(), and cmpxchg() in flush_zone().
		 */
		smp_rmb();
		err = check(flush);
	} while (more && !err);
	if (err)
		ask_zones(0);
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
	err = page_hinting_threads_update();
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
	return err;
}

/**
 * page_hinting_flush_left - what is free and not acknowledged during a flush
 *
 * Context: Process context. Takes zone locks.
 * Return: pages, unhinted or in flight, of zones that are not done yet; 0 if no
 *	flush goes on.
 */
unsigned long page_hinting_flush_left(void)
{
	struct page_hinting_zone *pz;
	unsigned long pages = 0;

	page_hinting_for_each_zone(pz)
		if (is_flushing(pz))
			pages += page_hinting_read(pz, &pz->reach_pages) +
				 READ_ONCE(pz->in_flight_pages);
	return pages;
}

static int flush_locked(bool anew)
{
	unsigned long before = acknowledged_pages(true);
	struct flush flush = { };
	int err;

	lockdep_assert_held(&flush_mutex);
	err = prepare(&flush, anew);
	if (!err)
		err = flush_all(&flush);
	trace_page_hinting_flush(acknowledged_pages(true) - before, err);
	return err;
}

/**
 * page_hinting_flush - hint all that is free, and wait until the host has it
 * @anew: also what is hinted already, as after a migration
 *
 * Also what the policy would keep, down to the lowest order that is ever hinted,
 * but not what the watermarks keep.
 *
 * Context: Process context, may sleep. Takes flush_mutex, the memory hotplug lock,
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
	int err;

	if (!mutex_trylock(&flush_mutex))
		return -EBUSY;
	err = flush_locked(anew);
	mutex_unlock(&flush_mutex);
	return err;
}

/**
 * page_hinting_flush_asked - the host asks for free memory, and waits for it
 *
 * As page_hinting_flush(), but if another flush goes on, waits for it and then
 * flushes, too: what was freed since that one began may be missing in it. The
 * host cannot be told of an error: it is logged.
 *
 * Context: Process context, may sleep. Takes flush_mutex, page_hinting_mutex
 *	and the memory hotplug lock. Once page_hinting_unregister() was called it
 *	ends soon, unless it waits for that lock.
 * Return: false if flush_for_host is 0, and nothing was done; otherwise true,
 *	also if the flush has failed.
 */
bool page_hinting_flush_asked(void)
{
	int err = -EINTR;

	if (!READ_ONCE(page_hinting_flush_for_host))
		return false;
	if (!mutex_lock_interruptible(&flush_mutex)) {
		err = flush_locked(false);
		mutex_unlock(&flush_mutex);
	}
	if (err)
		pr_warn_ratelimited("the flush that the host asked for is not complete: error %d\n",
				    err);
	return true;
}
EXPORT_SYMBOL_GPL(page_hinting_flush_asked);
