// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: one thread per zone.
 *
 * The thread looks at how much unhinted memory its zone has, asks the policy
 * how much of that is idle, and keeps the host supplied with it: get a part of
 * the window, pull blocks, submit them, one kick for all, harvest what the host
 * is done with, in any order, and again. With nothing unhinted it sleeps until
 * a free wakes it, without a timer once the per-CPU lists are emptied and the
 * smaller blocks are hinted, too.
 *
 * A wake-up sets a bit and then wakes; the thread takes all bits before it
 * begins to work, so that one that comes meanwhile makes it work again.
 *
 * A flush asks each thread for its part: see flush.c.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched/isolation.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmstat.h>
#include <trace/events/page_hinting.h>

#include "../page_alloc.h"
#include "thread.h"

/* Smaller zones, such as ZONE_DMA, are not worth a thread. */
#define ZONE_MIN_BYTES		SZ_32M
/* Memory per kick: on some hosts the work is done inside it. */
#define BATCH_BYTES		(32UL << 20)
/* A zone that was held off pulls for so long before it may be held off again. */
#define TURN_MS			20
/* While nothing may be pulled, look this often at first, and then ever less. */
#define LOOK_MIN_MS		50
#define LOOK_MAX_MS		10000
/* Try this often to take back a block that somebody holds a reference to. */
#define RETRY_MS		10

/* The zones that are hinted. */
LIST_HEAD(page_hinting_zones);

/* What the threads follow, written under the mutex; they read each once. */
unsigned int page_hinting_min_order;
unsigned int page_hinting_idle_min_order;
unsigned int page_hinting_refault_cost_ms = PAGE_HINTING_REFAULT_COST_MS;

static void memory_was_freed(struct irq_work *work)
{
	page_hinting_wake(container_of(work, struct page_hinting_zone,
				       freed_work), PAGE_HINTING_EV_FREED);
}

/* Pull and submit one batch. Returns how much was submitted. */
static unsigned long fill(struct page_hinting_device *dev,
			  struct page_hinting_zone *pz, unsigned int order,
			  unsigned long want_pages)
{
	unsigned int nr_blocks = PAGE_HINTING_BATCH_BLOCKS;
	struct page_hinting_batch batch;
	unsigned long charged, pulled, submitted = 0;

	/* At least one block, whatever the size of a batch. */
	want_pages = min(want_pages,
			 max(BATCH_BYTES >> PAGE_SHIFT, 1UL << order));
	charged = page_hinting_window_charge(pz, order, dev->capacity,
					     want_pages, &nr_blocks);
	pz->no_room = !charged;
	if (!charged)
		return 0;

	pulled = page_hinting_pull(pz, order, charged, nr_blocks, &batch);
	page_hinting_window_uncharge(pz, charged - pulled,
				     nr_blocks - batch.nr);
	if (batch.nr)
		submitted = page_hinting_submit(dev, &batch);
	if (submitted < pulled || batch.broken_off)
		pz->cut_short = true;
	return submitted;
}

/*
 * One batch, and bring home what the host is done with; @nr_home is set to how
 * many blocks that are. The SRCU section is as short as that, because stopping
 * the device and removing a zone wait for it, however fast the host is.
 */
static unsigned long hint_batch(struct page_hinting_zone *pz,
				unsigned int order, unsigned long want_pages,
				unsigned int *nr_home)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_device *dev;
	unsigned long submitted = 0;

	*nr_home = 0;
	dev = srcu_dereference(page_hinting_dev, &page_hinting_srcu);
	if (dev && page_hinting_may_pull(pz)) {
		submitted = fill(dev, pz, order, want_pages);
		*nr_home = page_hinting_harvest(dev);
	} else {
		pz->cut_short = true;
	}
	srcu_read_unlock(&page_hinting_srcu, idx);
	return submitted;
}

/*
 * Submit up to @pages in blocks of @order and above or, if @order is below the
 * zone's minimum order, only in blocks below that. Less if the window, the
 * zone's limit or a watermark does not allow more, or when the flush that is
 * asked for is not @flush any more. Returns how many pages.
 */
