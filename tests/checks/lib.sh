# For the can-fail-* tests: a small project of the same shape as ours, with planted mistakes. To be sourced.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
fake=$(mktemp --directory)
trap 'rm -r "$fake"' EXIT
failed=0

expect_ok() {
  if "$@" >"$fake.log" 2>&1; then echo "ok: passes"; else cat "$fake.log"; echo "WRONG: fails without a mistake"; failed=1; fi
  rm "$fake.log"
}

# expect_failure MISTAKE WORDS COMMAND...: fails, and says WORDS.
expect_failure() {
  local mistake=$1 words=$2 status=0
  shift 2
  "$@" >"$fake.log" 2>&1 || status=$?
  if [[ $status == 0 ]]; then echo "WRONG: misses: $mistake"; failed=1
  elif ! grep --quiet --fixed-strings -- "$words" "$fake.log"; then
    cat "$fake.log"; echo "WRONG: another failure, for: $mistake"; failed=1
  else echo "ok: sees: $mistake"; fi
  rm "$fake.log"
}

make_fake_project() {
  rm -rf "${fake:?}"/*
  mkdir -p "$fake"/{include,src/capi,abi}
  cat >"$fake/include/fake.h" <<'H'
#pragma once
#include <stdint.h>
#define FLARE_API __attribute__((visibility("default")))
#define FLARE_FOREVER ((int64_t)-1)
typedef int32_t flare_status;
enum { FLARE_OK = 0, FLARE_CLOSED = 2 }; /* and no FLARE_PHANTOM = 1 */
typedef struct flare_agent flare_agent;
typedef struct flare_point {
  uint32_t struct_size;
  int32_t x;
  int64_t y;
} flare_point;
/* FLARE_API flare_status flare_gone(void); */
FLARE_API flare_status flare_move(flare_agent *agent, const flare_point *to, int64_t timeout_ms);
FLARE_API
flare_agent *flare_open(void);
H
  cat >"$fake/include/second.h" <<'H'
#include "fake.h"
enum { FLARE_SECOND = 7 };
FLARE_API flare_status flare_second(void);
H
  cat >"$fake/src/capi/flare_agent.map" <<'M'
FLARE_FAKE_0.1 {
  global:
    flare_move;
    flare_open;
    flare_second;
  local:
    *;
};
M
  cat >"$fake/fake.c" <<'C'
#include "second.h"
struct flare_agent { int inside; };
flare_status flare_move(flare_agent *agent, const flare_point *to, int64_t timeout_ms) {
  return agent->inside + to->x + (flare_status)timeout_ms;
}
flare_agent *flare_open(void) { return 0; }
flare_status flare_second(void) { return FLARE_SECOND; }
flare_status flare_extra(void) { return FLARE_OK; }
C
  build_fake
}

build_fake() {
  "${CC:-cc}" -g -shared -fPIC -I "$fake/include" -Wl,--version-script="$fake/src/capi/flare_agent.map" \
    -Wl,-soname,"${soname-libfake.so.0}" -o "$fake/libfake.so" "$fake/fake.c"
}

# edit FILE SED_EXPRESSION: plants the mistake and makes sure that it is there.
edit() {
  cp "$fake/$1" "$fake/$1.before"
  sed -i -E "$2" "$fake/$1"
  ! cmp --silent "$fake/$1" "$fake/$1.before" || { echo "WRONG: nothing planted by $2"; exit 1; }
  rm "$fake/$1.before"
}

finish() { exit "$failed"; }
