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
