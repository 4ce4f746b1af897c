// NVFlare's own pipe on a real socket, against a peer that does what a test says.
#include "pipe/cell/cell_pipe.h"

#include <gmock/gmock.h>

#include <set>
#include <stdexcept>

#include "cell_pipe_peer.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

bool is_download(const StreamCell::Received &blob) { return blob.channel == kDownloadChannel; }
bool is_result(const StreamCell::Received &blob) { return text_of(blob.headers, pipe_key::kMessageType) == kPipeReply; }

void refuse(StreamCell &cell, const StreamCell::Received &blob, std::string_view code) {
  cell.answer(blob, code, {}, Clock::now());
}

Settings one_attempt() {
  Settings settings = TestedPipe::quick();
  settings.max_resends = 0;
  return settings;
}

TEST(CellPipe, TheFirstPeerTakesNobodysPlace) {
  CellPeer peer;
  TestedPipe pipe(peer.url());
  ASSERT_TRUE(pipe.told("up " + kThem));
  EXPECT_THAT(pipe.everything(), Not(HasSubstr("new")));
}

// Rules W-18 and AG-08.
TEST(CellPipe, WhoeverWaitsForATaskThatWasLostIsTold) {
  std::mutex mutex;
  std::string asked;
  Shareable answer;
  CellPeer peer([&](StreamCell &cell, const StreamCell::Received &blob) {
    if (is_download(blob)) refuse(cell, blob, return_code::kInvalidRequest);
    if (!is_result(blob)) return is_download(blob);
    const std::lock_guard lock(mutex);
    answer = fobs::read_shareable(fobs::decode(blob.content, {}), {}, {});
    asked = text_of(blob.headers, pipe_key::kRequestId) + " " + blob.topic;
    return false;
  });
  TestedPipe pipe(peer.url());
  peer.send_task("t1");
  ASSERT_TRUE(pipe.told("lost t1"));
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return !asked.empty();
  }));
  EXPECT_EQ(asked, "t1 train");
  EXPECT_EQ(text_header(answer, header::kReturnCode), "EXECUTION_EXCEPTION");
  EXPECT_EQ(text_header(answer, header::kTaskId), "t1");
  EXPECT_THAT(text_header(answer, header::kReason), HasSubstr("are not there any more"));
  EXPECT_THAT(pipe.everything(), Not(HasSubstr("accepted"))) << "nobody above has sent anything";
}

// Rules PH-12, AG-16, AG-26.
TEST(CellPipe, AFloodOfMetricsLeavesRoomForTheResult) {
  bool holds = true;  // until the result is there
  std::deque<StreamCell::Received> held;
  CellPeer peer([&](StreamCell &cell, const StreamCell::Received &blob) {
    if (blob.topic != topic::kMetric) {
      holds = false;
      for (const auto &metric : std::exchange(held, {})) cell.answer(metric, return_code::kOk, {}, Clock::now());
      return false;
    }
    if (holds) held.push_back(blob);
    return holds;
  });
  TestedPipe pipe(peer.url(), one_attempt());
  ASSERT_TRUE(pipe.told("up"));
  const std::string metrics = pipe.send_metrics(3000);
  ASSERT_TRUE(eventually([&] { return peer.count("metric") >= 128; }));
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(peer.count("metric"), 128u) << "those that are not answered yet";
  const std::string result = pipe.send_result();
  EXPECT_TRUE(pipe.told("accepted " + result)) << pipe.everything();
  EXPECT_TRUE(pipe.told("accepted " + metrics)) << pipe.everything();
  EXPECT_EQ(peer.count("metric"), 3000u);
}

