#include "cellnet/stream_cell.h"

#include <gmock/gmock.h>

#include "cellnet_samples.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A cell of ours and what its peer says; events and messages as text.
struct TestedCell {
  explicit TestedCell(const CellLimits &limits = small()) : machine(options(), limits) {
    machine.on_connected(kServer);
  }

  static CellLimits small() {
    CellLimits limits;
    limits.chunk_bytes = 10;
    limits.window_bytes = 30;
    limits.acknowledge_after = 20;
    return limits;
  }
  static StreamCell::Options options() {
    StreamCell::Options options;
    options.identity = {kUs, "site-1", "token", "signature"};
    options.channels = {"cell_pipe.task"};
    options.first_stream_id = 100;
    return options;
  }

  static Blob blob(const std::string &content = "content") {
    Blob blob;
    blob.destination = kThem;
    blob.channel = "cell_pipe.task";
    blob.topic = "train";
    blob.encoding = encoding::kFobs;
    blob.content = owned(content);
    return blob;
  }

  std::string request(const std::string &content = "content") { return machine.request(blob(content), 10s, kStart); }

  std::vector<AddressedMessage> messages(TimePoint now = kStart) {
    std::vector<AddressedMessage> all;
    while (auto message = machine.take_message(now, 0)) all.push_back(std::move(*message));
    return all;
  }
  // Topic, kind and what matters of each message.
  std::vector<std::string> sent(TimePoint now = kStart) {
    std::vector<std::string> all;
    for (const auto &[headers, payload] : messages(now)) {
      std::string text = text_of(headers, cell_key::kTopic);
      if (headers.find(stream_key::kId)) {
        text += " " + std::to_string(number_of(headers, stream_key::kId) - 100) + "/" +
                std::to_string(number_of(headers, stream_key::kKind));
      }
      if (headers.find(stream_key::kError)) text += " " + text_of(headers, stream_key::kError);
      if (headers.find(cell_key::kReturnCode)) text += " " + text_of(headers, cell_key::kReturnCode);
      all.push_back(text);
    }
    return all;
  }

  std::vector<std::string> events() {
    std::vector<std::string> all;
    for (const auto &event : machine.take_events()) {
      if (const auto *received = std::get_if<StreamCell::Received>(&event)) {
        all.push_back("received " + received->topic + " " + std::string(received->content.text()));
      } else if (const auto *answered = std::get_if<StreamCell::Answered>(&event)) {
        all.push_back("answered " + answered->return_code + " " + answered->error +
                      std::string(answered->content.text()));
      } else if (const auto *gone = std::get_if<StreamCell::Sent>(&event)) {
        all.push_back("sent " + std::to_string(gone->stream_id - 100) + gone->error);
      } else if (std::holds_alternative<StreamCell::PeerLeaves>(event)) {
        all.emplace_back("peer leaves");
      } else if (const auto *complaint = std::get_if<StreamCell::Complaint>(&event)) {
        all.push_back("complaint " + complaint->text);
      }
    }
    return all;
  }

  void chunk(const ChunkSample &sample, std::string_view content, TimePoint now = kStart) {
    machine.on_message(chunk_message(sample, content), now);
  }
  void answer(const std::string &id, std::string_view content, TimePoint now = kStart, bool last = true,
              int64_t sequence = 0, int64_t size = 0) {
    CellMessage message =
        chunk_message({900, sequence, sequence * 10, size, last, std::string(kReturnOnly), "x", id}, content);
    message.headers.set(cell_key::kReturnCode, "ok");
    machine.on_message(message, now);
  }
  void ack(int64_t stream, int64_t offset, const std::string &origin = kThem) {
    Map headers;
    headers.set(stream_key::kId, stream + 100);
    headers.set(stream_key::kKind, stream_kind::kAck);
    headers.set(stream_key::kOffset, offset);
    acknowledge(std::move(headers), origin);
  }
  void error_ack(int64_t stream, const std::string &error, const std::string &origin = kThem) {
    Map headers;
    headers.set(stream_key::kId, stream + 100);
    headers.set(stream_key::kKind, stream_kind::kError);
    headers.set(stream_key::kError, error);
    acknowledge(std::move(headers), origin);
  }
  void acknowledge(Map headers, const std::string &origin) {
    CellMessage message = from_peer(std::move(headers), {}, std::string(kStreamChannel), kAckTopic);
    message.headers.set(cell_key::kOrigin, origin);
    machine.on_message(message, kStart);
  }

