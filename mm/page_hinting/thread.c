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
 * A wake-up sets a bit and then wakes; the thread takes all bits before it
 * begins to work, so that one that comes meanwhile makes it work again.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmstat.h>
#include <trace/events/page_hinting.h>

#include "../page_alloc.h"
#include "thread.h"

/* Smaller zones, such as ZONE_DMA, are not worth a thread. */
#define ZONE_MIN_BYTES		SZ_32M
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

/*
 * Submit up to @pages in blocks of @order and above or, if @order is below the
 * zone's minimum order, only in blocks below that. Less if the zone's window or
 * a watermark does not allow more. Returns how many pages.
 */
static unsigned long hint(struct page_hinting_zone *pz, unsigned int order,
			  unsigned long pages)
{
	unsigned long left_pages = pages;
	unsigned int nr_home;

	while (left_pages >> order && !kthread_should_stop()) {
		long submitted = page_hinting_hint_batch(pz, order, left_pages,
							 &nr_home);

		if (submitted <= 0 && !nr_home)
			break;
		left_pages -= clamp_t(long, submitted, 0, left_pages);
		cond_resched();
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

	pages = hint(pz, min_order, advice->hint_pages);
	/* The orders may have changed meanwhile: the thread is told. */
	if (advice->small_order < min_order && !READ_ONCE(pz->wants_room))
		pages += hint(pz, advice->small_order, advice->small_pages);
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

/**
 * page_hinting_empty_lists - free what is in a zone's per-CPU lists
 * @zone: the zone
 *
 * Each list is emptied under its lock, and no CPU is interrupted. The lists of a
 * zone of which the last memory block goes offline are freed, hence the lock.
 *
 * Context: Process context, may sleep, not under SRCU. Takes the memory hotplug
 *	lock.
 */
void page_hinting_empty_lists(struct zone *zone)
{
	struct page_hinting_zone *pz;
	int cpu, idx;

	get_online_mems();
	drain_all_pages(zone);
	put_online_mems();

	idx = srcu_read_lock(&page_hinting_srcu);
	/* Pairs with publish_zone() and remove_zone(). */
	pz = READ_ONCE(zone->hinting);
	/* So that a CPU which fills its list again is noticed. */
	for_each_possible_cpu(cpu)
		if (pz)
			WRITE_ONCE(per_cpu_ptr(pz->lists, cpu)->told_pages, 0);
	srcu_read_unlock(&page_hinting_srcu, idx);
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
	unsigned long quiet;
	bool hinted;

	if (!count_blocks(pz) || READ_ONCE(page_hinting_flushing))
		return MAX_SCHEDULE_TIMEOUT;
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
		page_hinting_retry_all(pz);
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

		if (pz->drain_lists) {
			pz->drain_lists = false;
			page_hinting_empty_lists(pz->zone);
		}
		timeout = work(pz);
		wait_event_interruptible_timeout(pz->wait,
						 READ_ONCE(pz->events) ||
						 kthread_should_stop(),
						 timeout);
	}
	return 0;
}

static int create_thread(struct page_hinting_zone *pz)
{
	int nid = zone_to_nid(pz->zone);
	struct task_struct *task;

	task = kthread_create_on_node(page_hinting_thread, pz, nid,
				      "khintd/%d:%s", nid, pz->zone->name);
	if (IS_ERR(task))
		return PTR_ERR(task);
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
	list_add_tail_rcu(&pz->node, &page_hinting_zones);
	/* Pairs with who reads it without the lock. */
	scoped_guard(spinlock_irqsave, &pz->zone->lock)
		WRITE_ONCE(pz->zone->hinting, pz);
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
	pz->quiet_until = jiffies - msecs_to_jiffies(PAGE_HINTING_TURN_MS);
	INIT_LIST_HEAD(&pz->in_flight);
	INIT_LIST_HEAD(&pz->retry);
	init_waitqueue_head(&pz->wait);
	init_irq_work(&pz->freed_work, memory_was_freed);

	pz->lists = alloc_percpu(struct page_hinting_list);
	if (!pz->lists) {
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
	kthread_stop(pz->task);
	page_hinting_count_stop(pz);
	/* A flush may be about to pull; from now on it cannot. */
	synchronize_srcu(&page_hinting_srcu);
	page_hinting_wait_home(pz, 0, ULONG_MAX, PAGE_HINTING_WAIT_HOME_MS);
	page_hinting_give_up(pz, true);

	list_del_rcu(&pz->node);
	scoped_guard(spinlock_irqsave, &pz->zone->lock)
		WRITE_ONCE(pz->zone->hinting, NULL);

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
