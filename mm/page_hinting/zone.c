// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: one thread per zone.
 *
 * The thread looks at how much unhinted memory its zone has, asks the policy
 * how much of that is idle, and keeps the host supplied with it: reserve a
 * part of the window, pull blocks, submit them, one kick for all, harvest
 * what the host is done with, in any order, and again. With nothing unhinted
 * it sleeps until a free wakes it, without a timer once the per-CPU lists are
 * emptied and the smaller blocks are hinted, too.
 *
 * A wake-up sets a bit and then wakes; the thread takes all bits before it
 * begins to work, so that one that comes meanwhile makes it work again.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched/isolation.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>
#include <trace/events/page_hinting.h>

#include "../internal.h"
#include "internal.h"

/* Smaller zones, such as ZONE_DMA, are not worth a thread. */
#define ZONE_MIN_BYTES	SZ_32M

LIST_HEAD(page_hinting_zones);

/**
 * page_hinting_wake - wake the thread of a zone
 * @pz: the zone
 * @event: why
 *
 * Context: Any but NMI, and not under a zone lock.
 */
void page_hinting_wake(struct page_hinting_zone *pz,
		       enum page_hinting_event event)
{
	/* What it is woken for is seen first; pairs with xchg() in work(). */
	smp_mb__before_atomic();
	set_bit(event, &pz->events);
	wake_up(&pz->wait);
}

/**
 * page_hinting_wake_all - wake the threads of all zones
 * @event: why; for %PAGE_HINTING_EV_HARVEST, only those with blocks in flight
 *
 * Context: Any but NMI, and not under a zone lock.
 */
void page_hinting_wake_all(enum page_hinting_event event)
{
	struct page_hinting_zone *pz;

	rcu_read_lock();
	list_for_each_entry_rcu(pz, &page_hinting_zones, node) {
		if (event == PAGE_HINTING_EV_HARVEST &&
		    !READ_ONCE(pz->in_flight_pages))
			continue;
		page_hinting_wake(pz, event);
	}
	rcu_read_unlock();
}

/* See page_hinting_show_mem(). Without the zone locks, which may be held. */
void __page_hinting_show_mem(void)
{
	struct page_hinting_zone *pz;

	rcu_read_lock();
	list_for_each_entry_rcu(pz, &page_hinting_zones, node)
		pr_info("Node %d %s hinted:%lukB unhinted:%lukB in_flight:%lukB\n",
			zone_to_nid(pz->zone), pz->zone->name,
			data_race(pz->hinted_pages) << (PAGE_SHIFT - 10),
			data_race(pz->unhinted_pages) << (PAGE_SHIFT - 10),
			READ_ONCE(pz->in_flight_pages) << (PAGE_SHIFT - 10));
	rcu_read_unlock();
}

static void wake_from_irq_work(struct irq_work *work)
{
	struct page_hinting_zone *pz;

	pz = container_of(work, struct page_hinting_zone, wake_work);
	/* Pairs with wake_armed(). */
	page_hinting_wake(pz, READ_ONCE(pz->wake_event));
}