  StreamCell machine;
};

TEST(CellnetCell, SaysWhoItIsInEveryMessage) {
  TestedCell cell;
  cell.request();
  CellMessage unknown = from_peer(Map(), {}, "credential_manager", "key_exchange");
  unknown.headers.set(cell_key::kReplyExpected, true);
  cell.machine.on_message(unknown, kStart);
  const auto messages = cell.machine.say_goodbye(kStart, 0);
  EXPECT_EQ(messages.size(), 3u);
  for (const auto &[headers, payload] : messages) {
    EXPECT_EQ(text_of(headers, cell_key::kClientName), "site-1");
    EXPECT_EQ(text_of(headers, cell_key::kToken), "token");
    EXPECT_EQ(text_of(headers, cell_key::kTokenSignature), "signature");
    EXPECT_EQ(text_of(headers, cell_key::kOrigin), kUs);
    EXPECT_EQ(text_of(headers, cell_key::kTo), kServer);
  }
}

TEST(CellnetCell, ARequestEndsWithItsAnswer) {
  TestedCell cell;
  const std::string id = cell.request();
  EXPECT_THAT(cell.sent(), ElementsAre("sm__DATA 0/2"));
  cell.answer(id, "yes");
  EXPECT_THAT(cell.events(), ElementsAre("answered ok yes"));
  cell.answer(id, "again");
  EXPECT_THAT(cell.events(), IsEmpty());
  EXPECT_FALSE(cell.machine.deadline());
}

TEST(CellnetCell, AnAnswerIsFromWhomWasAsked) {
  TestedCell cell;
  const std::string id = cell.request();
  CellMessage forged = chunk_message({1, 0, 0, 3, true, std::string(kReturnOnly), "x", id}, "no!");
  forged.headers.set(cell_key::kOrigin, "site-2_tok1_passive");
  cell.machine.on_message(forged, kStart);
  EXPECT_THAT(cell.events(), IsEmpty());
  cell.answer(id, "yes");
  EXPECT_THAT(cell.events(), ElementsAre("answered ok yes"));
}

TEST(CellnetCell, ASecondAnswerDoesNotMixWithTheFirst) {
  TestedCell cell;
  const std::string id = cell.request();
  cell.answer(id, "0123456789", kStart, false, 0, 13);
  cell.chunk({901, 0, 0, 3, true, std::string(kReturnOnly), "x", id}, "bad");
  EXPECT_THAT(cell.events(), IsEmpty());
  cell.answer(id, "abc", kStart, true, 1, 13);
  EXPECT_THAT(cell.events(), ElementsAre("answered ok 0123456789abc"));
}

TEST(CellnetCell, TheTimeOfARequestBeginsAnewWithProgress) {
  TestedCell cell;
  const std::string id = cell.request(std::string(100, 'x'));
  EXPECT_THAT(cell.sent(kStart + 9s), testing::SizeIs(4));
  cell.machine.on_time(kStart + 18s);
  cell.ack(0, 40);
  EXPECT_THAT(cell.sent(kStart + 18s), testing::SizeIs(4));
  cell.ack(0, 80);
  EXPECT_THAT(cell.sent(kStart + 20s), testing::SizeIs(2));
  cell.machine.on_time(kStart + 29s);
  cell.answer(id, "0123456789", kStart + 29s, false, 0, 13);
  cell.machine.on_time(kStart + 38s);
  EXPECT_THAT(cell.events(), IsEmpty());
  EXPECT_EQ(cell.machine.deadline(), kStart + 39s);
  cell.machine.on_time(kStart + 39s);
  EXPECT_THAT(cell.events(), ElementsAre(HasSubstr("answered timeout no answer came for 10 s")));
  cell.answer(id, "abc", kStart + 39s, true, 1, 13);
  EXPECT_THAT(cell.events(), IsEmpty());
}

