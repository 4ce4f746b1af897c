#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/failure.h"
#include "base/text.h"
#include "capi/boundary.h"
#include "capi/handles.h"
#include "model/tensor.h"

using flare::Draft;
using flare::Failure;
using flare::give;
using flare::guarded;
using flare::is_usable;
using flare::NamedTensor;
using flare::required;
using flare::Shareable;
using flare::Tensor;
using flare::text;
using flare::to_c;
using flare::usable;
using flare::Value;
using flare::View;

// ---- The handle ----------------------------------------------------------------------------------------------

flare_shareable::flare_shareable(std::shared_ptr<const Shareable> received) : limits() {
  views_.push_back(std::make_unique<const View>(std::move(received)));
  changed_ = false;
}

flare_shareable::flare_shareable(Draft draft, const flare::Limits &limits_of_the_session)
    : limits(limits_of_the_session), draft_(std::move(draft)) {}

const View &flare_shareable::view() const {
  std::lock_guard lock(mutex_);
  if (changed_) {
    views_.push_back(std::make_unique<const View>(std::make_shared<const Shareable>(draft_->finish())));
    changed_ = false;
  }
  return *views_.back();
}

Draft &flare_shareable::writable() {
  if (!draft_) throw Failure(FLARE_INVALID_STATE, "this shareable was received: it can only be read");
  if (sent) throw Failure(FLARE_INVALID_STATE, "this shareable was sent: it can only be read");
  std::lock_guard lock(mutex_);
  changed_ = true;
  return *draft_;
}

// ---- Reading -------------------------------------------------------------------------------------------------

namespace {

const Tensor &find_or_explain(const View &view, std::string_view name) {
  if (const Tensor *found = view.find(name)) return *found;
  std::string message = "no tensor '" + std::string(name) + "'";
  constexpr size_t kCompared = 1000;  // so that a mistake in a loop over a huge model costs little
  constexpr size_t kListed = 10;
  std::vector<std::string_view> names;
  for (const NamedTensor &candidate : view.tensors()) {
    if (names.size() == kCompared) break;
    names.push_back(candidate.name);
  }
  if (names.empty()) throw Failure(FLARE_NOT_FOUND, message + ": there are none");
  const std::string_view near = flare::nearest(name, names.data(), names.size());
  if (!near.empty()) message += ", did you mean '" + std::string(near) + "'?";
  message += near.empty() ? "; there are" : " There are";
  for (size_t i = 0; i < std::min(kListed, names.size()); ++i) {
    message += (i == 0 ? " '" : ", '") + std::string(names[i]) + "'";
  }
  if (view.tensors().size() > kListed) {
    message += " and " + std::to_string(view.tensors().size() - kListed) + " more";
  }
  throw Failure(FLARE_NOT_FOUND, message);
}

std::string counted(uint64_t count) { return std::to_string(count) + (count == 1 ? " element" : " elements"); }

void give_tensor(const Tensor &tensor, flare_tensor *out) {
  if (out) flare::write_tagged(out, to_c(tensor));
}

}  // namespace

size_t flare_shareable_tensor_count(const flare_shareable *shareable) noexcept {
  size_t count = 0;
  guarded(nullptr, [&] {
    if (is_usable(shareable)) count = shareable->view().tensors().size();
    return FLARE_OK;
  });
  return count;
}

flare_status flare_shareable_tensor_at(const flare_shareable *shareable, size_t index, const char **name,
                                       flare_tensor *tensor) noexcept {
  return guarded(nullptr, [&] {
    const auto &tensors = usable(shareable, "shareable")->view().tensors();
    if (index >= tensors.size()) return FLARE_NOT_FOUND;
    give_tensor(*tensors[index].tensor, tensor);
    if (name) *name = tensors[index].name.c_str();
    return FLARE_OK;
  });
}

flare_status flare_shareable_find_tensor(const flare_shareable *shareable, const char *name,
                                         flare_tensor *tensor) noexcept {
  return guarded(nullptr, [&] {
    const Tensor *found = usable(shareable, "shareable")->view().find(required(name, "name"));
    if (found == nullptr) return FLARE_NOT_FOUND;
    give_tensor(*found, tensor);
    return FLARE_OK;
  });
}

