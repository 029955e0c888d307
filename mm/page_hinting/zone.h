/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: the zone, which all layers share.
 *
 * From the bottom up; each layer calls only those below it, and has a header
 * that includes theirs:
 *
 *	policy		how much of the free memory is idle: pure functions
 *	zone		this header: a zone, its locks, and how its thread is woken
 *	marks		which free blocks the host knows; the allocator's hooks
 *	blocks		take blocks off the free lists, and put them back
 *	device		the host: what is in flight to it, and the way back
 *	thread		per zone: look, hint, sleep; the work of a flush
 *	control		states, knobs, and what a driver calls
 *	flush		have the threads hint all there is, and wait for it
 *	sysfs		what users see and set
 *	mm		what the rest of mm asks
 *
 * The last three share the header of control. Upwards there is one irq_work, and
 * the wait queues of the threads and of a flush.
 *
 * Lock order, outermost first:
 *
 *	flush_mutex		one flush at a time
 *	page_hinting_mutex	what is registered and enabled, and the knobs
 *	the hotplug lock	for memory, while per-CPU lists are emptied
 *	page_hinting_srcu	readers use the device, or count blocks
 *
 * and inside these, never one in another:
 *
 *	zone->lock		a zone's blocks, counts and lists
 *	a provider's own lock	its ring
 *	a wait queue's lock	to wake a thread, or a flush
 *
 * The mutex is not taken inside an SRCU section, as its holders wait for all of
 * them; nor in a memory hotplug notifier: whoever holds the mutex may take the
 * CPU hotplug lock, to switch a static key, and the notifier's caller holds that
 * lock already.
 */
#ifndef _MM_PAGE_HINTING_ZONE_H
#define _MM_PAGE_HINTING_ZONE_H

#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/page_hinting.h>
#include <linux/rculist.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/wait.h>

#include "policy.h"

struct kobject;

/* See &page_hinting_zone.keep_order: no block is of this order. */
#define PAGE_HINTING_KEEP_NONE		NR_PAGE_ORDERS
/* After a sign of pressure a zone is left alone for this long. */
#define PAGE_HINTING_BACK_OFF_MS	1000
/*
 * When that time is over, allocations cannot start another one for this long, so
 * that the zone is hinted in between.
 */
#define PAGE_HINTING_TURN_MS		250

/**
 * enum page_hinting_reason - why a look at a zone left free memory unhinted
 * @PAGE_HINTING_SKIP_KEPT: the policy keeps it for the workload
 * @PAGE_HINTING_SKIP_WATERMARK: too little is free
 * @PAGE_HINTING_SKIP_BACK_OFF: an allocation found it hard to get memory, or
 *	somebody asked for a range, a moment ago
 * @PAGE_HINTING_SKIP_ISOLATED: it is isolated, or reserved for atomic
 *	allocations
 * @PAGE_HINTING_SKIP_RING: its part of the host's ring is full
 * @PAGE_HINTING_SKIP_WINDOW: as much is in flight as may be
 * @PAGE_HINTING_SKIP_DISABLED: hinting is switched off, or suspended
 * @NR_PAGE_HINTING_REASONS: how many there are
 */
enum page_hinting_reason {
	PAGE_HINTING_SKIP_KEPT,
	PAGE_HINTING_SKIP_WATERMARK,
	PAGE_HINTING_SKIP_BACK_OFF,
	PAGE_HINTING_SKIP_ISOLATED,
	PAGE_HINTING_SKIP_RING,
	PAGE_HINTING_SKIP_WINDOW,
	PAGE_HINTING_SKIP_DISABLED,
	NR_PAGE_HINTING_REASONS,
};