TEST(CellnetCell, ARequestInFlightFailsAtOnceWhenItsStreamDoes) {
  TestedCell cell;
  cell.request();
  EXPECT_THAT(cell.sent(), ElementsAre("sm__DATA 0/2"));  // the stream is over, the answer is waited for
  cell.error_ack(0, "somebody else's", "site-2");
  EXPECT_THAT(cell.events(), IsEmpty());
  cell.error_ack(0, "No callback is registered");
  EXPECT_THAT(cell.events(), ElementsAre("answered comm_error No callback is registered"));
  cell.error_ack(0, "again");
  EXPECT_THAT(cell.events(), IsEmpty());
}

TEST(CellnetCell, ARequestBeingSentFailsAtOnceWhenItsStreamDoes) {
  TestedCell cell;
  cell.request(std::string(100, 'x'));
  EXPECT_THAT(cell.sent(), testing::SizeIs(4));
  cell.error_ack(0, "Too many out-of-sequence chunks");
  EXPECT_THAT(cell.events(), ElementsAre("answered comm_error Too many out-of-sequence chunks"));
  EXPECT_THAT(cell.sent(), IsEmpty());
}

TEST(CellnetCell, ARequestFailsAtOnceWhenItsAnswerDoes) {
  for (const int begun : {0, 1}) {
    TestedCell cell;
    const std::string id = cell.request();
    if (begun) cell.answer(id, "0123456789", kStart, false, 0, 13);
    Map headers;
    headers.set(stream_key::kRequestId, id);
    headers.set(stream_key::kId, 900);
    headers.set(stream_key::kKind, stream_kind::kError);
    headers.set(stream_key::kError, "ACK made no progress");
    cell.machine.on_message(from_peer(headers, {}, std::string(kStreamChannel), kDataTopic), kStart);
    const auto events = cell.events();
    EXPECT_THAT(events, testing::Contains("answered comm_error ACK made no progress"));
    cell.answer(id, "abc", kStart, true, 1, 13);
    EXPECT_THAT(cell.events(), IsEmpty());
  }
}

TEST(CellnetCell, ARequestEndsOnceWhenTheAnswerCannotBeRight) {
  TestedCell cell;
  const std::string id = cell.request();
  cell.messages();
  cell.answer(id, "0123456789", kStart, true, 0, 13);  // announced with 13
  EXPECT_THAT(cell.events(), ElementsAre(HasSubstr("answered comm_error the blob has 10 bytes")));
  EXPECT_THAT(cell.sent(), ElementsAre(HasSubstr("sm__ACK 800/6 the blob has 10 bytes")));
}

TEST(CellnetCell, ARequestFailsAtOnceWhenItsAnswerCannotBeTaken) {
  CellLimits limits = TestedCell::small();
  limits.max_incoming_bytes = 100;
  TestedCell cell(limits);
  cell.answer(cell.request(), "0123456789", kStart, false, 0, 101);
  EXPECT_THAT(cell.events(), testing::Contains("answered comm_error too many bytes at once"));
  EXPECT_THAT(cell.sent(), testing::Contains("sm__ACK 800/6 too many bytes at once"));

  const std::string id = cell.request();
  CellMessage encrypted = chunk_message({901, 0, 0, 3, true, std::string(kReturnOnly), "x", id}, "abc");
  encrypted.headers.set(cell_key::kEncrypted, true);
  encrypted.headers.set(cell_key::kOrigin, "site-2_tok1_passive");  // who was not asked
  cell.machine.on_message(encrypted, kStart);
  EXPECT_THAT(cell.events(), ElementsAre(HasSubstr("complaint a blob from site-2_tok1_passive failed: encryption")));
  encrypted.headers.set(cell_key::kOrigin, kThem);
  cell.machine.on_message(encrypted, kStart);
  EXPECT_THAT(cell.events(), testing::Contains(HasSubstr("answered comm_error encryption")));
  EXPECT_FALSE(cell.machine.deadline());
}

TEST(CellnetCell, NoMoreIsSentOfARequestThatWasAnswered) {
  TestedCell cell;
  const std::string id = cell.request(std::string(100, 'x'));
  EXPECT_THAT(cell.sent(), testing::SizeIs(4));
  cell.answer(id, "no");
  EXPECT_THAT(cell.events(), ElementsAre("answered ok no"));
  cell.ack(0, 40);
  EXPECT_THAT(cell.sent(), ElementsAre("sm__DATA 0/6 it was answered already"));
}

