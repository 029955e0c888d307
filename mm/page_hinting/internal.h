/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free page hinting: private types and functions.
 *
 * Lock order, outermost first:
 *
 *	page_hinting_mutex	what is registered and enabled, and the knobs
 *	page_hinting_srcu	readers use the device and the list of zones
 *	zone->lock		a zone's blocks, counts and lists
 *	page_hinting_window.lock  the window; a leaf
 *
 * The mutex is never taken from a memory hotplug notifier: its holders switch
 * a static key, for which they take the CPU hotplug lock, and that the caller
 * of the notifier holds. A provider's own lock nests inside SRCU only.
 */
#ifndef _MM_PAGE_HINTING_INTERNAL_H
#define _MM_PAGE_HINTING_INTERNAL_H

#include <linux/irq_work.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/page_hinting.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/timex.h>
#include <linux/wait.h>

#include "../page_alloc.h"
#include "hooks.h"
#include "policy.h"

/* Blocks handled between two looks at whether to stop, and per kick. */
#define PAGE_HINTING_BATCH_BLOCKS	16
/* Memory per kick: on some hosts the work is done inside it. */
#define PAGE_HINTING_BATCH_BYTES	(32UL << 20)
/*
 * Not more blocks than this in flight, however large the ring: they are walked
 * under the zone lock where somebody asks for a range.
 */
#define PAGE_HINTING_RING_MAX		128
/* A zone has at most this share of its memory in flight. */
#define PAGE_HINTING_ZONE_SHARE		16
/* No block that joins a list is hinted. */
#define PAGE_HINTING_KEEP_NONE		NR_PAGE_ORDERS
/* After a sign of pressure a zone is left alone for this long. */
#define PAGE_HINTING_BACK_OFF_MS	1000
/* The same after blocks of a range came home, until the caller isolates it. */
#define PAGE_HINTING_HOLD_MS		250
/* What a zone has for itself after it was left alone. */
#define PAGE_HINTING_TURN_MS		20
/* While nothing may be pulled, look this often at first, and then ever less. */
#define PAGE_HINTING_LOOK_MIN_MS	50
#define PAGE_HINTING_LOOK_MAX_MS	10000
/* A per-CPU list that was not used for this long is not in use. */
#define PAGE_HINTING_LISTS_MS		2000
/*
 * What a refault is worth, in time of keeping the memory, unless set. See
 * Documentation/mm/page_hinting.rst for where it comes from.
 */
#define PAGE_HINTING_REFAULT_COST_MS	6700
/* A host that acknowledges nothing for this long is not waited for. */
#define PAGE_HINTING_SILENCE_MS		1000
/* Try this often to take back a block that somebody holds a reference to. */
#define PAGE_HINTING_RETRY_MS		10

/**
 * enum page_hinting_reason - why a look at a zone left free memory unhinted
 * @PAGE_HINTING_SKIP_KEPT: the policy keeps it for the workload
 * @PAGE_HINTING_SKIP_WATERMARK: too little is free
 * @PAGE_HINTING_SKIP_BACK_OFF: an allocation found it hard to get memory, or
 *	somebody asked for a range, a moment ago
 * @PAGE_HINTING_SKIP_ISOLATED: it is isolated, or reserved for atomic
 *	allocations
 * @PAGE_HINTING_SKIP_RING: the host's ring is full
 * @PAGE_HINTING_SKIP_WINDOW: the window is, or the zone's part of it
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
 * @PAGE_HINTING_DISABLED: registered, but switched off in sysfs; hooks off
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
	PAGE_HINTING_EV_HARVEST,	/* the host has acknowledged blocks */
	PAGE_HINTING_EV_WINDOW,		/* a part of the window is free again */
	PAGE_HINTING_EV_CHANGED,	/* state or knobs are others */
	PAGE_HINTING_EV_FLUSH,		/* all is to be hinted, or was */
	PAGE_HINTING_EV_LISTS,		/* there is much in the per-CPU lists */
};

