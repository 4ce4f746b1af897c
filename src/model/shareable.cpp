#include "model/shareable.h"

namespace flare {
namespace {

void collect(const Map &map, const std::string &prefix, std::vector<NamedTensor> *tensors) {
  for (const auto &[key, value] : map) {
    if (const Tensor *tensor = value.tensor()) {
      tensors->push_back({prefix + key, tensor});
    } else if (const Map *inner = value.map()) {
      collect(*inner, prefix + key + '/', tensors);
    }
  }
}

// A header of None is as good as none (AG-11).
const Value *find_set(const Map &map, std::string_view name) {
  const Value *value = map.find(name);
  return value == nullptr || value->type() == FLARE_VALUE_NONE ? nullptr : value;
}

std::optional<int64_t> find_integer(const Map &map, std::string_view name) {
  const Value *value = map.find(name);
  return value == nullptr ? std::nullopt : value->integer();
}

}  // namespace

std::vector<NamedTensor> tensors_of(const Shareable &shareable) {
  std::vector<NamedTensor> tensors;
  collect(shareable.body, "", &tensors);
  return tensors;
}

std::optional<double> metric_of(const Shareable &shareable, std::string_view name) {
  const Map *metrics = &shareable.body;
  if (shareable.kind != kind::kMetrics) {
    const Value *initial = shareable.meta.find(meta::kInitialMetrics);
    metrics = initial == nullptr ? nullptr : initial->map();
  }
  const Value *metric = metrics == nullptr ? nullptr : metrics->find(name);
  return metric == nullptr ? std::nullopt : metric->number();
}

void adopt_rounds(Shareable &task) {
  if (const Value *total = find_set(task.headers, header::kNumRounds)) task.meta.set(meta::kTotalRounds, *total);
  if (const Value *round = find_set(task.headers, header::kCurrentRound)) task.meta.set(meta::kCurrentRound, *round);
}

std::optional<int64_t> current_round(const Shareable &shareable) {
  const auto round = find_integer(shareable.headers, header::kCurrentRound);
  return round ? round : find_integer(shareable.meta, meta::kCurrentRound);
}

std::optional<int64_t> total_rounds(const Shareable &shareable) {
  const auto total = find_integer(shareable.headers, header::kNumRounds);
  return total ? total : find_integer(shareable.meta, meta::kTotalRounds);
}

std::vector<std::string> receiver_ids(const Shareable &task) {
  std::vector<std::string> ids;
  const auto add = [&](const std::string &id) {
    if (!id.empty()) ids.push_back(id);
  };
  const Value *value = task.headers.find(header::kReceiverIds);
  if (value == nullptr) return ids;
  if (const std::string *one = value->text()) add(*one);
  if (const List *list = value->list()) {
    for (const Value &item : *list) {
      if (const std::string *id = item.text()) {
        add(*id);
      } else if (const auto *number = std::get_if<int64_t>(&item.data())) {
        add(std::to_string(*number));  // as Python's str()
      }
    }
  }
  return ids;
}

std::string text_header(const Shareable &shareable, std::string_view name, std::string_view otherwise) {
  const Value *value = shareable.headers.find(name);
  const std::string *text = value == nullptr ? nullptr : value->text();
  return text == nullptr ? std::string(otherwise) : *text;
}

}  // namespace flare
