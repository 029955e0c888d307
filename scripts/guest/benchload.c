// SPDX-License-Identifier: GPL-2.0
/*
 * The loads of the benchmark. Each does a fixed amount of work and prints
 * what it took in lines that begin with "###":
 *
 *   benchload sample EVERY_MS              let the host look at us, for ever
 *   benchload watch SECONDS                the same, often at first and ever less
 *   benchload drain MIB SECONDS            fill memory, free it, watch
 *   benchload churn MIB PAUSE_MS CYCLES [KEPT_MIB SECONDS]
 *                                          allocate, touch and free, in a loop;
 *                                          in the end, watch; KEPT_MIB lie beside
 *                                          it until then
 *   benchload faults KIND MIB ROUNDS       map, touch and unmap, in a loop
 *                                          KIND: anon, huge or file (tmpfs)
 *   benchload build PROCESSES JOBS [MS]    short processes, page cache grows; each
 *                                          lives for at least so long
 *   benchload database MIB SECONDS         a buffer that stays, queries, a log
 *   benchload containers SLOTS SECONDS     processes start, work and stop
 *   benchload threads NAME                 what threads of that name did so far
 *   benchload scatter MIB CYCLES PAUSE_MS  free and touch pieces of any size
 *   benchload holes MIB PIECE_KIB SECONDS [COMMAND]
 *                                          free every second piece, wait (while
 *                                          COMMAND runs), use them all again
 *   benchload gaps MIB PIECE_KIB COMMAND   the same with pieces of physical
 *                                          memory, until COMMAND has ended:
 *                                          each is one free block, aligned
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
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
/* The first bytes of QEMU's pvpanic device, where scripts/bench puts it. */
#define STOPPER		"/sys/bus/pci/devices/0000:00:10.0/resource0"
#define STOPPER_BYTES	4096
#define STOPPER_STOP	1
/* Two looks are at least so far apart, and a fiftieth of the time since the free. */
#define WATCH_MIN_MS	2
#define WATCH_PARTS	50
/* The steps in which a compiler's memory grows while it lives. */
#define BUILD_STEPS	8
/* What a query takes, and the log before it begins anew; a container's working set. */
#define QUERY_MAX	(64 * MIB)
#define LOG_BYTES	MIB
#define LOG_MAX		64
#define READ_BYTES	(64 * 1024UL)
#define CONTAINER_MIN	(50 * MIB)
#define CONTAINER_MAX	(200 * MIB)

