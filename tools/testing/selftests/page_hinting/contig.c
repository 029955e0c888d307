// SPDX-License-Identifier: GPL-2.0
/*
 * Those who take free memory from under the allocator: CMA and memory
 * failure. Both must work on hinted blocks and on blocks in flight, and a page
 * that failed is never handed out.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kselftest.h"
#include "util.h"

#define CMA_DIR		"/sys/kernel/debug/cma"
#define SOFT_OFFLINE	"/sys/devices/system/memory/soft_offline_page"
#define POISON_DIR	"/sys/kernel/debug/hwpoison"
#define ROUNDS		10
#define USED_BYTES	(64 * MIB)
#define CANDIDATES	32
#define TRIES		5
#define WAIT_MS		20000
#define NAME_BYTES	300
#define CHUNK_PAGES	4096
#define SMALL_PAGES	16
/* A host that is late: so many more looks for acknowledgments find none. */
#define LATE_LOOKS	3
#define SPARE_BYTES	(64 * MIB)
/* Free, mapped, or anonymous. */
#define PF_USABLE	(PF_BUDDY | BIT_ULL(11) | BIT_ULL(12))

/* The first area; false: none, or no way to allocate from it. */
static bool find_cma(char *area)
{
	DIR *dir = opendir(CMA_DIR);
	struct dirent *de;
	bool found = false;
	char path[PATH_MAX];

	if (!dir)
		return false;
	while (!found && (de = readdir(dir))) {
		snprintf(area, NAME_BYTES, CMA_DIR "/%s", de->d_name);
		snprintf(path, sizeof(path), "%s/alloc", area);
		found = de->d_name[0] != '.' && !access(path, W_OK);
	}
	closedir(dir);
	return found;
}

static int cma_do(const char *area, const char *what, long long pages)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", area, what);
	return write_number(path, pages);
}

/* Allocate three quarters of the area, give them back, again and again. */
static int count_cma(const char *area, long long pages)
{
	int ok = 0, i;

	for (i = 0; i < ROUNDS; i++) {
		if (!cma_do(area, "alloc", pages)) {
			ok++;
			cma_do(area, "free", pages);
		}
		sleep_ms(50);
	}
	return ok;
}

static int count_cma_in_churn(const char *area, long long pages, int enabled)
{
	size_t churn = mem_free() / 4;
	pid_t child;
	int ok;

	write_knob("enabled", enabled);
	child = start_child(churn_child, &churn);
	sleep_ms(500);
	ok = count_cma(area, pages);
	stop_child(child);
	return ok;
}

static void test_cma(void)
{
	char area[NAME_BYTES], path[PATH_MAX];
	long long pages;
	int with, without;

	if (!find_cma(area)) {
		ksft_test_result_skip("CMA: no area in " CMA_DIR "\n");
		ksft_test_result_skip("CMA under load: no area\n");
		return;
	}
	snprintf(path, sizeof(path), "%s/count", area);
	pages = read_number(path) * 3 / 4;
	wait_hinted(WAIT_MS);
	with = count_cma(area, pages);
	ksft_print_msg("%d of %d times %lld pages\n", with, ROUNDS, pages);
	ksft_test_result(pages > 0 && with == ROUNDS,
			 "CMA allocates over hinted memory\n");

	without = count_cma_in_churn(area, pages, 0);
	hint_all_the_time(100);
	with = count_cma_in_churn(area, pages, 1);
	restore_knobs();
	ksft_print_msg("%d of %d with hinting, %d without\n", with, ROUNDS,
		       without);
	ksft_test_result(with && with + 1 >= without,
			 "CMA works about as often with hinting as without\n");
}

static unsigned long long flags_of(unsigned long long frame)
{
	unsigned long long flags = 0;

	read_flags(frame, 1, &flags);
	return flags;
}

/* A page of a hinted block among @frames; 0: none. */
static unsigned long long first_hinted(const unsigned long long *frames)
{
	int i;

	for (i = 0; i < CANDIDATES; i++)
		if ((flags_of(frames[i]) & PF_HINTED) == PF_HINTED)
			return frames[i];
	return 0;
}

/*
 * A page in the middle of a hinted block; 0: none. Anybody may have taken one
 * certain page again by the time that all is hinted, so there are many to
 * choose from, and a second try.
 */
static unsigned long long hinted_frame(void)
{
	unsigned long long frames[CANDIDATES], frame = 0;
	int try, i;

	for (try = 0; !frame && try < TRIES; try++) {
		char *p = map_memory(USED_BYTES);

		if (!p)
			return 0;
		touch_memory(p, USED_BYTES);
		for (i = 0; i < CANDIDATES; i++)
			frames[i] = frame_of(p + USED_BYTES / CANDIDATES * i +
					     3 * getpagesize());
		munmap(p, USED_BYTES);
		sleep_ms(100);
		wait_hinted(WAIT_MS);
		frame = first_hinted(frames);
	}
	return frame;
}

