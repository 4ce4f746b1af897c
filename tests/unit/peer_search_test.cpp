#include "pipe/cell/peer_search.h"

#include <gmock/gmock.h>

#include "cellnet/names.h"
#include "fobs/message.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;

const TimePoint kStart{};
const std::string kOwn = "site-1.site-1_job_active", kPeer = "site-1.site-1_job_passive";

StreamCell::Answered answer_of(const std::string &request, std::string_view code, bool local = false) {
  return {request, std::string(code), "", {}, {}, local};
}

StreamCell::Answered names(const std::string &request, const std::vector<std::string> &cells) {
  fobs::Array list;
  for (const std::string &cell : cells) list.emplace_back(cell);
  StreamCell::Answered answered = answer_of(request, return_code::kOk);
  answered.content = fobs::encode({fobs::Object(std::move(list)), {}}).join();
  return answered;
}

class PeerSearchTest : public testing::Test {
 protected:
  static PeerSearch search(bool secure = false, const std::string &parent = "site-1") {
    if (parent == "server") {
      return {{parent, "site-1", "job", "site-1_job_passive"}, secure, {}};
    }
    return {{parent, "site-1", "job", kPeer}, secure, {}};
  }
  // The cells asked, each under the name of the cell as the request.
  static std::vector<std::string> asked(PeerSearch *search, TimePoint now) {
    std::vector<std::string> cells;
    for (const auto &question : search->take_questions(now)) {
      search->asked(question.cell, question);
      cells.push_back(question.cell);
    }
    return cells;
  }
  // What the search says of these cells, that it finds connected.
  static PeerSearch::Finding found(PeerSearch *search, const std::vector<std::string> &cells) {
    search->on_connected(kStart);
    const auto first = search->deadline().value();
    const auto finding = search->on_answered(names(asked(search, first).at(0), cells), first).value();
    EXPECT_EQ(finding.warning, "") << "a trainer may be starting";
    if (finding.peer_is_there) return finding;
    const auto second = search->deadline().value();
    return search->on_answered(names(asked(search, second).at(0), cells), second).value();
  }
};

TEST_F(PeerSearchTest, AServerThatDoesNotAnswerDoesNotTakeTheToken) {
  PeerSearch one = search(true);
  one.on_connected(kStart);
  EXPECT_EQ(asked(&one, kStart), std::vector<std::string>{"server"});
  EXPECT_EQ(one.on_answered(answer_of("server", return_code::kTimeout), kStart + 5s)->warning, "") << "it may be busy";
  EXPECT_THAT(asked(&one, kStart + 5s), Contains("server"));
  EXPECT_THAT(one.on_answered(answer_of("server", return_code::kTimeout), kStart + 10s)->warning,
              HasSubstr("auth_token_signature"));
  one.on_connected(kStart + 11s);
  EXPECT_TRUE(asked(&one, kStart + 11s).empty()) << "once is enough";
}

TEST_F(PeerSearchTest, WhateverAServerAnswersItTakesTheToken) {
  for (const auto code : {return_code::kOk, return_code::kProcessException}) {
    PeerSearch one = search(true);
    one.on_connected(kStart);
    asked(&one, kStart);
    EXPECT_EQ(one.on_answered(answer_of("server", code), kStart)->warning, "") << code;
    one.on_connected(kStart + 1s);
    EXPECT_TRUE(asked(&one, kStart + 1s).empty()) << code;
  }
}

TEST_F(PeerSearchTest, ALostConnectionSaysNothingOfTheToken) {
  PeerSearch one = search(true);
  one.on_connected(kStart);
  asked(&one, kStart);
  EXPECT_EQ(one.on_answered(answer_of("server", return_code::kCommError, true), kStart)->warning, "");
  one.on_connected(kStart + 1s);
  EXPECT_EQ(asked(&one, kStart + 1s), std::vector<std::string>{"server"});
}

TEST_F(PeerSearchTest, AServerOutOfReachIsAskedLater) {
  PeerSearch one = search(true);
  one.on_connected(kStart);
  asked(&one, kStart);
  EXPECT_EQ(one.on_answered(answer_of("server", return_code::kCommError), kStart)->warning, "");
  EXPECT_THAT(asked(&one, kStart + 30s), Contains("server"));
}

TEST_F(PeerSearchTest, ASecureServerIsNotAskedForItsPeers) {
  PeerSearch one = search(true, "server");
  one.on_connected(kStart);
  EXPECT_EQ(asked(&one, kStart + 100s), std::vector<std::string>{"server"}) << "that is about the token";
  EXPECT_FALSE(one.deadline());
}

