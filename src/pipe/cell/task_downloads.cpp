#include "pipe/cell/task_downloads.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/failure.h"
#include "fobs/shareable.h"
#include "pipe/cell/cell_words.h"
#include "pipe/cell/pipe_blobs.h"

namespace flare {

namespace {

// Long before whoever has the arrays gives them up, when nobody asks for them (np_min_download_timeout).
constexpr Duration kDownloadRequest = std::chrono::seconds(60);

}  // namespace

TaskDownloads::TaskDownloads(const fobs::ReadRules &rules, CellCalls *cell, TaskKeys *keys)
    : rules_(rules), cell_(cell), keys_(keys) {}

void TaskDownloads::add(const MessagePtr &task, fobs::Message content) {
  auto sources = fobs::sources_of(content, rules_.limits);
  incoming_.insert_or_assign(task->id,
                             Incoming{task, std::move(content), ArrayDownload(std::move(sources), rules_), false});
}

void TaskDownloads::ask() {
  for (auto &[id, incoming] : incoming_) {
    for (auto &request : incoming.download.take_requests()) {
      Blob asking = fobs_blob(request.fqcn, kDownloadChannel, kDownloadTopic, chain_of(request.content));
      asked_[cell_->request(std::move(asking), kDownloadRequest)] = {id, request.cursor};
    }
  }
}

bool TaskDownloads::on_answered(const StreamCell::Answered &answered, TimePoint now) {
  const auto node = asked_.extract(answered.request_id);
  const auto found = node.empty() ? incoming_.end() : incoming_.find(node.mapped().task);
  if (found == incoming_.end()) return false;
  Incoming &incoming = found->second;
  const size_t cursor = node.mapped().cursor;
  if (answered.local) {
    incoming.download.on_not_sent(cursor, to_seconds(now));
    return true;
  }
  if (answered.return_code == return_code::kTimeout && !std::exchange(incoming.warned, true))
    unanswered_.push_back(found->first);
  incoming.download.on_answer(cursor, answered.return_code, answered.content, to_seconds(now));
  return true;
}

void TaskDownloads::fail_all(flare_status status, const std::string &reason) {
  for (auto &[id, incoming] : incoming_) incoming.download.fail(status, reason);
}

void TaskDownloads::on_time(TimePoint now) {
  for (auto &[id, incoming] : incoming_) incoming.download.on_time(to_seconds(now));
}

std::optional<TimePoint> TaskDownloads::deadline() const {
  std::optional<TimePoint> deadline;
  for (const auto &[id, incoming] : incoming_) {
    if (const auto again = incoming.download.deadline()) deadline = earlier(deadline, time_point(*again));
  }
  return deadline;
}

std::optional<TaskDownloads::Finished> TaskDownloads::take_finished() {
  const auto found = std::find_if(incoming_.begin(), incoming_.end(), [](const auto &entry) {
    return entry.second.download.state() != ArrayDownload::State::kRunning;
  });
  if (found == incoming_.end()) return std::nullopt;
  auto node = incoming_.extract(found);
  return finish(&node.mapped());
}

TaskDownloads::Finished TaskDownloads::finish(Incoming *incoming) {
  ArrayDownload &download = incoming->download;
  const std::string &id = incoming->message->id;
  if (download.state() == ArrayDownload::State::kFailed) {
    std::erase_if(asked_, [&](const auto &entry) {
      if (entry.second.task != id) return false;
      cell_->cancel(entry.first, download.reason());
      return true;
    });
    return {incoming->message, download.status(), download.reason()};
  }
  auto whole = std::make_shared<Message>(*incoming->message);
  fobs::Keys keys;
  try {
    whole->data = fobs::read_shareable(incoming->content, download.take_downloads(), rules_, &keys);
  } catch (const Failure &failure) {
    return {incoming->message, failure.status(), failure.what()};
  } catch (const std::bad_alloc &) {
    return {incoming->message, FLARE_OUT_OF_MEMORY, "not enough memory for its arrays"};
  }
  keys_->keep(id, std::move(keys));
  return {std::move(whole), FLARE_OK, ""};
}

}  // namespace flare
