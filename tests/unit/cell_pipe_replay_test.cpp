// NVFlare's own pipe, the trainer's end, on a real socket: the job that NVFlare's own agent was recorded with, and what
// its memory and its connection must survive.
#include "pipe/cell/cell_pipe.h"

#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "base/uuid.h"
#include "cellnet_listener.h"
#include "cellnet_sessions.h"
#include "fobs/download.h"
#include "fobs/npz.h"
#include "pipe/cell/cell_words.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr auto kReplayLimit = 20s;

// The cell at the other end, which is also the pipe's peer: it says `first` as soon as it is greeted, and calls
// `on_message` for each message.
class ScriptedPeer {
 public:
  using OnMessage = std::function<void(ScriptedPeer *, const CellMessage &)>;
  explicit ScriptedPeer(OnMessage on_message, std::string first = "")
      : on_message_(std::move(on_message)), first_(std::move(first)) {
    thread_ = std::thread([this] {
      for (int socket = listener_.accept(); socket >= 0; socket = listener_.accept()) serve(Descriptor(socket));
    });
  }
  ~ScriptedPeer() {
    listener_.shut();
    thread_.join();
  }

  std::string url() const { return listener_.url(); }
  void send(const std::string &bytes) { send_all(socket_, bytes); }
  void send(Map headers, const Bytes &payload) { send(bytes_of(session_.encode({std::move(headers), payload}))); }

 private:
  void serve(Descriptor socket) {
    socket_ = std::move(socket);
    session_.on_connected(TimePoint());
    FrameParser parser{CellLimits()};
    for (;;) {
      const auto room = parser.room();
      const ssize_t count = ::recv(socket_.get(), room.data(), room.size(), 0);
      if (count <= 0) break;
      parser.filled(static_cast<size_t>(count));
      while (const auto frame = parser.next()) {
        if (frame->prefix.type == frame_type::kHello) {
          send(ready_frame_of(kServer) + first_);
        } else if (frame->prefix.type == frame_type::kData) {
          on_message_(this, {decode_map(frame->headers, CellLimits()), frame->payload});
        }
      }
    }
    socket_ = Descriptor();
  }

  OnMessage on_message_;
  std::string first_;
  Listener listener_;
  SfmSession session_{{}, CellLimits()};
  Descriptor socket_;
  std::thread thread_;
};

class ReplayedPipe : public PipeListener {
 public:
  explicit ReplayedPipe(const std::string &url) {
    ClientApiConfig config;
    config.site = "site-1";
    config.token = config.job_id = "tok1";
    config.metric_channel = "metric";
    config.place = {url, "clear", kServer};
    loop_.run_and_wait([&] {
      pipe_ = std::make_unique<CellPipe>(Settings(), config, CellNaming::kFlat, &loop_, Log("error", ""), this);
    });
  }
  ~ReplayedPipe() override {
    loop_.run_and_wait([&] { pipe_->close("the test is over"); });
    loop_.run_and_wait([&] { pipe_.reset(); });
  }

  void in_loop(const std::function<void(CellPipe *)> &work) {
    loop_.run_and_wait([&] { work(pipe_.get()); });
  }
  // Up to the first that begins so.
  std::string until(const std::string &beginning) {
    std::unique_lock lock(mutex_);
    std::string news = "nothing";
    changed_.wait_for(lock, kReplayLimit, [&] {
      while (!news_.empty() && !news.starts_with(beginning)) {
        news = std::move(news_.front());
        news_.pop_front();
      }
      return news.starts_with(beginning);
    });
    return news;
  }
  MessagePtr task() {
    std::lock_guard lock(mutex_);
    return task_;
  }

  std::function<void()> when_settled = [] {};

