// The name of a file is that of no message, or of one that has this name.
#include "base/failure.h"
#include "fuzz_input.h"
#include "pipe/file/file_name.h"

namespace flare {
namespace {

void check_name(const std::string &name) {
  const auto message = read_file_name(name);
  if (!message) return;
  require(!message->topic.empty() && !message->id.empty());
  require((message->kind == MessageKind::kReply) == !message->request_id.empty());
  try {
    require(file_name_of(*message) == name);
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_INVALID_ARGUMENT && name.size() > 255);
  }
}

}  // namespace
}  // namespace flare

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::check_name(std::string(flare::FuzzInput(bytes, size).rest()));
  return 0;
}
