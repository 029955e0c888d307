// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: one thread per zone.
 *
 * The thread looks at how much unhinted memory its zone has, asks the policy
 * how much of that is idle, and keeps the host supplied with it: pull blocks,
 * submit them, one kick for all, harvest what the host is done with, in any
 * order, and again. With nothing unhinted it sleeps until a free wakes it,
 * without a timer once the per-CPU lists are emptied and the smaller blocks are
 * hinted, too.
 *
 * A flush is a request to the threads: see flush_zone().
 *
 * A wake-up sets a bit and then wakes; the thread takes all bits before it
 * begins to work, so that one that comes meanwhile makes it work again.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/gfp.h>
#include <linux/kobject.h>
#include <linux/kthread.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/vmstat.h>
#include <trace/events/page_hinting.h>

#include "../page_alloc.h"
#include "thread.h"

/* Smaller zones, such as ZONE_DMA, are not worth a thread. */
#define ZONE_MIN_BYTES		SZ_32M
/* While nothing may be pulled, look this often at first, and then ever less. */
#define LOOK_MIN_MS		50
#define LOOK_MAX_MS		10000
/* In pages: so much is hinted between two looks whether a flush was given up. */
#define FLUSH_SLICE_PAGES	max(PAGE_HINTING_SLICE_PAGES, MAX_ORDER_NR_PAGES)
/* Try this often to take back a block that somebody holds a reference to. */
#define RETRY_MS		10

/*
 * The zones that were ever hinted. Added to under the mutex, and read without a
 * lock, as none is removed.
 */
LIST_HEAD(page_hinting_zones);

/* What the threads follow, written under the mutex; they read each once. */
unsigned int page_hinting_min_order;
unsigned int page_hinting_idle_min_order;
unsigned int page_hinting_refault_cost_ms = PAGE_HINTING_REFAULT_COST_MS;

static void wake_thread(struct irq_work *work)
{
	wake_up(&container_of(work, struct page_hinting_zone, wake_work)->wait);
}

/*
 * Submit up to @pages in blocks of @order and above or, if @order is below the
 * zone's minimum order, only in blocks below that. Less if the zone's window or
 * a watermark does not allow more. Returns how many pages; if there are none,
 * whatever page_hinting_hint_batch() has said last.
 */
static long hint(struct page_hinting_zone *pz, unsigned int order,
		 unsigned long pages)
{
	unsigned long left_pages = pages;
	unsigned int nr_home;
	long submitted = 0;

	while (left_pages >> order && !kthread_should_stop()) {
		submitted = page_hinting_hint_batch(pz, order, left_pages,
						    &nr_home);
		if (submitted <= 0 && !nr_home)
			break;
		left_pages -= max(submitted, 0L);
		cond_resched();
	}
	return pages - left_pages ?: min(submitted, 0L);
}

/*
 * Hint what the policy says is idle. Returns false if there was such memory
 * and none of it could be hinted.
 */
static bool hint_idle(struct page_hinting_zone *pz,
		      const struct page_hinting_advice *advice)
{
	/* Pairs with page_hinting_set_orders(). */
	unsigned int min_order = READ_ONCE(pz->min_order);
	bool hinted = hint(pz, min_order, advice->hint_pages) > 0;

	/* The orders may have changed meanwhile: the thread is told. */
	if (advice->small_order < min_order && !READ_ONCE(pz->wants_room))
		hinted |= hint(pz, advice->small_order, advice->small_pages) > 0;
	/* Less than a block cannot be hinted, which is no sign of pressure. */
	return hinted || !(advice->hint_pages >> min_order ||
			   advice->small_pages >> advice->small_order);
}

/* Smaller blocks only when no larger one is left. As hint(). */
static long hint_all(struct page_hinting_zone *pz, unsigned long pages)
{
	/* Pairs with page_hinting_set_orders(), which may come any time. */
	unsigned int min_order = READ_ONCE(pz->min_order);
	unsigned int reach_order = READ_ONCE(pz->reach_order);
	long large = hint(pz, min_order, pages), small;

	if (large < 0 || READ_ONCE(pz->wants_room) || reach_order >= min_order)
		return large;
	small = hint(pz, reach_order, pages - large);
	return large + max(small, 0L) ?: small;
}

/*
 * Hint for a flush, whatever the policy would keep. What is hinted is as much as
 * was free when this zone began with it, so that there is an end; what is freed
 * later may be hinted in its place. Returns the time to sleep.
 */