/* Pull and submit one batch. Returns how much was submitted. */
static unsigned long fill(struct page_hinting_device *dev,
			  struct page_hinting_zone *pz, unsigned int order,
			  unsigned long want_pages)
{
	unsigned int nr_blocks = PAGE_HINTING_BATCH_BLOCKS;
	struct page_hinting_batch batch;
	unsigned long reserved, pulled, submitted = 0;

	/* At least one block, whatever the size of a batch. */
	want_pages = min(want_pages,
			 max(PAGE_HINTING_BATCH_BYTES >> PAGE_SHIFT,
			     1UL << order));
	reserved = page_hinting_window_reserve(pz, order, dev->capacity,
					       want_pages, &nr_blocks);
	pz->no_room = !reserved;
	if (!reserved)
		return 0;

	pulled = page_hinting_pull(pz, order, reserved, nr_blocks, &batch);
	page_hinting_window_release(pz, reserved - pulled,
				    nr_blocks - batch.nr);
	if (batch.nr)
		submitted = page_hinting_submit(dev, &batch);
	if (submitted < pulled)
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
 * Hint up to @pages of @order and above, or, below the zone's minimum order,
 * up to that; less if the window or the zone does not allow more, or when
 * another flush than @flush_nr goes on. Returns how much that was.
 */
static unsigned long hint(struct page_hinting_zone *pz, unsigned int flush_nr,
			  unsigned int order, unsigned long pages)
{
	unsigned long turn_ends = jiffies +
				  msecs_to_jiffies(PAGE_HINTING_TURN_MS);
	unsigned long left_pages = pages;
	unsigned int nr_home;

	pz->no_room = false;
	while (left_pages >> order) {
		unsigned long submitted;

		if (kthread_should_stop() ||
		    page_hinting_flush_nr() != flush_nr) {
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

	pages = hint(pz, 0, min_order, advice->hint_pages);
	/* The orders may have changed meanwhile: the thread is told. */
	if (advice->small_order < min_order)
		pages += hint(pz, 0, advice->small_order, advice->small_pages);
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
	while (READ_ONCE(pz->counted_pfn) != ULONG_MAX) {
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
 * no CPU is interrupted. The lists of a zone of which the last block goes
 * offline are freed, hence the lock.
 */
static void empty_lists(struct page_hinting_zone *pz)
{
	get_online_mems();
	drain_all_pages(pz->zone);
	put_online_mems();
}

/*
 * What is free now is to be hinted, however small, also what is in the per-CPU
 * lists. Not what is freed from here on, or there might be no end to it.
 */
static void begin_flush(struct page_hinting_zone *pz, unsigned int nr)
{
	empty_lists(pz);
	WRITE_ONCE(pz->flush_pages, page_hinting_in_reach(pz));
	/* Pairs with page_hinting_flush_left(), for which the order is no matter. */
	WRITE_ONCE(pz->flush_nr, nr);
}

/* Hint what a flush has left to do, as far as possible. Returns how much. */
static unsigned long hint_some(struct page_hinting_zone *pz, unsigned int nr)
{
	/* Pairs with page_hinting_set_orders(), which may come any time. */
	unsigned int min_order = READ_ONCE(pz->min_order);
	unsigned int reach_order = READ_ONCE(pz->reach_order);
	unsigned long pages;

	pages = hint(pz, nr, min_order, pz->flush_pages);
	if (reach_order < min_order && !pz->no_room)
		pages += hint(pz, nr, reach_order,
			      pz->flush_pages - min(pages, pz->flush_pages));
	/* Pairs with page_hinting_flush_left(). */
	WRITE_ONCE(pz->flush_pages,
		   pz->flush_pages - min(pages, pz->flush_pages));
	return pages;
}

/*
 * Hint all there is, for a flush. When nothing can be pulled any more, with
 * nothing in flight that could be why, that is done. Until the flush is over,
 * nothing else is hinted. Returns the time to sleep.
 */
static unsigned long hint_all(struct page_hinting_zone *pz, unsigned int nr)
{
	unsigned long pages;
	bool was_out;

	if (pz->flushed_nr == nr || !count_blocks(pz))
		return MAX_SCHEDULE_TIMEOUT;
	if (pz->flush_nr != nr)
		begin_flush(pz, nr);

	do {
		pz->cut_short = false;
		was_out = READ_ONCE(pz->in_flight_pages);
		pages = hint_some(pz, nr);
		/* Somebody else may have brought it home meanwhile. */
		was_out = was_out && !READ_ONCE(pz->in_flight_pages);
	} while (!pz->cut_short && pz->flush_pages && (pages || was_out));

	/* Something was in the way, which may be gone in a moment. */
	if (pz->cut_short)
		return max(page_hinting_quiet_left(pz), 1UL);
	/* Who makes room, or brings the last block home, wakes this thread. */
	if (!pz->no_room && !READ_ONCE(pz->in_flight_pages)) {
		WRITE_ONCE(pz->flush_pages, 0);
		/* Pairs with the waiter. */
		WRITE_ONCE(pz->flushed_nr, nr);
		page_hinting_flush_wake();
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
		pz->look_in_ms = clamp(2 * pz->look_in_ms,
				       PAGE_HINTING_LOOK_MIN_MS,
				       PAGE_HINTING_LOOK_MAX_MS);
	else
		pz->look_in_ms = 0;
	if (page_hinting_host_is_gone())
		return MAX_SCHEDULE_TIMEOUT;
	/* It may look again before that is done, and then once more, to arm. */
	pz->drain_lists |= advice.drain_lists;
	if (pz->drain_lists)
		return 0;
	return go_idle(pz, &sample, &advice);
}

static void retry_references(struct page_hinting_zone *pz)
{
	unsigned long pages;

	while ((pages = page_hinting_retry(pz)))
		page_hinting_brought_home(pz, pages, 1);
}

/* Returns for how long to sleep. */
static unsigned long hint_or_flush(struct page_hinting_zone *pz)
{
	unsigned int nr = page_hinting_flush_nr();

	if (page_hinting_get_state() != PAGE_HINTING_RUNNING) {
		page_hinting_skipped(pz, PAGE_HINTING_SKIP_DISABLED);
		return MAX_SCHEDULE_TIMEOUT;
	}
	return nr ? hint_all(pz, nr) : look_and_hint(pz);
}

static void bring_home(void)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_device *dev;

	dev = srcu_dereference(page_hinting_dev, &page_hinting_srcu);
	if (dev)
		page_hinting_harvest(dev);
	srcu_read_unlock(&page_hinting_srcu, idx);
}

/*
 * Is there something to bring home already? If not, the provider tells when
 * there is. For all zones: each harvest stops that for all, too.
 */
static bool host_was_faster(void)
{
	int idx = srcu_read_lock(&page_hinting_srcu);
	struct page_hinting_device *dev;
	bool faster;

	dev = srcu_dereference(page_hinting_dev, &page_hinting_srcu);
	faster = dev && page_hinting_window_in_use() && !page_hinting_arm(dev);
	srcu_read_unlock(&page_hinting_srcu, idx);
	return faster;
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
		bring_home();
		timeout = hint_or_flush(pz);
	} while (host_was_faster() && !kthread_should_stop());
	page_hinting_window_looked(pz);
	retry_references(pz);

	/* A lost interrupt must not mean lost memory. */
	if (READ_ONCE(pz->in_flight_pages) && !page_hinting_host_is_gone())
		timeout = min(timeout,
			      msecs_to_jiffies(PAGE_HINTING_SILENCE_MS));
	if (!list_empty(&pz->retry))
		timeout = min(timeout,
			      msecs_to_jiffies(PAGE_HINTING_RETRY_MS));
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

/* When less than this came or went, a per-CPU list has not been used. */
#define LISTS_CHANGE_PAGES	((int)(SZ_1M >> PAGE_SHIFT))

/* How much is in a CPU's list, and how much more or less than at the last look. */
static int list_pages(struct page_hinting_zone *pz, int cpu, int *change)
{
	int pages = data_race(per_cpu_ptr(pz->zone->per_cpu_pageset,
					  cpu)->count);

	*change = pages - READ_ONCE(*per_cpu_ptr(pz->listed, cpu));
	return pages;
}

/* Returns whether the list of a CPU was used since the last look. */
static bool look_at_list(struct page_hinting_zone *pz, int cpu,
			 unsigned long *unused_pages)
{
	int change, pages = list_pages(pz, cpu, &change);

	WRITE_ONCE(*per_cpu_ptr(pz->listed, cpu), pages);
	if (abs(change) >= LISTS_CHANGE_PAGES)
		return true;
	*unused_pages += pages;
	return false;
}

static void look_at_lists(struct work_struct *work)
{
	struct page_hinting_zone *pz;
	bool used = false;
	int cpu, idx;

	if (page_hinting_get_state() != PAGE_HINTING_RUNNING)
		return;
	/* The lists of a zone of which the last block goes offline are freed. */
	get_online_mems();
	idx = srcu_read_lock(&page_hinting_srcu);
	list_for_each_entry_srcu(pz, &page_hinting_zones, node,
				 srcu_read_lock_held(&page_hinting_srcu)) {
		unsigned long unused_pages = 0;

		for_each_online_cpu(cpu)
			used |= look_at_list(pz, cpu, &unused_pages);
		if (unused_pages >= PAGE_HINTING_SIGNIFICANT_PAGES)
			page_hinting_wake(pz, PAGE_HINTING_EV_LISTS);
	}
	srcu_read_unlock(&page_hinting_srcu, idx);
	put_online_mems();
	if (used)
		schedule_delayed_work(to_delayed_work(work),
				      msecs_to_jiffies(PAGE_HINTING_LISTS_MS));
}

static DECLARE_DELAYED_WORK(lists_work, look_at_lists);

static void look_at_lists_later(struct irq_work *work)
{
	schedule_delayed_work(&lists_work,
			      msecs_to_jiffies(PAGE_HINTING_LISTS_MS));
}

static DEFINE_IRQ_WORK(lists_irq_work, look_at_lists_later);

/*
 * See page_hinting_cpu_idle(). Memory that is freed into a per-CPU list alone
 * wakes nobody, and would stay there. So when a CPU that has used its list
 * becomes idle, the lists are looked at a moment later, until none is used any
 * more, and emptied if there is much in them.
 *
 * Called with interrupts off, while the tick is being stopped. A timer that was
 * started here would not be seen; hence the irq_work.
 */
void __page_hinting_cpu_idle(void)
{
	struct page_hinting_zone *pz;
	int change;

	if (delayed_work_pending(&lists_work))
		return;
	rcu_read_lock();
	list_for_each_entry_rcu(pz, &page_hinting_zones, node) {
		/* An empty zone has no lists any more; vmstat asks the same. */
		if (!populated_zone(pz->zone))
			continue;
		list_pages(pz, smp_processor_id(), &change);
		if (abs(change) < LISTS_CHANGE_PAGES)
			continue;
		irq_work_queue(&lists_irq_work);
		break;
	}
	rcu_read_unlock();
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
	init_irq_work(&pz->wake_work, wake_from_irq_work);

	pz->listed = alloc_percpu(int);
	if (!pz->listed) {
		kfree(pz);
		return -ENOMEM;
	}
	/* From here on the directory's end is the zone's. */
	err = page_hinting_sysfs_add(pz);
	if (err)
		return err;
	err = create_thread(pz);
	if (err) {
		page_hinting_sysfs_remove(pz);
		return err;
	}
	publish_zone(pz);
	return 0;
}

/**
 * page_hinting_give_up - give up what a host has not given back
 * @pz: the zone
 * @all: also what only waits for a reference to be dropped
 *
 * Those pages are lost, on purpose: the host may still write to them.
 *
 * Context: Process context, with nothing submitted meanwhile.
 */
void page_hinting_give_up(struct page_hinting_zone *pz, bool all)
{
	unsigned int nr_blocks;
	unsigned long pages = page_hinting_lose(pz, all, &nr_blocks);

	if (!nr_blocks)
		return;
	pr_err("node %d, zone %s: %lu KiB lost, which the host had and never gave back\n",
	       zone_to_nid(pz->zone), pz->zone->name,
	       pages << (PAGE_SHIFT - 10));
	page_hinting_window_release(pz, pages, nr_blocks);
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
	irq_work_sync(&pz->wake_work);
	page_hinting_sysfs_remove(pz);
	page_hinting_flush_wake();
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
 * Return: 0, or the last error of those that a zone is without a thread for,
 *	which is logged, and no reason not to hint the others.
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

#ifdef CONFIG_MEMORY_HOTPLUG
static void update_zones_work(struct work_struct *work)
{
	mutex_lock(&page_hinting_mutex);
	if (page_hinting_get_state() != PAGE_HINTING_NO_DEVICE)
		page_hinting_zones_update();
	mutex_unlock(&page_hinting_mutex);
}

static DECLARE_WORK(page_hinting_update, update_zones_work);

/*
 * Blocks in flight would make offlining fail. And as the caller holds the
 * memory hotplug lock, others have to look after threads later.
 */
static int memory_callback(struct notifier_block *nb, unsigned long action,
			   void *data)
{
	struct memory_notify *arg = data;

	switch (action) {
	case MEM_GOING_OFFLINE:
		page_hinting_drain_range(arg->start_pfn,
					 arg->start_pfn + arg->nr_pages);
		break;
	case MEM_ONLINE:
	case MEM_OFFLINE:
		schedule_work(&page_hinting_update);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block memory_nb = {
	.notifier_call = memory_callback,
};

/**
 * page_hinting_zones_init - follow memory hotplug
 *
 * Return: 0 or an errno.
 */
int __init page_hinting_zones_init(void)
{
	return register_memory_notifier(&memory_nb);
}
#else
int __init page_hinting_zones_init(void)
{
	return 0;
}
#endif