/**
 * enum page_hinting_state - what hinting as a whole is doing
 * @PAGE_HINTING_NO_DEVICE: nothing is registered; hooks off
 * @PAGE_HINTING_DISABLED: switched off in sysfs, or unregistered and waiting for
 *	page_hinting_reset_done(); hooks off
 * @PAGE_HINTING_RUNNING: hooks on, zones' threads pull blocks
 * @PAGE_HINTING_SUSPENDED: the device is down for suspend or reset; hooks on,
 *	nothing is pulled or submitted, marks may stand
 * @PAGE_HINTING_SHUTDOWN: the system goes down; as suspended, for good
 */
enum page_hinting_state {
	PAGE_HINTING_NO_DEVICE,
	PAGE_HINTING_DISABLED,
	PAGE_HINTING_RUNNING,
	PAGE_HINTING_SUSPENDED,
	PAGE_HINTING_SHUTDOWN,
};

/*
 * Why a zone's thread was woken: bits of &page_hinting_zone.events, which
 * include/trace/events/page_hinting.h has names for.
 */
enum page_hinting_event {
	PAGE_HINTING_EV_FREED,		/* there is unhinted memory */
	PAGE_HINTING_EV_HARVEST,	/* blocks can come home, or have */
	PAGE_HINTING_EV_CHANGED,	/* state or knobs are others */
	PAGE_HINTING_EV_FLUSH,		/* a flush begins, or was given up */
	PAGE_HINTING_EV_LISTS,		/* much is in per-CPU lists that were used */
};

/**
 * struct page_hinting_list - what is known of a CPU's list of free pages
 * @counted_pages: what was in it when it was counted last; under zone->lock
 * @told_pages: what was in it when its use was told last; lockless
 */
struct page_hinting_list {
	int counted_pages;
	int told_pages;
};

/**
 * struct page_hinting_zone - hinting of one zone
 *
 * It is never freed, as struct zone is not, so that whoever found it may use it.
 *
 * @zone: the zone
 * @node: in page_hinting_zones
 * @kobj: the zone's directory in sysfs, while it has a thread
 * @task: the zone's thread; NULL if it has none. Under the mutex; lockless, too
 * @wait: where it sleeps
 * @events: why it is to wake up
 * @wake_work: wakes it from under the zone lock
 * @flush_nr: a flush that waits for the zone; 0: none. Lockless.
 * @quiet_until: jiffies; nothing is pulled before. Lockless.
 * @skips: attempts that left memory unhinted, by reason; lockless
 * @nr_unhinted: unhinted blocks per free list. From here on: of marks, under
 *	zone->lock.
 * @unhinted_pages: free, eligible and not hinted, at or above the minimum
 *	order
 * @reach_pages: as @unhinted_pages, at or above @reach_order
 * @any_order_pages: the same of any order
 * @hinted_pages: free and marked
 * @in_flight_pages: of blocks on @in_flight and @retry; lockless, too
 * @away_pages: what allocations cannot have although no program needs it:
 *	isolated, reserved for atomic allocations, offline, or in a balloon
 * @list_pages: in the per-CPU lists, the sum of what @lists count
 * @lists: what is known of each CPU's list
 * @low_pages: the least since the last sample of all that is free, hinted or
 *	not, in lists or away
 * @low_at: jiffies; when it was so little, the last time
 * @sampled_free_pages: the same at the last sample
 * @sampled_at: jiffies; when that was
 * @went_page_ticks: the sum, over pages that were taken until @low_at, of the
 *	jiffies from @sampled_at until then
 * @acknowledged_pages: of what is home, the host has acknowledged so much ever;
 *	wraps; lockless, too
 * @unmarked_pages: of that, what lost its mark without being used, or got none;
 *	wraps
 * @sampled_used_pages: of that, what was used until the last sample; wraps
 * @splits: a block is split right now, and its parts are on no list yet
 * @merges: a block merges right now, and its parts are on no list any more
 * @keep_order: blocks of this order and more that join a list are marked, as
 *	they are parts of a hinted block that is split, or (0) an acknowledged
 *	block that is put back. PAGE_HINTING_KEEP_NONE but for a moment.
 * @counted_pfn: blocks below it are counted: 0 before the walk over the zone
 *	begins, ULONG_MAX when it is done; lockless, too
 * @min_order: smaller blocks than these are hinted later; lockless, too
 * @reach_order: smaller ones than these are never hinted; lockless, too
 * @armed: the thread has nothing to hint and wants to hear of a free
 * @stay_pages: when @unhinted_pages becomes more than this
 * @wake_pages: or what is in reach in smaller blocks becomes as much as this
 * @in_flight: blocks that the provider holds. From here on: of blocks, under
 *	zone->lock.
 * @retry: blocks that the provider has returned, and that cannot be freed yet,
 *	as somebody else holds a reference
 * @nr_in_flight: how many blocks are on both
 * @wants_room: the last pull that got past the watermark found no room, and
 *	nothing has come home since; lockless, too
 * @policy: what was learnt. From here on: the thread's.
 * @settle_ms: the policy's settle time, for who wants to know; lockless
 * @refaulted_pages: hinted too early ever; wraps; lockless
 * @bridged_pages: needed again as early, but not hinted yet; wraps; lockless
 * @look_in_ms: when to look again although nothing could be pulled; 0 if it
 *	could
 * @freed: it was woken by a free since the last look, or as there is much in the
 *	per-CPU lists
 * @drain_lists: it empties the per-CPU lists next
 * @begun_nr: the flush that it has begun last
 * @flush_pages: so much is still to be submitted for it
 */
