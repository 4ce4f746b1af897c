// docs/options.md, from the table of options in the library.
#pragma once

#include <string>

namespace flare_tool {

std::string option_page();

}  // namespace flare_tool
