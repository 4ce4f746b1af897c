#include "pipe/cell/messages_out.h"

#include <utility>

#include "pipe/cell/cell_words.h"
#include "pipe/cell/pipe_blobs.h"

namespace flare {

namespace {

// Far below what a cell has room for (CellLimits::max_requests).
constexpr size_t kMaxMetricsUnderWay = 128;

}  // namespace

MessagesOut::MessagesOut(const ClientApiConfig &config, const std::string &peer, Duration root_ttl, CellCalls *cell,
                         PipeHandler *handler)
    : config_(config),
      peer_(peer),
      root_ttl_(root_ttl),
      cell_(cell),
      handler_(handler),
      metrics_(kMaxMetricsUnderWay) {}

void MessagesOut::add(const MessagePtr &message, std::vector<Chain> contents, const SendOptions &options) {
  outgoing_.insert_or_assign(message->id,
                             Outgoing{message, std::move(contents), options.receivers, options.timeout, {}, {}});
}

void MessagesOut::transmit(const std::string &id, bool connected, TimePoint now) {
  Outgoing &outgoing = outgoing_.at(id);
  stop(&outgoing, "sent again");
  if (outgoing.contents.empty()) return handler_->on_ack(id, std::nullopt, now);  // metrics of a job that wants none
  if (!connected) return;
  handler_->on_handed_over(id);
  if (outgoing.message->topic == topic::kMetric) {
    metrics_.begin(id, outgoing.contents.size());  // ask_metrics() asks
  } else {
    ask(&outgoing, outgoing.contents.front(), std::nullopt);
  }
}

void MessagesOut::ask(Outgoing *outgoing, const Chain &content, const std::optional<MetricWindow::Metric> &metric) {
  const Message &message = *outgoing->message;
  Blob one =
      fobs_blob(peer_, channel_of(metric ? *config_.metric_channel : config_.task_channel), message.topic, content);
  one.headers = headers_of(message, root_ttl_, config_.pass_through, wall_time());
  if (metric) one.headers.set(pipe_key::kMessageId, metric->id);
  const std::string request = cell_->request(std::move(one), outgoing->timeout);
  outgoing->asked.insert(request);
  asked_[request] = {message.id, metric ? std::optional(metric->index) : std::nullopt};
}

bool MessagesOut::ask_metrics() {
  bool busy = false;
  while (const auto metric = metrics_.next()) {
    Outgoing &batch = outgoing_.at(metric->batch);
    ask(&batch, batch.contents.at(metric->index), metric);
    busy = true;
  }
  return busy;
}

void MessagesOut::stop(const std::string &id, const std::string &reason) {
  const auto found = outgoing_.find(id);
  if (found != outgoing_.end()) stop(&found->second, reason);
}

void MessagesOut::stop(Outgoing *outgoing, const std::string &reason) {
  metrics_.stop(outgoing->message->id);
  for (const std::string &request : std::exchange(outgoing->asked, {})) {
    asked_.erase(request);
    cell_->cancel(request, reason);
  }
}

void MessagesOut::forget(const std::string &id, const std::string &reason) {
  stop(id, reason);
  outgoing_.erase(id);
  metrics_.forget(id);
}

void MessagesOut::on_lost(const std::string &reason, TimePoint now) {
  for (auto &[id, outgoing] : outgoing_) lost_here(&outgoing, reason, now);
}

void MessagesOut::lost_here(Outgoing *outgoing, const std::string &reason, TimePoint now) {
  stop(outgoing, reason);
  handler_->on_not_sent(outgoing->message->id, reason, now);
}

void MessagesOut::on_answered(const StreamCell::Answered &answered, TimePoint now) {
  const auto node = asked_.extract(answered.request_id);
  if (node.empty()) return;
  const Asked &asked = node.mapped();
  const auto found = outgoing_.find(asked.message_id);
  if (found == outgoing_.end()) return;
  Outgoing &outgoing = found->second;
  outgoing.asked.erase(answered.request_id);
  if (answered.local) return lost_here(&outgoing, answered.error, now);
  // A peer that takes it only with its arrays has its time: sent again, it would lack those that were fetched. If it
  // stops, the source ends the wait.
  const bool fetching = outgoing.fetched_at && now - *outgoing.fetched_at < outgoing.timeout;
  if (answered.return_code == return_code::kTimeout && fetching) return;
  std::string failure;
  if (answered.return_code != return_code::kOk) {
    failure = answered.error.empty() ? "the peer answered " + answered.return_code : answered.error;
  }
  if (asked.metric) {
    const auto attempt = metrics_.on_answer(asked.message_id, *asked.metric, failure);
    if (!attempt) return;
    failure = attempt->failure;
  }
  handler_->on_ack(asked.message_id, failure.empty() ? std::nullopt : std::optional(Refusal{failure}), now);
}

bool MessagesOut::on_fetched(TransferEvent *event, TimePoint now) {
  const auto found = outgoing_.find(event->transaction);
  if (found == outgoing_.end()) return false;
  found->second.fetched_at = now;
  // The cells that come have names that no task knows. A single one that is expected is whoever comes.
  const std::vector<std::string> &expected = found->second.receivers;
  if (expected.size() <= 1) event->receiver = expected.empty() ? "" : expected.front();
  return true;
}

}  // namespace flare
