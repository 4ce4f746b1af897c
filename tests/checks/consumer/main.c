/* Prints the version of the library in use; fails when it is not the one of the headers. */
#include <flare_agent.h>
#include <flare_exchanger.h>
#include <stdio.h>

int main(void) {
  const unsigned version = (unsigned)flare_version();
  printf("%u.%u.%u\n", version >> 16, version >> 8 & 0xff, version & 0xff);
  return flare_version() == FLARE_VERSION ? 0 : 1;
}
