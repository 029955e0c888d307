// SPDX-License-Identifier: GPL-2.0
/*
 * The content of memory that is hinted: what is free may turn to zeros, what
 * is in use must not, and what is allocated again reads as zeros.
 *
 * Each page is filled with words that no other page has. A block handed to
 * the host after it was allocated again would turn to zeros under its owner;
 * a block that comes back with somebody's data would be neither zeros nor
 * its own pattern.
 *
 *	content [--loop SECONDS] [--pressure] [--toggle] [--rebind]
 *
 * Without arguments: the test of content, then a short loop of everything.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../kselftest.h"
#include "util.h"

#define USED_BYTES	(128 * MIB)
#define LOOP_SECONDS	5
#define MIN_ROUNDS	8
#define MIN_HINTED	2
#define LIVE_BYTES	(64 * MIB)
#define BOARD_BYTES	(128 * MIB)
#define CHUNK_BYTES	(4 * MIB)
#define WAIT_MS		30000

struct options {
	long seconds;
	bool pressure;
	bool toggle;
	bool rebind;
};

/* How the pages of a range were found. */
struct tally {
	size_t zero, own, other, skipped;
};

static uint64_t salt;
static char balloon[64];

static uint64_t word_of(uint64_t seed, uint64_t page, size_t i)
{
	return (page + 1) * 0x9e3779b97f4a7c15ULL ^ seed ^ i;
}

static size_t words_per_page(void)
{
	return getpagesize() / sizeof(uint64_t);
}

static void fill_pages(char *p, size_t bytes, uint64_t seed)
{
	size_t page, i;

	for (page = 0; page < bytes / getpagesize(); page++) {
		uint64_t *word = (uint64_t *)(p + page * getpagesize());

		for (i = 0; i < words_per_page(); i++)
			word[i] = word_of(seed, page, i);
	}
}

static void tally_page(struct tally *t, const uint64_t *word, uint64_t seed,
		       uint64_t page)
{
	size_t zero = 0, own = 0, i;

	for (i = 0; i < words_per_page(); i++) {
		zero += !word[i];
		own += word[i] == word_of(seed, page, i);
	}
	if (zero == words_per_page())
		t->zero++;
	else if (own == words_per_page())
		t->own++;
	else
		t->other++;
}

static void add_tally(struct tally *sum, const struct tally *t)
{
	sum->zero += t->zero;
	sum->own += t->own;
	sum->other += t->other;
}

static struct tally tally_pages(const char *p, size_t bytes, uint64_t seed)
{
	struct tally t = { 0 };
	size_t page;

	for (page = 0; page < bytes / getpagesize(); page++)
		tally_page(&t, (uint64_t *)(p + page * getpagesize()), seed,
			   page);
	return t;
}

static bool is_hinted(unsigned long long frame)
{
	unsigned long long flags;

	return read_flags(frame, 1, &flags) == 1 &&
	       (flags & PF_HINTED) == PF_HINTED;
}

/*
 * Look at free pages from outside: through /dev/mem, for the kernel zeroes
 * what it hands to a process and shows zeros for hinted pages in /proc/kcore.
 */
static struct tally tally_frames(int mem, const unsigned long long *frames,
				 size_t pages)
{
	static uint64_t words[8192];
	size_t size = getpagesize(), i;
	struct tally t = { 0 };

	for (i = 0; i < pages; i++) {
		off_t at = frames[i] * size;

		/* Taken by somebody meanwhile, or not hinted: none of ours. */
		if (!is_hinted(frames[i]) ||
		    pread(mem, words, size, at) != (ssize_t)size ||
		    !is_hinted(frames[i]))
			t.skipped++;
		else
			tally_page(&t, words, salt, i);
	}
	return t;
}

