// SPDX-License-Identifier: GPL-2.0
/*
 * A load for a guest whose memory is watched from outside. Each line that
 * the host looks for begins with "###":
 *
 *   hintload touch MIB [small]            fill memory, free it
 *   hintload use MIB MS                   fill memory, work with it until so long
 *                                         after the start, free it
 *   hintload churn MIB PAUSE_MS SECONDS   fill and free it again and again
 *   hintload watch SECONDS [EVERY_MS]     print the memory's state
 *   hintload clock SECONDS [EVERY_MS]     print the time
 *   hintload settle SECONDS               wait until all is hinted
 *   hintload reach BYTES SECONDS          wait until acknowledged_bytes is that
 *   hintload flush 1|2                    write that to "flush", and wait
 *   hintload press MIB SIGNALS            fill memory, then have the kernel allocate
 *                                         for so many signals, which cannot wait
 *   hintload after MIB PAUSE_MS SECONDS KEPT_MIB
 *                                         loop beside memory that is kept, free
 *                                         both, and print when that is hinted
 *   hintload record SECONDS               print free memory as it changes
 *   hintload replay FILE                  have as much free as a series says, and
 *                                         print what that came to be in the end,
 *                                         and what hinting made of it
 *   hintload huge FILE MIB                fill a file of hugetlbfs, and look a second
 *                                         later whether that is still in it
 *   hintload kcore                        read all memory through /proc/kcore
 *   hintload sum                          print the zones' counters, summed
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load.h"

#define SYSFS		"/sys/kernel/mm/page_hinting"
/* Free blocks that may lie unhinted for a moment in an idle guest. */
#define SLACK_BYTES	(8UL * MIB)

/* Memory is allocated and freed in huge pages, so that it stays in one piece. */
#define STEP_MIB	2UL

struct sums {
	unsigned long long hinted, unhinted, in_flight, acknowledged, submitted,
		reused;
};

static long now_ms(void)
{
	return now_us() / 1000;
}

static unsigned long long mem_free_kb(void)
{
	unsigned long long kb = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemFree: %llu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

/* A number behind NAME in a file of lines; without NAME, what the file begins with. */
static unsigned long long read_number(const char *path, const char *name)
{
	unsigned long long value = 0;
	FILE *f = fopen(path, "r");
	char word[64];

	if (!f)
		return 0;
	if (!name && fscanf(f, "%llu", &value) != 1)
		value = 0;
	while (name && fscanf(f, "%63s %llu", word, &value) == 2) {
		if (!strcmp(word, name))
			break;
		value = 0;
	}
	fclose(f);
	return value;
}

static void add_zone(struct sums *s, const char *zone)
{
	const struct {
		const char *file, *name;
		unsigned long long *sum;
	} numbers[] = {
		{ "hinted_bytes", NULL, &s->hinted },
		{ "unhinted_bytes", NULL, &s->unhinted },
		{ "in_flight_bytes", NULL, &s->in_flight },
		{ "stat", "acknowledged_bytes", &s->acknowledged },
		{ "stat", "reused_bytes", &s->reused },
	};
	char path[512];
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		snprintf(path, sizeof(path), SYSFS "/%s/%s", zone, numbers[i].file);
		*numbers[i].sum += read_number(path, numbers[i].name);
	}
}

/* Returns the number of zones: 0 where the kernel has no page hinting. */
static int read_sums(struct sums *s)
{
	DIR *dir = opendir(SYSFS);
	struct dirent *de;
	int zones = 0;

	memset(s, 0, sizeof(*s));
	if (!dir)
		return 0;
	while ((de = readdir(dir))) {
		if (strncmp(de->d_name, "node", 4))
			continue;
		add_zone(s, de->d_name);
		zones++;
	}
	closedir(dir);
	s->submitted = read_number("/proc/vmstat", "page_hinting_submitted") *
		       sysconf(_SC_PAGESIZE);
	return zones;
}

