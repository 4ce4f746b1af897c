// Finds out early what a connection does not tell: that a secure server does not take our token, as it drops all that
// comes with a wrong one and says nothing; and that the other end of the pipe waits under another name than ours makes.
// It asks the server anything, and the cell that we are connected with which others are; but a secure server, which
// takes nothing else than blobs from whoever is not a cell of its own kind, is not asked for those. Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/time.h"
#include "cellnet/stream_cell.h"

namespace flare {

class PeerSearch {
 public:
  static constexpr Duration kPatience = std::chrono::seconds(5);  // for an answer, and until the other end is missed
  static constexpr Duration kAgain = std::chrono::seconds(30);    // the server is asked when it was out of reach
  static constexpr Duration kLongest = std::chrono::seconds(80);  // between two questions about the other end

  struct Names {
    std::string parent;  // the cell that we are connected with
    std::string site;
    std::string token;  // of the pipe, not that of secure systems
    std::string peer;   // the other end of the pipe
  };
  struct Question {
    std::string cell;
    bool about_token;
  };
  struct Finding {
    bool peer_is_there = false;
    std::string warning;  // "": none
  };

  PeerSearch(Names names, bool secure_system, const Limits &limits)
      : names_(std::move(names)), limits_(limits), secure_system_(secure_system), token_unknown_(secure_system) {}

  void on_connected(TimePoint now);
  // Something came from the other end of the pipe.
  void on_peer_heard();

  // What is to be asked now; asked() follows for each.
  std::vector<Question> take_questions(TimePoint now);
  void asked(const std::string &request, const Question &question) { asked_[request] = question; }
  std::optional<TimePoint> deadline() const { return earlier(token_at_, peer_at_); }

  // nullopt: the answer to somebody else's question.
  std::optional<Finding> on_answered(const StreamCell::Answered &answered, TimePoint now);

 private:
  Finding on_token_answer(const StreamCell::Answered &answered, TimePoint now);
  Finding on_peers(const Bytes &content);
  bool is_of_our_site(const std::string &cell) const;
  std::string described(const std::string &end) const;

  Names names_;
  Limits limits_;
  const bool secure_system_;
  bool token_unknown_;
  bool silent_ = false;  // so was the server, when it was asked last
  bool peer_unknown_ = true, warned_ = false;
  std::set<std::string> waiting_;                // ends of our site that had no trainer, by the last answer
  std::optional<TimePoint> token_at_, peer_at_;  // the next questions
  Duration pause_ = kPatience;
  std::map<std::string, Question> asked_;  // by request
};

}  // namespace flare