static unsigned long flush_zone(struct page_hinting_zone *pz, unsigned long nr)
{
	/* What is in flight may be why nothing can be pulled. */
	bool was_in_flight = READ_ONCE(pz->in_flight_pages);
	unsigned long quiet;
	long pages;

	if (pz->begun_nr != nr) {
		pz->begun_nr = nr;
		/*
		 * Takes the zone lock: whoever brings a block home from here on
		 * sees that a flush waits. put_back() relies on it.
		 */
		pz->flush_pages = page_hinting_read(pz, &pz->reach_pages);
	}
	/* Not all at once, as it may be given up meanwhile. */
	pages = hint_all(pz, min(pz->flush_pages, FLUSH_SLICE_PAGES));
	pz->flush_pages -= max(pages, 0L);
	quiet = page_hinting_quiet_left(pz);
	if (quiet && pz->flush_pages)
		return quiet + 1;
	if (pages < 0)
		return msecs_to_jiffies(RETRY_MS);
	if (pages)
		return 0;
	/* Pairs with put_back(), where whatever comes home wakes the thread. */
	if (READ_ONCE(pz->in_flight_pages))
		return MAX_SCHEDULE_TIMEOUT;
	/* Over, unless this was given up, or another one has begun. */
	if (!pz->flush_pages || !was_in_flight) {
		cmpxchg(&pz->flush_nr, nr, 0);
		wake_up(&page_hinting_flush_wait);
	}
	return 0;
}

static void forget_samples(struct page_hinting_zone *pz)
{
	struct page_hinting_sample sample;

	page_hinting_take_sample(pz, &sample);
	pz->freed = false;
	pz->look_in_ms = 0;
	/* Pairs with page_hinting_set_orders(), after which it is told again. */
	page_hinting_policy_init(&pz->policy,
				 READ_ONCE(page_hinting_refault_cost_ms),
				 READ_ONCE(pz->min_order),
				 READ_ONCE(pz->reach_order));
}

/*
 * With nothing left to hint, wait for a free, without a timer unless the policy
 * wants one. If what is left has to stay, wait for a free of some size, such as
 * ends the pressure, and look ever less often until then.
 */
static unsigned long go_idle(struct page_hinting_zone *pz,
			     const struct page_hinting_sample *sample,
			     const struct page_hinting_advice *advice)
{
	unsigned int look_in_ms = max(advice->look_in_ms, pz->look_in_ms);
	unsigned long stay_pages = advice->stay_pages;

	if (pz->look_in_ms)
		stay_pages = max(stay_pages, sample->unhinted_pages +
					     PAGE_HINTING_SIGNIFICANT_PAGES);
	/* What came since the sample would have woken it a moment later. */
	if (!page_hinting_try_arm(pz, stay_pages, advice->wake_pages))
		look_in_ms = 1;
	return look_in_ms ? msecs_to_jiffies(look_in_ms) + 1 :
			    MAX_SCHEDULE_TIMEOUT;
}

/*
 * Count the next blocks, unless hinting has stopped. To stop it, the state is
 * set and this section is waited for; the marks are voided after that.
 */
static void count_some(struct page_hinting_zone *pz)
{
	int idx = srcu_read_lock(&page_hinting_srcu);

	if (page_hinting_get_state() == PAGE_HINTING_RUNNING &&
	    !page_hinting_count_chunk(pz))
		forget_samples(pz);
	srcu_read_unlock(&page_hinting_srcu, idx);
}

/* Count all blocks, if they are not. Returns false if that was broken off. */
static bool count_blocks(struct page_hinting_zone *pz)
{
	while (!page_hinting_all_counted(pz)) {
		if (page_hinting_get_state() != PAGE_HINTING_RUNNING ||
		    kthread_should_stop())
			return false;
		count_some(pz);
		cond_resched();
	}
	return true;
}

/**
 * page_hinting_empty_lists - free what is in a zone's per-CPU lists
 * @pz: the zone
 *
 * Each list is emptied under its lock, and no CPU is interrupted. The lists of a
 * zone of which the last memory block goes offline are freed, hence the lock.
 *
 * Context: Process context, may sleep, not under SRCU. Takes the memory hotplug
 *	lock.
 */
void page_hinting_empty_lists(struct page_hinting_zone *pz)
{
	int cpu;

	get_online_mems();
	drain_all_pages(pz->zone);
	put_online_mems();
	/* So that a CPU which fills its list again is noticed. */
	for_each_possible_cpu(cpu)
		WRITE_ONCE(per_cpu_ptr(pz->lists, cpu)->told_pages, 0);
}

/* What the policy was shown and said, for whoever wants to know. */
static void tell(struct page_hinting_zone *pz,
		 const struct page_hinting_sample *sample,
		 const struct page_hinting_advice *advice)
{
	unsigned long refaulted_pages = advice->refaulted_pages;
	unsigned long bridged_pages = advice->early_pages - refaulted_pages;
	unsigned int settle_ms = page_hinting_policy_settle_ms(&pz->policy);

	trace_page_hinting_decide(pz->zone, sample, advice, settle_ms);
	/* Pairs with who shows them. */
	WRITE_ONCE(pz->settle_ms, settle_ms);
	WRITE_ONCE(pz->bridged_pages, pz->bridged_pages + bridged_pages);
	if (sample->unhinted_pages > advice->hint_pages)
		page_hinting_skipped(pz, PAGE_HINTING_SKIP_KEPT);
	if (!refaulted_pages)
		return;
	WRITE_ONCE(pz->refaulted_pages, pz->refaulted_pages + refaulted_pages);
	count_vm_events(PAGE_HINTING_REFAULTED, refaulted_pages);
	trace_page_hinting_refault(pz->zone, refaulted_pages, settle_ms);
}

