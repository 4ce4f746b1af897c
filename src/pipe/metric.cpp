#include "pipe/metric.h"

#include <algorithm>

#include "base/uuid.h"

namespace flare {

namespace {

constexpr size_t kFieldBytes = 64;  // what an entry of a map takes beside its texts

size_t size_of(const Value &value) {
  size_t size = kFieldBytes;
  if (const auto *text = value.text()) size += text->size();
  if (const auto *list = value.list()) {
    for (const Value &item : *list) size += size_of(item);
  }
  if (const auto *map = value.map()) {
    for (const auto &[key, item] : *map) size += key.size() + size_of(item);
  }
  return size;
}

}  // namespace

size_t size_of(const Metric &metric) {
  return 5 * kFieldBytes + metric.type.size() + metric.name.size() + metric.path.size() + size_of(metric.value);
}

bool is_analytics_type(std::string_view type) {
  return std::find(kAnalyticsTypes.begin(), kAnalyticsTypes.end(), type) != kAnalyticsTypes.end();
}

MessagePtr to_message(const std::vector<Metric> &metrics) {
  List records;
  records.reserve(metrics.size());
  for (const Metric &metric : metrics) {
    Map record;
    record.set("type", metric.type);
    record.set("name", metric.name);
    record.set("value", metric.value);
    record.set("time", metric.time);
    if (metric.step >= 0) record.set("step", metric.step);
    if (!metric.path.empty()) record.set("path", metric.path);
    records.emplace_back(std::move(record));
  }
  auto message = std::make_shared<Message>();
  message->topic = topic::kMetric;
  message->id = new_uuid();
  message->data.body.set("records", std::move(records));
  return message;
}

std::vector<Metric> to_metrics(const Message &message) {
  std::vector<Metric> metrics;
  const Value *records = message.data.body.find("records");
  if (!records || !records->list()) return metrics;
  for (const Value &record : *records->list()) {
    const Map *fields = record.map();
    if (!fields) continue;
    const auto text = [&](std::string_view name) {
      const Value *found = fields->find(name);
      return found && found->text() ? *found->text() : std::string();
    };
    const Value *value = fields->find("value"), *step = fields->find("step"), *time = fields->find("time");
    Metric metric{text("type"), text("name"), value ? *value : Value(), -1, text("path"), 0};
    if (step) metric.step = step->integer().value_or(-1);
    if (time) metric.time = time->number().value_or(0);
    if (is_analytics_type(metric.type) && !metric.name.empty()) metrics.push_back(std::move(metric));
  }
  return metrics;
}

}  // namespace flare
