// A cell of ours between calls, time, connections that come and go, an honest peer whose chunks come in any order, and
// one that sends anything: each request ends once, what an honest peer sent arrives once and whole, and nothing is kept
// beyond the limits.
#include <array>
#include <map>
#include <set>

#include "cellnet_samples.h"
#include "fuzz_input.h"

namespace flare {
namespace {

constexpr int64_t kHonest = 1000;  // streams of the honest peer; others are below

CellLimits fuzz_limits() {
  CellLimits limits;
  limits.chunk_bytes = 8;
  limits.window_bytes = 32;
  limits.acknowledge_after = 16;
  limits.max_blob_bytes = 512;
  limits.max_incoming_bytes = 1024;
  limits.max_incoming_streams = 6;
  limits.max_out_of_order = 6;
  limits.max_ahead_bytes = 64;
  limits.max_requests = 6;
  limits.max_unsent = 8;
  limits.max_finished = 64;
  return limits;
}

class World {
 public:
  explicit World(FuzzInput input) : input_(input), cell_(options(), fuzz_limits()) {}

  void run() {
    while (!input_.over()) {
      step();
      look();
    }
    cell_.on_disconnected("the end");
    look();
    require(!cell_.deadline() && open_.empty());
  }

 private:
  static StreamCell::Options options() {
    StreamCell::Options options;
    options.identity = our_identity();
    options.channels = {"cell_pipe.task"};
    return options;
  }

  void step() {
    switch (input_.below(11)) {
      case 0: connected_ ? disconnect() : connect(); return;
      case 1: open_.insert(cell_.request(blob(), from_seconds(1 + input_.byte()), now_)); return;
      case 2: cell_.notify(blob(), now_); return;
      case 3: return take();
      case 4: return acknowledge();
      case 5: return odd_chunk();
      case 6: return honest_chunk();
      case 7: return cancel();
      case 8: cell_.say_goodbye(now_, 0); return;
      case 9:
        if (input_.flag()) open_.insert(cell_.ask_peers(kThem, from_seconds(1), now_));
        return odd_message();
      default: return pass_time();
    }
  }

  void connect() {
    connected_ = true;
    cell_.on_connected(kServer);
  }
  void disconnect() {
    connected_ = false;
    cell_.on_disconnected("cut");
    look();
    require(open_.empty() && !cell_.take_message(now_, 0));
    honest_.clear();  // they are cut as well
  }
  void pass_time() {
    now_ += input_.step();
    cell_.on_time(now_);
    require(!cell_.deadline() || *cell_.deadline() > now_);
  }
  void cancel() {
    if (open_.empty()) return;
    const std::string id = some(open_);
    open_.erase(id);
    ended_.insert(id);
    cell_.cancel(id, "not wanted");
  }

  Blob blob() {
    Blob blob;
    blob.destination = input_.flag() ? kThem : kServer;
    blob.channel = "cell_pipe.task";
    blob.topic = "train";
    blob.content = owned(std::string(input_.byte() / 2, 'x'));
    return blob;
  }

  void take() {
    for (size_t count = input_.below(8); count > 0; --count) {
      const auto message = cell_.take_message(now_, 0);
      if (!message) return;
      require(text_of(message->headers, cell_key::kOrigin) == kUs);
      require(message->payload.size() <= fuzz_limits().chunk_bytes);
      if (text_of(message->headers, cell_key::kTopic) == kDataTopic) {
        last_sent_ = number_of(message->headers, stream_key::kId);
      }
    }
  }

  void acknowledge() {
    Map headers;
    headers.set(stream_key::kId, last_sent_ - static_cast<int64_t>(input_.below(3)));
    headers.set(stream_key::kKind, static_cast<int64_t>(input_.below(8)));
    if (input_.flag()) headers.set(stream_key::kOffset, static_cast<int64_t>(input_.number()));
    if (input_.below(8) == 0) headers.set(stream_key::kError, "failed");
    cell_.on_message(from_peer(headers, {}, std::string(kStreamChannel), kAckTopic), now_);
  }