/**
 * struct page_hinting_zone - hinting of one zone
 * @zone: the zone
 * @node: in page_hinting_zones, under the mutex, read under SRCU or RCU
 * @kobj: the zone's directory in sysfs
 * @task: the zone's thread
 * @wait: where it sleeps
 * @events: why it is to wake up
 * @wake_work: wakes it from under the zone lock
 * @wake_event: because of this; lockless, too
 * @nr_unhinted: unhinted blocks per free list. Under zone->lock, as all up to
 *	@retry.
 * @unhinted_pages: free, eligible and not hinted, at or above the minimum
 *	order
 * @reach_pages: as @unhinted_pages, at or above @reach_order
 * @any_order_pages: the same of any order
 * @away_pages: taken off the free lists without being needed, as it was
 *	isolated or went into a balloon
 * @list_pages: in the per-CPU lists at the last sample, and freed from
 *	@away_pages since then
 * @low_pages: the least since the last sample of all that is free, hinted or
 *	not, in lists or away
 * @low_at: jiffies; until then it was so little
 * @sampled_free_pages: the same at the last sample
 * @sampled_at: jiffies; when that was
 * @went_page_ticks: by then: pages that went, each times the jiffies after that
 * @hinted_pages: free and marked
 * @hinted_small_pages: that part of it below @min_order
 * @in_flight_pages: on @in_flight and @retry
 * @acknowledged_pages: the host has acknowledged so much ever; wraps; read
 *	lockless, too
 * @reused_pages: was hinted when somebody took it off the free lists to use it
 *	or a part of it; wraps
 * @sampled_reused_pages: the same at the last sample
 * @splits: a block is split right now, and its parts are on no list yet
 * @merges: a block merges right now, and its parts are on no list any more
 * @keep_order: blocks of this order and more that join a list are hinted, as
 *	they are parts of one that is; PAGE_HINTING_KEEP_NONE but for a moment
 * @counted_pfn: blocks below it are counted; 0 is none and hooks off,
 *	ULONG_MAX is all of them
 * @min_order: smaller blocks than these are hinted later; lockless, too
 * @reach_order: smaller ones than these are never hinted
 * @armed: the thread has nothing to hint and wants to hear of a free
 * @stay_pages: one that leaves more than this unhinted
 * @wake_pages: or of so much in reach
 * @in_flight: blocks that the host has
 * @retry: acknowledged blocks that somebody holds a reference to
 * @reserved_pages: part of the window that is in use, under its lock
 * @wants_window: the thread found no room in it, under its lock
 * @competes: has a part of it or wants one, under its lock
 * @policy: only used by the thread
 * @settle_ms: the policy's settle time, for who wants to know; lockless
 * @refaulted_pages: hinted too early ever; wraps; lockless
 * @bridged_pages: needed again as early, but not hinted yet; wraps; lockless
 * @look_in_ms: when to look again although nothing could be pulled; 0 if it
 *	could. The thread's.
 * @freed: it was woken by a free since the last look, or as there is much in the
 *	per-CPU lists; the thread's
 * @drain_lists: it empties the per-CPU lists next; the thread's
 * @skips: looks that left memory unhinted, by reason; the thread's, read by
 *	who shows them
 * @no_room: there was none in the window a moment ago; the thread's
 * @cut_short: what was to be hinted was not, for a reason other than that
 *	nothing is left, since a flush has set it to false; the thread's
 * @flush_nr: the flush that the thread is at, or was; the thread's, read by
 *	who shows it
 * @flush_pages: what it has to pull for it yet; the thread's, read by who
 *	shows it
 * @flushed_nr: the flush that it has done its part of; lockless
 * @quiet_until: jiffies; nothing is pulled before. Lockless.
 * @turn_owed: the thread wanted to pull and was not allowed to: until it has
 *	had its turn, that is not made longer. Lockless.
 * @listed: pages in the per-CPU lists when these were last looked at
 */
struct page_hinting_zone {
	struct zone *zone;
	struct list_head node;
	struct kobject kobj;
	struct task_struct *task;
	wait_queue_head_t wait;
	unsigned long events;
	struct irq_work wake_work;
	enum page_hinting_event wake_event;

	unsigned long nr_unhinted[NR_PAGE_ORDERS][MIGRATE_TYPES];
	unsigned long unhinted_pages;
	unsigned long reach_pages;
	unsigned long hinted_pages;
	unsigned long hinted_small_pages;
	unsigned long in_flight_pages;
	unsigned long any_order_pages;
	unsigned long away_pages;
	unsigned long list_pages;
	unsigned long low_pages;
	unsigned long low_at;
	unsigned long sampled_free_pages;
	unsigned long sampled_at;
	u64 went_page_ticks;
	unsigned long acknowledged_pages;
	unsigned long reused_pages;
	unsigned long sampled_reused_pages;
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

