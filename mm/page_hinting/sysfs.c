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
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "internal.h"

#define REFAULT_COST_MIN_MS		1
#define REFAULT_COST_MAX_MS		(24 * 60 * 60 * 1000)
#define WINDOW_MAX_BYTES	SZ_1G
#define FLUSH_TIMEOUT_MAX_MS	(60 * 60 * 1000)

/* What may be written to "flush". */
#define FLUSH_REST		1
#define FLUSH_ANEW		2

static struct kobject *page_hinting_kobj;

/* A number within limits. Returns 0, -EINVAL or -ERANGE. */
static int parse(const char *buf, unsigned long min, unsigned long max,
		 unsigned long *value)
{
	int err = kstrtoul(buf, 10, value);

	if (err)
		return err;
	return *value < min || *value > max ? -ERANGE : 0;
}

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
	const char *why_not = page_hinting_why_not();

	if (state == PAGE_HINTING_NO_DEVICE && why_not)
		return sysfs_emit(buf, "not used: %s\n", why_not);
	if (state != PAGE_HINTING_NO_DEVICE && page_hinting_host_is_gone())
		return sysfs_emit(buf, "host is gone\n");
	if (state == PAGE_HINTING_RUNNING && page_hinting_sleeps())
		state = PAGE_HINTING_SUSPENDED;
	return sysfs_emit(buf, "%s\n", names[state]);
}

static struct kobj_attribute state_attr = __ATTR_RO(state);

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%d\n", page_hinting_enabled());
}

static ssize_t enabled_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	unsigned long value;
	int err;

	err = parse(buf, 0, ULONG_MAX, &value);
	if (err)
		return err;
	if (value > 1)
		return -EINVAL;

	guard(mutex)(&page_hinting_mutex);
	if (value && !page_hinting_wanted())
		return -EOPNOTSUPP;
	page_hinting_enable(value);
	return count;
}

static struct kobj_attribute enabled_attr = __ATTR_RW(enabled);

static ssize_t min_order_show(struct kobject *kobj,
			      struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(page_hinting_min_order));
}

static ssize_t min_order_store(struct kobject *kobj,
			       struct kobj_attribute *attr, const char *buf,
			       size_t count)
{
	unsigned long value;
	int err;

	guard(mutex)(&page_hinting_mutex);
	err = parse(buf, page_hinting_safe_order, MAX_PAGE_ORDER, &value);
	if (err)
		return err;
	/* At least one block has to fit into the window. */
	if (PAGE_SIZE << value > page_hinting_window_bytes())
		return -ERANGE;
	page_hinting_set_order(value, true);
	return count;
}

static struct kobj_attribute min_order_attr = __ATTR_RW(min_order);

static ssize_t idle_min_order_show(struct kobject *kobj,
				   struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(page_hinting_idle_min_order));
}

static ssize_t idle_min_order_store(struct kobject *kobj,
				    struct kobj_attribute *attr,
				    const char *buf, size_t count)
{
	unsigned long value;
	int err;

	guard(mutex)(&page_hinting_mutex);
	err = parse(buf, page_hinting_safe_order, MAX_PAGE_ORDER, &value);
	if (err)
		return err;
	page_hinting_set_idle_order(value);
	return count;
}

static struct kobj_attribute idle_min_order_attr = __ATTR_RW(idle_min_order);

static ssize_t window_bytes_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", page_hinting_window_bytes());
}

static ssize_t window_bytes_store(struct kobject *kobj,
				  struct kobj_attribute *attr, const char *buf,
				  size_t count)
{
	unsigned long value;
	int err;

	guard(mutex)(&page_hinting_mutex);
	err = parse(buf, PAGE_SIZE << page_hinting_min_order, WINDOW_MAX_BYTES,
		    &value);
	if (err)
		return err;
	if (!PAGE_ALIGNED(value))
		return -EINVAL;
	page_hinting_window_set(value);
	page_hinting_wake_all(PAGE_HINTING_EV_WINDOW);
	return count;
}

static struct kobj_attribute window_bytes_attr = __ATTR_RW(window_bytes);

static ssize_t refault_cost_ms_show(struct kobject *kobj,
				    struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(page_hinting_refault_cost_ms));
}

static ssize_t refault_cost_ms_store(struct kobject *kobj,
				     struct kobj_attribute *attr,
				     const char *buf, size_t count)
{
	unsigned long value;
	int err;

	err = parse(buf, REFAULT_COST_MIN_MS, REFAULT_COST_MAX_MS, &value);
	if (err)
		return err;

	guard(mutex)(&page_hinting_mutex);
	WRITE_ONCE(page_hinting_refault_cost_ms, value);
	page_hinting_wake_all(PAGE_HINTING_EV_CHANGED);
	return count;
}

static struct kobj_attribute refault_cost_ms_attr = __ATTR_RW(refault_cost_ms);

static ssize_t flush_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  (u64)page_hinting_flush_left() << PAGE_SHIFT);
}

