// A cell's name, held as long as this lives: no other process of the same user on this machine connects with the same
// name to the same place. NVFlare says nothing of that, it lets the newest connection of a name replace the one before.
#pragma once

#include <string>

#include "base/descriptor.h"

namespace flare {

class NameLock {
 public:
  // Throws Failure(FLARE_REFUSED) that names the process which has it.
  NameLock(const std::string &name, const std::string &url);

 private:
  Descriptor socket_;
};

}  // namespace flare