	unsigned long reserved_pages;
	bool wants_window;
	bool competes;

	struct page_hinting_policy policy;
	unsigned long settle_ms;
	unsigned long refaulted_pages;
	unsigned long bridged_pages;
	unsigned int look_in_ms;
	bool freed;
	bool drain_lists;
	unsigned long skips[NR_PAGE_HINTING_REASONS];
	bool no_room;
	bool cut_short;
	unsigned int flush_nr;
	unsigned long flush_pages;
	unsigned int flushed_nr;

	unsigned long quiet_until;
	bool turn_owed;
	int __percpu *listed;
};

/**
 * struct page_hinting_batch - blocks on their way between lists and host
 * @nr: how many
 * @pages: their head pages
 */
struct page_hinting_batch {
	unsigned int nr;
	struct page *pages[PAGE_HINTING_BATCH_BLOCKS];
};

extern struct mutex page_hinting_mutex;
extern struct srcu_struct page_hinting_srcu;
extern struct list_head page_hinting_zones;
extern struct page_hinting_device __rcu *page_hinting_dev;
extern unsigned int page_hinting_enabled;
extern unsigned int page_hinting_min_order;
extern unsigned int page_hinting_idle_min_order;
extern unsigned int page_hinting_safe_order;
extern unsigned int page_hinting_refault_cost_ms;
extern unsigned int page_hinting_nr_restores;

/* block.c: what happens to a block, under the lock of its zone */
unsigned int page_hinting_pull(struct page_hinting_zone *pz, unsigned int order,
			       unsigned long limit_pages, unsigned int limit_nr,
			       struct page_hinting_batch *batch);
struct page_hinting_zone *
page_hinting_acknowledged(struct page *page, unsigned long *home_pages);
struct page_hinting_zone *
page_hinting_not_acknowledged(struct page *page, unsigned long *home_pages);
unsigned long page_hinting_retry(struct page_hinting_zone *pz);
unsigned long page_hinting_lose(struct page_hinting_zone *pz, bool all,
				unsigned int *nr_blocks);
bool page_hinting_range_in_flight(struct page_hinting_zone *pz,
				  unsigned long start_pfn,
				  unsigned long end_pfn);
void page_hinting_count_start(struct page_hinting_zone *pz);
void page_hinting_count_stop(struct page_hinting_zone *pz);
bool page_hinting_count_chunk(struct page_hinting_zone *pz);
void page_hinting_set_orders(struct page_hinting_zone *pz,
			     unsigned int min_order, unsigned int reach_order);
bool page_hinting_try_arm(struct page_hinting_zone *pz, unsigned long stay_pages,
			  unsigned long wake_pages);
void page_hinting_take_sample(struct page_hinting_zone *pz,
			      struct page_hinting_sample *sample);
unsigned long page_hinting_in_reach(struct page_hinting_zone *pz);

/* window.c */
extern unsigned long page_hinting_window_pages;
unsigned long page_hinting_window_in_use(void);
unsigned long page_hinting_window_reserve(struct page_hinting_zone *pz,
					  unsigned int order,
					  unsigned int capacity,
					  unsigned long want_pages,
					  unsigned int *nr_blocks);
void page_hinting_window_release(struct page_hinting_zone *pz,
				 unsigned long pages, unsigned int nr_blocks);
void page_hinting_window_looked(struct page_hinting_zone *pz);
void page_hinting_window_leave(struct page_hinting_zone *pz);

/* zone.c: one thread per zone */
void page_hinting_wake(struct page_hinting_zone *pz,
		       enum page_hinting_event event);
void page_hinting_wake_all(enum page_hinting_event event);
int page_hinting_zones_update(void);
void page_hinting_zones_destroy(void);
void page_hinting_give_up(struct page_hinting_zone *pz, bool all);
int page_hinting_zones_init(void);

/* flush.c */
extern unsigned int page_hinting_flush_timeout_ms;
int page_hinting_flush(bool anew);
unsigned int page_hinting_flush_nr(void);
unsigned long page_hinting_flush_left(void);
void page_hinting_flush_wake(void);
void page_hinting_flush_cancel(void);