TEST(CellPipe, OnlyMetricsThatWereNotTakenAreSentAgain) {
  int number = 0;
  CellPeer peer([&](StreamCell &cell, const StreamCell::Received &blob) {
    if (blob.topic != topic::kMetric || ++number != 2) return false;
    refuse(cell, blob, return_code::kProcessException);
    return true;
  });
  TestedPipe pipe(peer.url());
  ASSERT_TRUE(pipe.told("accepted " + pipe.send_metrics(3)));
  const auto seen = peer.seen();
  std::multiset<std::string> metrics;
  std::copy_if(seen.begin(), seen.end(), std::inserter(metrics, metrics.end()),
               [](const std::string &line) { return line.starts_with("metric"); });
  EXPECT_EQ(metrics.size(), 4u);
  EXPECT_EQ(std::set<std::string>(metrics.begin(), metrics.end()).size(), 3u) << "and under the id of before";
}

TEST(CellPipe, ALostConnectionIsNoAttempt) {
  CellPeer *self = nullptr;
  int cuts = 0;
  CellPeer peer([&](StreamCell &, const StreamCell::Received &) {
    if (++cuts > 2) return false;
    self->cut();
    return true;
  });
  self = &peer;
  TestedPipe pipe(peer.url(), one_attempt());
  ASSERT_TRUE(pipe.told("up"));
  EXPECT_TRUE(pipe.told("accepted " + pipe.send_result())) << pipe.everything();
  EXPECT_EQ(peer.connections(), 3);
}

TEST(CellPipe, ALostConnectionCostsNoDownload) {
  CellPeer *self = nullptr;
  int asked = 0;
  CellPeer peer([&](StreamCell &cell, const StreamCell::Received &blob) {
    if (!is_download(blob)) return false;
    if (++asked <= 2) {
      self->cut();
      return true;
    }
    fobs::DownloadReply reply;
    reply.status = fobs::DownloadReply::Status::kEof;
    Blob answer;
    answer.content = fobs::encode(fobs::write_reply(std::move(reply))).join();
    answer.encoding = encoding::kFobs;
    cell.answer(blob, return_code::kOk, std::move(answer), Clock::now());
    return true;
  });
  self = &peer;
  TestedPipe pipe(peer.url());
  peer.send_task("t1");
  ASSERT_TRUE(pipe.told("lost t1")) << "the end came before the array: " << pipe.everything();
  EXPECT_EQ(asked, 3);
}

TEST(CellPipe, AnotherProcessWithTheNameIsToldOf) {
  CellPeer peer;
  TestedPipe pipe(peer.url());
  ASSERT_TRUE(pipe.told("up"));
  peer.cut_all();
  ASSERT_TRUE(pipe.told("over refused by the peer")) << pipe.everything();
  EXPECT_THAT(pipe.everything(), HasSubstr("another process has the name '" + kUs + "'"));
  const int connections = peer.connections();
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(peer.connections(), connections) << "the other one is left in peace";
}

TEST(CellPipe, AnAttemptTakesAsLongAsItMakesProgress) {
  CellPeer peer;
  TestedPipe pipe(peer.url(), one_attempt());
  ASSERT_TRUE(pipe.told("up"));
  peer.read_slowly();
  auto reply = std::make_shared<Message>();
  reply->kind = MessageKind::kReply;
  reply->topic = "train";
  reply->id = "slow";
  reply->request_id = "task";
  const std::string content(64u << 20, 'x');
  reply->data.body.set("b", Value(copy_bytes(content.data(), content.size())));
  const TimePoint begin = Clock::now();
  pipe.send(reply, 800ms);
  EXPECT_TRUE(pipe.told("accepted slow")) << pipe.everything();
  EXPECT_GT(Clock::now() - begin, 800ms);
}

TEST(CellPipe, WhatIsNotServedAnyMoreIsNotSentAgain) {
  CellPeer peer([&](StreamCell &, const StreamCell::Received &) { return true; });  // and never answers
  Settings settings = TestedPipe::quick();
  settings.max_resends = std::nullopt;
  settings.download_complete_timeout = 300ms;
  TestedPipe pipe(peer.url(), settings);
  ASSERT_TRUE(pipe.told("up"));
  const std::string id = pipe.send_result(4, 200ms);
  ASSERT_TRUE(pipe.told("not accepted " + id)) << pipe.everything();
  ASSERT_TRUE(pipe.told("settled " + id));
  const size_t sent = peer.count("train");
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(peer.count("train"), sent);
}

