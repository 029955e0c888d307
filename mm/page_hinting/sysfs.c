// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: /sys/kernel/mm/page_hinting/, and what the policy knows in
 * /sys/kernel/debug/page_hinting/policy.
 *
 * See Documentation/ABI/testing/sysfs-kernel-mm-page-hinting.
 */
#include <linux/array_size.h>
#include <linux/debugfs.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/sysfs.h>

#include "control.h"

#define REFAULT_COST_MAX_MS	(24 * 60 * 60 * 1000)

struct kobject *page_hinting_kobj;

/**
 * struct knob - a number that may be written
 * @attr: its file
 * @value: where it is; written under the mutex, read without
 * @min: the least value there is
 * @max: the greatest
 * @set: called under the mutex; returns 0 or an errno
 */
struct knob {
	struct kobj_attribute attr;
	unsigned int *value;
	unsigned int min;
	unsigned int max;
	int (*set)(unsigned int value);
};

static struct knob *to_knob(struct kobj_attribute *attr)
{
	return container_of(attr, struct knob, attr);
}

static ssize_t knob_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(*to_knob(attr)->value));
}

static ssize_t knob_store(struct kobject *kobj, struct kobj_attribute *attr,
			  const char *buf, size_t count)
{
	const struct knob *knob = to_knob(attr);
	unsigned int value;
	int err;

	err = kstrtouint(buf, 10, &value);
	if (err)
		return err;
	if (value < knob->min || value > knob->max)
		return -ERANGE;
	guard(mutex)(&page_hinting_mutex);
	return knob->set(value) ?: count;
}

static int set_enabled(unsigned int value)
{
	if (value && !page_hinting_wanted())
		return -EOPNOTSUPP;
	page_hinting_enable(value);
	return 0;
}

static int set_min_order(unsigned int value)
{
	if (value < page_hinting_safe_order)
		return -ERANGE;
	page_hinting_set_order(value, true);
	return 0;
}

static int set_idle_min_order(unsigned int value)
{
	if (value < page_hinting_safe_order)
		return -ERANGE;
	page_hinting_set_idle_order(value);
	return 0;
}

static int set_refault_cost_ms(unsigned int value)
{
	WRITE_ONCE(page_hinting_refault_cost_ms, value);
	page_hinting_wake_all(PAGE_HINTING_EV_CHANGED);
	return 0;
}

static int set_flush_for_host(unsigned int value)
{
	WRITE_ONCE(page_hinting_flush_for_host, value);
	return 0;
}

#define KNOB(_name, _min, _max) (&((struct knob) {			\
		.attr = __ATTR(_name, 0644, knob_show, knob_store),	\
		.value = &page_hinting_##_name,				\
		.min = (_min),						\
		.max = (_max),						\
		.set = set_##_name,					\
	}).attr.attr)

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	static const char * const names[] = {
		[PAGE_HINTING_NO_DEVICE] = "no device",
		[PAGE_HINTING_DISABLED] = "disabled",
		[PAGE_HINTING_RUNNING] = "running",
		[PAGE_HINTING_SUSPENDED] = "suspended",
		[PAGE_HINTING_SHUTDOWN] = "shutting down",
	};
	/* Not under the mutex, whose holder may wait for a silent host. */
	enum page_hinting_state state = page_hinting_get_state();
	char why_not[160];

	if (state == PAGE_HINTING_NO_DEVICE &&
	    page_hinting_why_not(why_not, sizeof(why_not)))
		return sysfs_emit(buf, "not used: %s\n", why_not);
	if (state != PAGE_HINTING_NO_DEVICE && READ_ONCE(page_hinting_host_is_gone))
		return sysfs_emit(buf, "host is gone\n");
	if (state == PAGE_HINTING_RUNNING && READ_ONCE(page_hinting_sleeps))
		state = PAGE_HINTING_SUSPENDED;
	return sysfs_emit(buf, "%s\n", names[state]);
}

static struct kobj_attribute state_attr = __ATTR_RO(state);

static ssize_t flush_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  (u64)page_hinting_flush_left() << PAGE_SHIFT);
}

/* 1: what is not hinted yet; 2: everything. */
static ssize_t flush_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	unsigned int value;
	int err;

	err = kstrtouint(buf, 10, &value);
	if (err)
		return err;
	if (value != 1 && value != 2)
		return -EINVAL;
	return page_hinting_flush(value == 2) ?: count;
}

static struct kobj_attribute flush_attr = __ATTR_RW(flush);

static ssize_t restored_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *buf)
{
	/* Pairs with who counts them. */
	return sysfs_emit(buf, "%u\n", READ_ONCE(page_hinting_nr_restores));
}

static struct kobj_attribute restored_attr = __ATTR_RO(restored);

static struct attribute *page_hinting_attrs[] = {
	KNOB(enabled, 0, 1),
	KNOB(min_order, 0, MAX_PAGE_ORDER),
	KNOB(idle_min_order, 0, MAX_PAGE_ORDER),
	KNOB(refault_cost_ms, 1, REFAULT_COST_MAX_MS),
	KNOB(flush_for_host, 0, 1),
	&state_attr.attr,
	&flush_attr.attr,
	&restored_attr.attr,
	NULL,
};

static const struct attribute_group page_hinting_group = {
	.attrs = page_hinting_attrs,
};

/* A directory belongs to a zone for as long as there are files in it. */
static struct page_hinting_zone *to_zone(struct kobject *kobj)
{
	struct page_hinting_zone *pz;

	/* Pairs with show_zone() and hide_zone(). */
	page_hinting_for_each_zone(pz)
		if (READ_ONCE(pz->kobj) == kobj)
			break;
	return pz;
}