static ssize_t flush_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	unsigned long value;
	int err;

	err = parse(buf, 0, ULONG_MAX, &value);
	if (err)
		return err;
	if (value != FLUSH_REST && value != FLUSH_ANEW)
		return -EINVAL;
	err = page_hinting_flush(value == FLUSH_ANEW);
	return err ?: count;
}

static struct kobj_attribute flush_attr = __ATTR_RW(flush);

static ssize_t flush_timeout_ms_show(struct kobject *kobj,
				     struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(page_hinting_flush_timeout_ms));
}

static ssize_t flush_timeout_ms_store(struct kobject *kobj,
				      struct kobj_attribute *attr,
				      const char *buf, size_t count)
{
	unsigned long value;
	int err;

	err = parse(buf, 1, FLUSH_TIMEOUT_MAX_MS, &value);
	if (err)
		return err;
	/* Pairs with who waits. */
	WRITE_ONCE(page_hinting_flush_timeout_ms, value);
	return count;
}

static struct kobj_attribute flush_timeout_ms_attr =
	__ATTR_RW(flush_timeout_ms);

static ssize_t restored_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *buf)
{
	/* Pairs with who counts them. */
	return sysfs_emit(buf, "%u\n", READ_ONCE(page_hinting_nr_restores));
}

static struct kobj_attribute restored_attr = __ATTR_RO(restored);

static struct attribute *page_hinting_attrs[] = {
	&state_attr.attr,
	&enabled_attr.attr,
	&min_order_attr.attr,
	&idle_min_order_attr.attr,
	&window_bytes_attr.attr,
	&refault_cost_ms_attr.attr,
	&flush_attr.attr,
	&flush_timeout_ms_attr.attr,
	&restored_attr.attr,
	NULL,
};

static const struct attribute_group page_hinting_group = {
	.attrs = page_hinting_attrs,
};

static struct page_hinting_zone *to_zone(struct kobject *kobj)
{
	return container_of(kobj, struct page_hinting_zone, kobj);
}

/* One of a zone's numbers, in bytes, as of one moment. */
static ssize_t emit_pages(struct page_hinting_zone *pz, char *buf,
			  const unsigned long *pages)
{
	unsigned long flags = page_hinting_lock(pz->zone);
	u64 bytes = (u64)READ_ONCE(*pages) << PAGE_SHIFT;

	page_hinting_unlock(pz->zone, flags);
	return sysfs_emit(buf, "%llu\n", bytes);
}

#define ZONE_BYTES_ATTR(_name)						\
static ssize_t _name##_bytes_show(struct kobject *kobj,			\
				  struct kobj_attribute *attr,		\
				  char *buf)				\
{									\
	struct page_hinting_zone *pz = to_zone(kobj);			\
									\
	return emit_pages(pz, buf, &pz->_name##_pages);			\
}									\
static struct kobj_attribute _name##_bytes_attr = __ATTR_RO(_name##_bytes)

ZONE_BYTES_ATTR(hinted);
ZONE_BYTES_ATTR(unhinted);
ZONE_BYTES_ATTR(in_flight);
ZONE_BYTES_ATTR(refaulted);

static ssize_t reused_bytes_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  (u64)page_hinting_reused(to_zone(kobj)) << PAGE_SHIFT);
}

static struct kobj_attribute reused_bytes_attr = __ATTR_RO(reused_bytes);

static ssize_t zone_settle_ms_show(struct kobject *kobj,
				   struct kobj_attribute *attr, char *buf)
{
	/* Pairs with the zone's thread. */
	return sysfs_emit(buf, "%lu\n", READ_ONCE(to_zone(kobj)->settle_ms));
}

static struct kobj_attribute zone_settle_ms_attr =
	__ATTR(settle_ms, 0444, zone_settle_ms_show, NULL);

/* The counts of one moment, in a line. */
static ssize_t ack_latency_us_show(struct kobject *kobj,
				   struct kobj_attribute *attr, char *buf)
{
	struct page_hinting_zone *pz = to_zone(kobj);
	unsigned long latencies[PAGE_HINTING_LATENCIES];
	unsigned long flags;
	unsigned int i;
	int len = 0;

	flags = page_hinting_lock(pz->zone);
	memcpy(latencies, pz->latencies, sizeof(latencies));
	page_hinting_unlock(pz->zone, flags);
	for (i = 0; i < ARRAY_SIZE(latencies); i++)
		len += sysfs_emit_at(buf, len, "%s%lu", i ? " " : "",
				     latencies[i]);
	return len + sysfs_emit_at(buf, len, "\n");
}

static struct kobj_attribute ack_latency_us_attr = __ATTR_RO(ack_latency_us);

static struct attribute *zone_attrs[] = {
	&hinted_bytes_attr.attr,
	&unhinted_bytes_attr.attr,
	&in_flight_bytes_attr.attr,
	&refaulted_bytes_attr.attr,
	&reused_bytes_attr.attr,
	&zone_settle_ms_attr.attr,
	&ack_latency_us_attr.attr,
	NULL,
};