static unsigned long hint(struct page_hinting_zone *pz,
			  enum page_hinting_flush flush, unsigned int order,
			  unsigned long pages)
{
	unsigned long turn_ends = jiffies + msecs_to_jiffies(TURN_MS);
	unsigned long left_pages = pages;
	unsigned int nr_home;

	while (left_pages >> order) {
		unsigned long submitted;

		if (kthread_should_stop() || READ_ONCE(pz->flush) != flush) {
			pz->cut_short = true;
			break;
		}
		submitted = hint_batch(pz, order, left_pages, &nr_home);
		if (!nr_home && !submitted)
			break;
		left_pages -= min(left_pages, submitted);
		if (time_after(jiffies, turn_ends))
			WRITE_ONCE(pz->turn_owed, false);
		cond_resched();
	}
	if (!page_hinting_quiet_left(pz)) {
		/* Not if others had the window, or that was no turn. */
		if (!pz->no_room)
			WRITE_ONCE(pz->turn_owed, false);
	} else if (left_pages >> order) {
		page_hinting_skipped(pz, PAGE_HINTING_SKIP_BACK_OFF);
		WRITE_ONCE(pz->turn_owed, true);
	}
	return pages - left_pages;
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
	unsigned long pages;

	pages = hint(pz, PAGE_HINTING_FLUSH_NONE, min_order,
		     advice->hint_pages);
	/* The orders may have changed meanwhile: the thread is told. */
	if (advice->small_order < min_order)
		pages += hint(pz, PAGE_HINTING_FLUSH_NONE, advice->small_order,
			      advice->small_pages);
	/* Less than a block cannot be hinted, which is no sign of pressure. */
	return pages || !(advice->hint_pages >> min_order ||
			  advice->small_pages >> advice->small_order);
}

