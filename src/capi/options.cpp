#include <new>

#include "capi/boundary.h"
#include "capi/handles.h"
#include "config/discover.h"

using flare::guarded;
using flare::required;
using flare::text;

flare_options *flare_options_new(void) noexcept { return new (std::nothrow) flare_options; }

void flare_options_free(flare_options *options) noexcept { delete options; }

flare_status flare_options_set(flare_options *options, const char *name, const char *value,
                               flare_error **error) noexcept {
  return guarded(error, [&] {
    required(options, "options")->values.set(text(name, "name"), text(value, "value"));
    return FLARE_OK;
  });
}

flare_status flare_option_describe(size_t index, const char **name, const char **default_value,
                                   const char **help) noexcept {
  if (index >= flare::option_count()) return FLARE_NOT_FOUND;
  const flare::Option &option = flare::option_at(index);
  if (name) *name = option.name;
  if (default_value) *default_value = option.default_value;
  if (help) *help = option.help;
  return FLARE_OK;
}

flare_status flare_options_resolve(const flare_options *options, flare_settings **settings,
                                   flare_error **error) noexcept {
  return guarded(error, [&] {
    required(settings, "settings");
    *settings = new flare_settings{flare::resolve_for_agent(options ? options->values : flare::Options())};
    return FLARE_OK;
  });
}

void flare_settings_free(flare_settings *settings) noexcept { delete settings; }

flare_status flare_settings_at(const flare_settings *settings, size_t index, const char **value,
                               const char **source) noexcept {
  return guarded(nullptr, [&] {
    if (!settings || index >= flare::option_count()) return FLARE_NOT_FOUND;
    const std::string name = flare::option_at(index).name;
    const std::string &written = settings->resolved.values.at(name);
    if (value) *value = flare::is_secret(name) && !written.empty() ? "***" : written.c_str();
    if (source) *source = settings->resolved.sources.at(name).c_str();
    return FLARE_OK;
  });
}