static char *fill(size_t bytes, int small)
{
	char *p = map_bytes(bytes, -1);

	madvise(p, bytes, small ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	write_pages(p, bytes);
	return p;
}

static int touch(size_t bytes, int small)
{
	long start = now_ms();
	char *p = fill(bytes, small);

	printf("### touched %zu MiB in %ld ms\n", bytes / MIB, now_ms() - start);
	fflush(stdout);
	/* The serial line is slow: let it be silent before time counts. */
	sleep_ms(200);
	print_clock();
	munmap(p, bytes);
	printf("### freed %zu MiB\n", bytes / MIB);
	return 0;
}

static int use(size_t bytes, long ms)
{
	long end = now_ms() + ms;
	char *p = fill(bytes, 0);

	printf("### touched %zu MiB in %ld ms\n", bytes / MIB, now_ms() - end + ms);
	fflush(stdout);
	while (now_ms() < end) {
		write_pages(p, bytes);
		sleep_ms(50);
	}
	munmap(p, bytes);
	printf("### freed %zu MiB\n", bytes / MIB);
	return 0;
}

/* What the kernel queues for a signal it allocates with GFP_ATOMIC. */
static long queue_signals(long nr)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	long refused = 0;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) || setrlimit(RLIMIT_SIGPENDING, &all))
		return -1;
	while (nr--)
		refused += !!sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 });
	return refused;
}

static int press(size_t bytes, long signals)
{
	long start = now_ms(), ms;

	fill(bytes, 0);
	ms = now_ms() - start;
	printf("### pressed in %ld ms, refused %ld\n", ms, queue_signals(signals));
	return 0;
}

static int churn(size_t bytes, long pause, long seconds)
{
	long end = now_ms() + seconds * 1000, start;
	unsigned int n = 0;
	char *p;

	while (now_ms() < end) {
		start = now_ms();
		p = fill(bytes, 0);
		printf("### alloc %u %ld ms\n", n++, now_ms() - start);
		fflush(stdout);
		munmap(p, bytes);
		sleep_ms(pause);
	}
	printf("### churned %u\n", n);
	return 0;
}

/* Until not more than so much is unhinted or in flight; -1: not in a minute. */
static long until_unhinted(long start, size_t bytes)
{
	struct sums s;

	while (now_ms() - start < 60000) {
		read_sums(&s);
		if (s.unhinted + s.in_flight <= bytes)
			return now_ms() - start;
		sleep_ms(5);
	}
	return -1;
}

/*
 * A loop beside memory that is kept; then both are freed for good. Prints how
 * long it takes until 95 % of what was kept is hinted, and of all.
 */
static int after(size_t bytes, long pause, long seconds, size_t kept_bytes)
{
	char *p, *kept = fill(kept_bytes, 0);
	long end = now_ms() + seconds * 1000;
	long start, fill_ms, kept_ms, all_ms;

	do {
		sleep_ms(pause);
		start = now_ms();
		p = fill(bytes, 0);
		fill_ms = now_ms() - start;
		if (now_ms() < end)
			munmap(p, bytes);
	} while (now_ms() < end);
	start = now_ms();
	munmap(p, bytes);
	munmap(kept, kept_bytes);
	kept_ms = until_unhinted(start, bytes + kept_bytes / 20);
	all_ms = until_unhinted(start, (bytes + kept_bytes) / 20);
	printf("### after %zu MiB every %ld ms beside %zu MiB: %ld ms, all %ld ms, filled in %ld ms\n",
	       bytes / MIB, pause, kept_bytes / MIB, kept_ms, all_ms, fill_ms);
	return 0;
}

static void print_state(const char *word)
{
	struct sums s;
	int zones = read_sums(&s);

	printf("### %s free %llu kB zones %d ", word, mem_free_kb(), zones);
	printf("hinted %llu unhinted %llu in_flight %llu acknowledged %llu ",
	       s.hinted, s.unhinted, s.in_flight, s.acknowledged);
	printf("submitted %llu\n", s.submitted);
	fflush(stdout);
}

static int watch(long seconds, long every)
{
	long end = now_ms() + seconds * 1000;

	do {
		print_state("mem");
		sleep_ms(every);
	} while (now_ms() < end);
	return 0;
}

static int tell_time(long seconds, long every)
{
	long end = now_ms() + seconds * 1000;

	do {
		print_clock();
		sleep_ms(every);
	} while (now_ms() < end);
	return 0;
}

/* A series for scripts/simulate: milliseconds, MiB free. */
static int record(long seconds)
{
	long start = now_ms(), now = start;
	unsigned long long last = 0;

	for (; now < start + seconds * 1000; now = now_ms()) {
		unsigned long long mib = mem_free_kb() / 1024;

		if (mib != last)
			printf("### free %ld %llu\n", now - start, mib);
		last = mib;
		sleep_ms(10);
	}
	fflush(stdout);
	return 0;
}

/*
 * Nothing in flight and next to nothing left to hint, for a while: what lies
 * in per-CPU lists comes out when the guest is idle.
 */
