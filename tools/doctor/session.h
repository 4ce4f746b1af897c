// Tries what the trainer would do: to connect.
#pragma once

#include "doctor/gather.h"

namespace flare_tool::doctor {

// Writes facts->probe and facts->session. Takes no task; an exchanger hands what it had in mind to whoever comes next.
void try_session(flare::Options *options, Clock::time_point deadline, Facts *facts);

}  // namespace flare_tool::doctor