flare_status flare_shareable_read_tensor(const flare_shareable *shareable, const char *name, flare_dtype dtype,
                                         void *out, size_t count, flare_error **error) noexcept {
  return guarded(error, [&] {
    const Tensor &found = find_or_explain(usable(shareable, "shareable")->view(), text(name, "name"));
    const auto about = [&] { return "tensor '" + std::string(name) + "' is " + flare::describe(found); };
    if (found.dtype != dtype) throw Failure(FLARE_INVALID_ARGUMENT, about() + ", not " + flare::dtype_name(dtype));
    const uint64_t elements = found.bytes.size / flare::element_size(dtype);
    if (elements != count) {
      throw Failure(FLARE_INVALID_ARGUMENT, about() + " with " + counted(elements) + ", not " + counted(count));
    }
    if (count > 0) std::memcpy(required(out, "out"), found.bytes.data, found.bytes.size);
    return FLARE_OK;
  });
}

flare_status flare_shareable_find_bytes(const flare_shareable *shareable, const char *name, const void **data,
                                        size_t *size) noexcept {
  return guarded(nullptr, [&] {
    const Tensor *found = usable(shareable, "shareable")->view().find(required(name, "name"));
    required(data, "data"), required(size, "size");
    if (found == nullptr || found->dtype != FLARE_OPAQUE) return FLARE_NOT_FOUND;
    *data = found->bytes.data;
    *size = found->bytes.size;
    return FLARE_OK;
  });
}

const char *flare_shareable_kind(const flare_shareable *shareable) noexcept {
  const char *kind = "";
  guarded(nullptr, [&] {
    if (is_usable(shareable)) kind = shareable->view().content().kind.c_str();
    return FLARE_OK;
  });
  return kind;
}

flare_params_type flare_shareable_params_type(const flare_shareable *shareable) noexcept {
  const std::string_view kind = flare_shareable_kind(shareable);
  if (kind == flare::kind::kWeights) return FLARE_PARAMS_FULL;
  return kind == flare::kind::kWeightDiff ? FLARE_PARAMS_DIFF : FLARE_PARAMS_NONE;
}

const char *flare_shareable_return_code(const flare_shareable *shareable) noexcept {
  const char *code = "";
  guarded(nullptr, [&] {
    if (!is_usable(shareable)) return FLARE_OK;
    const Value *header = shareable->view().content().headers.find(flare::header::kReturnCode);
    code = header && header->text() ? header->text()->c_str() : "OK";
    return FLARE_OK;
  });
  return code;
}

const char *flare_shareable_reason(const flare_shareable *shareable) noexcept {
  const char *reason = "";
  guarded(nullptr, [&] {
    if (!is_usable(shareable)) return FLARE_OK;
    const Value *header = shareable->view().content().headers.find(flare::header::kReason);
    if (header && header->text()) reason = header->text()->c_str();
    return FLARE_OK;
  });
  return reason;
}

flare_status flare_shareable_metric(const flare_shareable *shareable, const char *name, double *value) noexcept {
  return guarded(nullptr, [&] {
    const Shareable &content = usable(shareable, "shareable")->view().content();
    return give(flare::metric_of(content, required(name, "name")), required(value, "value"));
  });
}

flare_status flare_shareable_steps(const flare_shareable *shareable, int64_t *steps) noexcept {
  return guarded(nullptr, [&] {
    const Value *found = usable(shareable, "shareable")->view().content().meta.find(flare::meta::kNumSteps);
    return give(found ? found->integer() : std::nullopt, required(steps, "steps"));
  });
}

const flare_value *flare_shareable_section(const flare_shareable *shareable, flare_section section) noexcept {
  const Value *found = nullptr;
  guarded(nullptr, [&] {
    if (is_usable(shareable)) found = shareable->view().section(section);
    return FLARE_OK;
  });
  return to_c(found);
}

// ---- Writing -------------------------------------------------------------------------------------------------

namespace {

template <typename Change>
flare_status write(flare_shareable *shareable, flare_error **error, Change &&change) noexcept {
  return guarded(error, [&] {
    change(usable(shareable, "shareable")->writable());
    return FLARE_OK;
  });
}

void set(Draft &draft, flare_section section, std::string_view name, Value value) {
  switch (section) {
    case FLARE_HEADERS: return draft.set_header(name, std::move(value));
    case FLARE_BODY: return draft.set_body(name, std::move(value));
    case FLARE_META: return draft.set_meta(name, std::move(value));
    default:
      throw Failure(FLARE_INVALID_ARGUMENT,
                    "section " + std::to_string(section) + " is none of FLARE_HEADERS, FLARE_BODY and FLARE_META");
  }
}

}  // namespace