TEST(CellPipe, ArraysMayGoInsideTheResult) {
  std::mutex mutex;
  Shareable result;
  CellPeer peer([&](StreamCell &, const StreamCell::Received &blob) {
    const std::lock_guard lock(mutex);
    result = fobs::read_shareable(fobs::decode(blob.content, {}), {}, {});
    return false;
  });
  Settings settings = TestedPipe::quick();
  settings.cell_arrays = "inside";
  TestedPipe pipe(peer.url(), settings);
  ASSERT_TRUE(pipe.told("up"));
  const std::string id = pipe.send_result(4);
  ASSERT_TRUE(pipe.told("settled " + id + " ok")) << pipe.everything();
  const std::lock_guard lock(mutex);
  ASSERT_EQ(result.body.size(), 1u);
  const Tensor *array = result.body.begin()->second.tensor();
  ASSERT_NE(array, nullptr);
  EXPECT_EQ(array->bytes.size, 4u * sizeof(float));
}

// As a client job process that is to take results with all their arrays.
TEST(CellPipe, WhoeverFetchesArraysBeforeItTakesThemHasItsTime) {
  std::string ref;
  CellPeer peer([&](StreamCell &, const StreamCell::Received &blob) {
    ref = fobs::sources_of(fobs::decode(blob.content, {}), {}).at(0).ref_id;
    return true;  // and no answer to it
  });
  TestedPipe pipe(peer.url());
  ASSERT_TRUE(pipe.told("up"));
  const std::string id = pipe.send_result(4, 600ms);
  ASSERT_TRUE(eventually([&] { return peer.count("train") == 1; }));
  const auto fetch = [&](const fobs::Object &state) {
    peer.run([&ref, state](StreamCell &cell) {
      Blob blob;
      blob.destination = kUs;
      blob.channel = kDownloadChannel;
      blob.topic = kDownloadTopic;
      blob.content = fobs::encode(fobs::write_request({ref, state})).join();
      cell.request(std::move(blob), 20s, Clock::now());
    });
  };
  std::this_thread::sleep_for(300ms);
  fetch({});
  ASSERT_TRUE(eventually([&] { return peer.count("answered ok") == 1; }));
  std::this_thread::sleep_for(600ms);  // the time of the first attempt is over
  EXPECT_EQ(peer.count("train"), 1u);
  fetch(fobs::Dict{{"start", 0}, {"count", 1}});
  EXPECT_TRUE(pipe.told("accepted " + id)) << pipe.everything();
  EXPECT_TRUE(pipe.told("settled " + id + " ok"));
  EXPECT_EQ(peer.count("train"), 1u);
}

TEST(CellPipe, AnEndThatIsSaidAgainIsTakenAgain) {
  CellPeer peer;
  TestedPipe pipe(peer.url());
  for (const std::string id : {"e1", "e2"}) peer.send(id, std::string(topic::kEnd), {fobs::Object("end_of_job"), {}});
  ASSERT_TRUE(pipe.told("over the job ended"));
  EXPECT_TRUE(eventually([&] { return peer.count("answered") == 2; }));
  EXPECT_EQ(peer.count("answered ok"), 2u);
}

// Rule TX-01: a client job process says nothing before its first task.
TEST(CellPipe, SilenceCountsFromTheFirstSignOfThePeer) {
  CellPeer peer;
  Settings settings = TestedPipe::quick();
  settings.heartbeat_timeout = 300ms;
  TestedPipe pipe(peer.url(), settings);
  ASSERT_TRUE(pipe.told("up"));
  EXPECT_FALSE(pipe.told("over", 900ms)) << pipe.everything();
  EXPECT_THAT(pipe.logged(), HasSubstr("nothing was heard yet from '" + kThem + "'"));
  EXPECT_GE(peer.count("beat cell_pipe.task"), 4u) << "three within each time-out";
  peer.beat();
  EXPECT_TRUE(pipe.told("over the peer is gone")) << pipe.everything();
}

