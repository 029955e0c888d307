// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: does what is known of a zone agree with its free lists?
 *
 * Walks all of a zone's free lists under its lock, which takes long: for tests.
 * With CONFIG_PAGE_HINTING_DEBUG every zone is checked each second, and once
 * more when the system goes down.
 */
#define pr_fmt(fmt) "page_hinting: " fmt

#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>

#include "../../internal.h"
#include "../../page_alloc.h"
#include "check.h"

static const char * const names[NR_PAGE_HINTING_FAULTS] = {
	[PAGE_HINTING_BAD_FREE] = "a block on a free list",
	[PAGE_HINTING_BAD_COUNT] = "the count of a free list's blocks",
	[PAGE_HINTING_BAD_SUM] = "a sum of these counts",
	[PAGE_HINTING_BAD_LISTS] = "the sum of the per-CPU lists",
	[PAGE_HINTING_BAD_IN_FLIGHT] = "a block in flight",
	[PAGE_HINTING_BAD_WINDOW] = "how much is in flight",
	[PAGE_HINTING_BAD_STEP] = "a split or merge that has not ended",
};

static unsigned long fault_if(bool is_so, enum page_hinting_fault fault)
{
	return is_so ? BIT(fault) : 0;
}

static bool is_free_block(const struct page_hinting_zone *pz, struct page *page,
			  unsigned int order, int migratetype)
{
	return PageBuddy(page) && !PageOffline(page) && !page_count(page) &&
	       buddy_order(page) == order && page_zone(page) == pz->zone &&
	       get_pageblock_migratetype(page) == migratetype;
}

/* Adds to @hinted_pages what is marked on one list. */
static unsigned long check_list(struct page_hinting_zone *pz, unsigned int order,
				int migratetype, unsigned long *hinted_pages)
{
	unsigned long nr_unhinted = 0, faults = 0;
	struct page *page;

	list_for_each_entry(page, &pz->zone->free_area[order].free_list[migratetype],
			    buddy_list) {
		faults |= fault_if(!is_free_block(pz, page, order, migratetype),
				   PAGE_HINTING_BAD_FREE);
		if (PageBuddyOffline(page))
			*hinted_pages += 1UL << order;
		else
			nr_unhinted++;
	}
	return faults | fault_if(nr_unhinted != pz->nr_unhinted[order][migratetype],
				 PAGE_HINTING_BAD_COUNT);
}

static unsigned long check_sums(const struct page_hinting_zone *pz)
{
	unsigned long unhinted_pages = 0, reach_pages = 0, any_order_pages = 0;
	unsigned int order;
	int mt;

	for (order = 0; order < NR_PAGE_ORDERS; order++) {
		for (mt = 0; mt < MIGRATE_TYPES; mt++) {
			unsigned long pages = pz->nr_unhinted[order][mt] << order;

			if (!page_hinting_type_is_eligible(mt))
				continue;
			any_order_pages += pages;
			if (order >= pz->reach_order)
				reach_pages += pages;
			if (order >= pz->min_order)
				unhinted_pages += pages;
		}
	}
	return fault_if(unhinted_pages != pz->unhinted_pages ||
			reach_pages != pz->reach_pages ||
			any_order_pages != pz->any_order_pages,
			PAGE_HINTING_BAD_SUM);
}

static unsigned long check_free_lists(struct page_hinting_zone *pz)
{
	unsigned long hinted_pages = 0, listed_pages = 0, faults = 0;
	unsigned int order;
	int mt, cpu;

	for (order = 0; order < NR_PAGE_ORDERS; order++)
		for (mt = 0; mt < MIGRATE_TYPES; mt++)
			faults |= check_list(pz, order, mt, &hinted_pages);
	for_each_possible_cpu(cpu)
		listed_pages += per_cpu_ptr(pz->lists, cpu)->counted_pages;
	/* What was acknowledged is hinted, or was used, or has lost its mark. */
	return faults | check_sums(pz) |
	       fault_if(hinted_pages != pz->hinted_pages ||
			hinted_pages + pz->unmarked_pages > pz->acknowledged_pages,
			PAGE_HINTING_BAD_COUNT) |
	       fault_if(listed_pages != pz->list_pages, PAGE_HINTING_BAD_LISTS);
}