flare_status flare_shareable_copy_tensor(flare_shareable *shareable, const char *name, const flare_tensor *tensor,
                                         flare_error **error) noexcept {
  return write(shareable, error, [&](Draft &draft) {
    const std::string_view checked_name = text(name, "name");
    draft.set_body(checked_name, flare::copy_tensor(checked_name, *required(tensor, "tensor"), shareable->limits));
  });
}

flare_status flare_shareable_borrow_tensor(flare_shareable *shareable, const char *name, const flare_tensor *tensor,
                                           flare_error **error) noexcept {
  return write(shareable, error, [&](Draft &draft) {
    const std::string_view checked_name = text(name, "name");
    // No owner: the upload holds nothing once it is settled, and until then the caller keeps the elements.
    draft.set_body(checked_name,
                   flare::borrow_tensor(checked_name, *required(tensor, "tensor"), nullptr, shareable->limits));
    shareable->lent = true;
  });
}

flare_status flare_shareable_copy_bytes(flare_shareable *shareable, const char *name, const void *data, size_t size,
                                        flare_error **error) noexcept {
  return write(shareable, error, [&](Draft &draft) {
    const std::string_view checked_name = text(name, "name");
    if (size > 0) required(data, "data");
    if (size > shareable->limits.max_tensor_bytes) {
      throw Failure(FLARE_TOO_LARGE, "bytes '" + std::string(checked_name) + "': " + std::to_string(size) +
                                         " bytes are more than max_tensor_bytes (" +
                                         std::to_string(shareable->limits.max_tensor_bytes) + ")");
    }
    draft.set_body(checked_name, flare::copy_bytes(data, size));
  });
}

flare_status flare_shareable_set_kind(flare_shareable *shareable, const char *kind, flare_error **error) noexcept {
  return write(shareable, error, [&](Draft &draft) { draft.set_kind(flare::nonempty_text(kind, "kind")); });
}

flare_status flare_shareable_set_return_code(flare_shareable *shareable, const char *code,
                                             flare_error **error) noexcept {
  return write(shareable, error,
               [&](Draft &draft) { draft.set_header(flare::header::kReturnCode, flare::return_code_text(code)); });
}

flare_status flare_shareable_set_metric(flare_shareable *shareable, const char *name, double value,
                                        flare_error **error) noexcept {
  return write(shareable, error, [&](Draft &draft) { draft.set_metric(text(name, "name"), value); });
}

flare_status flare_shareable_set_steps(flare_shareable *shareable, int64_t steps, flare_error **error) noexcept {
  return write(shareable, error, [&](Draft &draft) {
    if (steps < 0) throw Failure(FLARE_INVALID_ARGUMENT, std::to_string(steps) + " steps: 0 or more are possible");
    draft.set_meta(flare::meta::kNumSteps, steps);
  });
}

flare_status flare_shareable_set_int(flare_shareable *shareable, flare_section section, const char *name, int64_t value,
                                     flare_error **error) noexcept {
  return write(shareable, error, [&](Draft &draft) { set(draft, section, text(name, "name"), value); });
}

flare_status flare_shareable_set_double(flare_shareable *shareable, flare_section section, const char *name,
                                        double value, flare_error **error) noexcept {
  return write(shareable, error, [&](Draft &draft) { set(draft, section, text(name, "name"), value); });
}

flare_status flare_shareable_set_text(flare_shareable *shareable, flare_section section, const char *name,
                                      const char *value, flare_error **error) noexcept {
  return write(shareable, error,
               [&](Draft &draft) { set(draft, section, text(name, "name"), Value(text(value, "value"))); });
}

flare_status flare_shareable_set_json(flare_shareable *shareable, flare_section section, const char *name,
                                      const char *json, flare_error **error) noexcept {
  return write(shareable, error, [&](Draft &draft) {
    set(draft, section, text(name, "name"), flare::value_from_json(required(json, "json"), shareable->limits));
  });
}