struct page_hinting_zone {
	struct zone *zone;
	struct list_head node;
	struct kobject *kobj;
	struct task_struct *task;
	wait_queue_head_t wait;
	unsigned long events;
	struct irq_work wake_work;
	unsigned long flush_nr;
	unsigned long quiet_until;
	unsigned long skips[NR_PAGE_HINTING_REASONS];

	unsigned long nr_unhinted[NR_PAGE_ORDERS][MIGRATE_TYPES];
	unsigned long unhinted_pages;
	unsigned long reach_pages;
	unsigned long any_order_pages;
	unsigned long hinted_pages;
	unsigned long in_flight_pages;
	unsigned long away_pages;
	unsigned long list_pages;
	struct page_hinting_list __percpu *lists;
	unsigned long low_pages;
	unsigned long low_at;
	unsigned long sampled_free_pages;
	unsigned long sampled_at;
	u64 went_page_ticks;
	unsigned long acknowledged_pages;
	unsigned long unmarked_pages;
	unsigned long sampled_used_pages;
	bool splits;
	bool merges;
	unsigned int keep_order;
	unsigned long counted_pfn;
	unsigned int min_order;
	unsigned int reach_order;
	bool armed;
	unsigned long stay_pages;
	unsigned long wake_pages;

	struct list_head in_flight;
	struct list_head retry;
	unsigned int nr_in_flight;
	bool wants_room;

	struct page_hinting_policy policy;
	unsigned long settle_ms;
	unsigned long refaulted_pages;
	unsigned long bridged_pages;
	unsigned int look_in_ms;
	bool freed;
	bool drain_lists;
	unsigned long begun_nr;
	unsigned long flush_pages;
};

/*
 * Defined in the layers that write them, under page_hinting_mutex, but for
 * page_hinting_host_is_gone, which a harvest sets.
 */
extern struct mutex page_hinting_mutex;
extern struct srcu_struct page_hinting_srcu;
extern struct list_head page_hinting_zones;
extern enum page_hinting_state page_hinting_state;
extern unsigned int page_hinting_nr_stops;
extern bool page_hinting_sleeps;
extern bool page_hinting_host_is_gone;
extern unsigned int page_hinting_safe_order;

/* What hinting as a whole is doing. Stable under the mutex only. */
static inline enum page_hinting_state page_hinting_get_state(void)
{
	/* Pairs with set_state(). */
	return READ_ONCE(page_hinting_state);
}

