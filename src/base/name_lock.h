// A name held as long as this lives: no other process of the same user on this machine holds it meanwhile. For what
// NVFlare lets two take without a word, as a cell's name or a folder. Nothing of it is left when the process ends,
// however that ends.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/descriptor.h"

namespace flare {

class NameLock {
 public:
  // Throws Failure(FLARE_REFUSED) when another has it: "process 4711 " and `deed`, which says what it does with it, and
  // what to do.
  NameLock(const std::string &name, const std::string &deed);
  ~NameLock();

 private:
  Descriptor socket_;
  pid_t owner_;
};

}  // namespace flare
