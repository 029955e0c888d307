# SPDX-License-Identifier: GPL-2.0
#
# The front door; the work is done in scripts/, each of which has a -h.

MAKEFLAGS += --no-print-directory
CONFIG ?= hinting
export BASE KSRC MEM ACCEL JOBS QEMU ONLY RUNS WALL MINUTES

.PHONY: help run demo check check-all soak bench kernel deb series bisect assemble refresh kunit mutants
.PHONY: lint clean

help:
	@echo 'make run       show a guest that gives its memory back: a table and two pictures'
	@echo 'make demo      three guests on the memory of one, live, with page hinting and without'
	@echo 'make check     test everything: KUnit, selftests in guests, the host'"'"'s view'
	@echo 'make check-all the same, and what takes long, in two or three hours: arm64, KCSAN, Debian, ...'
	@echo 'make soak      everything at once in a guest, for an hour, with its data checked'
	@echo 'make bench     measure it against mainline, in half an hour; goes on where it was stopped'
	@echo 'make kernel    build a guest kernel; the last line is the path of its bzImage'
	@echo 'make deb       Debian packages of a kernel for guests, and of page_hinting_stat'
	@echo 'make series    write the patches for git am into out/series-BASE/'
	@echo 'make bisect    build each of them on every base, on and off, and boot two of each'
	@echo 'make assemble  make build/linux-BASE, the git tree with the series in it'
	@echo 'make refresh   take the commits made there back into this repository'
	@echo 'make kunit     the KUnit tests alone'
	@echo 'make mutants   break the mechanism, in one place after the other: does a unit test fail?'
	@echo 'make lint      checkpatch, W=1, sparse, kernel-doc, shellcheck and more'
	@echo 'make clean     remove build/ and out/, also commits in build/linux-BASE'
	@echo
	@echo 'Variables, as in "make run BASE=7.3 MEM=4096":'
	@echo '  BASE    the kernel to work on, 6.12 unless given: one of' $$(ls -d bases/*/ | xargs -n1 basename)
	@echo '          (make bench and make mutants always use 7.3)'
	@echo '  KSRC    a kernel source tree of yours to use instead; it is only read'
	@echo '  CONFIG  for make kernel: hinting, off, debug, debug+off, arm64 (configs/)'
	@echo '  SMALL   for make deb: 1 has only the modules of configs/deb-small.modules'
	@echo '  MEM     memory of the guest in MiB'
	@echo '  ACCEL   auto, kvm or tcg'
	@echo '  QEMU    the program to run x86 guests with, as scripts/next-qemu prints one'
	@echo '  ONLY    for make bench: a regular expression over the cases'
	@echo '  WALL    for make bench: 1 measures in the time that passes, too, in hours'
	@echo '  RUNS    for make bench: how many runs of each of these (5)'
	@echo '  MINUTES for make soak: how long (60)'
	@echo '  JOBS    how many compilers, or guests of make bench, at once (all processors)'
	@echo
	@echo 'What each part does: scripts/NAME -h'

run demo check bench kunit mutants lint series assemble refresh:
	@scripts/$@

bisect:
	@for base in bases/*/; do scripts/series --build-each "$$(basename "$$base")" || exit; done

check-all:
	@scripts/check --all

soak:
	@MINUTES=$${MINUTES:-60} scripts/check '^soak$$'

kernel:
	@scripts/build -c '$(CONFIG)'

deb:
	@scripts/deb $(if $(filter 1,$(SMALL)),-s)

clean:
	rm -rf build out