static u64 to_bytes(unsigned long pages)
{
	return (u64)pages << PAGE_SHIFT;
}

#define ZONE_BYTES_ATTR(_name)						\
static ssize_t _name##_bytes_show(struct kobject *kobj,			\
				  struct kobj_attribute *attr,		\
				  char *buf)				\
{									\
	struct page_hinting_zone *pz = to_zone(kobj);			\
									\
	return sysfs_emit(buf, "%llu\n",				\
			  to_bytes(page_hinting_read(pz,		\
					&pz->_name##_pages)));		\
}									\
static struct kobj_attribute _name##_bytes_attr = __ATTR_RO(_name##_bytes)

ZONE_BYTES_ATTR(hinted);
ZONE_BYTES_ATTR(unhinted);
ZONE_BYTES_ATTR(in_flight);

static ssize_t stat_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	static const char * const reasons[] = {
		[PAGE_HINTING_SKIP_KEPT] = "kept",
		[PAGE_HINTING_SKIP_WATERMARK] = "watermark",
		[PAGE_HINTING_SKIP_BACK_OFF] = "back_off",
		[PAGE_HINTING_SKIP_ISOLATED] = "isolated",
		[PAGE_HINTING_SKIP_RING] = "ring_full",
		[PAGE_HINTING_SKIP_WINDOW] = "window_full",
		[PAGE_HINTING_SKIP_DISABLED] = "disabled",
	};
	struct page_hinting_zone *pz = to_zone(kobj);
	int len, i;

	static_assert(ARRAY_SIZE(reasons) == NR_PAGE_HINTING_REASONS);
	len = sysfs_emit(buf, "acknowledged_bytes %llu\n",
			 to_bytes(page_hinting_read(pz, &pz->acknowledged_pages)));
	len += sysfs_emit_at(buf, len, "reused_bytes %llu\n",
			     to_bytes(page_hinting_used(pz)));
	/* These pair with the zone's thread. */
	len += sysfs_emit_at(buf, len, "refaulted_bytes %llu\n",
			     to_bytes(READ_ONCE(pz->refaulted_pages)));
	len += sysfs_emit_at(buf, len, "settle_ms %lu\n",
			     READ_ONCE(pz->settle_ms));
	for (i = 0; i < ARRAY_SIZE(reasons); i++)
		len += sysfs_emit_at(buf, len, "not_hinted_%s %lu\n",
				     reasons[i], READ_ONCE(pz->skips[i]));
	return len;
}

static struct kobj_attribute stat_attr = __ATTR_RO(stat);

static struct attribute *zone_attrs[] = {
	&hinted_bytes_attr.attr,
	&unhinted_bytes_attr.attr,
	&in_flight_bytes_attr.attr,
	&stat_attr.attr,
	NULL,
};

const struct attribute_group page_hinting_zone_group = {
	.attrs = zone_attrs,
};

/* In kB, as in /proc/meminfo. */
static unsigned long to_kb(unsigned long pages)
{
	return pages << (PAGE_SHIFT - 10);
}

/* While it is read, the zone's thread may learn more: that does no harm. */
static void show_level(struct seq_file *m,
		       const struct page_hinting_level *level,
		       unsigned long end_pages)
{
	unsigned int sum = 0;
	int i;

	for (i = 0; i < PAGE_HINTING_LENGTHS; i++)
		sum += data_race(level->lengths[i]);
	if (!sum)
		return;
	seq_printf(m, "%10lu %9u ", to_kb(end_pages),
		   data_race(level->settle_ms));
	for (i = PAGE_HINTING_LENGTHS - 1; i >= 0; i--)
		seq_printf(m, " %5u", data_race(level->lengths[i]));
	seq_putc(m, '\n');
}

static void show_policy(struct seq_file *m, struct page_hinting_zone *pz)
{
	const struct page_hinting_policy *policy = &pz->policy;
	unsigned long end_pages = 0;
	int i;

	seq_printf(m, "node%d-%s: refaulted %lu kB, kept for its next use %lu kB, used down to %lu kB\n",
		   zone_to_nid(pz->zone), pz->zone->name,
		   to_kb(READ_ONCE(pz->refaulted_pages)),
		   to_kb(READ_ONCE(pz->bridged_pages)),
		   to_kb(max(data_race(policy->used_end[0]),
			     data_race(policy->used_end[1]))));
	seq_printf(m, "%10s %9s ", "down_to_kB", "settle_ms");
	for (i = PAGE_HINTING_LENGTHS - 1; i >= 0; i--)
		seq_printf(m, " %5u",
			   data_race(page_hinting_policy_wait_ms(policy, i)));
	seq_putc(m, '\n');
	for (i = 0; i < PAGE_HINTING_LEVELS; i++) {
		end_pages += PAGE_HINTING_FIRST_PAGES << i;
		show_level(m, &policy->levels[i], end_pages);
	}
}

static int policy_show(struct seq_file *m, void *unused)
{
	struct page_hinting_zone *pz;

	page_hinting_for_each_zone(pz)
		if (READ_ONCE(pz->task))
			show_policy(m, pz);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(policy);

/**
 * page_hinting_sysfs_init - create the directories
 *
 * Return: 0 or an errno.
 */
int __init page_hinting_sysfs_init(void)
{
	int err;

	page_hinting_kobj = kobject_create_and_add("page_hinting", mm_kobj);
	if (!page_hinting_kobj)
		return -ENOMEM;
	err = sysfs_create_group(page_hinting_kobj, &page_hinting_group);
	if (err)
		kobject_put(page_hinting_kobj);
	debugfs_create_file("policy", 0444,
			    debugfs_create_dir("page_hinting", NULL), NULL,
			    &policy_fops);
	return err;
}
