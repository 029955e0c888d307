// SPDX-License-Identifier: GPL-2.0
/*
 * Free page hinting: how long it holds a zone's lock, for emulators that count
 * instructions as time; see CONFIG_PAGE_HINTING_DEBUG.
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/percpu.h>
#include <linux/timex.h>

#include "zone.h"

static DEFINE_PER_CPU(cycles_t, hold_start);
static u64 hold_max_cycles;

/* With interrupts off, under a zone lock: nothing comes in between. */
void page_hinting_hold_start(void)
{
	__this_cpu_write(hold_start, get_cycles());
}

void page_hinting_hold_end(void)
{
	u64 cycles = get_cycles() - __this_cpu_read(hold_start);

	/* Two zones' maxima may race; one of them is lost, to the next. */
	if (cycles > READ_ONCE(hold_max_cycles))
		WRITE_ONCE(hold_max_cycles, cycles);
}

static int __init page_hinting_debug_init(void)
{
	struct dentry *dir = debugfs_lookup("page_hinting", NULL);

	debugfs_create_u64("lock_hold_max_cycles", 0600, dir,
			   &hold_max_cycles);
	dput(dir);
	return 0;
}
late_initcall(page_hinting_debug_init);