/* restore.c */
void page_hinting_restored(void);

/* core.c */
enum page_hinting_state page_hinting_get_state(void);
unsigned int page_hinting_harvest(struct page_hinting_device *dev);
unsigned long page_hinting_submit(struct page_hinting_device *dev,
				  struct page_hinting_batch *batch);
void page_hinting_brought_home(struct page_hinting_zone *pz,
			       unsigned long pages, unsigned int nr_blocks);
bool page_hinting_arm(struct page_hinting_device *dev);
bool page_hinting_host_is_gone(void);
bool page_hinting_sleeps(void);
const char *page_hinting_why_not(void);
void page_hinting_enable(bool enable);
void page_hinting_begin_anew(void);
void page_hinting_set_order(unsigned int min_order, bool by_user);
void page_hinting_set_idle_order(unsigned int idle_min_order);
unsigned int page_hinting_reach_order(void);

/* sysfs.c */
int page_hinting_sysfs_init(void);
int page_hinting_sysfs_add(struct page_hinting_zone *pz);
void page_hinting_sysfs_remove(struct page_hinting_zone *pz);

/* page_private() of a block in flight: its order, and what block.c adds. */
#define PAGE_HINTING_BLOCK_ORDER	0xffUL

static inline unsigned int page_hinting_block_order(const struct page *page)
{
	return page_private(page) & PAGE_HINTING_BLOCK_ORDER;
}

/* The zone lock, as hinting takes it: with its longest hold on record. */
#ifdef CONFIG_PAGE_HINTING_DEBUG
void page_hinting_hold_start(void);
void page_hinting_hold_end(void);
void page_hinting_work_start(cycles_t *start);
void page_hinting_work_end(cycles_t start);
#else
static inline void page_hinting_hold_start(void)
{
}

static inline void page_hinting_hold_end(void)
{
}

static inline void page_hinting_work_start(cycles_t *start)
{
	*start = 0;
}

static inline void page_hinting_work_end(cycles_t start)
{
}
#endif

static inline unsigned long page_hinting_lock(struct zone *zone)
{
	unsigned long flags;

	spin_lock_irqsave(&zone->lock, flags);
	page_hinting_hold_start();
	return flags;
}

static inline void page_hinting_unlock(struct zone *zone, unsigned long flags)
{
	page_hinting_hold_end();
	spin_unlock_irqrestore(&zone->lock, flags);
}

/* The thread has left memory unhinted. */
static inline void page_hinting_skipped(struct page_hinting_zone *pz,
					enum page_hinting_reason reason)
{
	/* Pairs with who shows it. */
	WRITE_ONCE(pz->skips[reason], pz->skips[reason] + 1);
}

/* For how many jiffies more, if it is not long over, as jiffies wrap. */
static inline unsigned long page_hinting_quiet_left(struct page_hinting_zone *pz)
{
	unsigned long left = READ_ONCE(pz->quiet_until) - jiffies;

	return left <= msecs_to_jiffies(PAGE_HINTING_BACK_OFF_MS) ? left : 0;
}

static inline bool page_hinting_may_pull(struct page_hinting_zone *pz)
{
	return page_hinting_get_state() == PAGE_HINTING_RUNNING &&
	       !page_hinting_sleeps() && !page_hinting_host_is_gone() &&
	       !page_hinting_quiet_left(pz);
}

/* Leave a zone alone for some time, or for as long as it is already. */
static inline void page_hinting_be_quiet(struct page_hinting_zone *pz,
					 unsigned int ms)
{
	unsigned long left = msecs_to_jiffies(ms);

	if (left > page_hinting_quiet_left(pz))
		WRITE_ONCE(pz->quiet_until, jiffies + left);
}

/*
 * The same, for callers that may come again and again. They must not stop a
 * zone, or a flush, for good: it has a turn in between.
 */
static inline void page_hinting_back_off_zone(struct page_hinting_zone *pz)
{
	if (!READ_ONCE(pz->turn_owed))
		page_hinting_be_quiet(pz, PAGE_HINTING_BACK_OFF_MS);
}

#endif /* _MM_PAGE_HINTING_INTERNAL_H */
