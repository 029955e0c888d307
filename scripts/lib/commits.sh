# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# Sourced by scripts/assemble: what goes into one commit. They work on git's
# index alone (GIT_INDEX_FILE), and use NAME, BASE, TREE, tmp, tip and number.

# apply_edits PATCH: exact, or with less context where the base allows it.
apply_edits()
{
	[ -s "$1" ] || return 0
	! tree_git apply --cached "$1" 2>"$tmp/apply" || return 0
	if [ "$BASE_EXACT" != yes ] &&
	   tree_git apply --cached -C2 "$1" 2>>"$tmp/apply"; then
		say "note: ${1#"$TOP"/} applied to $BASE with -C2 only"
		return 0
	fi
	cat "$tmp/apply" >&2
	die "assembling $NAME" "${1#"$TOP"/} does not apply" \
		"correct it, or add bases/$BASE/overrides/$number.patch"
}

# add_files LIST: the overlay's whole new files.
add_files()
{
	local path

	while read -r path; do
		[ -f "$TOP/$path" ] || die "assembling $NAME" \
			"${1#"$TOP"/} lists $path, which is no file here" \
			"add the file, or take it out of the list"
		if [ -x "$TOP/$path" ]; then echo 100755; else echo 100644; fi
	done <"$1" >"$tmp/modes"
	path=$(xargs -rd '\n' git -C "$TREE" --literal-pathspecs ls-files -- <"$1")
	[ -z "$path" ] || die "assembling $NAME" \
		"${1#"$TOP"/} lists what exists already: $path" \
		"a file is new in one commit only; changes to others go to edits.patch"
	sed "s|^|$TOP/|" "$1" |
		tree_git hash-object -w --no-filters --stdin-paths >"$tmp/blobs"
	paste -d' ' "$tmp/modes" "$tmp/blobs" | paste - "$1" |
		tree_git update-index --add --index-info
}

add_maintainers()
{
	[ -f "$TOP/MAINTAINERS" ] || return 0
	tree_git show :MAINTAINERS >"$tmp/kernel"
	"$TOP/scripts/maintainers" "$TOP/MAINTAINERS" "$tmp/kernel" >"$tmp/merged"
	tree_git update-index --cacheinfo \
		"100644,$(tree_git hash-object -w --no-filters "$tmp/merged"),MAINTAINERS"
}

# commit SERIES-NAME: the index as a commit on top of $tip, message on stdin.
commit()
{
	tip=$(git interpret-trailers --trailer "Series: $1" |
		tree_git commit-tree -p "$tip" "$(tree_git write-tree)")
}
