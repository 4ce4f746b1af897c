#include "pipe/zmq/session.h"

#include <utility>

namespace flare {

std::vector<Session::Action> Session::take_actions() { return std::exchange(actions_, {}); }

}  // namespace flare
