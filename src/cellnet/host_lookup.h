// The addresses of a host's name. The resolver may take half a minute and cannot be stopped: it has a thread of its own
// that nobody waits for.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace flare {

class HostLookup {
 public:
  // IPv4, as NVFlare's own. Throws Failure(FLARE_IO) when there is no thread to be had.
  HostLookup(const std::string &host, uint16_t port);
  ~HostLookup();

  int get() const;  // readable when it is done
  // Then: what was found, the best first; throws Failure(FLARE_IO) when nothing was.
  std::vector<sockaddr_in> take();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace flare
