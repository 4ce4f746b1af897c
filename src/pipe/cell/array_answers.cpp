#include "pipe/cell/array_answers.h"

#include <utility>

#include "pipe/cell/pipe_blobs.h"

namespace flare {

int64_t ArrayAnswers::serve(const StreamCell::Received &received, TimePoint now) {
  const auto request = fobs::read_request(fobs::decode(received.content, limits_));
  const ArraySource::Answer answer = source_->serve(request, received.origin, to_seconds(now));
  Blob blob;
  if (answer.content) blob.content = chain_of(*answer.content);
  if (blob.content.size() > 0) blob.encoding = encoding::kFobs;
  const auto bytes = static_cast<int64_t>(blob.content.size());
  leaving_[cell_->answer(received, answer.return_code, std::move(blob))] = {answer.finished, answer.has_items};
  return bytes;
}

void ArrayAnswers::on_sent(const StreamCell::Sent &sent, TimePoint now) {
  const auto node = leaving_.extract(sent.stream_id);
  if (!node.empty() && sent.error.empty()) source_->on_left(node.mapped().transaction, to_seconds(now));
}

void ArrayAnswers::take_back(const std::string &transaction) {
  std::erase_if(leaving_, [&](const auto &entry) {
    if (entry.second.transaction != transaction || !entry.second.has_arrays) return false;
    cell_->stop(entry.first, "the arrays are not there any more");
    return true;
  });
}

}  // namespace flare
