// Which finding it is that the library speaks of.
#pragma once

#include <optional>
#include <string_view>

#include "doctor/catalogue.h"

namespace flare_tool::doctor {

// Of a message about options and where they are from, about opening an agent, and about a session that did not come up.
std::optional<Id> id_of_message(std::string_view message);

}  // namespace flare_tool::doctor