static int settle(long seconds)
{
	long end = now_ms() + seconds * 1000;
	int quiet = 0, enough = 6;
	struct sums s;

	while (quiet < enough && now_ms() < end) {
		sleep_ms(250);
		if (!read_sums(&s)) {
			fprintf(stderr, "hintload: no page hinting here\n");
			return 1;
		}
		quiet = !s.in_flight && s.unhinted <= SLACK_BYTES ? quiet + 1 : 0;
	}
	print_state(quiet < enough ? "unsettled" : "settled");
	return quiet < enough;
}

static int reach(unsigned long long bytes, long seconds)
{
	long end = now_ms() + seconds * 1000;
	struct sums s;

	while (read_sums(&s) && s.acknowledged < bytes && now_ms() < end)
		sleep_ms(250);
	return s.acknowledged < bytes;
}

static int flush(const char *what)
{
	int fd = open(SYSFS "/flush", O_WRONLY), error = 0;
	long start = now_ms();

	if (fd < 0 || write(fd, what, strlen(what)) < 0)
		error = errno;
	printf("### flushed in %ld ms, error %d\n", now_ms() - start, error);
	return error;
}

struct point {
	long ms;
	unsigned long free_mib;
};

/* A series as of scripts/simulate; returns how many points it has. */
static size_t read_series(const char *path, struct point **points)
{
	FILE *f = fopen(path, "r");
	struct point point;
	char line[128];
	size_t nr = 0;

	*points = NULL;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%ld %lu", &point.ms, &point.free_mib) != 2)
			continue;
		*points = realloc(*points, (nr + 1) * sizeof(point));
		if (!*points)
			break;
		(*points)[nr++] = point;
	}
	if (f)
		fclose(f);
	return *points ? nr : 0;
}

/* Memory that is in use: the first so much of a mapping; and what there is. */
struct held {
	char *base;
	unsigned long mib, allocated_mib, all_mib;
};

static void hold(struct held *held, unsigned long mib)
{
	mib -= mib % STEP_MIB;
	if (mib > held->mib) {
		write_pages(held->base + held->mib * MIB, (mib - held->mib) * MIB);
		held->allocated_mib += mib - held->mib;
	} else if (mib < held->mib) {
		madvise(held->base + mib * MIB, (held->mib - mib) * MIB,
			MADV_DONTNEED);
	}
	held->mib = mib;
}

/*
 * Sleep until then. Returns MiB x ms that were neither in use nor hinted: also
 * what is in the per-CPU lists.
 */
static unsigned long long watch_kept(const struct held *held, long until)
{
	unsigned long long kept = 0;
	long now, last = now_ms();
	struct sums s;

	while (last < until) {
		read_sums(&s);
		sleep_ms(until - last < 50 ? until - last : 50);
		now = now_ms();
		if (held->all_mib > held->mib + s.hinted / MIB)
			kept += (held->all_mib - held->mib - s.hinted / MIB) *
				(now - last);
		last = now;
	}
	return kept;
}

static int replay(const char *path)
{
	struct point *points;
	size_t nr = read_series(path, &points), i;
	unsigned long most = 0, least = ULONG_MAX;
	unsigned long long kept = 0;
	struct sums before, after;
	struct held held = { };
	long start;

	for (i = 0; i < nr; i++) {
		most = points[i].free_mib > most ? points[i].free_mib : most;
		least = points[i].free_mib < least ? points[i].free_mib : least;
	}
	if (!nr || most == least || !read_sums(&before))
		return 1;
	/* Aligned, as huge pages are. */
	held.base = map_bytes((most - least + STEP_MIB) * MIB, -1);
	held.base += -(unsigned long)held.base % (STEP_MIB * MIB);
	madvise(held.base, (most - least) * MIB, MADV_HUGEPAGE);
	held.all_mib = (before.hinted + before.unhinted) / MIB;
	hold(&held, most - points->free_mib);
	held.allocated_mib = 0;
	read_sums(&before);
	start = now_ms() - points->ms;
	for (i = 1; i < nr; i++) {
		kept += watch_kept(&held, start + points[i].ms);
		hold(&held, most - points[i].free_mib);
		points[i].ms = now_ms() - start;
		points[i].free_mib = most - held.mib;
	}
	read_sums(&after);
	for (i = 0; i < nr; i++)
		printf("### point %ld %lu\n", points[i].ms, points[i].free_mib);
	printf("### replayed: allocated %lu MiB, of which hinted %llu; hinted %llu MiB; kept unhinted %llu MiB on average\n",
	       held.allocated_mib, (after.reused - before.reused) / MIB,
	       (after.acknowledged - before.acknowledged) / MIB,
	       kept / (points[nr - 1].ms - points->ms));
	return 0;
}

