// A URL is refused by its name, or it means a place that libzmq's own parser cannot read in another way.
#include <algorithm>

#include "base/failure.h"
#include "fuzz_input.h"
#include "pipe/zmq/address.h"

namespace flare {
namespace {

bool all_of(std::string_view text, std::string_view letters) {
  return text.find_first_not_of(letters) == std::string_view::npos;
}

bool stays_here(std::string_view host) {
  return host == "localhost" || host == "[::1]" || (host.starts_with("127.") && all_of(host, "0123456789."));
}

void check_tcp(std::string_view endpoint, bool allow_insecure) {
  require(endpoint.starts_with("tcp://"));
  endpoint.remove_prefix(6);
  const size_t colon = endpoint.rfind(':');
  require(colon != std::string_view::npos && colon > 0);
  const std::string_view port = endpoint.substr(colon + 1);
  require(port == "*" || (!port.empty() && all_of(port, "0123456789")));
  require(endpoint.find(';') == std::string_view::npos);  // "source;destination"
  require(allow_insecure || stays_here(endpoint.substr(0, colon)));
}

void check_url(const std::string &url, bool allow_insecure) {
  Address address;
  try {
    address = parse_address(url, allow_insecure);
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_INVALID_ARGUMENT);
    require(std::string_view(failure.what()).find(url.c_str()) != std::string_view::npos);
    return;
  }
  require(address.url == url && !address.endpoint.empty());
  if (address.transport == Transport::kZmqTcp) check_tcp(address.endpoint, allow_insecure);
  if (address.transport == Transport::kZmqIpc) require(address.path.size() <= 107 && address.path.front() == '/');
}

}  // namespace
}  // namespace flare

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::FuzzInput input(bytes, size);
  const bool allow_insecure = input.flag();
  flare::check_url(std::string(input.rest()), allow_insecure);
  return 0;
}