  void odd_chunk() {
    static const std::array<std::string, 3> kChannels = {"cell_pipe.task", std::string(kReturnOnly), "other"};
    ChunkSample chunk;
    chunk.id = static_cast<int64_t>(input_.below(8));
    chunk.sequence = input_.flag() ? input_.byte() % 12 : static_cast<int64_t>(input_.number());
    chunk.offset = input_.flag() ? chunk.sequence % 12 * 8 : static_cast<int64_t>(input_.number());
    chunk.size = input_.flag() ? input_.byte() % 100 : static_cast<int64_t>(input_.number());
    chunk.last = input_.below(4) == 0;
    chunk.channel = kChannels[input_.below(kChannels.size())];
    if (!open_.empty() && input_.flag()) chunk.request_id = some(open_);
    const std::string content(input_.below(20), 'y');
    CellMessage message = chunk_message(chunk, content);
    if (input_.below(8) == 0) message.headers.set(stream_key::kKind, stream_kind::kError);
    if (input_.below(8) == 0) message.headers.set(cell_key::kEncrypted, true);
    cell_.on_message(message, now_);
  }

  // Of the few that the honest peer is sending; each chunk may come again, and none is lost.
  void honest_chunk() {
    if (honest_.empty() || input_.below(8) == 0) {
      const size_t size = input_.byte() % 49;
      ++next_honest_;
      honest_[kHonest + next_honest_] = std::string(size, static_cast<char>('a' + next_honest_ % 26));
    }
    auto entry = honest_.begin();
    std::advance(entry, static_cast<long>(input_.below(honest_.size())));
    const auto &[id, content] = *entry;
    const size_t count = content.empty() ? 1 : (content.size() + 7) / 8;
    const size_t sequence = input_.below(count);
    const auto offset = static_cast<int64_t>(8 * sequence);
    cell_.on_message(chunk_message({id, static_cast<int64_t>(sequence), offset, static_cast<int64_t>(content.size()),
                                    sequence + 1 == count},
                                   std::string_view(content).substr(8 * sequence, 8)),
                     now_);
  }

  void odd_message() {
    static const std::array<std::string_view, 4> kTypes = {"req", "reply", "return", "other"};
    CellMessage message = from_peer(Map(), {}, std::string(kCellChannel), input_.flag() ? "bye" : "peers");
    message.headers.set(cell_key::kMessageType, kTypes[input_.below(kTypes.size())]);
    message.headers.set(cell_key::kReplyExpected, input_.flag());
    if (input_.flag()) message.headers.set(cell_key::kRequestId, open_.empty() ? List{} : List{some(open_)});
    if (input_.below(4) == 0) message.headers.set(cell_key::kDestination, "another");
    cell_.on_message(message, now_);
  }

  void look() {
    require(cell_.incoming_bytes() <= fuzz_limits().max_incoming_bytes);
    for (const auto &event : cell_.take_events()) {
      if (const auto *answered = std::get_if<StreamCell::Answered>(&event)) {
        require(ended_.insert(answered->request_id).second);  // also of none that was cancelled
        open_.erase(answered->request_id);
      } else if (const auto *received = std::get_if<StreamCell::Received>(&event)) {
        if (received->stream_id < kHonest) continue;
        require(honest_.contains(received->stream_id));  // once
        require(received->content.text() == honest_.at(received->stream_id));
        honest_.erase(received->stream_id);
      }
    }
    for (const std::string &id : open_) require(!ended_.contains(id));
  }

  std::string some(const std::set<std::string> &ids) {
    auto entry = ids.begin();
    std::advance(entry, static_cast<long>(input_.below(ids.size())));
    return *entry;
  }

  FuzzInput input_;
  StreamCell cell_;
  TimePoint now_{};
  bool connected_ = false;
  std::set<std::string> open_;  // requests that have not ended
  std::set<std::string> ended_;
  int64_t last_sent_ = 0;
  int64_t next_honest_ = 0;
  std::map<int64_t, std::string> honest_;
};

}  // namespace
}  // namespace flare

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::World({bytes, size}).run();
  return 0;
}
