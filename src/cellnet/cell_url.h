// Addresses of cells, as NVFlare's configurations have them.
#pragma once

#include <cstdint>
#include <string>

namespace flare {

enum class CellSecurity {
  kClear,
  kTls,        // the server proves itself
  kMutualTls,  // so do we
};

struct CellUrl {
  std::string host;  // "0" and "" in NVFlare's words: this machine
  uint16_t port = 0;
  bool tls = false;  // the scheme asks for it
};

// tcp, stcp, atcp and satcp, which are the same bytes with and without TLS. Throws Failure(FLARE_INVALID_ARGUMENT) that
// says how to get an address of these where NVFlare uses another driver.
CellUrl parse_cell_url(const std::string &url);

}  // namespace flare