/* Fill nearly all memory, and look whether the page is in it, or still free. */
static bool is_away(unsigned long long frame)
{
	size_t bytes = mem_available() - SPARE_BYTES;
	unsigned long long flags;
	char *p = map_memory(bytes);

	if (!p)
		return false;
	touch_memory(p, bytes);
	flags = flags_of(frame);
	munmap(p, bytes);
	ksft_print_msg("%zu MiB filled, flags %#llx\n", bytes / MIB, flags);
	return flags & PF_HWPOISON && !(flags & PF_USABLE);
}

/* A page within a block in flight, of which only the first one is marked; 0: none. */
static unsigned long long find_in_flight(void)
{
	static unsigned long long flags[CHUNK_PAGES];
	unsigned long long first;
	size_t pages, i, n;

	for (first = 0; (pages = read_flags(first, CHUNK_PAGES, flags));
	     first += pages)
		for (i = 0; i + SMALL_PAGES <= pages; i += SMALL_PAGES) {
			if ((flags[i] & PF_HINTED) != PF_OFFLINE)
				continue;
			for (n = 1; n < SMALL_PAGES && !flags[i + n]; n++)
				;
			if (n == SMALL_PAGES)
				return first + i + SMALL_PAGES / 2;
		}
	return 0;
}

/* The host is silent from here on. */
static unsigned long long frame_in_flight(void)
{
	/* A busy machine may need long. */
	long end = now_ms() + 3 * WAIT_MS;
	unsigned long long frame;

	hint_all_the_time(20);
	silence(true);
	do {
		use_memory(USED_BYTES);
		sleep_ms(500);
		frame = find_in_flight();
	} while (!frame && now_ms() < end);
	return frame;
}

/* Where the page is, and what its host does. */
enum place { HINTED, LATE, SILENT, STOPPED };
static const char * const places[] = {
	"that is hinted", "in flight to a late host", "in flight to a silent host",
	"in flight as hinting was stopped",
};

/* One page is taken out of a block, and put back. */
static void test_poison(const char *file, bool by_address, enum place place,
			const char *how)
{
	unsigned long long frame, flags, before = mem_poisoned(), after;
	int ret;

	if (access(file, W_OK) || access(POISON_DIR "/unpoison-pfn", W_OK)) {
		ksft_test_result_skip("%s: no %s\n", how, file);
		ksft_test_result_skip("%s: handed out\n", how);
		ksft_test_result_skip("%s undone\n", how);
		return;
	}
	frame = place == HINTED ? hinted_frame() : frame_in_flight();
	if (place == LATE)
		write_number(FAULT_DIR "/times", LATE_LOOKS);
	if (place == STOPPED)
		write_knob("enabled", 0);
	ret = write_number(file, by_address ? frame * getpagesize() : frame);
	flags = flags_of(frame);
	after = mem_poisoned();
	ksft_print_msg("frame %#llx: %d, flags %#llx, %llu bytes poisoned, then %llu\n",
		       frame, ret, flags, before, after);
	if (place >= SILENT)
		ret = !ret;
	ksft_test_result(frame && !ret && flags & PF_HWPOISON &&
			 !(flags & PF_OFFLINE) &&
			 after == before + getpagesize(),
			 "%s of a page %s\n", how, places[place]);
	if (place != HINTED)
		restore_knobs();
	ksft_test_result(is_away(frame), "%s: it is never handed out\n", how);
	ret = write_number(POISON_DIR "/unpoison-pfn", frame);
	ksft_test_result(frame && !ret && !(flags_of(frame) & PF_HWPOISON) &&
			 mem_poisoned() == before, "%s undone\n", how);
}

static void test_ends(void)
{
	char balloon[64];
	bool found = find_balloon(balloon, sizeof(balloon));

	ksft_test_result(!write_knob("flush", 1), "a flush ends\n");
	ksft_test_result(found && !unbind_balloon(balloon) && !bind_balloon(balloon),
			 "unbind and bind end\n");
}

int main(void)
{
	bool faults = !access(FAULT_DIR, F_OK);
	const char *why = why_skip();
	unsigned long long known_before;

	ksft_print_header();
	if (why)
		ksft_exit_skip("%s\n", why);
	save_knobs();
	ksft_set_plan(faults ? 24 : 12);
	write_knob("enabled", 1);
	use_memory(USED_BYTES);
	wait_hinted(WAIT_MS);
	known_before = mem_known();
	test_cma();
	/* Before anything else has told the kernel that pages fail. */
	if (faults)
		test_poison(POISON_DIR "/corrupt-pfn", false, STOPPED, "memory failure while off");
	test_poison(SOFT_OFFLINE, true, HINTED, "soft offlining");
	if (faults)
		test_poison(SOFT_OFFLINE, true, LATE, "late soft offlining");
	test_poison(POISON_DIR "/corrupt-pfn", false, HINTED, "memory failure");
	if (faults) {
		test_poison(POISON_DIR "/corrupt-pfn", false, LATE, "late memory failure");
		test_poison(POISON_DIR "/corrupt-pfn", false, SILENT, "silent memory failure");
	}
	test_ends();
	write_knob("enabled", 1);
	ksft_test_result(wait_known(known_before - LOSS_BYTES, WAIT_MS),
			 "no memory is lost\n");
	/* What was filled is kept for long, and then all has to be quiet twice as long. */
	ksft_test_result(wait_hinted(3 * WAIT_MS), "hinting goes on\n");
	ksft_finished();
}
