// NumPy's files, of one array and of several, are read or refused; what was read is the same once it is written and
// read again.
#include "base/failure.h"
#include "fobs/npy.h"
#include "fobs/npz.h"
#include "fobs_samples.h"
#include "fuzz_input.h"

namespace flare::fobs {
namespace {

template <typename Act>
void read_or_refuse(Act act) {
  try {
    act();
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_PROTOCOL || failure.status() == FLARE_TOO_LARGE);
  }
}

void check_npy(const Bytes &file) {
  const NpyArray array = read_npy(file, {});
  const auto tensor = tensor_of(array, {});
  if (!tensor) return;
  require(tensor->bytes.size == array.elements.size);
  const auto members = read_npz(join(write_npz("T0", *tensor)), {});
  require(members.size() == 1 && members[0].name == "T0");
  const auto again = tensor_of(read_npy(members[0].npy, {}), {});
  require(again->dtype == tensor->dtype && again->shape == tensor->shape);
  require(again->bytes.text() == tensor->bytes.text());
}

void check(const Bytes &bytes) {
  read_or_refuse([&] { check_npy(bytes); });
  read_or_refuse([&] {
    for (const NpzMember &member : read_npz(bytes, {})) read_or_refuse([&] { check_npy(member.npy); });
  });
}

}  // namespace
}  // namespace flare::fobs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::fobs::check(flare::copy_bytes(bytes, size));
  return 0;
}
