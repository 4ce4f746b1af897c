// Tasks and results: NVFlare's Shareable with its DXO, as the library's. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fobs/message.h"
#include "fobs/value_read.h"
#include "model/shareable.h"

namespace flare::fobs {

// What a task brings. All headers are kept; those of objects that only Python knows as such. Lists of numbers and
// single numbers among weights become tensors. `downloads` has the arrays of each of sources_of(); `keys` gets those of
// the body that are numbers and the like, for its result. Throws Failure that names the entry: FLARE_PROTOCOL for what
// is no Shareable, lacks an array, or has PyTorch's; FLARE_TOO_LARGE.
Shareable read_shareable(const Message &message, const Downloads &downloads, const ReadRules &rules,
                         Keys *keys = nullptr);

// The headers alone, before anything is downloaded: without those that are not to be read yet. Throws Failure as
// read_shareable() for what is no Shareable.
Map read_headers(const Message &message, const ReadRules &rules);

// Which cell the receiver downloads arrays from, and by which reference.
struct ByReference {
  std::string fqcn;
  std::string ref_id;
};

struct Written {
  Message message;
  std::vector<Tensor> items;  // by reference: what is to be downloaded, as item_name() says (value_write.h)
};

// What a result is sent as, with its arrays inside or by reference; `keys` are those of its task. Throws
// Failure(FLARE_INVALID_ARGUMENT) that names the tensor which NumPy has no type for.
Written write_shareable(const Shareable &result, const std::optional<ByReference> &by_reference, const Limits &limits,
                        const Keys &keys = {});

}  // namespace flare::fobs