TEST(CellnetCell, EverythingUnderWayFailsWithTheConnection) {
  TestedCell cell;
  cell.request();
  cell.request(std::string(100, 'x'));
  const std::string id = cell.request();
  cell.messages();
  cell.machine.notify(TestedCell::blob(), kStart);
  cell.answer(id, "0123456789", kStart, false, 0, 13);
  cell.chunk({5, 0, 0, 100, false}, "0123456789");
  cell.machine.on_disconnected("gone");
  const auto events = cell.events();
  EXPECT_EQ(std::count(events.begin(), events.end(), "answered comm_error gone"), 3);
  EXPECT_EQ(std::count(events.begin(), events.end(), "sent 3gone"), 1);
  EXPECT_FALSE(cell.machine.deadline());
  cell.machine.on_connected(kServer);
  EXPECT_THAT(cell.sent(), IsEmpty());
}

TEST(CellnetCell, AnAnswerSaysWhetherThePeerIsToBlame) {
  TestedCell cell;
  const auto local = [&] {
    std::string all;
    for (const auto &event : cell.machine.take_events()) {
      if (const auto *answered = std::get_if<StreamCell::Answered>(&event)) all += answered->local ? "local " : "peer ";
    }
    return all;
  };
  cell.request();
  cell.machine.on_time(kStart + 10s);
  EXPECT_EQ(local(), "peer ");
  cell.request();                       // waits to be sent
  cell.request(std::string(100, 'x'));  // and for acknowledgements
  cell.messages();
  cell.request();
  cell.machine.on_disconnected("gone");
  EXPECT_EQ(local(), "local local local ");
  cell.request();
  EXPECT_EQ(local(), "local ");
}

TEST(CellnetCell, NothingIsLinedUpWithoutAConnection) {
  TestedCell cell;
  cell.machine.on_disconnected("gone");
  cell.request();
  cell.machine.notify(TestedCell::blob(), kStart);
  EXPECT_THAT(cell.events(), ElementsAre("answered comm_error not connected", "sent 1not connected"));
  EXPECT_TRUE(cell.machine.say_goodbye(kStart, 0).empty());
  EXPECT_FALSE(cell.machine.deadline());
}

TEST(CellnetCell, SmallThingsGoFirstAndLargeOnesInTurns) {
  TestedCell cell;
  cell.request(std::string(40, 'a'));
  cell.request(std::string(40, 'b'));
  EXPECT_TRUE(cell.machine.take_message(kStart, 0));
  cell.machine.notify(TestedCell::blob(), kStart);
  EXPECT_THAT(cell.sent(), ElementsAre("sm__DATA 2/2", "sm__DATA 1/1", "sm__DATA 0/1", "sm__DATA 1/1", "sm__DATA 0/1",
                                       "sm__DATA 1/1", "sm__DATA 0/2", "sm__DATA 1/2"));
  EXPECT_THAT(cell.events(), ElementsAre("sent 2"));
}

TEST(CellnetCell, ABlobIsSentWhenItsLastMessageIsGone) {
  TestedCell cell;
  cell.machine.notify(TestedCell::blob(), kStart);
  EXPECT_TRUE(cell.machine.take_message(kStart, 0));
  EXPECT_THAT(cell.events(), IsEmpty());
  EXPECT_FALSE(cell.machine.take_message(kStart, 0));
  EXPECT_THAT(cell.events(), ElementsAre("sent 0"));
  cell.machine.notify(TestedCell::blob(), kStart);
  EXPECT_TRUE(cell.machine.take_message(kStart, 0));
  cell.machine.on_disconnected("gone");
  EXPECT_THAT(cell.events(), ElementsAre("sent 1gone"));
}

TEST(CellnetCell, AStreamWithoutAcknowledgementsIsGivenUp) {
  TestedCell cell;
  const std::string id = cell.machine.request(TestedCell::blob(std::string(100, 'x')), 1000s, kStart);
  cell.messages();
  EXPECT_EQ(cell.machine.deadline(), kStart + 60s);
  cell.machine.on_time(kStart + 60s);
  EXPECT_THAT(cell.events(), ElementsAre("answered comm_error no acknowledgement came for 60 s"));
  EXPECT_THAT(cell.sent(), ElementsAre("sm__DATA 0/6 no acknowledgement came for 60 s"));
}

