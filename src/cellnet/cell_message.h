// Messages between cells: who they are from and for, what they want.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/chain.h"
#include "cellnet/names.h"
#include "model/value.h"

namespace flare {

struct CellMessage {
  Map headers;
  Bytes payload;
};

// One of ours, ready to be sent.
struct AddressedMessage {
  Map headers;
  Chain payload;
};

// Who we are on the cell network. The last three go with every message; servers of secure systems check them.
struct CellIdentity {
  std::string fqcn;
  std::string client_name;
  std::string token = std::string(kNotAuthenticated);
  std::string signature = std::string(kNotAuthenticated);
};

// A message of ours without what each one has.
struct OutgoingMessage {
  enum class Kind { kForget, kRequest, kReply };  // a request without and with an answer, an answer

  Kind kind = Kind::kForget;
  std::string destination;
  std::string channel;
  std::string topic;
  std::string request_id;  // not of kForget
  bool optional = false;   // NVFlare logs its failures less loudly
  Map headers;             // of the layers above
  Chain payload;
};

// Ready to be sent to the cell `to`, which we are connected with. `wall_time` is in seconds since 1970. The headers of
// what is forgotten, so of all blobs, are in NVFlare's order.
AddressedMessage address(OutgoingMessage message, const CellIdentity &identity, const std::string &to,
                         double wall_time);

// Of what a peer sent; a header that is not there or of another type is "", false or -1.
std::string text_of(const Map &headers, std::string_view key);
bool flag_of(const Map &headers, std::string_view key);
int64_t number_of(const Map &headers, std::string_view key);

}  // namespace flare
