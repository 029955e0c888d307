// SPDX-License-Identifier: GPL-2.0
/*
 * The loads of the benchmark. Each does a fixed amount of work and prints
 * what it took in lines that begin with "###":
 *
 *   benchload churn MIB PAUSE_MS CYCLES    allocate, touch and free, in a loop
 *   benchload faults KIND TASKS MIB ROUNDS map, touch and unmap, in a loop
 *                                          KIND: anon, huge or file (tmpfs)
 *   benchload build PROCESSES JOBS         short processes, page cache grows;
 *                                          also says how much they touched
 *                                          within the first second
 *   benchload scatter MIB CYCLES PAUSE_MS  free and touch pieces of any size
 *   benchload holes MIB PIECE_KIB SECONDS [COMMAND]
 *                                          free every second piece, wait (while
 *                                          COMMAND runs), use them all again
 *   benchload gaps MIB PIECE_KIB COMMAND   the same with pieces of physical
 *                                          memory, until COMMAND has ended:
 *                                          each is one free block, aligned
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

#define DISK		"/dev/vda"
#define OBJECTS		"/tmp/objects"
#define SOURCE_BYTES	(4 * MIB)
#define OBJECT_BYTES	MIB
#define COMPILER_MIN	(8 * MIB)
#define COMPILER_MAX	(96 * MIB)
#define PIECE_BYTES_MAX	MIB
#define PAGEMAP		"/proc/self/pagemap"
#define PAGEMAP_FRAME	((1ULL << 55) - 1)
/* So much is touched between two looks at the clock. */
#define PROGRESS_BYTES	(64 * 1024UL)

