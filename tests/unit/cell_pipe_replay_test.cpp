// NVFlare's own pipe, the trainer's end, on a real socket: the job that NVFlare's own agent was recorded with, and what
// its memory and its connection must survive.
#include "pipe/cell/cell_pipe.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <thread>

#include "cell_pipe_peer.h"
#include "cellnet_sessions.h"
#include "fobs/npz.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

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
    TestedPipe pipe(job.peer.url(), Settings());
    ASSERT_TRUE(pipe.told("message")) << pipe.everything();
    EXPECT_EQ(pipe.message()->topic, "train");
    EXPECT_TRUE(job.task_taken) << "before its arrays were fetched";
    const Tensor *array = nullptr;
    for (const auto &[name, value] : pipe.message()->data.body) array = value.tensor() ? value.tensor() : array;
    ASSERT_NE(array, nullptr);
    // The result that was sent then, and sent again now.
    const fobs::DownloadReply then = fobs::read_reply(fobs::decode(job.ours_then.at(5).payload, {}), {});
    std::vector<Tensor> arrays;
    for (const fobs::Object &item : then.items) {
      const auto members = fobs::read_npz(*item.bytes(), {});
      arrays.push_back(*fobs::array_value(members.at(0).npy, members.at(0).npy.size, {}).tensor());
    }
    EXPECT_TRUE(pipe.told("settled " + pipe.send(result_of(pipe.message()->id, arrays), 60s) + " ok "));
  }
  EXPECT_TRUE(eventually([&] { return job.bye.load(); }));
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
  TestedPipe pipe(peer.url(), Settings());
  EXPECT_TRUE(pipe.told("up"));
  const MessagePtr result = result_of("task", {{FLARE_UINT8, {kBytes}, {nullptr, memory.data(), kBytes}}});
  pipe.send(result, 60s, true);
  EXPECT_TRUE(eventually([&] { return pipe.stats().bytes_sent > 0; }));  // until the socket takes no more
  std::this_thread::sleep_for(50ms);
  pipe.when_settled = [&] { std::memset(memory.data(), 0xee, kBytes); };
  pipe.cancel(result->id, "enough");
  EXPECT_TRUE(pipe.told("settled " + result->id));
  EXPECT_THAT(pipe.everything(), HasSubstr("enough"));
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
    TestedPipe first(job.peer.url(), Settings());
    EXPECT_TRUE(first.told("up"));
    try {
      const TestedPipe second(job.peer.url(), Settings());
      ADD_FAILURE() << "both are open";
    } catch (const Failure &failure) {
      EXPECT_EQ(failure.status(), FLARE_REFUSED);
      EXPECT_THAT(failure.what(), HasSubstr("process " + std::to_string(::getpid()) + " is connected as the cell"));
    }
  }
  TestedPipe again(job.peer.url(), Settings());
  EXPECT_TRUE(again.told("up"));
}

}  // namespace
}  // namespace flare
