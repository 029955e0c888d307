# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Packages from the Debian mirror that the machine's apt uses, without root and
# without a change to the machine: apt checks their signatures as always.

# private_apt DIR HINT: sets apt_dir and apt_options, for an apt that keeps its
# state there. Ends the script with 3, and HINT, where there is no apt.
private_apt()
{
	command -v apt-get >/dev/null || die "downloading a package" \
		"this is no Debian system" "$2" 3
	apt_dir=$1
	apt_options=(-o "Dir::State::lists=$apt_dir/lists"
		     -o "Dir::Cache=$apt_dir/cache"
		     -o "APT::Sandbox::User=$(id -un)"
		     -o Acquire::Languages=none -q)
	mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial" \
		"$apt_dir/deb"
}

# find_mirror HINT: sets mirror to the address from which the machine's apt has its
# own release. Nobody prints it. Ends the script with 3, and HINT, without one.
find_mirror()
{
	local codename

	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	# shellcheck disable=SC2016
	mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 2>/dev/null |
		awk -v c="$codename" '$1 == c { print $2; exit }') || true
	[ -n "$mirror" ] || die "finding the Debian mirror" \
		"apt has no source for '$codename'" "check /etc/apt; or $1" 3
}

# use_suite SUITE HINT: what private_apt() has set up asks for that suite only.
use_suite()
{
	local mirror

	find_mirror "$2"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
		"$mirror $1 main" >"$apt_dir/sources.list"
	apt_options+=(-o "Dir::Etc::sourcelist=$apt_dir/sources.list"
		      -o Dir::Etc::sourceparts=-)
}

# The first error, without the address: the mirror is the machine's business.
apt_says()
{
	echo "apt-get says: $(grep -m 1 '^[EW]:' "$apt_dir/log" |
		sed -E 's#[a-z]+://[^ ]*/([^ /]*)#\1#g')"
}

# read_packages HINT: which packages there are.
read_packages()
{
	watched "reading Debian's package list" "$apt_dir/log" \
		apt-get "${apt_options[@]}" -o APT::Update::Error-Mode=any update ||
		die "reading the package list" "$(apt_says)" \
		"see $apt_dir/log; or $1" 3
}

# download_package PACKAGE HINT: sets deb to the file, in apt_dir/deb. Ends the
# script with 3, and HINT, where it is not to be had.
download_package()
{
	rm -f "$apt_dir"/deb/*.deb
	read_packages "$2"
	(cd "$apt_dir/deb" && watched "downloading $1" ../log \
		apt-get "${apt_options[@]}" download "$1") ||
		die "downloading $1" "$(apt_says)" "see $apt_dir/log; or $2" 3
	deb=$(echo "$apt_dir"/deb/*.deb)
}