/* /dev/mem tells nothing of memory where the kernel is strict. */
static int open_mem(unsigned long long frame)
{
	int fd = open("/dev/mem", O_RDONLY);
	uint64_t word;

	if (fd >= 0 && (pread(fd, &word, sizeof(word),
			      (off_t)frame * getpagesize()) != sizeof(word) ||
			word != word_of(salt, 0, 0))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The free pages; both results need a look at memory that is not ours. */
static void test_free(int mem, const unsigned long long *frames, size_t pages)
{
	struct tally t;

	if (mem < 0) {
		ksft_test_result_skip("free pages: /dev/mem is strict\n");
		ksft_test_result_skip("discarded pages: /dev/mem is strict\n");
		return;
	}
	t = tally_frames(mem, frames, pages);
	ksft_print_msg("%zu free pages: %zu zero, %zu own, %zu other, %zu not hinted\n",
		       pages, t.zero, t.own, t.other, t.skipped);
	ksft_test_result(!t.other, "free pages are zero or as they were left\n");
	/* Some memory goes to others at once; most must have been hinted. */
	ksft_test_result(t.zero > pages / 2, "the host has discarded them\n");
	close(mem);
}

static void test_content(bool dontneed, const char *how)
{
	size_t pages = USED_BYTES / getpagesize(), i;
	unsigned long long *frames = calloc(pages, sizeof(*frames));
	char *p = map_memory(USED_BYTES);
	struct sums before, after;
	struct tally t;
	int mem;

	if (!p || !frames)
		ksft_exit_fail_msg("no memory\n");
	fill_pages(p, USED_BYTES, salt);
	for (i = 0; i < pages; i++)
		frames[i] = frame_of(p + i * getpagesize());
	mem = open_mem(frames[0]);
	t = tally_pages(p, USED_BYTES, salt);
	ksft_test_result(t.own == pages, "%s: memory in use keeps its content\n",
			 how);
	wait_hinted(WAIT_MS);
	read_sums(&before);
	if (dontneed)
		madvise(p, USED_BYTES, MADV_DONTNEED);
	else
		munmap(p, USED_BYTES);
	sleep_ms(100);
	wait_hinted(WAIT_MS);
	read_sums(&after);
	ksft_print_msg("%llu MiB acknowledged, %llu MiB not hinted\n",
		       (after.acknowledged - before.acknowledged) / MIB,
		       after.unhinted / MIB);
	ksft_test_result(after.acknowledged - before.acknowledged >=
			 USED_BYTES * 8 / 10, "%s: the host acknowledged it\n",
			 how);
	test_free(mem, frames, pages);
	if (!dontneed)
		p = map_memory(USED_BYTES);
	t = tally_pages(p, USED_BYTES, salt);
	ksft_test_result(t.zero == pages, "%s: allocated again, all zeros\n",
			 how);
	fill_pages(p, USED_BYTES, salt);
	t = tally_pages(p, USED_BYTES, salt);
	ksft_test_result(t.own == pages, "%s: and keeps what is written\n", how);
	munmap(p, USED_BYTES);
	free(frames);
}

/*
 * For so long, or until the host has acknowledged something, which on a slow
 * kernel takes longer, up to a limit.
 */
static void let_hint(long ms)
{
	long start = now_ms();
	struct sums before, s;

	read_sums(&before);
	do {
		sleep_ms(50);
		read_sums(&s);
	} while (now_ms() - start < ms || (s.acknowledged == before.acknowledged &&
					   now_ms() - start < 20 * ms));
}

static void toggle_child(void *arg)
{
	for (;;) {
		write_knob("enabled", 0);
		sleep_ms(150);
		write_knob("enabled", 1);
		let_hint(150);
	}
}

static void rebind_child(void *arg)
{
	for (;;) {
		unbind_balloon(balloon);
		sleep_ms(100);
		bind_balloon(balloon);
		let_hint(600);
	}
}

/* Takes all but a little, so that the guest nears its watermarks. */
static void pressure_child(void *arg)
{
	unsigned long long have;

	/*
	 * The OOM killer may take this process. A killed process's huge pages are
	 * all freed at its very end, when the kernel counts on them no more, and
	 * takes another process meanwhile, with or without hinting.
	 */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	for (;;) {
		have = mem_available();
		if (have > 64 * MIB)
			use_memory(have - 32 * MIB);
		sleep_ms(50);
	}
}

/*
 * Memory that stays, with holes in it that come and go: what is hinted and
 * what is in use lie side by side.
 */
static void map_board(char *board)
{
	size_t at;

	for (at = 0; at < BOARD_BYTES; at += CHUNK_BYTES)
		fill_pages(board + at, CHUNK_BYTES, at);
}

/* What was a hole is zeros; what is filled stays, until it is a hole again. */
static void punch_board(char *board, unsigned int round, struct tally *sum)
{
	unsigned int holes = BOARD_BYTES / CHUNK_BYTES / 2;
	char *hole = board + round % holes * 2 * CHUNK_BYTES;
	struct tally t;

	t = tally_pages(hole, CHUNK_BYTES, hole - board);
	sum->other += round < holes ? t.zero + t.other :
				      CHUNK_BYTES / getpagesize() - t.zero;
	fill_pages(hole, CHUNK_BYTES, ++salt);
	sleep_ms(round % 2);
	t = tally_pages(hole, CHUNK_BYTES, salt);
	add_tally(sum, &t);
	madvise(hole, CHUNK_BYTES, MADV_DONTNEED);
}

/* What stays is in every second chunk. */
static void check_board(const char *board, struct tally *sum)
{
	struct tally t;
	size_t at;

	for (at = CHUNK_BYTES; at < BOARD_BYTES; at += 2 * CHUNK_BYTES) {
		t = tally_pages(board + at, CHUNK_BYTES, at);
		add_tally(sum, &t);
	}
}

/* Memory that is taken, filled, looked at and freed. */
static void check_round(unsigned int round, struct tally *sum)
{
	size_t bytes = LIVE_BYTES >> (round % 5);
	char *p = map_memory(bytes);
	struct tally t;

	if (!p)
		return;
	t = tally_pages(p, bytes, salt);
	sum->other += bytes / getpagesize() - t.zero;
	fill_pages(p, bytes, ++salt);
	sleep_ms(round % 3 * 30);
	t = tally_pages(p, bytes, salt);
	add_tally(sum, &t);
	munmap(p, bytes);
}

/* Returns in how many rounds the host has acknowledged something. */
static unsigned int churn_and_check(long seconds, pid_t *pressure,
				    struct tally *sum)
{
	long end = now_ms() + seconds * 1000;
	unsigned int round = 0, hinted = 0;
	char *board = map_memory(BOARD_BYTES);
	unsigned long long last = 0;
	struct sums s;

	if (!board)
		ksft_exit_fail_msg("no memory\n");
	map_board(board);
	/* A slow kernel, or a busy host, gets more time, within limits. */
	while (now_ms() < end ||
	       ((round < MIN_ROUNDS || hinted < MIN_HINTED) &&
		now_ms() < end + 20000 * seconds)) {
		punch_board(board, round, sum);
		check_round(round, sum);
		if (round++ % 8 == 0)
			check_board(board, sum);
		read_sums(&s);
		hinted += s.acknowledged != last;
		last = s.acknowledged;
		/* The OOM killer may have taken it, which is its purpose. */
		if (*pressure > 0 && wait_child(*pressure, 0) >= 0)
			*pressure = start_child(pressure_child, NULL);
	}
	check_board(board, sum);
	munmap(board, BOARD_BYTES);
	ksft_print_msg("%u rounds, hinting in %u\n", round, hinted);
	return hinted;
}

/* Whatever the children left: bound, enabled. */
static void bring_back(const struct options *o)
{
	char name[64];

	if (o->rebind && !find_balloon(name, sizeof(name)))
		bind_balloon(balloon);
	write_knob("enabled", 1);
}

static void test_after(unsigned long long known_before)
{
	struct sums before, after;
	bool ok;

	ksft_test_result(wait_hinted(WAIT_MS), "afterwards all is hinted\n");
	read_sums(&before);
	ksft_test_result(!before.in_flight, "afterwards nothing is in flight\n");
	ok = wait_known(known_before - LOSS_BYTES, WAIT_MS);
	ksft_print_msg("known memory: %llu MiB, then %llu MiB\n", known_before / MIB,
		       mem_known() / MIB);
	ksft_test_result(ok, "no memory is lost\n");
	read_sums(&before);
	use_memory(USED_BYTES);
	sleep_ms(100);
	wait_hinted(WAIT_MS);
	read_sums(&after);
	ksft_test_result(after.acknowledged >= before.acknowledged +
			 USED_BYTES / 2, "hinting works again\n");
}

static void test_loop(const struct options *o)
{
	pid_t pressure = 0, toggle = 0, rebind = 0;
	unsigned long long known_before;
	struct tally sum = { 0 };
	unsigned int hinted;

	wait_hinted(WAIT_MS);
	known_before = mem_known();
	hint_all_the_time(20);
	if (o->pressure)
		pressure = start_child(pressure_child, NULL);
	if (o->toggle)
		toggle = start_child(toggle_child, NULL);
	if (o->rebind)
		rebind = start_child(rebind_child, NULL);
	hinted = churn_and_check(o->seconds, &pressure, &sum);
	stop_child(pressure);
	stop_child(toggle);
	stop_child(rebind);
	bring_back(o);
	restore_knobs();
	ksft_print_msg("%zu pages: %zu turned to zeros, %zu wrong\n",
		       sum.own + sum.zero + sum.other, sum.zero, sum.other);
	ksft_test_result(hinted >= MIN_HINTED, "there was hinting all the time\n");
	ksft_test_result(sum.own && !sum.zero, "no memory in use was discarded\n");
	ksft_test_result(!sum.other, "no memory showed foreign content\n");
	test_after(known_before);
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "loop", required_argument, NULL, 'l' },
		{ "pressure", no_argument, NULL, 'p' },
		{ "toggle", no_argument, NULL, 't' },
		{ "rebind", no_argument, NULL, 'r' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "l:ptr", longs, NULL)) != -1) {
		if (c == 'l')
			o->seconds = atol(optarg);
		else if (c == 'p')
			o->pressure = true;
		else if (c == 't')
			o->toggle = true;
		else if (c == 'r')
			o->rebind = true;
		else
			exit(KSFT_FAIL);
	}
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	const char *why = why_skip();

	parse(argc, argv, &o);
	ksft_print_header();
	if (why)
		ksft_exit_skip("%s\n", why);
	save_knobs();
	salt = now_ms() * 1000003ULL;
	if (o.rebind || argc == 1)
		o.rebind = find_balloon(balloon, sizeof(balloon));
	write_knob("enabled", 1);
	if (argc == 1) {
		ksft_set_plan(19);
		test_content(false, "munmap");
		test_content(true, "MADV_DONTNEED");
		o.pressure = true;
		o.toggle = true;
	} else {
		ksft_set_plan(7);
	}
	if (!o.seconds)
		o.seconds = LOOP_SECONDS;
	test_loop(&o);
	ksft_finished();
}