// Rules PH-03 and TX-12: it reads one message in each of its intervals, and waits for one in each round.
TEST(CellPipe, HeartbeatsAreNotMoreThanThePeerReadsButOneAnswersEachOfIts) {
  CellPeer peer;
  Settings settings = TestedPipe::quick();
  settings.heartbeat_interval = 1h;
  TestedPipe pipe(peer.url(), settings);
  ASSERT_TRUE(eventually([&] { return peer.count("beat cell_pipe.task") == 1; }));
  std::this_thread::sleep_for(1200ms);
  EXPECT_EQ(peer.count("beat cell_pipe.task"), 1u);
  peer.beat();
  EXPECT_TRUE(eventually([&] { return peer.count("beat cell_pipe.task") == 2; }));
}

TEST(CellPipe, ADefectEndsTheSessionAndNotTheConnection) {
  CellPeer peer;
  TestedPipe pipe(peer.url());
  pipe.when_message = [] { throw std::runtime_error("of the listener"); };
  ASSERT_TRUE(pipe.told("up"));
  Shareable task;
  task.headers.set(header::kTaskId, "t1");
  peer.send("t1", "train", fobs::write_shareable(task, std::nullopt, {}).message);
  ASSERT_TRUE(pipe.told("over")) << pipe.everything();
  EXPECT_THAT(pipe.everything(), HasSubstr("of the listener"));
  EXPECT_THAT(pipe.everything(), Not(HasSubstr("down")));
  EXPECT_EQ(peer.connections(), 1);
}

TEST(CellPipe, WhoDecidesOnATaskSeesItsHeadersAndHowManyAreOnTheirWay) {
  CellPeer peer([&](StreamCell &, const StreamCell::Received &blob) { return is_download(blob); });
  TestedPipe pipe(peer.url());
  peer.send_task("t1");
  EXPECT_TRUE(pipe.told("offered t1 0")) << pipe.everything();
  peer.send_task("t2");
  EXPECT_TRUE(pipe.told("offered t2 1")) << pipe.everything();
}

TEST(CellPipe, TheFirstEncryptedMessageOfThePeerEndsTheSession) {
  CellPeer peer;
  TestedPipe pipe(peer.url());
  peer.run([](StreamCell &cell) {
    Blob blob;
    blob.destination = kUs;
    blob.channel = "cell_pipe.task";
    blob.topic = "train";
    blob.headers.set(cell_key::kEncrypted, true);
    cell.request(std::move(blob), 20s, Clock::now());
  });
  ASSERT_TRUE(pipe.told("over refused")) << pipe.everything();
  EXPECT_THAT(pipe.everything(), HasSubstr("secure=False"));
  EXPECT_TRUE(eventually([&] { return peer.count("answered comm_error") == 1; }));
}

TEST(CellPipe, WhoeverIsAtTheWrongCellIsToldAtOnce) {
  CellPeer peer;
  TestedPipe pipe(peer.url(), TestedPipe::quick(), "site-2");
  ASSERT_TRUE(pipe.told("over refused", 5s)) << pipe.everything();
  EXPECT_THAT(pipe.everything(), HasSubstr("is 'server' and should be 'site-2'"));
}

TEST(CellPipe, AnAddressThatAsksForTlsNeedsItsSecurity) {
  try {
    const TestedPipe pipe("stcp://localhost:1");
    FAIL();
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status(), FLARE_INVALID_ARGUMENT);
    EXPECT_THAT(failure.what(), HasSubstr("set cell_security to mtls"));
  }
}

TEST(CellPipe, WhoWaitsForArraysIsToldWhatMayBeWrong) {
  CellPeer peer([&](StreamCell &cell, const StreamCell::Received &blob) {
    if (!is_download(blob)) return false;
    refuse(cell, blob, return_code::kTimeout);
    return true;
  });
  TestedPipe pipe(peer.url());
  peer.send_task("t1");
  std::string logged;
  EXPECT_TRUE(eventually([&] {
    logged += pipe.logged();
    return logged.find("auth_token") != std::string::npos;
  }));
}

}  // namespace
}  // namespace flare
