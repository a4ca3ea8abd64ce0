// toml++ behind text/toml.h: copies its tree into plain structs.
#define TOML_EXCEPTIONS            0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#include <sstream>
#include <string>

#include <toml++/toml.h>

extern "C" {
#include "text/toml.h"
}

static struct str copy(struct arena *a, std::string_view s)
{
    return arena_str(a, str_of(s.data(), s.size()));
}

template <class T> static void print(struct arena *a, const T &value, struct toml_node *to)
{
    std::ostringstream text;
    text << value;
    to->type = TOML_TIME;
    to->text = copy(a, text.str());
}

static void convert(const toml::node &from, struct arena *a, struct toml_node *to);

static void convert_table(const toml::table &from, struct arena *a, struct toml_node *to)
{
    to->type = TOML_TABLE;
    to->children = (struct toml_node *)arena_array(a, from.size(), sizeof *to->children);
    for (const auto &[key, value] : from) {
        struct toml_node *child = &to->children[to->n++];
        convert(value, a, child);
        child->key = copy(a, key.str());
        child->key_line = key.source().begin.line;
        child->key_column = key.source().begin.column;
    }
}

static void convert(const toml::node &from, struct arena *a, struct toml_node *to)
{
    to->line = from.source().begin.line;
    to->column = from.source().begin.column;
    if (auto *table = from.as_table()) {
        convert_table(*table, a, to);
    } else if (auto *array = from.as_array()) {
        to->type = TOML_ARRAY;
        to->children = (struct toml_node *)arena_array(a, array->size(), sizeof *to->children);
        for (const auto &value : *array)
            convert(value, a, &to->children[to->n++]);
    } else if (auto *text = from.as_string()) {
        to->type = TOML_TEXT;
        to->text = copy(a, text->get());
    } else if (auto *integer = from.as_integer()) {
        to->type = TOML_INT;
        to->integer = integer->get();
    } else if (auto *real = from.as_floating_point()) {
        to->type = TOML_REAL;
        to->real = real->get();
    } else if (auto *boolean = from.as_boolean()) {
        to->type = TOML_BOOL;
        to->boolean = boolean->get();
    } else if (auto *date = from.as_date()) {
        print(a, date->get(), to);
    } else if (auto *time = from.as_time()) {
        print(a, time->get(), to);
    } else if (auto *both = from.as_date_time()) {
        print(a, both->get(), to);
    }
}

int toml_read(struct str document, struct arena *a, struct toml_node *to, struct why *why)
{
    toml::parse_result result =
        toml::parse(std::string_view(document.n ? document.p : "", document.n));
    if (!result) {
        const auto &error = result.error();
        std::string text(error.description());
        return why_set(why, ERR_FORMAT, "line %u, column %u: %s",
                       (unsigned)error.source().begin.line, (unsigned)error.source().begin.column,
                       text.c_str());
    }
    convert_table(result.table(), a, to);
    to->line = to->column = 1;
    return 0;
}
