// The names of NVFlare's message files: all of a message but its data (FP-02). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipe/message.h"

namespace flare {

// Without data. nullopt: no name that a message of NVFlare has.
std::optional<Message> read_file_name(std::string_view name);

// Throws Failure(FLARE_INVALID_ARGUMENT) for a topic or an id that no file name can have.
std::string file_name_of(const Message &message);

}  // namespace flare
