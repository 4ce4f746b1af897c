# Sourced by the scripts that install Debian packages.

as_root=()

# may_install WHAT: ends the script when this user may not; afterwards "${as_root[@]}" COMMAND runs as root.
may_install() {
  [[ $EUID == 0 ]] && return
  command -v sudo >/dev/null || { echo "setup: run as root, or install sudo; missing: $*" >&2; exit 1; }
  as_root=(sudo)
}

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update --quiet
  "${as_root[@]}" apt-get install --yes --quiet --no-install-recommends "$@"
}

# at_least NEEDED VERSION: whether that version is new enough; an empty one is not.
at_least() { [[ -n $2 && $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

# add_suite NAME SUITE: lets apt see another suite of Debian, at the mirror of the machine's own packages.
add_suite() {
  local mirror keys=/usr/share/keyrings/debian-archive-keyring.gpg
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Codename: bookworm' | sort | uniq -c |
    sort -rn | awk 'NR == 1 { print $2 }')
  echo "deb [signed-by=$keys] ${mirror:-http://deb.debian.org/debian} $2 main" |
    "${as_root[@]}" tee "/etc/apt/sources.list.d/flare-agent-$1.list" >/dev/null
}
