#include "cellnet/cell_url.h"

#include <optional>

#include "base/failure.h"
#include "base/text.h"

namespace flare {
namespace {

[[noreturn]] void refuse_url(const std::string &url, const std::string &what) {
  throw Failure(FLARE_INVALID_ARGUMENT, "'" + url + "' is no address of a cell: " + what);
}

bool is_other_driver(std::string_view scheme) {
  for (const std::string_view known : {"grpc", "grpcs", "agrpc", "agrpcs", "ngrpc", "ngrpcs", "http", "https"}) {
    if (scheme == known) return true;
  }
  return false;
}

}  // namespace

CellUrl parse_cell_url(const std::string &url) {
  const size_t colon = url.find("://");
  if (colon == std::string::npos) refuse_url(url, "it should be like tcp://host:port");
  const std::string scheme = url.substr(0, colon);
  if (is_other_driver(scheme)) {
    refuse_url(url, "the driver " + scheme +
                        " is not supported; set the listener to \"tcp\" (\"scheme\" in the site's comm_config.json, or "
                        "of the server in its fed_server.json)");
  }
  if (scheme != "tcp" && scheme != "stcp" && scheme != "atcp" && scheme != "satcp") {
    refuse_url(url, "the scheme should be tcp, stcp, atcp or satcp");
  }
  std::string place = url.substr(colon + 3);
  place.resize(std::min(place.size(), place.find_first_of("/?#")));
  const size_t before_port = place.rfind(':');
  if (before_port == std::string::npos) refuse_url(url, "it has no port");
  CellUrl parsed;
  const std::optional<int64_t> port = parse_int(place.substr(before_port + 1));
  if (!port || *port < 1 || *port > 65535) refuse_url(url, "the port is no number from 1 to 65535");
  parsed.port = static_cast<uint16_t>(*port);
  parsed.host = place.substr(0, before_port);
  if (parsed.host.empty() || parsed.host == "0") parsed.host = "127.0.0.1";
  parsed.tls = scheme == "stcp" || scheme == "satcp";
  return parsed;
}

}  // namespace flare