/* Wake a zone's thread. Not from NMI, and not under a zone lock. */
static inline void page_hinting_wake(struct page_hinting_zone *pz,
				     enum page_hinting_event event)
{
	/* What it is woken for is seen first; pairs with xchg() in work(). */
	smp_mb__before_atomic();
	set_bit(event, &pz->events);
	wake_up(&pz->wait);
}

/*
 * The same from under the zone lock, as to wake a task takes locks outside of it.
 * What the thread is told of it sees when it has taken that lock, too, as it does
 * in page_hinting_retry(). Not while suspended: per-CPU
 * lists are drained with interrupts off before a hibernation image is taken, and
 * work that is pending in the image would be pending for ever. Resuming wakes all
 * threads.
 */
static inline void page_hinting_wake_later(struct page_hinting_zone *pz,
					   enum page_hinting_event event)
{
	if (page_hinting_get_state() != PAGE_HINTING_RUNNING ||
	    READ_ONCE(page_hinting_sleeps))
		return;
	set_bit(event, &pz->events);
	irq_work_queue(&pz->wake_work);
}

/* The list only grows. */
#define page_hinting_for_each_zone(pz) \
	list_for_each_entry_lockless(pz, &page_hinting_zones, node)

/**
 * page_hinting_wake_all - wake the threads of all zones
 * @event: why; for %PAGE_HINTING_EV_HARVEST, only those with blocks in flight
 *
 * Context: Any but NMI, and not under a zone lock.
 */
static inline void page_hinting_wake_all(enum page_hinting_event event)
{
	struct page_hinting_zone *pz;

	page_hinting_for_each_zone(pz)
		if (event != PAGE_HINTING_EV_HARVEST ||
		    READ_ONCE(pz->in_flight_pages))
			page_hinting_wake(pz, event);
}

/* Memory was left unhinted. Only the zone's thread counts that. */
static inline void page_hinting_skipped(struct page_hinting_zone *pz,
					enum page_hinting_reason reason)
{
	WRITE_ONCE(pz->skips[reason], READ_ONCE(pz->skips[reason]) + 1);
}

/* Jiffies until pulling is allowed again; a time long ago looks far away. */
static inline unsigned long page_hinting_quiet_left(struct page_hinting_zone *pz)
{
	unsigned long left = READ_ONCE(pz->quiet_until) - jiffies;

	return left <= msecs_to_jiffies(PAGE_HINTING_BACK_OFF_MS) ? left : 0;
}

static inline bool page_hinting_may_pull(struct page_hinting_zone *pz)
{
	return page_hinting_get_state() == PAGE_HINTING_RUNNING &&
	       !READ_ONCE(page_hinting_sleeps) &&
	       !READ_ONCE(page_hinting_host_is_gone) &&
	       !page_hinting_quiet_left(pz);
}

/*
 * Leave a zone alone for some time, or for as long as it is already. Of two calls
 * at a time one may be lost, and the time is shorter then.
 */
static inline void page_hinting_be_quiet(struct page_hinting_zone *pz,
					 unsigned int ms)
{
	unsigned long left = msecs_to_jiffies(ms);

	if (left > page_hinting_quiet_left(pz))
		WRITE_ONCE(pz->quiet_until, jiffies + left);
}

/*
 * The same, for callers that may come again and again. They must not stop a
 * zone, or a flush, for good: they do not make the time longer, and a turn
 * follows it.
 */
static inline void page_hinting_back_off_zone(struct page_hinting_zone *pz)
{
	if (!page_hinting_quiet_left(pz) &&
	    jiffies - READ_ONCE(pz->quiet_until) >=
	    msecs_to_jiffies(PAGE_HINTING_TURN_MS))
		page_hinting_be_quiet(pz, PAGE_HINTING_BACK_OFF_MS);
}

#endif /* _MM_PAGE_HINTING_ZONE_H */