TEST(CellnetCell, ACancelledRequestLeavesNothing) {
  TestedCell cell;
  const std::string id = cell.request(std::string(100, 'x'));
  cell.messages();
  cell.machine.cancel(id, "not wanted any more");
  EXPECT_THAT(cell.sent(), ElementsAre("sm__DATA 0/6 not wanted any more"));
  cell.answer(id, "yes");
  EXPECT_THAT(cell.events(), IsEmpty());
  EXPECT_FALSE(cell.machine.deadline());

  cell.machine.on_disconnected("gone");
  cell.machine.cancel(cell.request(), "failed already, and nobody has heard of it");
  EXPECT_THAT(cell.events(), IsEmpty());
}

TEST(CellnetCell, ABlobIsGivenOutOnce) {
  TestedCell cell;
  cell.chunk({5, 1, 10, 13, true}, "abc");
  cell.chunk({5, 0, 0, 13, false}, "0123456789");
  EXPECT_THAT(cell.events(), ElementsAre("received train 0123456789abc"));
  cell.chunk({5, 0, 0, 13, false}, "0123456789");
  cell.chunk({5, 1, 10, 13, true}, "abc");
  EXPECT_THAT(cell.events(), IsEmpty());
  EXPECT_FALSE(cell.machine.deadline());
  // The same number from another cell is another stream.
  CellMessage other = chunk_message({5, 0, 0, 3, true}, "abc");
  other.headers.set(cell_key::kOrigin, "site-2");
  cell.machine.on_message(other, kStart);
  EXPECT_THAT(cell.events(), ElementsAre("received train abc"));
}

TEST(CellnetCell, AnAnswerCarriesWhatTheQuestionHad) {
  TestedCell cell;
  ChunkSample sample;
  sample.request_id = "request";
  cell.chunk(sample, "");
  auto events = cell.machine.take_events();
  const auto &question = std::get<StreamCell::Received>(events.at(1));
  cell.machine.answer(question, return_code::kOk, Blob(), kStart);
  const auto messages = cell.messages();
  ASSERT_EQ(messages.size(), 1u);
  const Map &headers = messages[0].headers;
  EXPECT_EQ(text_of(headers, stream_key::kChannel), kReturnOnly);
  EXPECT_EQ(text_of(headers, stream_key::kTopic), "cell_pipe.task:train");
  EXPECT_EQ(text_of(headers, stream_key::kRequestId), "request");
  EXPECT_EQ(text_of(headers, cell_key::kReturnCode), "ok");
  EXPECT_EQ(text_of(headers, cell_key::kDestination), kThem);
}

TEST(CellnetCell, WhoeverWaitsForAnAnswerLearnsThatItsBlobWasRefused) {
  TestedCell cell;
  for (const char *id : {"request", ""}) {
    ChunkSample sample;
    sample.id = *id ? 1 : 2;
    sample.request_id = id;
    cell.chunk(sample, "");
    cell.machine.refuse(std::get<StreamCell::Received>(cell.machine.take_events().back()), "broken", kStart);
  }
  const auto messages = cell.messages();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(text_of(messages[0].headers, stream_key::kError), "broken");
  EXPECT_EQ(number_of(messages[0].headers, stream_key::kId), 2);
  EXPECT_EQ(text_of(messages[1].headers, stream_key::kRequestId), "request");
  EXPECT_EQ(text_of(messages[1].headers, cell_key::kReturnCode), "process_exception");
  EXPECT_EQ(text_of(messages[1].headers, cell_key::kError), "broken");
}

TEST(CellnetCell, RefusesBlobsThatNobodyTakes) {
  TestedCell cell;
  cell.chunk({5, 0, 0, 13, false, "other", "topic"}, "0123456789");
  cell.chunk({5, 1, 10, 13, true, "other", "topic"}, "abc");
  EXPECT_THAT(cell.sent(), ElementsAre("sm__ACK -95/6 No callback is registered for other/topic"));
  EXPECT_THAT(cell.events(), ElementsAre(HasSubstr("No callback")));
  CellMessage encrypted = chunk_message({6, 0, 0, 3, true}, "abc");
  encrypted.headers.set(cell_key::kEncrypted, true);
  cell.machine.on_message(encrypted, kStart);
  EXPECT_THAT(cell.sent(), ElementsAre(HasSubstr("-94/6 encryption")));
}