/* Returns the bytes that could be read of a part of /proc/kcore. */
static size_t read_part(int fd, const Elf64_Phdr *part)
{
	static char buffer[MIB];
	size_t at = 0, want;
	ssize_t got = 1;

	while (at < part->p_memsz && got > 0) {
		want = part->p_memsz - at < MIB ? part->p_memsz - at : MIB;
		got = pread(fd, buffer, want, part->p_offset + at);
		at += got > 0 ? got : 0;
	}
	return at;
}

/* What has no physical address is no memory: most of it is a large void. */
static int read_kcore(void)
{
	int fd = open("/proc/kcore", O_RDONLY), i;
	Elf64_Ehdr head = { };
	Elf64_Phdr part;
	size_t all = 0;

	if (fd < 0 || pread(fd, &head, sizeof(head), 0) != sizeof(head))
		perror("/proc/kcore");
	for (i = 0; i < head.e_phnum; i++) {
		if (pread(fd, &part, sizeof(part), head.e_phoff + i * sizeof(part)) ==
		    sizeof(part) && part.p_type == PT_LOAD && part.p_paddr != -1UL)
			all += read_part(fd, &part);
	}
	printf("### kcore %zu MiB\n", all / MIB);
	return !all;
}

static int use_huge(const char *path, size_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	size_t wrong = 0, i;
	char *p;

	if (fd < 0 || ftruncate(fd, bytes)) {
		perror(path);
		return 1;
	}
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		perror(path);
		return 1;
	}
	write_pages(p, bytes);
	sleep_ms(1000);
	for (i = 0; i < bytes; i += PAGE_BYTES)
		wrong += __atomic_load_n((size_t *)(p + i), __ATOMIC_RELAXED) != i + 1;
	printf("### huge: %zu MiB, %zu pages wrong\n", bytes / MIB, wrong);
	return !!wrong;
}

int main(int argc, char **argv)
{
	const char *cmd = argc > 1 ? argv[1] : "";
	long a = argc > 2 ? atol(argv[2]) : 0, b = argc > 3 ? atol(argv[3]) : 0;

	if (!strcmp(cmd, "touch") && a > 0)
		return touch(a * MIB, argc > 3 && !strcmp(argv[3], "small"));
	if (!strcmp(cmd, "use") && a > 0 && b > 0)
		return use(a * MIB, b);
	if (!strcmp(cmd, "press") && a > 0 && b > 0)
		return press(a * MIB, b);
	if (!strcmp(cmd, "churn") && argc > 4)
		return churn(a * MIB, b, atol(argv[4]));
	if (!strcmp(cmd, "watch") && a > 0)
		return watch(a, b > 0 ? b : 200);
	if (!strcmp(cmd, "clock") && a > 0)
		return tell_time(a, b > 0 ? b : 20);
	if (!strcmp(cmd, "settle") && a > 0)
		return settle(a);
	if (!strcmp(cmd, "reach") && b > 0)
		return reach(a, b);
	if (!strcmp(cmd, "flush") && a > 0)
		return flush(argv[2]);
	if (!strcmp(cmd, "after") && a > 0 && argc > 5)
		return after(a * MIB, b, atol(argv[4]), atol(argv[5]) * MIB);
	if (!strcmp(cmd, "record") && a > 0)
		return record(a);
	if (!strcmp(cmd, "replay") && argc > 2)
		return replay(argv[2]);
	if (!strcmp(cmd, "huge") && b > 0)
		return use_huge(argv[2], b * MIB);
	if (!strcmp(cmd, "kcore"))
		return read_kcore();
	if (!strcmp(cmd, "sum")) {
		print_state("sum");
		return 0;
	}
	fprintf(stderr, "usage: hintload touch MIB [small] | settle SECONDS | sum |\n");
	fprintf(stderr, "       use MIB MS | press MIB SIGNALS |\n");
	fprintf(stderr, "       churn MIB PAUSE_MS SECONDS | watch SECONDS [EVERY_MS] |\n");
	fprintf(stderr, "       after MIB PAUSE_MS SECONDS KEPT_MIB |\n");
	fprintf(stderr, "       flush 1|2 | record SECONDS | reach BYTES SECONDS |\n");
	fprintf(stderr, "       clock SECONDS [EVERY_MS] | replay FILE | kcore |\n");
	fprintf(stderr, "       huge FILE MIB\n");
	return 2;
}
