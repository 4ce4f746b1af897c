#include "option_page.h"

#include <flare_agent.h>

#include <cctype>

namespace flare_tool {

namespace {

std::string cell(const std::string &text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string variable(const std::string &name) {
  std::string variable = "FLARE_AGENT_";
  for (const char c : name) variable += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return variable;
}

}  // namespace

std::string option_page() {
  std::string page =
      "# Options\n"
      "\n"
      "Made by `flare-agent options`. An option is set by `flare_options_set()`, else by its environment variable, "
      "else\n"
      "in the profile, else it has its default. Durations are in seconds, sizes in bytes.\n"
      "\n"
      "| option | environment variable | default | meaning |\n"
      "|---|---|---|---|\n";
  const char *name = nullptr, *default_value = nullptr, *help = nullptr;
  for (size_t i = 0; flare_option_describe(i, &name, &default_value, &help) == FLARE_OK; ++i) {
    const std::string otherwise = *default_value == '\0' ? "" : "`" + cell(default_value) + "`";
    page += "| `" + cell(name) + "` | `" + variable(name) + "` | " + otherwise + " | " + cell(help) + " |\n";
  }
  return page;
}

}  // namespace flare_tool