TEST(CellnetCell, ABrokenBlobFailsAloneAndItsSenderLearnsIt) {
  TestedCell cell;
  cell.chunk({5, 0, 0, 13, true}, "0123456789");
  cell.chunk({6, 0, 0, 3, true}, "abc");
  EXPECT_THAT(cell.events(), ElementsAre(HasSubstr("complaint a blob from " + kThem + " failed: the blob has 10 bytes"),
                                         "received train abc"));
  EXPECT_THAT(cell.sent(), ElementsAre(HasSubstr("sm__ACK -95/6 the blob has 10 bytes")));
  cell.chunk({5, 1, 10, 13, true}, "abc");  // late, of the broken one
  EXPECT_THAT(cell.events(), IsEmpty());
}

TEST(CellnetCell, ABlobThatStopsComingIsGivenUp) {
  TestedCell cell;
  cell.chunk({5, 0, 0, 13, false}, "0123456789");
  EXPECT_EQ(cell.machine.deadline(), kStart + 300s);
  cell.machine.on_time(kStart + 300s);
  EXPECT_THAT(cell.sent(), ElementsAre("sm__ACK -95/6 nothing more of it came for 300 s"));
  EXPECT_FALSE(cell.machine.deadline());
}

TEST(CellnetCell, KeepsNoMoreThanItsLimits) {
  CellLimits limits = TestedCell::small();
  limits.max_incoming_streams = 2;
  limits.max_incoming_bytes = 150;
  limits.max_requests = 1;
  limits.max_unsent = 2;
  limits.max_finished = 1;
  TestedCell cell(limits);
  cell.chunk({1, 0, 0, 100, false}, "0123456789");
  cell.chunk({2, 0, 0, 51, false}, "0123456789");
  EXPECT_THAT(cell.sent(), ElementsAre("sm__ACK -98/6 too many bytes at once"));
  cell.chunk({3, 0, 0, 50, false}, "0123456789");
  cell.chunk({4, 0, 0, 1, true}, "0");
  EXPECT_THAT(cell.sent(), ElementsAre("sm__ACK -96/6 too many streams at once"));
  cell.events();
  cell.chunk({4, 0, 0, 1, true}, "0");  // remembered: its sender is not told again
  EXPECT_THAT(cell.sent(), IsEmpty());
  cell.chunk({5, 0, 0, int64_t{1} << 62, false}, "0123456789");
  EXPECT_THAT(cell.sent(), ElementsAre("sm__ACK -95/6 too many streams at once"));
  cell.chunk({4, 0, 0, 1, true}, "0");  // forgotten for the other
  EXPECT_THAT(cell.sent(), ElementsAre("sm__ACK -96/6 too many streams at once"));
  cell.events();

  cell.request();
  cell.request();
  EXPECT_THAT(cell.events(), ElementsAre("answered comm_error too many requests at once"));
  cell.machine.notify(TestedCell::blob(), kStart);
  cell.machine.notify(TestedCell::blob(), kStart);
  EXPECT_THAT(cell.events(), ElementsAre("sent 2too much waits to be sent"));
}

TEST(CellnetCell, BlobsOfUnknownSizeKeepWithinTheLimit) {
  CellLimits limits = TestedCell::small();
  limits.max_incoming_bytes = 150;
  TestedCell cell(limits);
  cell.chunk({1, 0, 0, 100, false}, "0123456789");
  for (const int64_t sequence : {0, 1, 2, 3}) cell.chunk({2, sequence, 10 * sequence, 0, false}, "0123456789");
  EXPECT_EQ(cell.machine.incoming_bytes(), 140u);  // it doubles
  EXPECT_THAT(cell.sent(), ElementsAre("sm__ACK -98/3"));
  cell.chunk({2, 4, 40, 0, false}, "0123456789");
  EXPECT_THAT(cell.sent(), ElementsAre("sm__ACK -98/6 too many bytes at once"));
  EXPECT_EQ(cell.machine.incoming_bytes(), 100u);
}