/* Look at the zone, and hint what is idle. Returns the time to sleep. */
static unsigned long look_and_hint(struct page_hinting_zone *pz)
{
	struct page_hinting_advice advice;
	struct page_hinting_sample sample;
	unsigned long flush_nr, quiet;
	bool hinted;

	/* First: whoever flushes may have voided the count. See ask_zones(). */
	flush_nr = smp_load_acquire(&pz->flush_nr);
	if (!count_blocks(pz))
		return MAX_SCHEDULE_TIMEOUT;
	if (flush_nr)
		return flush_zone(pz, flush_nr);
	page_hinting_take_sample(pz, &sample);
	sample.freed = pz->freed;
	pz->freed = false;
	advice = page_hinting_policy_step(&pz->policy, &sample);
	tell(pz, &sample, &advice);

	hinted = hint_idle(pz, &advice);
	quiet = page_hinting_quiet_left(pz);
	if (sample.freed || hinted || quiet)
		pz->look_in_ms = 0;
	/* Idle memory that must stay: look ever less often. */
	if (!hinted && !quiet)
		pz->look_in_ms = clamp(2 * pz->look_in_ms, LOOK_MIN_MS,
				       LOOK_MAX_MS);
	if (READ_ONCE(page_hinting_host_is_gone))
		return MAX_SCHEDULE_TIMEOUT;
	/* It may look again before that is done, and then once more, to arm. */
	pz->drain_lists |= advice.drain_lists;
	if (pz->drain_lists)
		return 0;
	/* Look again as soon as pulling is allowed. */
	if (quiet)
		return quiet + 1;
	return go_idle(pz, &sample, &advice);
}

/* Work until there is reason to sleep. Returns for how long. */
static unsigned long work(struct page_hinting_zone *pz)
{
	unsigned long events = xchg(&pz->events, 0);
	unsigned long timeout;

	trace_page_hinting_wake(pz->zone, events);
	pz->freed |= test_bit(PAGE_HINTING_EV_FREED, &events) ||
		     test_bit(PAGE_HINTING_EV_LISTS, &events);
	if (test_bit(PAGE_HINTING_EV_CHANGED, &events))
		forget_samples(pz);

	do {
		page_hinting_bring_home();
		page_hinting_retry(pz);
		timeout = MAX_SCHEDULE_TIMEOUT;
		if (page_hinting_get_state() == PAGE_HINTING_RUNNING)
			timeout = look_and_hint(pz);
		else
			page_hinting_skipped(pz, PAGE_HINTING_SKIP_DISABLED);
	} while (page_hinting_host_was_faster() && !kthread_should_stop());

	/* A lost interrupt must not mean lost memory. */
	if (READ_ONCE(pz->in_flight_pages) && !READ_ONCE(page_hinting_host_is_gone))
		timeout = min(timeout,
			      msecs_to_jiffies(PAGE_HINTING_SILENCE_MS));
	if (!list_empty(&pz->retry))
		timeout = min(timeout, msecs_to_jiffies(RETRY_MS));
	return timeout;
}

/*
 * Not freezable: nothing is pulled while the system sleeps, and a frozen thread
 * could not be ended when a device or a zone goes meanwhile.
 */
static int page_hinting_thread(void *data)
{
	struct page_hinting_zone *pz = data;

	while (!kthread_should_stop()) {
		unsigned long timeout;

		/* A flush has emptied them, and does not wait for memory hotplug. */
		if (pz->drain_lists && !READ_ONCE(pz->flush_nr)) {
			pz->drain_lists = false;
			page_hinting_empty_lists(pz);
		}
		timeout = work(pz);
		wait_event_interruptible_timeout(pz->wait,
						 READ_ONCE(pz->events) ||
						 kthread_should_stop(),
						 timeout);
	}
	return 0;
}

/* Waits for who reads its files. */
static void hide_zone(struct page_hinting_zone *pz)
{
	kobject_del(pz->kobj);
	kobject_put(pz->kobj);
	WRITE_ONCE(pz->kobj, NULL);
}