 private:
  void on_up(const PeerInfo &, bool) override { add("up"); }
  void on_down(bool) override { add("down"); }
  std::optional<Refusal> on_offered(const Message &, size_t) override { return std::nullopt; }
  void on_message(const MessagePtr &message) override {
    {
      std::lock_guard lock(mutex_);
      task_ = message;
    }
    add("task " + message->topic);
  }
  void on_message_lost(const MessagePtr &, flare_status, const std::string &reason) override { add("lost " + reason); }
  void on_transaction(const std::string &) override {}
  void on_progress(const TransferEvent &) override {}
  void on_accepted(const std::string &, bool accepted, const std::string &reason) override {
    add(accepted ? "accepted" : "not accepted " + reason);
  }
  void on_settled(const std::string &, flare_status status, const std::string &reason) override {
    when_settled();
    add("settled " + std::string(flare_status_text(status)) + " " + reason);
  }
  void on_words_left(bool) override {}
  void on_over(flare_status status, const std::string &reason) override {
    add("over " + std::string(flare_status_text(status)) + " " + reason);
  }
  void add(const std::string &news) {
    std::lock_guard lock(mutex_);
    news_.push_back(news);
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> news_;
  MessagePtr task_;
  Loop loop_{"pipe", [](std::exception_ptr) { ADD_FAILURE() << "an exception in the loop"; }};
  std::unique_ptr<CellPipe> pipe_;
};

MessagePtr result_of(const std::string &task, const std::vector<Tensor> &tensors) {
  auto reply = std::make_shared<Message>();
  reply->kind = MessageKind::kReply;
  reply->topic = "train";
  reply->id = new_uuid();
  reply->request_id = task;
  reply->data.kind = kind::kWeights;
  for (const Tensor &tensor : tensors) reply->data.body.set("w" + std::to_string(reply->data.body.size()), tensor);
  return reply;
}

std::vector<CellMessage> messages_of(const std::vector<KeptFrame> &frames) {
  std::vector<CellMessage> messages;
  for (const KeptFrame &frame : frames) {
    if (frame.prefix.type == frame_type::kData)
      messages.push_back({decode_map(frame.headers, CellLimits()), owned(frame.payload)});
  }
  return messages;
}

Map with_request_id(Map headers, const std::string &id) {
  headers.set(stream_key::kRequestId, id);
  return headers;
}

std::string ref_of(const CellMessage &result) {
  return fobs::sources_of(fobs::decode(result.payload, {}), {}).at(0).ref_id;
}

// What the client job process sent then, in answer to what comes from the pipe now.
class RecordedJob {
 public:
  // Of NVFlare's agent: its answers to both requests for the arrays of its result.
  const std::vector<CellMessage> ours_then = messages_of(parse_all(read_data("agent_to_cell.bin")));
  std::atomic<bool> task_taken = false, bye = false;
  std::atomic<int> arrays_same = 0;

 private:
  static std::string bytes_of_recorded(size_t first, size_t behind) {
    const std::string bytes = read_data("cell_to_agent.bin");
    size_t begin = 0, end = 0;
    for (size_t i = 0; i < behind; ++i) {
      if (i == first) begin = end;
      end += read_prefix(reinterpret_cast<const std::byte *>(bytes.data()) + end).length;
    }
    return bytes.substr(begin, end - begin);
  }

  void on_message(const CellMessage &message) {
    const std::string channel = text_of(message.headers, stream_key::kChannel);
    const std::string topic = text_of(message.headers, stream_key::kTopic);
    const std::string id = text_of(message.headers, stream_key::kRequestId);
    if (topic == kDownloadTopic) {
      answer(3 + asked_++, id);
    } else if (topic == "metric") {
      answer(5, id);
    } else if (topic == "cell_pipe.task:train") {
      task_taken = text_of(message.headers, cell_key::kReturnCode) == "ok";
    } else if (topic == "train" && fobs::sources_of(fobs::decode(message.payload, {}), {}).empty()) {
      // Of a task whose download a closing pipe gave up: nothing is to be fetched.
    } else if (topic == "train") {
      result_id_ = id;
      ref_ = ref_of(message);
      ask(6, {ref_, {}});
    } else if (channel == kReturnOnly) {
      on_array(message);
    } else if (text_of(message.headers, cell_key::kTopic) == kByeTopic) {
      bye = true;
    }
  }
  void on_array(const CellMessage &message) {
    arrays_same += message.payload.text() == ours_then.at(given_ == 0 ? 5 : 6).payload.text() ? 1 : 0;
    if (given_++ == 0) {
      ask(7, {ref_, fobs::read_reply(fobs::decode(message.payload, {}), {}).state});
    } else {
      answer(8, result_id_);
    }
  }
  void answer(size_t recorded, const std::string &id) {
    peer.send(with_request_id(theirs_.at(recorded).headers, id), theirs_.at(recorded).payload);
  }
  void ask(size_t recorded, const fobs::DownloadRequest &request) {
    Map headers = theirs_.at(recorded).headers;
    const Bytes payload = fobs::encode(fobs::write_request(request)).join();
    EXPECT_EQ(payload.size, theirs_.at(recorded).payload.size);
    peer.send(std::move(headers), payload);
  }

  const std::vector<CellMessage> theirs_ = messages_of(parse_all(read_data("cell_to_agent.bin")));
  size_t asked_ = 0, given_ = 0;
  std::string ref_, result_id_;