TEST_F(PeerSearchTest, AnInsecureSystemIsNotAskedOfTokens) {
  PeerSearch one = search();
  one.on_connected(kStart);
  EXPECT_TRUE(asked(&one, kStart).empty());
}

TEST_F(PeerSearchTest, AnEndThatWaitsAloneIsNamed) {
  PeerSearch one = search();
  const auto finding = found(&one, {kOwn, "site-1.site-1_by_hand_passive", "server"});
  EXPECT_FALSE(finding.peer_is_there);
  EXPECT_THAT(finding.warning, HasSubstr("'" + kPeer + "', is not there"));
  EXPECT_THAT(finding.warning, HasSubstr("(agent_id 'by_hand')"));
  const TimePoint next = one.deadline().value();
  EXPECT_EQ(one.on_answered(names(asked(&one, next).at(0), {"site-1.site-1_by_hand_passive"}), next)->warning, "")
      << "once is enough";
  const TimePoint last = one.deadline().value();
  EXPECT_TRUE(one.on_answered(names(asked(&one, last).at(0), {kPeer}), last)->peer_is_there);
}

TEST_F(PeerSearchTest, WithAnotherSchemeOfNamesTheWholeNameIsSaid) {
  PeerSearch one = search();
  EXPECT_THAT(found(&one, {"site-1.cellpipe~plain~job~passive"}).warning,
              HasSubstr("'site-1.cellpipe~plain~job~passive' waits"));
}

TEST_F(PeerSearchTest, AJobThatHasNotBegunIsNoReasonForAnAlarm) {
  PeerSearch one = search();
  EXPECT_EQ(found(&one, {kOwn}).warning, "");
  EXPECT_EQ(one.deadline(), kStart + 7 * PeerSearch::kPatience) << "it is asked again";
  PeerSearch other = search();
  EXPECT_EQ(found(&other, {kOwn, "site-1.site-1_x_passive", "site-1.site-1_x_active"}).warning, "")
      << "that of another job has its own trainer";
}

TEST_F(PeerSearchTest, TheEndsOfOtherSitesAreNotMeant) {
  PeerSearch one = search(false, "server");
  EXPECT_EQ(found(&one, {"site-2_by_hand_passive", "site-11_by_hand_passive"}).warning, "");
  PeerSearch other = search(false, "server");
  EXPECT_THAT(found(&other, {"site-1_by_hand_passive"}).warning, HasSubstr("agent_id 'by_hand'"));
  PeerSearch relayed = search(false, "relay");
  EXPECT_EQ(found(&relayed, {"relay.site-2_x_passive", "relay.cellpipe~alias~site-2~x~passive"}).warning, "");
  PeerSearch mine = search(false, "relay");
  EXPECT_THAT(found(&mine, {"relay.site-1_x_passive"}).warning, HasSubstr("relay.site-1_x_passive"));
}

TEST_F(PeerSearchTest, WhatIsNoNameOfACellIsNotRepeated) {
  PeerSearch one = search();
  EXPECT_EQ(found(&one, {"site-1.site-1_\n_passive", "site-1." + std::string(2000, 'x') + "_passive"}).warning, "");
}

TEST_F(PeerSearchTest, WhoIsFoundOrHeardIsNotLookedFor) {
  PeerSearch one = search();
  EXPECT_TRUE(found(&one, {kPeer}).peer_is_there);
  EXPECT_FALSE(one.deadline());
  PeerSearch other = search();
  other.on_connected(kStart);
  other.on_peer_heard();
  EXPECT_FALSE(other.deadline());
  other.on_connected(kStart + 1s);
  EXPECT_FALSE(other.deadline());
}

TEST_F(PeerSearchTest, ItAsksLessAndLessOften) {
  PeerSearch one = search();
  one.on_connected(kStart);
  std::vector<Duration> pauses;
  for (TimePoint last = kStart; pauses.size() < 7;) {
    const TimePoint next = one.deadline().value();
    pauses.push_back(next - last);
    asked(&one, last = next);
  }
  EXPECT_EQ(pauses, (std::vector<Duration>{5s, 10s, 20s, 40s, 80s, 80s, 80s}));
}

TEST_F(PeerSearchTest, AnswersOfNoUseAreNone) {
  PeerSearch one = search();
  EXPECT_FALSE(one.on_answered(names("somebody else's", {kPeer}), kStart));
  one.on_connected(kStart);
  asked(&one, kStart + PeerSearch::kPatience);
  auto broken = answer_of("site-1", return_code::kOk);
  broken.content = copy_bytes("nothing", 7);
  const auto finding = one.on_answered(broken, kStart);
  ASSERT_TRUE(finding);
  EXPECT_FALSE(finding->peer_is_there);
  EXPECT_EQ(finding->warning, "");
}

}  // namespace
}  // namespace flare
