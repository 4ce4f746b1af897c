// What happens in folders, told by the kernel at once (inotify). It knows what programs of this machine do: on a
// network file system the other end may be elsewhere, so that looking now and then is needed beside it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/descriptor.h"

namespace flare {

class FolderWatch {
 public:
  enum class What {
    kArrived,  // moved in
    kTaken,    // moved out
    kRemoved,  // deleted
    kMissed    // the kernel knows no more: look for yourself
  };
  struct Event {
    int folder;  // as add() said
    What what;
    std::string name;
  };

  // Without watches where the kernel gives none: then fd() is -1, and why() says why.
  FolderWatch();
  int fd() const { return descriptor_.get(); }
  const std::string &why() const { return why_; }

  int add_arrivals(const std::string &path);
  int add_departures(const std::string &path);
  // What has happened since.
  std::vector<Event> take();

 private:
  int add(const std::string &path, uint32_t what);

  Descriptor descriptor_;
  std::string why_;
};

}  // namespace flare