TEST(CellnetCell, TextsThatAreTooLongHarmNothingElse) {
  TestedCell cell;
  const std::string text(60'000, 'x');
  for (const auto key : {cell_key::kChannel, cell_key::kTopic, cell_key::kRequestId}) {
    CellMessage message = from_peer(Map(), {}, "channel", "topic");
    message.headers.set(cell_key::kReplyExpected, true);
    message.headers.set(key, text);
    cell.machine.on_message(message, kStart);
    EXPECT_THAT(cell.events(), ElementsAre("complaint a message with too long a channel, topic or id from " + kThem));
  }
  EXPECT_THAT(cell.sent(), IsEmpty());
  cell.chunk({1, 0, 0, 3, true, text, "train", "id"}, "abc");
  cell.chunk({2, 0, 0, 3, true, "cell_pipe.task", text, "id"}, "abc");
  cell.chunk({3, 0, 0, 3, true, "cell_pipe.task", "train", text}, "abc");
  EXPECT_THAT(cell.sent(), testing::Each(HasSubstr("too long a channel, topic or id")));
  cell.events();

  Blob blob = TestedCell::blob();
  blob.topic = std::string(61'500, 'x');
  cell.machine.notify(blob, kStart);
  EXPECT_THAT(cell.events(), ElementsAre("sent 0its headers are more than a frame can have"));

  std::string reason = "1";
  while (reason.size() < 60'000) reason += "\u00e4";
  cell.chunk({4, 0, 0, 3, true}, "abc");
  cell.machine.refuse(std::get<StreamCell::Received>(cell.machine.take_events().back()), reason, kStart);
  cell.machine.cancel(cell.request(std::string(100, 'x')), reason);
  const auto messages = cell.messages();
  ASSERT_EQ(messages.size(), 2u);
  for (const auto &message : messages) {
    EXPECT_EQ(text_of(message.headers, stream_key::kError), reason.substr(0, 1023));  // of whole characters
  }
}

#ifndef FLARE_SANITIZED  // a sanitizer ends the program instead
TEST(CellnetCell, AMachineWithoutTheMemoryRefusesTheBlobAndGoesOn) {
  CellLimits limits;
  limits.max_blob_bytes = limits.max_incoming_bytes = std::numeric_limits<int64_t>::max();
  TestedCell cell(limits);
  cell.chunk({5, 0, 0, std::numeric_limits<int64_t>::max(), false}, "0123456789");
  EXPECT_THAT(cell.sent(), ElementsAre(HasSubstr("no memory for a blob of 9223372036854775807 bytes")));
}
#endif

TEST(CellnetCell, DropsWhatIsNotForItOrHasNoSender) {
  TestedCell cell;
  CellMessage message = chunk_message({5, 0, 0, 3, true}, "abc");
  message.headers.set(cell_key::kDestination, "site-2");
  cell.machine.on_message(message, kStart);
  EXPECT_THAT(cell.events(), ElementsAre(HasSubstr("not for us")));
  message = chunk_message({5, 0, 0, 3, true}, "abc");
  message.headers.set(cell_key::kOrigin, "");
  cell.machine.on_message(message, kStart);
  EXPECT_THAT(cell.events(), ElementsAre(HasSubstr("does not say who")));
  message = chunk_message({5, 0, 0, 3, true}, "abc");
  message.headers.set(cell_key::kMessageType, "gossip");
  cell.machine.on_message(message, kStart);
  EXPECT_THAT(cell.events(), ElementsAre(HasSubstr("unknown type")));
  message = chunk_message({-5, 0, 0, 3, true}, "abc");
  cell.machine.on_message(message, kStart);
  EXPECT_THAT(cell.events(), ElementsAre(HasSubstr("without a stream")));
  EXPECT_THAT(cell.sent(), IsEmpty());
}

TEST(CellnetCell, AnswersByeAndWhatItDoesNotKnow) {
  TestedCell cell;
  for (const char *topic : {"bye", "peers"}) {
    CellMessage message = from_peer(Map(), {}, std::string(kCellChannel), topic);
    message.headers.set(cell_key::kReplyExpected, true);
    message.headers.set(cell_key::kRequestId, "id");
    cell.machine.on_message(message, kStart);
    message.headers.set(cell_key::kReplyExpected, false);
    cell.machine.on_message(message, kStart);
  }
  const auto messages = cell.messages();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(text_of(messages[0].headers, cell_key::kReturnCode), "ok");
  EXPECT_EQ(text_of(messages[0].headers, cell_key::kRequestId), "id");
  EXPECT_EQ(text_of(messages[0].headers, cell_key::kMessageType), "reply");
  EXPECT_EQ(text_of(messages[1].headers, cell_key::kReturnCode), "process_exception");
  EXPECT_EQ(text_of(messages[1].headers, cell_key::kError), "no callback");
  EXPECT_THAT(cell.events(), ElementsAre("peer leaves", "peer leaves"));
}

TEST(CellnetCell, SaysByeLastAndWaitsForNoAnswer) {
  TestedCell cell;
  cell.request();
  const auto messages = cell.machine.say_goodbye(kStart, 0);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(text_of(messages[1].headers, cell_key::kTopic), kByeTopic);
  EXPECT_EQ(text_of(messages[1].headers, cell_key::kDestination), kServer);
  for (const char *type : {"reply", "return"}) {
    CellMessage reply = from_peer(Map(), {}, std::string(kCellChannel), kByeTopic);
    reply.headers.set(cell_key::kMessageType, type);
    cell.machine.on_message(reply, kStart);
  }
  EXPECT_THAT(cell.events(), IsEmpty());
}

TEST(CellnetCell, ACellIsAskedForItsNeighbours) {
  const auto reply = [](const std::string &id, const std::string &origin, std::string_view type) {
    CellMessage message = from_peer({}, owned("a list"), std::string(kManagerChannel), kPeersTopic);
    message.headers.set(cell_key::kOrigin, origin);
    message.headers.set(cell_key::kMessageType, type);
    message.headers.set(cell_key::kRequestId, type == message_type::kReturn ? Value(List{id}) : Value(id));
    message.headers.set(cell_key::kReturnCode, "ok");
    return message;
  };
  TestedCell cell;
  const std::string id = cell.machine.ask_peers("server.job", 5s, kStart);
  const auto sent = cell.messages();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(text_of(sent[0].headers, cell_key::kDestination), "server.job");
  EXPECT_EQ(text_of(sent[0].headers, cell_key::kTopic), "peers");
  EXPECT_TRUE(flag_of(sent[0].headers, cell_key::kReplyExpected));
  cell.machine.on_message(reply(id, kThem, message_type::kReply), kStart);
  cell.machine.on_message(reply("another", "server.job", message_type::kReply), kStart);
  EXPECT_TRUE(cell.events().empty());
  cell.machine.on_message(reply(id, "server.job", message_type::kReply), kStart);
  cell.machine.on_message(reply(id, "server.job", message_type::kReply), kStart);
  EXPECT_EQ(cell.events(), std::vector<std::string>{"answered ok a list"});
  const std::string undelivered = cell.machine.ask_peers("server.job", 5s, kStart);
  cell.machine.on_message(reply(undelivered, kServer, message_type::kReturn), kStart);
  EXPECT_EQ(cell.events().size(), 1u);
  cell.machine.ask_peers("server.job", 5s, kStart);
  cell.machine.on_time(kStart + 5s);
  EXPECT_THAT(cell.events().at(0), HasSubstr("answered timeout"));
  const std::string blob = cell.request();
  cell.machine.on_message(reply(blob, kThem, message_type::kReply), kStart);
  EXPECT_TRUE(cell.events().empty()) << "blobs are answered by blobs";
}

TEST(CellnetCell, TellsOnceWhoWasHeard) {
  TestedCell cell;
  for (int i = 0; i < 3; ++i) cell.ack(0, 0);
  cell.ack(0, 0, kServer);
  std::vector<std::string> heard;
  for (const auto &event : cell.machine.take_events()) heard.push_back(std::get<StreamCell::Heard>(event).origin);
  EXPECT_THAT(heard, ElementsAre(kThem, kServer));
}

TEST(CellnetCell, KeepsNoMoreRemarksThanItsLimits) {
  TestedCell cell;
  for (const int turn : {1, 2}) {
    for (int i = 0; i < 2000; ++i) {
      CellMessage message = from_peer(Map(), {}, "channel", "topic");
      message.headers.set(cell_key::kOrigin, std::to_string(i));
      message.headers.set(cell_key::kMessageType, "gossip");
      cell.machine.on_message(message, kStart);
    }
    EXPECT_EQ(cell.machine.take_events().size(), 2 * CellLimits().max_remarks) << turn;
  }
}

}  // namespace
}  // namespace flare