/* The same numbers in every run. */
static unsigned int next_random(unsigned int *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static void fail(const char *what)
{
	fprintf(stderr, "benchload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long between(unsigned int *state, long least, long most)
{
	return least + next_random(state) % (most - least + 1);
}

/*
 * Say what time it is and what is free, and have the host stop this guest: it
 * looks how large we are, and lets us go on. That takes no time of the guest's.
 */
static void sample(const char *what)
{
	static char *stopper;
	struct sysinfo info;
	int fd;

	if (!stopper) {
		fd = open(STOPPER, O_RDWR);
		if (fd < 0)
			fail(STOPPER);
		stopper = mmap(NULL, STOPPER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (stopper == MAP_FAILED)
			fail("mapping " STOPPER);
		close(fd);
	}
	sysinfo(&info);
	printf("### at %ld us free %lu KiB %s\n", now_us(), info.freeram * info.mem_unit / 1024,
	       what);
	fflush(stdout);
	__atomic_store_n(stopper, STOPPER_STOP, __ATOMIC_SEQ_CST);
}

static void sample_forever(long every_ms)
{
	for (;;) {
		sample("beside");
		sleep_ms(every_ms);
	}
}

static int watch(long seconds)
{
	long start = now_us() / 1000, ms = 0;

	while (ms < seconds * 1000) {
		sleep_ms(ms / WATCH_PARTS > WATCH_MIN_MS ? ms / WATCH_PARTS : WATCH_MIN_MS);
		sample("after");
		ms = now_us() / 1000 - start;
	}
	return 0;
}

static char *fill(size_t bytes)
{
	char *p = map_bytes(bytes, -1);

	write_pages(p, bytes);
	return p;
}

static int drain(size_t bytes, long seconds)
{
	char *p = fill(bytes);

	sample("freed");
	munmap(p, bytes);
	return watch(seconds);
}

/* The last time, what is kept goes with it. */
static int churn(size_t bytes, long pause_ms, long cycles, size_t kept_bytes, long seconds)
{
	char *p, *kept = kept_bytes ? fill(kept_bytes) : NULL;
	unsigned long long start;

	while (cycles--) {
		sample("begin");
		start = now_cycles();
		p = fill(bytes);
		start = now_cycles() - start;
		sample(cycles ? "end" : "freed");
		printf("### alloc %llu cycles\n", start);
		fflush(stdout);
		munmap(p, bytes);
		if (cycles)
			sleep_ms(pause_ms);
	}
	if (kept)
		munmap(kept, kept_bytes);
	return watch(seconds);
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

static int faults(const char *kind, size_t bytes, long rounds)
{
	int fd = strcmp(kind, "file") ? -1 : open_file(bytes);
	unsigned long long start;

	fault_rounds(kind, fd, bytes, 1);
	start = now_cycles();
	fault_rounds(kind, fd, bytes, rounds);
	printf("### pages %s MiB %zu cycles %llu\n", kind, rounds * bytes / MIB,
	       now_cycles() - start);
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

static size_t compiler_bytes(long number)
{
	unsigned int seed = number;

	return COMPILER_MIN +
	       next_random(&seed) % (COMPILER_MAX - COMPILER_MIN);
}

/* Memory grows while the compiler computes: here it sleeps, which is the same to memory. */
static void compile(long number, long life_ms)
{
	size_t bytes = compiler_bytes(number) / BUILD_STEPS;
	long step;

	copy_source(number, map_bytes(SOURCE_BYTES, -1));
	for (step = 0; step < BUILD_STEPS; step++) {
		fill(bytes);
		sleep_ms(life_ms / BUILD_STEPS);
	}
	_exit(0);
}

static int build(long processes, long jobs, long life_ms)
{
	long i, running = 0, start_us = now_us();

	if (mkdir(OBJECTS, 0700) && errno != EEXIST)
		fail(OBJECTS);
	for (i = 0; i < processes; i++) {
		if (running == jobs) {
			wait_children(1);
			running--;
		}
		if (!fork())
			compile(i, life_ms);
		running++;
	}
	wait_children(running);
	printf("### built %ld in %ld us\n", processes, now_us() - start_us);
	return 0;
}

/* A sort or a join: 1 to 64 MiB, small ones more often, for a moment. */
static void query(unsigned int *seed)
{
	size_t bytes = MIB << between(seed, 0, 5);
	char *p;

	bytes += next_random(seed) % bytes;
	if (bytes > QUERY_MAX)
		bytes = QUERY_MAX;
	p = fill(bytes);
	sleep_ms(between(seed, 5, 200));
	munmap(p, bytes);
}

/* Read from somewhere on the disk, and write to a log that begins anew when it is full. */
static void file_io(int disk, int log, long number, unsigned int *seed, char *buffer)
{
	off_t size = lseek(disk, 0, SEEK_END);
	int i;

	for (i = 0; i < 8; i++)
		if (pread(disk, buffer, READ_BYTES,
			  next_random(seed) % (size / READ_BYTES) * READ_BYTES) < 0)
			fail("reading " DISK);
	if (number % LOG_MAX == 0 && ftruncate(log, 0))
		fail("emptying the log");
	if (pwrite(log, buffer, LOG_BYTES, number % LOG_MAX * LOG_BYTES) != (ssize_t)LOG_BYTES)
		fail("writing the log");
}

static int database(size_t bytes, long seconds)
{
	long end_us = now_us() + seconds * 1000000, queries = 0;
	int disk = open(DISK, O_RDONLY), log = open_file(0);
	char *buffer = fill(LOG_BYTES);
	unsigned int seed = 1;

	if (disk < 0)
		fail(DISK);
	fill(bytes);
	while (now_us() < end_us) {
		query(&seed);
		file_io(disk, log, queries++, &seed, buffer);
		sleep_ms(between(&seed, 20, 500));
	}
	printf("### %ld queries\n", queries);
	return 0;
}

/* Uses its working set, a part of it anew again and again, for 2 to 10 s. */
static void container(unsigned int *seed)
{
	size_t bytes = between(seed, CONTAINER_MIN, CONTAINER_MAX), part = bytes / 8;
	long left_ms = between(seed, 2000, 10000), ms;
	char *p = fill(bytes);

	while (left_ms > 0) {
		ms = between(seed, 100, 1000);
		sleep_ms(ms);
		left_ms -= ms;
		madvise(p, part, MADV_DONTNEED);
		write_pages(p, part);
	}
	_exit(0);
}

/* In each slot one runs after the other, with pauses of up to 5 s. */
static void container_slot(long slot, long end_us)
{
	unsigned int seed = slot + 1;

	while (now_us() < end_us) {
		sleep_ms(between(&seed, 500, 5000));
		next_random(&seed);
		if (!fork())
			container(&seed);
		wait_children(1);
	}
	_exit(0);
}

static int containers(long slots, long seconds)
{
	long end_us = now_us() + seconds * 1000000, i;

	for (i = 0; i < slots; i++)
		if (!fork())
			container_slot(i, end_us);
	wait_children(slots);
	return 0;
}

/* Nanoseconds that a thread ran; how often it was woken. */
static void thread_did(int pid, unsigned long long *ran, unsigned long long *woken)
{
	unsigned long long switches;
	char path[64], line[128];
	struct timespec ts;
	clockid_t clock;
	FILE *f;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		return;
	*ran += ts.tv_sec * 1000000000ULL + ts.tv_nsec;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &switches) == 1)
			*woken += switches;
	if (f)
		fclose(f);
}

static int threads(const char *name)
{
	unsigned long long ran = 0, woken = 0;
	DIR *dir = opendir("/proc");
	struct dirent *de;
	char path[512], comm[64];
	FILE *f;

	while (dir && (de = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", de->d_name);
		f = atoi(de->d_name) ? fopen(path, "r") : NULL;
		if (f && fgets(comm, sizeof(comm), f) && !strncmp(comm, name, strlen(name)))
			thread_did(atoi(de->d_name), &ran, &woken);
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	printf("### thread %s ran %llu woken %llu\n", name, ran, woken);
	return 0;
}

/* Give back and touch again pieces at any place; returns the bytes freed. */
static size_t scatter_once(char *p, size_t bytes, unsigned int *seed)
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
	unsigned int seed = 1;

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
	unsigned long long *frames;
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
		  (unsigned long)p->base / p->page_bytes * 8) != (ssize_t)size)
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

static int print_usage(void)
{
	fprintf(stderr, "usage: benchload sample EVERY_MS | watch SECONDS |\n");
	fprintf(stderr, "       drain MIB SECONDS | threads NAME |\n");
	fprintf(stderr, "       churn MIB PAUSE_MS CYCLES [KEPT_MIB SECONDS] |\n");
	fprintf(stderr, "       faults anon|huge|file MIB ROUNDS |\n");
	fprintf(stderr, "       build PROCESSES JOBS [MS] | scatter MIB CYCLES PAUSE_MS |\n");
	fprintf(stderr, "       database MIB SECONDS | containers SLOTS SECONDS |\n");
	fprintf(stderr, "       holes MIB PIECE_KIB SECONDS [COMMAND] |\n");
	fprintf(stderr, "       gaps MIB PIECE_KIB COMMAND\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "";
	long n[7] = { 0 };
	int i;

	for (i = 2; i < argc && i < 7; i++)
		n[i] = atol(argv[i]);
	if (!strcmp(cmd, "sample") && argc == 3)
		sample_forever(n[2]);
	if (!strcmp(cmd, "watch") && argc == 3)
		return watch(n[2]);
	if (!strcmp(cmd, "drain") && argc == 4)
		return drain(n[2] * MIB, n[3]);
	if (!strcmp(cmd, "churn") && (argc == 5 || argc == 7))
		return churn(n[2] * MIB, n[3], n[4], n[5] * MIB, n[6]);
	if (!strcmp(cmd, "faults") && argc == 5)
		return faults(argv[2], n[3] * MIB, n[4]);
	if (!strcmp(cmd, "build") && (argc == 4 || argc == 5))
		return build(n[2], n[3], n[4]);
	if (!strcmp(cmd, "database") && argc == 4)
		return database(n[2] * MIB, n[3]);
	if (!strcmp(cmd, "containers") && argc == 4)
		return containers(n[2], n[3]);
	if (!strcmp(cmd, "threads") && argc == 3)
		return threads(argv[2]);
	if (!strcmp(cmd, "scatter") && argc == 5)
		return scatter(n[2] * MIB, n[3], n[4]);
	if (!strcmp(cmd, "holes") && (argc == 5 || argc == 6))
		return holes(n[2] * MIB, n[3] * 1024, n[4], argv[5]);
	if (!strcmp(cmd, "gaps") && argc == 5)
		return gaps(n[2] * MIB, n[3] * 1024, argv[4]);
	return print_usage();
}