static void forget_samples(struct page_hinting_zone *pz)
{
	struct page_hinting_sample sample;

	page_hinting_take_sample(pz, &sample);
	pz->freed = false;
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

/*
 * Free what is in the per-CPU lists. Each list is emptied under its lock, and
 * no CPU is interrupted. The lists of a zone of which the last memory block goes
 * offline are freed, hence the lock; who holds it may take long, and no other
 * zone is to wait for this one's turn meanwhile.
 */
static void empty_lists(struct page_hinting_zone *pz)
{
	page_hinting_window_leave(pz);
	get_online_mems();
	drain_all_pages(pz->zone);
	put_online_mems();
}

/*
 * What is free now is to be hinted, however small, also what is in the per-CPU
 * lists. Not what is freed from here on, or there might be no end to it. Returns
 * false if the flush is over.
 */
static bool begin_flush(struct page_hinting_zone *pz)
{
	/* Pairs with page_hinting_flush_left(). */
	WRITE_ONCE(pz->flush_pages, page_hinting_in_reach(pz));
	/* First, so that one that is asked for meanwhile is begun anew. */
	if (cmpxchg(&pz->flush, PAGE_HINTING_FLUSH_ASKED,
		    PAGE_HINTING_FLUSH_GOES_ON) != PAGE_HINTING_FLUSH_ASKED)
		return false;
	empty_lists(pz);
	WRITE_ONCE(pz->flush_pages, page_hinting_in_reach(pz));
	return true;
}

/* Hint what a flush has left to do, as far as possible. Returns how much. */
static unsigned long hint_some(struct page_hinting_zone *pz)
{
	/* Pairs with page_hinting_set_orders(), which may come any time. */
	unsigned int min_order = READ_ONCE(pz->min_order);
	unsigned int reach_order = READ_ONCE(pz->reach_order);
	unsigned long pages;

	pages = hint(pz, PAGE_HINTING_FLUSH_GOES_ON, min_order,
		     pz->flush_pages);
	if (reach_order < min_order && !pz->no_room)
		pages += hint(pz, PAGE_HINTING_FLUSH_GOES_ON, reach_order,
			      pz->flush_pages - min(pages, pz->flush_pages));
	/* Pairs with page_hinting_flush_left(). */
	WRITE_ONCE(pz->flush_pages,
		   pz->flush_pages - min(pages, pz->flush_pages));
	return pages;
}

/*
 * Hint all there is, for a flush. When nothing can be pulled any more, with
 * nothing in flight that could be why, that is done. Until all zones are, the
 * policy is not asked. Returns the time to sleep.
 */
static unsigned long hint_all(struct page_hinting_zone *pz)
{
	unsigned long pages;
	bool was_out;

	if (READ_ONCE(pz->flush) == PAGE_HINTING_FLUSH_DONE ||
	    !count_blocks(pz))
		return MAX_SCHEDULE_TIMEOUT;
	if (READ_ONCE(pz->flush) == PAGE_HINTING_FLUSH_ASKED &&
	    !begin_flush(pz))
		return MAX_SCHEDULE_TIMEOUT;

	do {
		pz->cut_short = false;
		was_out = READ_ONCE(pz->in_flight_pages);
		pages = hint_some(pz);
		/* Somebody else may have brought it home meanwhile. */
		was_out = was_out && !READ_ONCE(pz->in_flight_pages);
	} while (!pz->cut_short && pz->flush_pages && (pages || was_out));

	/* Something was in the way, which may be gone in a moment. */
	if (pz->cut_short)
		return max(page_hinting_quiet_left(pz), 1UL);
	/* Who makes room, or brings the last block home, wakes this thread. */
	if (!pz->no_room && !READ_ONCE(pz->in_flight_pages)) {
		/* Not if another flush was asked for meanwhile. */
		cmpxchg(&pz->flush, PAGE_HINTING_FLUSH_GOES_ON,
			PAGE_HINTING_FLUSH_DONE);
		wake_up(&page_hinting_flush_wait);
	}
	return MAX_SCHEDULE_TIMEOUT;
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

	if (!count_blocks(pz))
		return MAX_SCHEDULE_TIMEOUT;
	page_hinting_take_sample(pz, &sample);
	sample.freed = pz->freed;
	pz->freed = false;
	advice = page_hinting_policy_step(&pz->policy, &sample);
	tell(pz, &sample, &advice);

	/* Idle memory that must stay, for pressure: look ever less often. */
	if (sample.freed)
		pz->look_in_ms = 0;
	if (!hint_idle(pz, &advice))
		pz->look_in_ms = clamp(2 * pz->look_in_ms, LOOK_MIN_MS,
				       LOOK_MAX_MS);
	else
		pz->look_in_ms = 0;
	if (READ_ONCE(page_hinting_host_is_gone))
		return MAX_SCHEDULE_TIMEOUT;
	/* It may look again before that is done, and then once more, to arm. */
	pz->drain_lists |= advice.drain_lists;
	if (pz->drain_lists)
		return 0;
	return go_idle(pz, &sample, &advice);
}

/* Returns for how long to sleep. */
static unsigned long hint_or_flush(struct page_hinting_zone *pz)
{
	if (page_hinting_get_state() != PAGE_HINTING_RUNNING) {
		page_hinting_skipped(pz, PAGE_HINTING_SKIP_DISABLED);
		return MAX_SCHEDULE_TIMEOUT;
	}
	return READ_ONCE(pz->flush) ? hint_all(pz) : look_and_hint(pz);
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
		pz->no_room = false;
		page_hinting_bring_home();
		timeout = hint_or_flush(pz);
	} while (page_hinting_host_was_faster() && !kthread_should_stop());
	if (!pz->no_room)
		page_hinting_window_leave(pz);
	page_hinting_retry_all(pz);

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
		cycles_t start;

		/* Not in work_cycles: what is in the lists depends on others. */
		if (pz->drain_lists) {
			pz->drain_lists = false;
			empty_lists(pz);
		}
		page_hinting_work_start(&start);
		timeout = work(pz);
		page_hinting_work_end(start);
		wait_event_interruptible_timeout(pz->wait,
						 READ_ONCE(pz->events) ||
						 kthread_should_stop(),
						 timeout);
	}
	return 0;
}

/*
 * As kswapd near the memory, but not on isolated CPUs. If all of the node's CPUs
 * are isolated it may run on any that is not, as a new thread may.
 */
static void set_affinity(struct task_struct *task, int nid)
{
	cpumask_var_t mask;

	if (!alloc_cpumask_var(&mask, GFP_KERNEL))
		return;
	if (cpumask_and(mask, cpumask_of_node(nid),
			housekeeping_cpumask(HK_TYPE_KTHREAD)))
		set_cpus_allowed_ptr(task, mask);
	free_cpumask_var(mask);
}

static int create_thread(struct page_hinting_zone *pz)
{
	int nid = zone_to_nid(pz->zone);
	struct task_struct *task;

	task = kthread_create_on_node(page_hinting_thread, pz, nid,
				      "khintd/%d:%s", nid, pz->zone->name);
	if (IS_ERR(task))
		return PTR_ERR(task);
	set_affinity(task, nid);
	pz->task = task;
	return 0;
}

/* Do not show a zone any more, and free it as soon as nobody reads a file. */
static void remove_kobject(struct page_hinting_zone *pz)
{
	kobject_del(&pz->kobj);
	kobject_put(&pz->kobj);
}

