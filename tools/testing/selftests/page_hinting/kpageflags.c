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
	/* Not only what the policy finds idle. */
	write_text(PH_DIR "/flush", "1");
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
	unsigned long long hinted, offline;
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

	if (!count_quietly(&hinted, &offline, &s))
		ksft_print_msg("the guest was never quiet\n");
	ksft_print_msg("%llu bytes hinted, %llu pages marked\n", s.hinted,
		       hinted);
	ksft_test_result(hinted, "there are marked pages\n");
	ksft_test_result(hinted * getpagesize() == s.hinted,
			 "as many as hinted_bytes says\n");
	ksft_test_result(!offline, "none is OFFLINE only, with none in flight\n");

	write_knob("enabled", 0);
	count_marked(&hinted, &offline);
	ksft_test_result(!hinted && !offline,
			 "none is marked when switched off\n");
	ksft_finished();
}
