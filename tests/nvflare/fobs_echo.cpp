// Reads what comes on stdin and writes the same again, as fobs_test.py asks it. Usage: fobs_echo HOW, which is one of
//   objects    messages, as the objects that they are
//   native     tasks as results with the same content, with arrays inside
//   reference  the same with arrays by reference
//   npz        archives of one array
// Each comes and goes with 8 bytes of its length before it; a refusal goes as an empty one, with its reason on stderr.
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "base/failure.h"
#include "fobs/npy.h"
#include "fobs/npz.h"
#include "fobs/shareable.h"

namespace flare::fobs {
namespace {

std::optional<Bytes> next() {
  uint64_t size = 0;
  if (std::fread(&size, sizeof size, 1, stdin) != 1) return std::nullopt;
  Block block(size);
  if (size > 0 && std::fread(block.data(), size, 1, stdin) != 1) return std::nullopt;
  return block.share();
}

void put(const Bytes &bytes) {
  const uint64_t size = bytes.size;
  std::fwrite(&size, sizeof size, 1, stdout);
  std::fwrite(bytes.data, 1, bytes.size, stdout);
  std::fflush(stdout);
}

Bytes answer(const std::string &how, const Bytes &bytes) {
  if (how == "npz") {
    const NpzMember member = read_npz(bytes, {}).at(0);
    return join(write_npz(member.name, tensor_of(read_npy(member.npy, {}), {}).value()));
  }
  const Message message = decode(bytes, {});
  if (how == "objects") return encode(message).join();
  const Shareable task = read_shareable(message, {}, {});
  std::optional<ByReference> by_reference;
  if (how == "reference") by_reference = ByReference{"site-1_job_active", "11111111-2222-3333-4444-555555555555"};
  return encode(write_shareable(task, by_reference, {}).message).join();
}

}  // namespace
}  // namespace flare::fobs

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  while (const auto bytes = flare::fobs::next()) {
    try {
      flare::fobs::put(flare::fobs::answer(argv[1], *bytes));
    } catch (const std::exception &failure) {
      std::fprintf(stderr, "%s\n", failure.what());
      flare::fobs::put({});
    }
  }
}