static int show_zone(struct page_hinting_zone *pz)
{
	char name[32];
	int err;

	snprintf(name, sizeof(name), "node%d-%s", zone_to_nid(pz->zone),
		 pz->zone->name);
	/* Pairs with to_zone(). */
	WRITE_ONCE(pz->kobj, kobject_create_and_add(name, page_hinting_kobj));
	if (!pz->kobj)
		return -ENOMEM;
	err = sysfs_create_group(pz->kobj, &page_hinting_zone_group);
	if (err)
		hide_zone(pz);
	return err;
}

/* It begins with counting what is free, and what was learnt earlier is forgotten. */
static int create_thread(struct page_hinting_zone *pz)
{
	int nid = zone_to_nid(pz->zone), err = show_zone(pz);
	struct task_struct *task;

	if (err)
		return err;
	task = kthread_create_on_node(page_hinting_thread, pz, nid,
				      "khintd/%d:%s", nid, pz->zone->name);
	if (IS_ERR(task)) {
		hide_zone(pz);
		return PTR_ERR(task);
	}
	WRITE_ONCE(pz->flush_nr, 0);
	/* What was back while there was no thread, nobody has counted. */
	scoped_guard(spinlock_irqsave, &pz->zone->lock)
		pz->away_pages = 0;
	/* Pairs with who reads it without the mutex. */
	WRITE_ONCE(pz->task, task);
	wake_up_process(task);
	return 0;
}

static void end_thread(struct page_hinting_zone *pz)
{
	if (!pz->task)
		return;
	kthread_stop(pz->task);
	WRITE_ONCE(pz->task, NULL);
	page_hinting_count_stop(pz);
	page_hinting_wait_home(pz, 0, ULONG_MAX, PAGE_HINTING_WAIT_HOME_MS);
	page_hinting_give_up(pz, true);
	hide_zone(pz);
	wake_up(&page_hinting_flush_wait);
}

/* Make a zone known. Nothing of it is counted yet: that is what its thread does. */
static int publish_zone(struct zone *zone)
{
	struct page_hinting_zone *pz;

	pz = kzalloc_node(sizeof(*pz), GFP_KERNEL, zone_to_nid(zone));
	if (!pz)
		return -ENOMEM;
	pz->lists = alloc_percpu(struct page_hinting_list);
	if (!pz->lists) {
		kfree(pz);
		return -ENOMEM;
	}
	pz->zone = zone;
	pz->keep_order = PAGE_HINTING_KEEP_NONE;
	pz->min_order = page_hinting_min_order;
	pz->reach_order = page_hinting_reach_order();
	pz->quiet_until = jiffies - msecs_to_jiffies(PAGE_HINTING_TURN_MS);
	INIT_LIST_HEAD(&pz->in_flight);
	INIT_LIST_HEAD(&pz->retry);
	init_waitqueue_head(&pz->wait);
	init_irq_work(&pz->wake_work, wake_thread);

	list_add_tail_rcu(&pz->node, &page_hinting_zones);
	scoped_guard(spinlock_irqsave, &zone->lock)
		/* Pairs with back_off() and drain_range(), which take no lock. */
		smp_store_release(&zone->hinting, pz);
	return 0;
}

static bool zone_matters(struct zone *zone)
{
	return populated_zone(zone) &&
	       zone_managed_pages(zone) >= ZONE_MIN_BYTES >> PAGE_SHIFT;
}

static int hint_zone(struct zone *zone)
{
	int err = 0;

	if (!zone->hinting)
		err = publish_zone(zone);
	if (!err && !zone->hinting->task)
		err = create_thread(zone->hinting);
	if (err)
		pr_warn("node %d, zone %s: not hinted, as its thread did not start: error %d; write 1 to /sys/kernel/mm/page_hinting/enabled to try again\n",
			zone_to_nid(zone), zone->name, err);
	return err;
}

/**
 * page_hinting_threads_update - have a thread for each zone that matters
 *
 * A zone that is empty, or became so, has none.
 *
 * Context: Process context, under page_hinting_mutex, may sleep.
 * Return: 0, or the error of the last zone whose thread could not be started.
 *	Each is logged; the other zones are hinted.
 */
int page_hinting_threads_update(void)
{
	struct page_hinting_zone *pz;
	struct zone *zone;
	int last_err = 0;

	lockdep_assert_held(&page_hinting_mutex);
	page_hinting_for_each_zone(pz)
		if (!populated_zone(pz->zone))
			end_thread(pz);
	for_each_populated_zone(zone)
		if (zone_matters(zone))
			last_err = hint_zone(zone) ?: last_err;
	return last_err;
}

/**
 * page_hinting_threads_stop - end all threads
 *
 * What is still in flight is lost.
 *
 * Context: Process context, under page_hinting_mutex, may sleep.
 */
void page_hinting_threads_stop(void)
{
	struct page_hinting_zone *pz;

	lockdep_assert_held(&page_hinting_mutex);
	page_hinting_for_each_zone(pz)
		end_thread(pz);
}