static const struct attribute_group zone_group = {
	.attrs = zone_attrs,
};

/**
 * struct count_attr - a file that shows one of many counts
 * @attr: the file
 * @nr: which one
 */
struct count_attr {
	struct kobj_attribute attr;
	unsigned int nr;
};

static unsigned int to_nr(struct kobj_attribute *attr)
{
	return container_of(attr, struct count_attr, attr)->nr;
}

static ssize_t total_bytes_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *buf)
{
	struct page_hinting_total total;

	total = page_hinting_get_total(to_zone(kobj), to_nr(attr));
	return sysfs_emit(buf, "%llu\n", (u64)total.pages << PAGE_SHIFT);
}

static ssize_t total_blocks_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *buf)
{
	struct page_hinting_total total;

	total = page_hinting_get_total(to_zone(kobj), to_nr(attr));
	return sysfs_emit(buf, "%lu\n", total.blocks);
}

#define TOTAL_ATTR(_name, _unit, _nr) (&((struct count_attr) {		\
		.attr = __ATTR(_name##_##_unit, 0444,			\
			       total_##_unit##_show, NULL),		\
		.nr = PAGE_HINTING_COUNT_##_nr,				\
	}).attr.attr)

static struct attribute *total_attrs[] = {
	TOTAL_ATTR(pulled, bytes, PULLED),
	TOTAL_ATTR(pulled, blocks, PULLED),
	TOTAL_ATTR(submitted, bytes, SUBMITTED),
	TOTAL_ATTR(submitted, blocks, SUBMITTED),
	TOTAL_ATTR(acknowledged, bytes, ACKNOWLEDGED),
	TOTAL_ATTR(acknowledged, blocks, ACKNOWLEDGED),
	TOTAL_ATTR(returned, bytes, RETURNED),
	TOTAL_ATTR(returned, blocks, RETURNED),
	TOTAL_ATTR(split, bytes, SPLIT),
	TOTAL_ATTR(split, blocks, SPLIT),
	TOTAL_ATTR(merged, bytes, MERGED),
	TOTAL_ATTR(merged, blocks, MERGED),
	TOTAL_ATTR(voided, bytes, VOIDED),
	TOTAL_ATTR(voided, blocks, VOIDED),
	NULL,
};

static_assert(ARRAY_SIZE(total_attrs) == 2 * NR_PAGE_HINTING_COUNTS + 1);

static const struct attribute_group total_group = {
	.attrs = total_attrs,
};

static ssize_t skip_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	/* Pairs with page_hinting_skipped(). */
	return sysfs_emit(buf, "%lu\n",
			  READ_ONCE(to_zone(kobj)->skips[to_nr(attr)]));
}

#define SKIP_ATTR(_name, _nr) (&((struct count_attr) {			\
		.attr = __ATTR(_name, 0444, skip_show, NULL),		\
		.nr = PAGE_HINTING_SKIP_##_nr,				\
	}).attr.attr)

static struct attribute *skip_attrs[] = {
	SKIP_ATTR(kept, KEPT),
	SKIP_ATTR(watermark, WATERMARK),
	SKIP_ATTR(back_off, BACK_OFF),
	SKIP_ATTR(isolated, ISOLATED),
	SKIP_ATTR(ring_full, RING),
	SKIP_ATTR(window_full, WINDOW),
	SKIP_ATTR(disabled, DISABLED),
	NULL,
};

static_assert(ARRAY_SIZE(skip_attrs) == NR_PAGE_HINTING_REASONS + 1);

static const struct attribute_group skip_group = {
	.name = "not_hinted",
	.attrs = skip_attrs,
};

static const struct attribute_group *zone_groups[] = {
	&zone_group,
	&total_group,
	&skip_group,
	NULL,
};

static void release_zone(struct kobject *kobj)
{
	free_percpu(to_zone(kobj)->listed);
	kfree(to_zone(kobj));
}

static const struct kobj_type zone_ktype = {
	.release = release_zone,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = zone_groups,
};

/**
 * page_hinting_sysfs_add - show a zone
 * @pz: the zone; it is freed by page_hinting_sysfs_remove(), and on error
 *
 * Return: 0 or an errno.
 */
int page_hinting_sysfs_add(struct page_hinting_zone *pz)
{
	int err;

	err = kobject_init_and_add(&pz->kobj, &zone_ktype, page_hinting_kobj,
				   "node%d-%s", zone_to_nid(pz->zone),
				   pz->zone->name);
	if (err)
		kobject_put(&pz->kobj);
	return err;
}

/**
 * page_hinting_sysfs_remove - do not show a zone any more, and free it
 * @pz: the zone
 */
void page_hinting_sysfs_remove(struct page_hinting_zone *pz)
{
	/* A reference that somebody holds is no reason to show it longer. */
	kobject_del(&pz->kobj);
	kobject_put(&pz->kobj);
}

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

	guard(mutex)(&page_hinting_mutex);
	list_for_each_entry(pz, &page_hinting_zones, node)
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
