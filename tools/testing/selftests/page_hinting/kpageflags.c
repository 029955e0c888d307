// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/kpageflags shows a hinted block as BUDDY and OFFLINE, on each of its
 * pages, and neither on memory that is in use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kselftest.h"
#include "util.h"

#define USED_BYTES	(128 * MIB)
#define CHUNK		65536
#define TRIES		20

struct count {
	unsigned long long hinted;	/* pages with both bits */
	unsigned long long offline;	/* pages with OFFLINE only */
};

static void count_pages(struct count *c)
{
	static unsigned long long flags[CHUNK];
	unsigned long long pfn = 0;
	size_t n, i;

	*c = (struct count){ 0 };
	while ((n = read_flags(pfn, CHUNK, flags))) {
		for (i = 0; i < n; i++) {
			if ((flags[i] & PF_HINTED) == PF_HINTED)
				c->hinted++;
			else if (flags[i] & PF_OFFLINE)
				c->offline++;
		}
		pfn += n;
	}
}

/* The guest does not stand still: look until nothing changed meanwhile. */
static bool count_quietly(struct count *c, struct sums *s)
{
	struct sums after;
	int i;

	for (i = 0; i < TRIES; i++) {
		wait_hinted(5000);
		read_sums(s);
		count_pages(c);
		read_sums(&after);
		if (after.hinted == s->hinted && !s->in_flight &&
		    !after.in_flight &&
		    after.acknowledged == s->acknowledged)
			return true;
	}
	return false;
}

static unsigned long long count_hinted(const unsigned long long *frames,
				       size_t pages)
{
	unsigned long long flags, n = 0;
	size_t i;

	for (i = 0; i < pages; i++)
		if (read_flags(frames[i], 1, &flags) == 1 &&
		    flags & PF_OFFLINE)
			n++;
	return n;
}

static void test_in_use(void)
{
	size_t step = 16 * (size_t)getpagesize(), pages = USED_BYTES / step, i;
	unsigned long long *frames = calloc(pages, sizeof(*frames)), used, freed;
	char *p = map_memory(USED_BYTES);

	if (!p || !frames)
		ksft_exit_fail_msg("no memory\n");
	touch_memory(p, USED_BYTES);
	for (i = 0; i < pages; i++)
		frames[i] = frame_of(p + i * step);
	used = count_hinted(frames, pages);
	munmap(p, USED_BYTES);
	wait_hinted(20000);
	freed = count_hinted(frames, pages);
	free(frames);
	ksft_print_msg("%zu pages: %llu marked in use, %llu when free\n",
		       pages, used, freed);
	ksft_test_result(!used, "memory in use shows no mark\n");
	ksft_test_result(freed > pages * 8 / 10,
			 "the same memory shows it when free and hinted\n");
}

int main(void)
{
	const char *why = why_skip();
	struct count c;
	struct sums s;

	ksft_print_header();
	if (why)
		ksft_exit_skip("%s\n", why);
	if (access("/proc/kpageflags", R_OK))
		ksft_exit_skip("no /proc/kpageflags\n");
	save_knobs();
	ksft_set_plan(6);
	write_knob("enabled", 1);
	test_in_use();

	if (!count_quietly(&c, &s))
		ksft_print_msg("the guest was never quiet\n");
	ksft_print_msg("%llu bytes hinted, %llu pages marked\n", s.hinted,
		       c.hinted);
	ksft_test_result(c.hinted, "there are marked pages\n");
	ksft_test_result(c.hinted * getpagesize() == s.hinted,
			 "as many as hinted_bytes says\n");
	ksft_test_result(!c.offline, "none is OFFLINE only, with none in flight\n");

	write_knob("enabled", 0);
	count_pages(&c);
	ksft_test_result(!c.hinted && !c.offline,
			 "none is marked when switched off\n");
	ksft_finished();
}