/* The same numbers in every run. */
static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static void fail(const char *what)
{
	fprintf(stderr, "benchload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int churn(size_t bytes, long pause_ms, long cycles)
{
	long i, start_us;
	uint64_t start;
	char *p;

	for (i = 0; i < cycles; i++) {
		start_us = now_us();
		start = now_cycles();
		p = map_bytes(bytes, -1);
		write_pages(p, bytes);
		start = now_cycles() - start;
		printf("### alloc %ld %ld us %llu cycles\n", i,
		       now_us() - start_us, (unsigned long long)start);
		fflush(stdout);
		munmap(p, bytes);
		sleep_ms(pause_ms);
	}
	return 0;
}

static int open_file(size_t bytes)
{
	char path[] = "/tmp/faults.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0 || unlink(path) || ftruncate(fd, bytes))
		fail(path);
	return fd;
}

static void fault_rounds(const char *kind, int fd, size_t bytes, long rounds)
{
	char *p;

	while (rounds--) {
		p = map_bytes(bytes, fd);
		madvise(p, bytes, strcmp(kind, "huge") ? MADV_NOHUGEPAGE :
							 MADV_HUGEPAGE);
		write_pages(p, bytes);
		munmap(p, bytes);
	}
}

static void wait_children(long tasks)
{
	int status;

	while (tasks--) {
		if (wait(&status) < 0)
			fail("waiting for a task");
		if (status) {
			fprintf(stderr, "benchload: a task ended with %#x\n",
				status);
			exit(1);
		}
	}
}

static void fault_task(const char *kind, size_t bytes, long rounds, int go)
{
	int fd = strcmp(kind, "file") ? -1 : open_file(bytes);
	char c;

	fault_rounds(kind, fd, bytes, 1);
	if (read(go, &c, 1) < 0)
		fail("waiting for the start");
	fault_rounds(kind, fd, bytes, rounds);
	_exit(0);
}

static int faults(const char *kind, long tasks, size_t bytes, long rounds)
{
	long i, start_us;
	uint64_t start;
	int go[2];

	if (pipe(go))
		fail("pipe");
	for (i = 0; i < tasks; i++) {
		if (!fork()) {
			close(go[1]);
			fault_task(kind, bytes, rounds, go[0]);
		}
	}
	/* By then each has made its first round and waits. */
	sleep_ms(2000);
	start_us = now_us();
	start = now_cycles();
	close(go[1]);
	wait_children(tasks);
	start = now_cycles() - start;
	printf("### faults %s tasks %ld MiB %zu us %ld cycles %llu\n", kind,
	       tasks, tasks * rounds * bytes / MIB, now_us() - start_us,
	       (unsigned long long)start);
	return 0;
}

static void copy_source(long number, char *buffer)
{
	char path[64];
	int disk = open(DISK, O_RDONLY), object;

	if (disk < 0)
		fail(DISK);
	if (pread(disk, buffer, SOURCE_BYTES, number * SOURCE_BYTES) !=
	    (ssize_t)SOURCE_BYTES)
		fail("reading " DISK);
	snprintf(path, sizeof(path), OBJECTS "/%ld", number);
	object = open(path, O_CREAT | O_WRONLY, 0600);
	if (object < 0 ||
	    write(object, buffer, OBJECT_BYTES) != (ssize_t)OBJECT_BYTES)
		fail(path);
}

/* For this process and its children. */
static void *map_shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mapping shared memory");
	return p;
}

static size_t compiler_bytes(long number)
{
	uint32_t seed = number;

	return COMPILER_MIN +
	       next_random(&seed) % (COMPILER_MAX - COMPILER_MIN);
}

static void compile(long number, long start_us, size_t *early)
{
	size_t bytes = compiler_bytes(number), at;
	char *p = map_bytes(bytes, -1);

	copy_source(number, p);
	for (at = 0; at < bytes; at += PROGRESS_BYTES) {
		write_pages(p + at, bytes - at < PROGRESS_BYTES ?
				    bytes - at : PROGRESS_BYTES);
		if (now_us() - start_us < 1000000)
			__atomic_fetch_add(early, PROGRESS_BYTES,
					   __ATOMIC_RELAXED);
	}
	_exit(0);
}

static int build(long processes, long jobs)
{
	long i, running = 0, start_us = now_us();
	size_t *early = map_shared(sizeof(*early));

	if (mkdir(OBJECTS, 0700) && errno != EEXIST)
		fail(OBJECTS);
	for (i = 0; i < processes; i++) {
		if (running == jobs) {
			wait_children(1);
			running--;
		}
		if (!fork())
			compile(i, start_us, early);
		running++;
	}
	wait_children(running);
	printf("### built %ld in %ld us\n", processes, now_us() - start_us);
	printf("### %zu KiB in the first second\n", *early / 1024);
	return 0;
}

/* Give back and touch again pieces at any place; returns the bytes freed. */
static size_t scatter_once(char *p, size_t bytes, uint32_t *seed)
{
	size_t goal = bytes / 3, freed = 0, piece, at;

	while (freed < goal) {
		piece = (1 + next_random(seed) % (PIECE_BYTES_MAX / PAGE_BYTES)) *
			PAGE_BYTES;
		at = next_random(seed) % ((bytes - piece) / PAGE_BYTES) *
		     PAGE_BYTES;
		madvise(p + at, piece, MADV_DONTNEED);
		freed += piece;
	}
	return freed;
}

static int scatter(size_t bytes, long cycles, long pause_ms)
{
	char *p = map_bytes(bytes, -1);
	size_t freed = 0;
	uint32_t seed = 1;

	madvise(p, bytes, MADV_NOHUGEPAGE);
	write_pages(p, bytes);
	while (cycles--) {
		freed += scatter_once(p, bytes, &seed);
		sleep_ms(pause_ms);
		write_pages(p, bytes);
	}
	printf("### scattered %zu MiB\n", freed / MIB);
	return 0;
}

/*
 * @frames: the number of each page's frame, where pieces are of physical
 * memory; NULL where they are of the mapping
 */
struct pieces {
	char *base;
	size_t bytes, piece_bytes, page_bytes;
	uint64_t *frames;
};

static int is_hole(const struct pieces *p, size_t at)
{
	if (p->frames)
		at = p->frames[at / p->page_bytes] * p->page_bytes;
	return at / p->piece_bytes % 2 == 0;
}

/* Every word of a page says where it is; returns how many did not. */
static size_t check_page(const struct pieces *p, size_t at, int write)
{
	size_t *word = (size_t *)(p->base + at), i, wrong = 0;

	for (i = 0; i < p->page_bytes / sizeof(*word); i++) {
		if (write)
			word[i] = at + i;
		else
			wrong += word[i] != at + i;
	}
	return wrong;
}

static struct pieces map_pieces(size_t bytes, size_t piece_bytes)
{
	struct pieces p = {
		.base = map_bytes(bytes, -1),
		.bytes = bytes,
		.piece_bytes = piece_bytes,
		.page_bytes = sysconf(_SC_PAGESIZE),
	};
	size_t at;

	madvise(p.base, bytes, MADV_NOHUGEPAGE);
	for (at = 0; at < bytes; at += p.page_bytes)
		check_page(&p, at, 1);
	return p;
}

static void find_frames(struct pieces *p)
{
	size_t pages = p->bytes / p->page_bytes, size = pages * 8, i;
	int fd = open(PAGEMAP, O_RDONLY);

	p->frames = malloc(size);
	if (fd < 0 || !p->frames ||
	    pread(fd, p->frames, size,
		  (uintptr_t)p->base / p->page_bytes * 8) != (ssize_t)size)
		fail(PAGEMAP);
	close(fd);
	for (i = 0; i < pages; i++)
		p->frames[i] &= PAGEMAP_FRAME;
}

static void free_holes(const struct pieces *p)
{
	size_t at, end, freed = 0;

	print_clock();
	for (at = 0; at < p->bytes; at = end) {
		end = at + p->page_bytes;
		while (end < p->bytes && is_hole(p, end) == is_hole(p, at))
			end += p->page_bytes;
		if (!is_hole(p, at))
			continue;
		if (madvise(p->base + at, end - at, MADV_DONTNEED))
			fail("freeing a hole");
		freed += end - at;
	}
	printf("### freed %zu bytes\n### mark holed\n", freed);
	fflush(stdout);
}

/* Returns how many words are not what was written. */
static size_t refill_holes(const struct pieces *p)
{
	size_t at, wrong = 0;
	long start_us;

	printf("### mark kept\n");
	fflush(stdout);
	start_us = now_us();
	for (at = 0; at < p->bytes; at += p->page_bytes)
		if (is_hole(p, at))
			check_page(p, at, 1);
	printf("### refilled in %ld us\n", now_us() - start_us);
	for (at = 0; at < p->bytes; at += p->page_bytes)
		wrong += check_page(p, at, 0);
	printf("### holes: %zu words wrong\n", wrong);
	return wrong;
}

/* Beside this program, which does not wait for it. */
static void run_beside(const char *command)
{
	if (command && !fork()) {
		execl("/bin/sh", "sh", "-c", command, NULL);
		fail("/bin/sh");
	}
}

static int holes(size_t bytes, size_t piece, long seconds, const char *command)
{
	struct pieces p = map_pieces(bytes, piece);

	free_holes(&p);
	run_beside(command);
	sleep_ms(seconds * 1000);
	return !!refill_holes(&p);
}

static int gaps(size_t bytes, size_t piece, const char *command)
{
	struct pieces p = map_pieces(bytes, piece);

	find_frames(&p);
	free_holes(&p);
	if (system(command))
		fail(command);
	return !!refill_holes(&p);
}

int main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "";
	long n[6] = { 0 };
	int i;

	for (i = 2; i < argc && i < 6; i++)
		n[i] = atol(argv[i]);
	if (!strcmp(cmd, "churn") && argc == 5)
		return churn(n[2] * MIB, n[3], n[4]);
	if (!strcmp(cmd, "faults") && argc == 6)
		return faults(argv[2], n[3], n[4] * MIB, n[5]);
	if (!strcmp(cmd, "build") && argc == 4)
		return build(n[2], n[3]);
	if (!strcmp(cmd, "scatter") && argc == 5)
		return scatter(n[2] * MIB, n[3], n[4]);
	if (!strcmp(cmd, "holes") && (argc == 5 || argc == 6))
		return holes(n[2] * MIB, n[3] * 1024, n[4], argv[5]);
	if (!strcmp(cmd, "gaps") && argc == 5)
		return gaps(n[2] * MIB, n[3] * 1024, argv[4]);
	fprintf(stderr, "usage: benchload churn MIB PAUSE_MS CYCLES |\n");
	fprintf(stderr, "       faults anon|huge|file TASKS MIB ROUNDS |\n");
	fprintf(stderr, "       build PROCESSES JOBS | scatter MIB CYCLES PAUSE_MS |\n");
	fprintf(stderr, "       holes MIB PIECE_KIB SECONDS [COMMAND] |\n");
	fprintf(stderr, "       gaps MIB PIECE_KIB COMMAND\n");
	return 2;
}
