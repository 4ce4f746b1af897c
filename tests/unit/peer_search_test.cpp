#include "pipe/cell/peer_search.h"

#include <gmock/gmock.h>

#include "cellnet/names.h"
#include "fobs/message.h"

namespace flare {
namespace {

using namespace std::chrono_literals;
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
    const auto question = asked(search, kStart + PeerSearch::kPatience);
    return search->on_answered(names(question.at(0), cells)).value();
  }
};

TEST_F(PeerSearchTest, AServerThatDoesNotAnswerDoesNotTakeTheToken) {
  PeerSearch one = search(true);
  one.on_connected(kStart);
  EXPECT_EQ(asked(&one, kStart), std::vector<std::string>{"server"});
  EXPECT_THAT(one.on_answered(answer_of("server", return_code::kTimeout))->warning, HasSubstr("auth_token_signature"));
  one.on_connected(kStart + 1s);
  EXPECT_TRUE(asked(&one, kStart + 1s).empty()) << "once is enough";
}

TEST_F(PeerSearchTest, WhateverAServerAnswersItTakesTheToken) {
  for (const auto code : {return_code::kOk, return_code::kProcessException, return_code::kCommError}) {
    PeerSearch one = search(true);
    one.on_connected(kStart);
    asked(&one, kStart);
    EXPECT_EQ(one.on_answered(answer_of("server", code))->warning, "") << code;
    one.on_connected(kStart + 1s);
    EXPECT_TRUE(asked(&one, kStart + 1s).empty()) << code;
  }
}

TEST_F(PeerSearchTest, ALostConnectionSaysNothingOfTheToken) {
  PeerSearch one = search(true);
  one.on_connected(kStart);
  asked(&one, kStart);
  EXPECT_EQ(one.on_answered(answer_of("server", return_code::kCommError, true))->warning, "");
  one.on_connected(kStart + 1s);
  EXPECT_EQ(asked(&one, kStart + 1s), std::vector<std::string>{"server"});
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
  EXPECT_FALSE(one.deadline()) << "once is enough";
}

TEST_F(PeerSearchTest, WithAnotherSchemeOfNamesTheWholeNameIsSaid) {
  PeerSearch one = search();
  EXPECT_THAT(found(&one, {"site-1.cellpipe~plain~job~passive"}).warning,
              HasSubstr("'site-1.cellpipe~plain~job~passive' waits"));
}

TEST_F(PeerSearchTest, AJobThatHasNotBegunIsNoReasonForAnAlarm) {
  PeerSearch one = search();
  EXPECT_EQ(found(&one, {kOwn}).warning, "");
  EXPECT_EQ(one.deadline(), kStart + 3 * PeerSearch::kPatience) << "it is asked again";
  PeerSearch other = search();
  EXPECT_EQ(found(&other, {kOwn, "site-1.site-1_x_passive", "site-1.site-1_x_active"}).warning, "")
      << "that of another job has its own trainer";
}

TEST_F(PeerSearchTest, TheEndsOfOtherSitesAreNotMeant) {
  PeerSearch one = search(false, "server");
  EXPECT_EQ(found(&one, {"site-2_by_hand_passive", "site-11_by_hand_passive"}).warning, "");
  PeerSearch other = search(false, "server");
  EXPECT_THAT(found(&other, {"site-1_by_hand_passive"}).warning, HasSubstr("agent_id 'by_hand'"));
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
  EXPECT_FALSE(one.on_answered(names("somebody else's", {kPeer})));
  one.on_connected(kStart);
  asked(&one, kStart + PeerSearch::kPatience);
  auto broken = answer_of("site-1", return_code::kOk);
  broken.content = copy_bytes("nothing", 7);
  const auto finding = one.on_answered(broken);
  ASSERT_TRUE(finding);
  EXPECT_FALSE(finding->peer_is_there);
  EXPECT_EQ(finding->warning, "");
}

}  // namespace
}  // namespace flare
