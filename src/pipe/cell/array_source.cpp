#include "pipe/cell/array_source.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/failure.h"
#include "base/uuid.h"
#include "cellnet/names.h"
#include "fobs/npz.h"
#include "fobs/value_write.h"

namespace flare {

namespace {

// What one answer holds at most, beyond its first item (np_download_chunk_size).
constexpr uint64_t kAnswerBytes = uint64_t{2} << 20;

constexpr double kMonitorInterval = 5;  // seconds (DS-13)

std::string_view code_of(DownloadService::Code code) {
  switch (code) {
    case DownloadService::Code::kOk: return return_code::kOk;
    case DownloadService::Code::kInvalidRequest: return return_code::kInvalidRequest;
    case DownloadService::Code::kProcessException: break;
  }
  return return_code::kProcessException;
}

// Where the next answer begins: behind the items of the one whose state came back. Nothing for a state that none of
// ours can be.
std::optional<size_t> start_of(const fobs::Object &state, size_t items) {
  if (state.is_none()) return 0;
  const auto range = fobs::range_of(state);
  return range && range->end() <= items ? std::optional(static_cast<size_t>(range->end())) : std::nullopt;
}

DownloadService::Options service_options() {
  DownloadService::Options options;
  options.nonce = new_uuid;
  return options;
}

}  // namespace

ArraySource::ArraySource(const Limits &limits) : service_(service_options(), limits) {}

void ArraySource::add(const std::string &transaction, const std::string &ref, std::vector<Tensor> items,
                      int64_t receivers, double timeout, double now) {
  DownloadService::TransactionOptions options;
  options.id = transaction;
  options.timeout = timeout;
  options.receiver_count = receivers;
  options.progress = true;
  options.progress_interval = 0;
  service_.new_transaction(options, now);
  service_.add_object(transaction, ref, now);
  arrays_[transaction] = {ref, std::move(items), {}};
  if (!next_look_) next_look_ = now + kMonitorInterval;
}

void ArraySource::cancel(const std::string &transaction, flare_status status, const std::string &reason, double now) {
  const auto found = arrays_.find(transaction);
  if (found == arrays_.end()) return;
  if (!found->second.cancelled) found->second.cancelled = Settlement{transaction, status, reason};
  service_.remove(transaction, now);
  act(now);
}

ArraySource::Answer ArraySource::serve(const fobs::DownloadRequest &request, const std::string &receiver, double now) {
  const DownloadService::Pull pull = service_.pull(request.ref_id, receiver, now);
  fobs::DownloadReply reply;
  DownloadService::Reply verdict = pull.reply;
  if (pull.ticket != 0) {
    const auto found = arrays_.find(pull.object.transaction);
    DownloadService::Produced produced;
    produced.what = DownloadService::Produced::What::kThrew;
    if (found != arrays_.end()) produced = produce(found->second, request.state, &reply);
    verdict = service_.served(pull.ticket, produced, false, now);
  }
  Answer answer{code_of(verdict.code), std::nullopt, !reply.items.empty(), pull.object.transaction};
  if (verdict.code == DownloadService::Code::kOk) {
    if (verdict.served == DownloadService::Served::kEof) reply.status = fobs::DownloadReply::Status::kEof;
    if (verdict.served == DownloadService::Served::kError) reply.status = fobs::DownloadReply::Status::kError;
    answer.content = fobs::write_reply(std::move(reply));
  }
  act(now);
  return answer;
}

DownloadService::Produced ArraySource::produce(const Arrays &arrays, const fobs::Object &state,
                                               fobs::DownloadReply *reply) const {
  DownloadService::Produced produced;
  const auto start = start_of(state, arrays.items.size());
  if (!start) {
    produced.what = DownloadService::Produced::What::kThrew;
    return produced;
  }
  if (*start == arrays.items.size()) {
    produced.what = DownloadService::Produced::What::kEof;
    return produced;
  }
  size_t end = *start;
  for (uint64_t size = 0; end < arrays.items.size(); ++end) {
    const Tensor &tensor = arrays.items[end];
    if (end > *start && size + tensor.bytes.size >= kAnswerBytes) break;
    size += tensor.bytes.size;
    reply->items.emplace_back(fobs::write_npz(fobs::item_name(end), tensor));
    produced.bytes += static_cast<int64_t>(tensor.bytes.size);
  }
  produced.items = static_cast<int64_t>(end - *start);
  reply->state = fobs::state_of({*start, end - *start});
  return produced;
}

void ArraySource::on_left(const std::string &transaction, double now) {
  service_.retire_finished(transaction, now);
  act(now);
}

// Not at any time: what is finished waits for its last answer to leave.
void ArraySource::on_time(double now) {
  const auto due = deadline();
  if (!due || now < *due) return;
  service_.on_monitor(now);
  act(now);
  next_look_ = arrays_.empty() ? std::nullopt : std::optional(now + kMonitorInterval);
}

std::optional<double> ArraySource::deadline() const {
  const auto own = service_.deadline();
  if (!own || !next_look_) return own ? own : next_look_;
  return std::min(*own, *next_look_);
}

void ArraySource::act(double now) {
  for (auto actions = service_.take_actions(); !actions.empty(); actions = service_.take_actions()) {
    for (const DownloadService::Action &action : actions) {
      if (const auto *progress = std::get_if<DownloadService::Progress>(&action)) {
        progress_.push_back({progress->transaction, progress->receiver, progress->sequence, progress->bytes,
                             progress->items.value_or(0), progress->state, ""});
      } else if (const auto *retired = std::get_if<DownloadService::Settle>(&action)) {
        service_.settle(retired->transaction, now);
      } else if (const auto *known = std::get_if<DownloadService::OutcomeKnown>(&action)) {
        settle(known->outcome);
      }
    }
  }
}

void ArraySource::settle(const TransferOutcome &outcome) {
  auto node = arrays_.extract(outcome.transaction);
  if (node.empty()) return;
  if (outcome.state == TransferState::kCompleted) {
    settled_.push_back({outcome.transaction, FLARE_OK, ""});
  } else if (node.mapped().cancelled) {
    settled_.push_back(*std::move(node.mapped().cancelled));
  } else {
    settled_.push_back(
        {outcome.transaction, FLARE_STALLED, "not every receiver fetched it: " + std::string(outcome.reason)});
  }
}

std::vector<TransferEvent> ArraySource::take_progress() { return std::exchange(progress_, {}); }

std::vector<ArraySource::Settlement> ArraySource::take_settled() { return std::exchange(settled_, {}); }

}  // namespace flare
