// Sessions recorded between NVFlare's own cells: each frame is understood, and what we send in the agent's place is
// what it sent.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <set>

#include "base/limits.h"
#include "cellnet_samples.h"
#include "cellnet_sessions.h"

namespace flare {
namespace {

using testing::ElementsAre;

std::vector<std::string> types(const std::vector<KeptFrame> &frames) {
  std::vector<std::string> names;
  for (const KeptFrame &frame : frames) {
    const std::string topic =
        frame.headers.empty() ? "" : text_of(decode_map(frame.headers, CellLimits()), stream_key::kTopic);
    names.push_back(std::to_string(frame.prefix.type) + (topic.empty() ? "" : " " + topic));
  }
  return names;
}

TEST(CellnetReplay, AllFramesAreFoundInPiecesOfAnySize) {
  const std::string bytes = read_data("cell_to_agent.bin");
  const auto whole = types(parse_all(bytes));
  EXPECT_THAT(
      whole,
      ElementsAre("5", "1 _HEARTBEAT_", "1 _HEARTBEAT_", "1 train", "1 download_service__:download_service__download",
                  "1 download_service__:download_service__download", "1 cell_pipe.metric:metric",
                  "1 download_service__download", "1 download_service__download", "1 cell_pipe.task:train", "1"));
  for (const size_t piece : {1u, 2u, 15u, 16u, 17u, 700u}) EXPECT_EQ(types(parse_all(bytes, piece)), whole);
}

// A blob of nothing but its own headers: what the pipe gives to the cell.
Map headers_of_application(const Map &headers) {
  static const std::set<std::string, std::less<>> kOfPipe = {"cn__msg_root_id", "cn__msg_root_ttl"};
  Map application;
  for (const auto &[key, value] : headers) {
    if (key.starts_with("cell_pipe.") || kOfPipe.contains(key)) application.set(key, value);
  }
  return application;
}

// Times and ids differ each time.
Map normalised(Map headers) {
  for (const std::string_view key :
       {cell_key::kSendTime, cell_key::kRoute, cell_key::kRequestId, stream_key::kId, stream_key::kRequestId}) {
    if (headers.find(key)) headers.set(key, "");
  }
  return headers;
}

// The same message of the application, sent by a cell of ours.
std::optional<AddressedMessage> sent_again(const Map &headers, const KeptFrame &frame, StreamCell *cell) {
  const TimePoint now{};
  Blob blob;
  blob.destination = text_of(headers, cell_key::kDestination);
  blob.channel = text_of(headers, stream_key::kChannel);
  blob.topic = text_of(headers, stream_key::kTopic);
  blob.encoding = text_of(headers, stream_key::kEncoding);
  blob.optional = flag_of(headers, stream_key::kOptional);
  blob.headers = headers_of_application(headers);
  blob.content = owned(frame.payload);
  if (text_of(headers, cell_key::kTopic) == kByeTopic) {
    return cell->say_goodbye(now, 0).at(0);
  } else if (blob.channel == kReturnOnly) {
    StreamCell::Received question;
    question.origin = blob.destination;
    const auto colon = blob.topic.find(':');
    question.channel = blob.topic.substr(0, colon);
    question.topic = blob.topic.substr(colon + 1);
    question.request_id = text_of(headers, stream_key::kRequestId);
    cell->answer(question, text_of(headers, cell_key::kReturnCode), std::move(blob), now);
  } else if (headers.find(stream_key::kRequestId)) {
    cell->request(std::move(blob), std::chrono::seconds(10), now);
  } else {
    cell->notify(std::move(blob), now);
  }
  return cell->take_message(now, 0);
}

TEST(CellnetReplay, OurFramesAreThoseOfNvflaresAgent) {
  StreamCell::Options options;
  options.identity = our_identity();
  StreamCell cell(options, CellLimits());
  cell.on_connected(kServer);
  SfmSession session(session_options(), CellLimits());
  session.on_connected(TimePoint());
  int compared = 0;
  for (const KeptFrame &recorded : parse_all(read_data("agent_to_cell.bin"))) {
    if (recorded.prefix.type == frame_type::kHello) {
      const double time = *decode_map(recorded.payload, CellLimits()).find("timestamp")->number();
      const std::string ours = bytes_of(session.take_frame(time).value());
      const auto frame = parse_all(ours).at(0);
      EXPECT_EQ(frame.prefix, recorded.prefix);
      EXPECT_EQ(frame.payload, recorded.payload);
      continue;
    }
    const Map headers = decode_map(recorded.headers, CellLimits());
    EXPECT_EQ(encode_map(headers), recorded.headers);
    const auto ours = sent_again(headers, recorded, &cell);
    ASSERT_TRUE(ours);
    EXPECT_EQ(bytes_of(ours->payload), recorded.payload);
    if (text_of(headers, cell_key::kTopic) == kByeTopic) {
      EXPECT_EQ(flag_of(ours->headers, cell_key::kReplyExpected), true);
      EXPECT_EQ(nlohmann::json::parse(value_to_json(normalised(ours->headers))),
                nlohmann::json::parse(value_to_json(normalised(headers))));
    } else {
      EXPECT_EQ(value_to_json(normalised(ours->headers)), value_to_json(normalised(headers)));
    }
    // The same numbers of the frame.
    Prefix prefix = parse_all(bytes_of(session.encode(*ours))).at(0).prefix;
    prefix.length = recorded.prefix.length;
    prefix.header_bytes = recorded.prefix.header_bytes;
    EXPECT_EQ(prefix, recorded.prefix);
    ++compared;
  }
  EXPECT_EQ(compared, 8);
}

// What the cell sent, taken by ours: the events of a whole job.
std::vector<std::string> replayed(const std::string &file) {
  StreamCell::Options options;
  options.identity = our_identity();
  options.channels = {"cell_pipe.task", "cell_pipe.metric", "download_service__"};
  StreamCell cell(options, CellLimits());
  SfmSession session(session_options(kServer), CellLimits());
  session.on_connected(TimePoint());
  std::vector<std::string> seen;
  for (const KeptFrame &frame : parse_all(read_data(file))) {
    const auto received = session.on_frame(frame.frame(), TimePoint());
    if (const auto *ready = std::get_if<SfmSession::Ready>(&received)) {
      seen.push_back("ready " + ready->peer);
      cell.on_connected(ready->peer);
    } else if (const auto *message = std::get_if<CellMessage>(&received)) {
      cell.on_message(*message, TimePoint());
    }
    for (const auto &event : cell.take_events()) {
      if (const auto *blob = std::get_if<StreamCell::Received>(&event)) {
        seen.push_back(blob->topic + " " + std::to_string(blob->content.size) + (blob->request_id.empty() ? "" : "?"));
      } else if (const auto *heard = std::get_if<StreamCell::Heard>(&event)) {
        EXPECT_TRUE(heard->origin == kThem || heard->origin == kServer);
      } else {
        ADD_FAILURE() << event.index();
      }
    }
  }
  return seen;
}

TEST(CellnetReplay, AJobOfNvflaresAgentIsUnderstood) {
  // Its answers are to requests that this cell did not make: they are dropped.
  EXPECT_THAT(replayed("cell_to_agent.bin"),
              ElementsAre("ready server", "_HEARTBEAT_ 11", "_HEARTBEAT_ 11", "train 934?",
                          "download_service__download 56?", "download_service__download 77?"));
}

TEST(CellnetReplay, AJobOfAnotherAgentIsUnderstood) {
  EXPECT_THAT(replayed("cell_to_probe.bin"),
              ElementsAre("ready server", "train 934?", "_HEARTBEAT_ 11", "_HEARTBEAT_ 11", "train 934?",
                          "download_service__download 56?", "download_service__download 77?"));
}

TEST(CellnetReplay, ReadyAndPongAreUnderstoodAndPingIsTheirs) {
  const auto theirs = parse_all(read_data("probe_to_cell.bin"));
  const auto ping = std::find_if(theirs.begin(), theirs.end(),
                                 [](const KeptFrame &frame) { return frame.prefix.type == frame_type::kPing; });
  ASSERT_NE(ping, theirs.end());
  SfmSession session(session_options(), CellLimits());
  session.on_connected(TimePoint());
  session.take_frame(0);
  session.on_frame(parse_all(read_data("cell_to_probe.bin")).at(0).frame(), TimePoint());
  session.on_time(TimePoint() + std::chrono::seconds(60));
  const KeptFrame ours = parse_all(bytes_of(session.take_frame(0).value())).at(0);
  EXPECT_EQ(ours.prefix.type, ping->prefix.type);
  EXPECT_EQ(ours.prefix.length, ping->prefix.length);
  EXPECT_EQ(ours.payload, ping->payload);
}

Map recorded_headers(const std::string &name) {
  const auto all = nlohmann::ordered_json::parse(read_data("stream_headers.json"));
  return *value_from_json(all.at(name).dump(), Limits()).map();
}

// The cell sent these through the server, which made one of them longer.
Map from_the_first_cell(Map headers) {
  for (const std::string_view key : {cell_key::kFrom, cell_key::kTo}) headers.set(key, "");
  return normalised(std::move(headers));
}

TEST(CellnetReplay, ChunksAndAcknowledgementsAreTheirs) {
  constexpr size_t kSize = 35652438;
  StreamCell::Options options;
  options.identity = {kThem, "site-1", "NA", "NA"};
  options.channels = {"cell_pipe.task"};
  StreamCell cell(options, CellLimits());
  cell.on_connected(kUs);
  Blob blob;
  blob.destination = kUs;
  blob.channel = "cell_pipe.task";
  blob.topic = "train";
  blob.encoding = encoding::kFobs;
  blob.headers = headers_of_application(recorded_headers("first_chunk"));
  blob.content = Block(kSize).share();
  const int64_t id = 0;
  cell.request(blob, std::chrono::seconds(10), TimePoint());
  std::map<int64_t, Map> chunks;
  for (int64_t acknowledged = 0; chunks.size() < 35; acknowledged += 5 << 20) {
    while (const auto chunk = cell.take_message(TimePoint(), 0)) {
      chunks[number_of(chunk->headers, stream_key::kSequence)] = chunk->headers;
    }
    Map ack = recorded_headers("ack");
    ack.set(cell_key::kOrigin, kUs);
    ack.set(cell_key::kDestination, kThem);
    ack.set(stream_key::kId, id);
    ack.set(stream_key::kOffset, acknowledged);
    cell.on_message({ack, {}}, TimePoint());
  }
  for (const auto &[name, sequence] :
       std::map<std::string, int64_t>{{"first_chunk", 0}, {"late_chunk", 33}, {"last_chunk", 34}}) {
    EXPECT_EQ(value_to_json(from_the_first_cell(chunks.at(sequence))),
              value_to_json(from_the_first_cell(recorded_headers(name))));
  }

  // And the acknowledgement of ours for a blob that comes.
  const std::string content(1 << 20, 'x');
  for (int64_t i = 0; i < 5; ++i) {
    CellMessage chunk = chunk_message({7, i, i << 20, 34 << 20, false, "cell_pipe.task", "train", ""}, content);
    chunk.headers.set(cell_key::kDestination, kThem);
    chunk.headers.set(cell_key::kOrigin, kUs);
    cell.on_message(chunk, TimePoint());
  }
  const auto ack = cell.take_message(TimePoint(), 0);
  ASSERT_TRUE(ack);
  EXPECT_EQ(value_to_json(from_the_first_cell(ack->headers)),
            value_to_json(from_the_first_cell(recorded_headers("ack"))));
  EXPECT_FALSE(cell.take_message(TimePoint(), 0));
}

}  // namespace
}  // namespace flare