/* A test may have made it smaller meanwhile; one block is always allowed. */
static unsigned long most_window_pages(void)
{
	return max3(page_hinting_window_pages, SZ_64M >> PAGE_SHIFT,
		    MAX_ORDER_NR_PAGES);
}

static unsigned long check_in_flight(struct page_hinting_zone *pz)
{
	struct list_head *lists[] = { &pz->in_flight, &pz->retry };
	unsigned long pages = 0, faults = 0;
	unsigned int nr = 0, i;
	struct page *page;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		list_for_each_entry(page, lists[i], lru) {
			faults |= fault_if(!PageOffline(page) || PageBuddy(page) ||
					   !page_count(page) ||
					   !__page_hinting_in_flight(page) ||
					   page_zone(page) != pz->zone,
					   PAGE_HINTING_BAD_IN_FLIGHT);
			pages += 1UL << page_hinting_block_order(page);
			nr++;
		}
	}
	return faults | fault_if(pages != pz->in_flight_pages ||
				 nr != pz->nr_in_flight,
				 PAGE_HINTING_BAD_IN_FLIGHT) |
	       fault_if(pages > most_window_pages(), PAGE_HINTING_BAD_WINDOW);
}

/**
 * page_hinting_check_locked - look for faults in what is known of a zone
 * @pz: the zone
 *
 * Context: Under the zone lock.
 * Return: a bit for each &enum page_hinting_fault that was found.
 */
unsigned long page_hinting_check_locked(struct page_hinting_zone *pz)
{
	unsigned long faults = check_in_flight(pz);

	lockdep_assert_held(&pz->zone->lock);
	faults |= fault_if(pz->splits || pz->keep_order != PAGE_HINTING_KEEP_NONE,
			   PAGE_HINTING_BAD_STEP);
	/* Until then there is nothing to compare with. */
	if (page_hinting_all_counted(pz))
		faults |= check_free_lists(pz);
	return faults;
}

/**
 * page_hinting_check - the same, and log what is wrong
 * @pz: the zone
 *
 * Context: Takes the zone lock, for long.
 * Return: as page_hinting_check_locked().
 */
unsigned long page_hinting_check(struct page_hinting_zone *pz)
{
	unsigned long faults;
	unsigned int bit;

	scoped_guard(spinlock_irqsave, &pz->zone->lock)
		faults = page_hinting_check_locked(pz);
	for_each_set_bit(bit, &faults, NR_PAGE_HINTING_FAULTS)
		pr_err("node %d, zone %s: wrong: %s\n", zone_to_nid(pz->zone),
		       pz->zone->name, names[bit]);
	return faults;
}

static void check_all_zones(struct work_struct *unused);
static DECLARE_DELAYED_WORK(check_work, check_all_zones);

static void check_all_zones(struct work_struct *unused)
{
	unsigned long pages = 0, window_pages = most_window_pages();
	struct page_hinting_zone *pz;

	page_hinting_for_each_zone(pz) {
		/* However small its part of the window is, a zone may have a block. */
		window_pages += MAX_ORDER_NR_PAGES;
		pages += READ_ONCE(pz->in_flight_pages);
		WARN_ON_ONCE(page_hinting_check(pz));
		if (page_hinting_all_counted(pz))
			pr_info_once("the free lists are checked every second\n");
	}
	WARN_ON_ONCE(pages > window_pages);
	schedule_delayed_work(&check_work, HZ);
}

static int check_at_end(struct notifier_block *unused, unsigned long action,
			void *data)
{
	check_all_zones(NULL);
	cancel_delayed_work_sync(&check_work);
	return NOTIFY_DONE;
}

static struct notifier_block reboot_nb = { .notifier_call = check_at_end };

static int __init start_checking(void)
{
	if (!IS_ENABLED(CONFIG_PAGE_HINTING_DEBUG))
		return 0;
	schedule_delayed_work(&check_work, HZ);
	return register_reboot_notifier(&reboot_nb);
}
late_initcall(start_checking);