static void publish_zone(struct page_hinting_zone *pz)
{
	unsigned long flags;

	list_add_tail_rcu(&pz->node, &page_hinting_zones);
	flags = page_hinting_lock(pz->zone);
	/* Pairs with who reads it without the lock. */
	WRITE_ONCE(pz->zone->hinting, pz);
	page_hinting_unlock(pz->zone, flags);
	wake_up_process(pz->task);
}

/* Add a zone. It starts with nothing counted, which its thread does. */
static int add_zone(struct zone *zone)
{
	struct page_hinting_zone *pz;
	int err;

	pz = kzalloc_node(sizeof(*pz), GFP_KERNEL, zone_to_nid(zone));
	if (!pz)
		return -ENOMEM;
	pz->zone = zone;
	pz->keep_order = PAGE_HINTING_KEEP_NONE;
	pz->min_order = page_hinting_min_order;
	pz->reach_order = page_hinting_reach_order();
	pz->quiet_until = jiffies;
	INIT_LIST_HEAD(&pz->in_flight);
	INIT_LIST_HEAD(&pz->retry);
	init_waitqueue_head(&pz->wait);
	INIT_LIST_HEAD(&pz->window_node);
	init_irq_work(&pz->freed_work, memory_was_freed);

	pz->listed = alloc_percpu(int);
	if (!pz->listed) {
		kfree(pz);
		return -ENOMEM;
	}
	/* From here on the directory's end is the zone's. */
	err = kobject_init_and_add(&pz->kobj, &page_hinting_zone_ktype,
				   page_hinting_kobj, "node%d-%s",
				   zone_to_nid(zone), zone->name);
	if (err) {
		kobject_put(&pz->kobj);
		return err;
	}
	err = create_thread(pz);
	if (err)
		remove_kobject(pz);
	else
		publish_zone(pz);
	return err;
}

static void remove_zone(struct page_hinting_zone *pz)
{
	unsigned long flags;

	kthread_stop(pz->task);
	page_hinting_count_stop(pz);
	page_hinting_give_up(pz, true);
	page_hinting_window_leave(pz);

	list_del_rcu(&pz->node);
	flags = page_hinting_lock(pz->zone);
	WRITE_ONCE(pz->zone->hinting, NULL);
	page_hinting_unlock(pz->zone, flags);

	/* Readers of the list, of zone->hinting, and the last wake-up. */
	synchronize_srcu(&page_hinting_srcu);
	synchronize_rcu();
	irq_work_sync(&pz->freed_work);
	remove_kobject(pz);
	wake_up(&page_hinting_flush_wait);
}

static bool zone_matters(struct zone *zone)
{
	return populated_zone(zone) &&
	       zone_managed_pages(zone) >= ZONE_MIN_BYTES >> PAGE_SHIFT;
}

/**
 * page_hinting_zones_update - have a thread for each zone that matters
 *
 * A zone that is empty, or became so, has none.
 *
 * Context: Process context, under page_hinting_mutex, may sleep.
 * Return: 0, or the error of the last zone whose thread could not be started.
 *	Each is logged; the other zones are hinted.
 */
int page_hinting_zones_update(void)
{
	struct page_hinting_zone *pz, *next;
	struct zone *zone;
	int last_err = 0;

	lockdep_assert_held(&page_hinting_mutex);
	list_for_each_entry_safe(pz, next, &page_hinting_zones, node)
		if (!populated_zone(pz->zone))
			remove_zone(pz);

	for_each_populated_zone(zone) {
		int err = 0;

		if (!zone->hinting && zone_matters(zone))
			err = add_zone(zone);
		if (!err)
			continue;
		last_err = err;
		pr_warn("node %d, zone %s: not hinted, as its thread did not start: error %d; write 1 to /sys/kernel/mm/page_hinting/enabled to try again\n",
			zone_to_nid(zone), zone->name, err);
	}
	return last_err;
}

/**
 * page_hinting_zones_destroy - end all threads
 *
 * What is still in flight is lost.
 *
 * Context: Process context, under page_hinting_mutex, may sleep.
 */
void page_hinting_zones_destroy(void)
{
	struct page_hinting_zone *pz, *next;

	lockdep_assert_held(&page_hinting_mutex);
	list_for_each_entry_safe(pz, next, &page_hinting_zones, node)
		remove_zone(pz);
}