 public:
  ScriptedPeer peer{[this](ScriptedPeer *, const CellMessage &message) { on_message(message); },
                    bytes_of_recorded(1, 4)};  // the last: it refers to the rest
};

TEST(CellPipeReplay, DoesTheJobThatNvflaresAgentWasRecordedWith) {
  RecordedJob job;
  {
    ReplayedPipe pipe(job.peer.url());
    EXPECT_EQ(pipe.until("task"), "task train");
    EXPECT_TRUE(job.task_taken) << "before its arrays were fetched";
    const Tensor *array = nullptr;
    for (const auto &[name, value] : pipe.task()->data.body) array = value.tensor() ? value.tensor() : array;
    ASSERT_NE(array, nullptr);
    // The result that was sent then, and sent again now.
    const fobs::DownloadReply then = fobs::read_reply(fobs::decode(job.ours_then.at(5).payload, {}), {});
    std::vector<Tensor> arrays;
    for (const fobs::Object &item : then.items) {
      const auto members = fobs::read_npz(*item.bytes(), {});
      arrays.push_back(*fobs::array_value(members.at(0).npy, members.at(0).npy.size, {}).tensor());
    }
    pipe.in_loop([&](CellPipe *p) { p->send(result_of(pipe.task()->id, arrays), {}); });
    EXPECT_EQ(pipe.until("settled"), "settled ok ");
  }
  for (int i = 0; i < 400 && !job.bye; ++i) std::this_thread::sleep_for(5ms);
  EXPECT_TRUE(job.bye);
  EXPECT_EQ(job.arrays_same, 2) << "byte for byte";
}

// A peer that has asked for an array and reads nothing of it: when the upload is given up, its owner writes over it.
TEST(CellPipeReplay, NothingIsReadFromLentMemoryOnceItIsSettled) {
  static constexpr size_t kBytes = size_t{12} << 20;
  std::atomic<bool> reading = false;
  std::atomic<size_t> seen = 0, spoiled = 0;
  const auto recorded = messages_of(parse_all(read_data("cell_to_agent.bin")));
  ScriptedPeer peer([&](ScriptedPeer *itself, const CellMessage &message) {
    if (text_of(message.headers, stream_key::kTopic) == "train") {
      const Bytes asked = fobs::encode(fobs::write_request({ref_of(message), {}})).join();
      itself->send(recorded.at(6).headers, asked);
      while (!reading) std::this_thread::sleep_for(1ms);
    }
    if (text_of(message.headers, stream_key::kChannel) != kReturnOnly) return;
    seen += message.payload.size;
    for (const char c : message.payload.text()) spoiled += c == '\xee' ? 1 : 0;
  });
  Block memory(kBytes);
  std::memset(memory.data(), 1, kBytes);
  ReplayedPipe pipe(peer.url());
  EXPECT_EQ(pipe.until("up"), "up");
  const MessagePtr result = result_of("task", {{FLARE_UINT8, {kBytes}, {nullptr, memory.data(), kBytes}}});
  pipe.in_loop([&](CellPipe *p) {
    SendOptions options;
    options.lent = true;
    p->send(result, options);
  });
  for (int i = 0; i < 2000; ++i) {  // until the socket takes no more
    int64_t sent = 0;
    pipe.in_loop([&](CellPipe *p) { sent = p->stats().bytes_sent; });
    if (sent > 0) break;
    std::this_thread::sleep_for(1ms);
  }
  std::this_thread::sleep_for(50ms);
  pipe.when_settled = [&] { std::memset(memory.data(), 0xee, kBytes); };
  pipe.in_loop([&](CellPipe *p) { p->cancel(result->id, FLARE_STOPPED, "enough"); });
  EXPECT_THAT(pipe.until("settled"), HasSubstr("enough"));
  reading = true;
  // Until nothing more comes.
  size_t before = kBytes + 1;
  for (int i = 0; i < 60 && (seen == 0 || seen != before); ++i) {
    before = seen;
    std::this_thread::sleep_for(300ms);
  }
  EXPECT_GT(seen, 0u);
  EXPECT_LT(seen, kBytes) << "the rest was not sent";
  EXPECT_LT(spoiled, 100u) << "what the head of an archive has, such as a checksum, may be such a byte";
}

TEST(CellPipeReplay, ASecondOneOfTheSameNameIsRefusedAtOnceAndAnotherLaterIsNot) {
  RecordedJob job;
  {
    ReplayedPipe first(job.peer.url());
    EXPECT_EQ(first.until("up"), "up");
    try {
      const ReplayedPipe second(job.peer.url());
      ADD_FAILURE() << "both are open";
    } catch (const Failure &failure) {
      EXPECT_EQ(failure.status(), FLARE_REFUSED);
      EXPECT_THAT(failure.what(), HasSubstr("process " + std::to_string(::getpid()) + " is connected as the cell"));
    }
  }
  ReplayedPipe again(job.peer.url());
  EXPECT_EQ(again.until("up"), "up");
}

}  // namespace
}  // namespace flare
