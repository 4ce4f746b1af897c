// A task in NVFlare's encoding becomes a Shareable or is refused, and a Shareable is the same after its way there and
// back.
#include "base/failure.h"
#include "fobs/classes.h"
#include "fobs/shareable.h"
#include "fobs/value_write.h"
#include "fobs_samples.h"
#include "frames_samples.h"
#include "fuzz_input.h"

namespace flare::fobs {
namespace {

bool same_contents(const Map &a, const Map &b) { return wire::same(a, b, wire::Contents::kCompare); }

// Some arrays to be downloaded, one of a type that tensors do not have.
Downloads some_downloads() {
  Items items;
  const float numbers[] = {1, 2};
  items["T0"] = Tensor{FLARE_FLOAT32, {2}, copy_bytes(numbers, sizeof numbers)};
  items["T1"] = Tensor{FLARE_INT8, {0}, {}};
  items["T2"] = OpaqueObject{"numpy.ndarray", copy_bytes("\xc0", 1)};
  return {{dot::kArrays, items}};
}

Shareable written_and_read(const Shareable &shareable, const std::optional<ByReference> &by_reference,
                           const ReadRules &rules, const Keys &keys) {
  const Written written = write_shareable(shareable, by_reference, rules.limits, keys);
  Items items;
  for (size_t i = 0; i < written.items.size(); ++i) items[item_name(i)] = written.items[i];
  return read_shareable(decode(encode(written.message).join(), rules.limits), {{dot::kArrays, items}}, rules);
}

void check(const Bytes &bytes) {
  ReadRules rules;
  rules.limits.max_objects = 10'000;
  Shareable task;
  Keys keys;
  try {
    task = read_shareable(decode(bytes, rules.limits), some_downloads(), rules, &keys);
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_PROTOCOL || failure.status() == FLARE_TOO_LARGE);
    return;
  }
  for (const auto &by_reference : {std::optional<ByReference>(), std::optional(ByReference{"cell", "ref"})}) {
    Shareable once;
    try {
      once = written_and_read(task, by_reference, rules, keys);
    } catch (const Failure &failure) {
      require(failure.status() == FLARE_PROTOCOL || failure.status() == FLARE_TOO_LARGE);  // objects grow when written
      continue;
    }
    const Shareable twice = written_and_read(once, by_reference, rules, keys);
    require(once.kind == twice.kind && same_contents(once.body, twice.body));
    require(same_contents(once.headers, twice.headers) && same_contents(once.meta, twice.meta));
  }
}

}  // namespace
}  // namespace flare::fobs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::fobs::check(flare::copy_bytes(bytes, size));
  return 0;
}
