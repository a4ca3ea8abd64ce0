#include "health/checkup_settings.h"

#include <stddef.h>

#define AT(member)    offsetof(struct checkup_settings, member)
#define OWN(member)   offsetof(struct checkup_settings_own, member)
#define PAGE(member)  offsetof(struct checkup_settings_page, member)
#define MAINT(member) offsetof(struct checkup_settings_maintenance, member)

#define KINDS                                                                                      \
    "http|tcp|grpc|icmp|dns|command|process|systemd|file|postgresql|mysql|redis|store|passive"

static const struct option ROWS[] = {
    {"name", OPTION_TEXT, AT(name), "", 0, CHECKUP_SETTINGS_NAME_MAX, NULL, 0,
     "The name of the check, given once: letters, digits, _ - . : and /."},
    {"kind", OPTION_CHOICE, AT(kind), "http", 0, 0, KINDS, 0, "What is looked at."},
    {"group", OPTION_TEXT, AT(group), "", 0, 200, NULL, 0,
     "What it belongs to, on the status page and in /api/components/status."},
    {"description", OPTION_TEXT, AT(description), "", 0, 1000, NULL, 0, "A sentence for people."},
    {"interval_ms", OPTION_INT, AT(interval_ms), "30000", 100, 86400000, NULL, 0,
     "How often it is made. The checks are spread over their intervals."},
    {"timeout_ms", OPTION_INT, AT(timeout_ms), "10000", 10, 3600000, NULL, 0,
     "How long an answer may take; later is a failure."},
    {"fall", OPTION_INT, AT(fall), "3", 1, 1000, NULL, 0,
     "Failures in a row before its state gets worse."},
    {"rise", OPTION_INT, AT(rise), "2", 1, 1000, NULL, 0,
     "Successes in a row before its state gets better."},
    {"degraded_above_ms", OPTION_INT, AT(degraded_above_ms), "0", 0, 3600000, NULL, 0,
     "A good answer that takes longer is degraded; 0: never."},
    {"required", OPTION_BOOL, AT(required), "true", 0, 0, NULL, 0,
     "Does its failure make the whole unhealthy? One that is not required makes it degraded at "
     "most."},
    {"public", OPTION_BOOL, AT(is_public), "true", 0, 0, NULL, 0,
     "Is it on the status page, where that is enabled?"},
    {"alert", OPTION_BOOL, AT(alert), "true", 0, 0, NULL, 0, "Does a bad state raise an alert?"},
    {"severity", OPTION_CHOICE, AT(severity), "critical", 0, 0, "info|warning|critical", 0,
     "Of its alert where it is unhealthy."},
    {"severity_degraded", OPTION_CHOICE, AT(severity_degraded), "warning", 0, 0,
     "info|warning|critical", 0, "Of its alert where it is degraded."},
    {"depends_on", OPTION_LIST, AT(depends_on), "", 0, 0, NULL, 0,
     "Checks whose failure explains this one's: its state is then unknown, and no alert is "
     "raised."},
    {"labels", OPTION_LIST, AT(labels), "", 0, 0, NULL, 0,
     "Labels of its series and alerts: \"name=value\"."},
    {"url", OPTION_TEXT, AT(url), "", 0, 4000, NULL, 0, "http: http:// or https://"},
    {"method", OPTION_TEXT, AT(method), "", 0, 20, NULL, 0,
     "http: GET, HEAD, ...; empty: GET, or POST where there is a body."},
    {"body", OPTION_TEXT, AT(body), "", 0, 65536, NULL, 0, "http: what is sent."},
    {"unix_path", OPTION_TEXT, AT(unix_path), "", 0, 100, NULL, 0,
     "http: the Unix socket to connect to, instead of the address's host."},
    {"headers", OPTION_LIST, AT(headers), "", 0, 0, NULL, OPTION_SECRET,
     "http: more headers, \"Name: value\"."},
    {"status", OPTION_LIST, AT(status), "200-299", 0, 0, NULL, 0,
     "http: statuses that are good, \"200\" or \"200-399\"."},
    {"contains", OPTION_TEXT, AT(contains), "", 0, 4000, NULL, 0,
     "http, file: a text that the first 64 KiB of the answer, or of the file, have to hold."},
    {"username", OPTION_TEXT, AT(username), "", 0, 1000, NULL, 0,
     "http: for basic authentication. postgresql, mysql, redis: the user."},
    {"password", OPTION_TEXT, AT(password), "", 0, 4000, NULL, OPTION_SECRET,
     "http, redis: the password."},
    {"bearer", OPTION_TEXT, AT(bearer), "", 0, 65536, NULL, OPTION_SECRET,
     "http: a token, sent as Authorization: Bearer."},
    {"ca_file", OPTION_TEXT, AT(ca_file), "", 0, 4000, NULL, 0,
     "http: certificates (PEM) that the server's is checked with; empty: those of the system."},
    {"server_name", OPTION_TEXT, AT(server_name), "", 0, 1000, NULL, 0,
     "http: the name that the server's certificate has to be for; empty: that of the address."},
    {"insecure_skip_verify", OPTION_BOOL, AT(insecure_skip_verify), "false", 0, 0, NULL, 0,
     "http: take any certificate; how long it is good for is looked at all the same."},
    {"follow_redirects", OPTION_BOOL, AT(follow_redirects), "false", 0, 0, NULL, 0,
     "http: judge the answer that redirects lead to, and not the redirect."},
    {"fresh_connection", OPTION_BOOL, AT(fresh_connection), "false", 0, 0, NULL, 0,
     "http: connect anew each time, instead of keeping the connection."},
    {"certificate_days", OPTION_INT, AT(certificate_days), "14", 0, 3650, NULL, 0,
     "http: a certificate that ends within so many days is degraded; 0: it is not looked at."},
    {"address", OPTION_TEXT, AT(address), "", 0, 1000, NULL, 0,
     "tcp, grpc, postgresql, mysql, redis: \"HOST:PORT\" or \"unix:/path\". icmp: the host. dns: "
     "the "
     "address of a name server, perhaps with a port; empty: those of /etc/resolv.conf. systemd: "
     "\"unix:/path\" of a system bus; empty: this host's."},
    {"send", OPTION_TEXT, AT(send), "", 0, 4000, NULL, 0, "tcp: what is sent after connecting."},
    {"expect", OPTION_TEXT, AT(expect), "", 0, 4000, NULL, 0,
     "tcp: a text that has to come. dns: an address, name or text that has to be among the "
     "answers."},
    {"service", OPTION_TEXT, AT(service), "", 0, 1000, NULL, 0,
     "grpc: the service to ask for; empty: the whole server."},
    {"database", OPTION_TEXT, AT(database), "", 0, 200, NULL, 0,
     "postgresql: the database; empty: the one named as the user."},
    {"domain", OPTION_TEXT, AT(domain), "", 0, 1000, NULL, 0, "dns: the name to look up."},
    {"record", OPTION_CHOICE, AT(record), "A", 0, 0, "A|AAAA|MX|NS|SRV|TXT", 0,
     "dns: the kind of records, of which there has to be one."},
    {"command", OPTION_LIST, AT(command), "", 0, 0, NULL, 0,
     "command: the program and its arguments, without a shell. Exit status 0 is healthy, 1 "
     "degraded, 2 unhealthy, 3 unknown, and the first line is the message, as plug-ins of Nagios "
     "have it; their performance data become series."},
    {"folder", OPTION_TEXT, AT(folder), "/", 1, 4000, NULL, 0,
     "command: the program's working directory."},
    {"process", OPTION_TEXT, AT(process), "", 0, 200, NULL, 0,
     "process: the name of the program, as ps -e shows it."},
    {"cmdline", OPTION_TEXT, AT(cmdline), "", 0, 4000, NULL, 0,
     "process: a regular expression that is found in the command line."},
    {"pid_file", OPTION_TEXT, AT(pid_file), "", 0, 4000, NULL, 0,
     "process: a file with the number of the process that has to live."},
    {"user", OPTION_TEXT, AT(user), "", 0, 200, NULL, 0,
     "process: whose process it is, a name or a number."},
    {"count_min", OPTION_INT, AT(count_min), "1", 0, 1000000, NULL, 0,
     "process: so many of them at least."},
    {"count_max", OPTION_INT, AT(count_max), "0", 0, 1000000, NULL, 0,
     "process: so many of them at most; 0: any number."},
    {"unit", OPTION_TEXT, AT(unit), "", 0, 256, NULL, 0,
     "systemd: the unit that has to be active, \"ssh.service\"."},
    {"path", OPTION_TEXT, AT(path), "", 0, 4000, NULL, 0, "file: the file."},
    {"age_s_max", OPTION_INT, AT(age_s_max), "0", 0, 1e10, NULL, 0,
     "file: changed within so many seconds; 0: whenever."},
    {"size_bytes_min", OPTION_INT, AT(size_bytes_min), "0", 0, 1e15, NULL, 0,
     "file: so many bytes at least."},
    {"size_bytes_max", OPTION_INT, AT(size_bytes_max), "0", 0, 1e15, NULL, 0,
     "file: so many bytes at most; 0: any number."},
    {"absent", OPTION_BOOL, AT(absent), "false", 0, 0, NULL, 0,
     "file: it must not be there, as one that a failed job leaves behind."},
    {"ttl_ms", OPTION_INT, AT(ttl_ms), "90000", 1000, 2592000000, NULL, 0,
     "passive: a program that has not reported for so long is unhealthy."},
    {"lifetime_ms", OPTION_INT, AT(lifetime_ms), "0", 0, 31536000000, NULL, 0,
     "passive, of a check that a program has made: without a report for so long it is removed; 0: "
     "never."},
};

static const struct option OWN_ROWS[] = {
    {"threads", OPTION_INT, OWN(threads), "4", 1, 32, NULL, 0,
     "Checks that wait for a disk, a program or a name server are made by so many threads."},
    {"metrics_interval_ms", OPTION_INT, OWN(metrics_interval_ms), "15000", 1000, 300000, NULL, 0,
     "How often the states are written as series."},
    {"history_days", OPTION_INT, OWN(history_days), "100", 1, 3660, NULL, 0,
     "How long changes of state are kept."},
    {"history_max", OPTION_INT, OWN(history_max), "2000", 10, 100000, NULL, 0,
     "How many changes of state are kept of each check; the oldest go first."},
};

static const struct option PAGE_ROWS[] = {
    {"enabled", OPTION_BOOL, PAGE(enabled), "false", 0, 0, NULL, OPTION_RELOAD,
     "Answer /status, a page for everybody, with the checks that are public."},
    {"title", OPTION_TEXT, PAGE(title), "Status", 0, 200, NULL, OPTION_RELOAD,
     "The heading of the page."},
};

static const struct option MAINTENANCE_ROWS[] = {
    {"name", OPTION_TEXT, MAINT(name), "", 0, CHECKUP_SETTINGS_NAME_MAX, NULL, 0, "Its name."},
    {"reason", OPTION_TEXT, MAINT(reason), "", 0, 1000, NULL, 0, "What is done, for people."},
    {"checks", OPTION_LIST, MAINT(checks), "", 0, 0, NULL, 0,
     "Names of checks, in which * stands for anything; none: all that the labels choose."},
    {"labels", OPTION_LIST, MAINT(labels), "", 0, 0, NULL, 0,
     "Labels that a check has to have, \"name=value\"."},
    {"from", OPTION_TEXT, MAINT(from), "", 0, 40, NULL, 0,
     "Its begin, as 2026-01-02T13:00:00Z; empty with weekly: at once."},
    {"to", OPTION_TEXT, MAINT(to), "", 0, 40, NULL, 0, "Its end; empty with weekly: never."},
    {"weekly", OPTION_LIST, MAINT(weekly), "", 0, 0, NULL, 0,
     "Times of the week, \"sun 02:00-04:00\", \"mon-fri 23:30-00:30\", \"daily 12:00-12:05\"."},
    {"zone", OPTION_CHOICE, MAINT(zone), "local", 0, 0, "local|utc", 0,
     "Whose clock weekly means: this machine's, or UTC."},
};

#define TABLE(section, prose, repeated, type, rows)                                                \
    {                                                                                              \
        section, prose, repeated, sizeof(struct type), rows, COUNTOF(rows)                         \
    }

const struct option_table checkup_settings_own_options =
    TABLE("health", "Checks of components: how they are made and kept.", false,
          checkup_settings_own, OWN_ROWS);
const struct option_table checkup_settings_options =
    TABLE("check", "A check of a component: is it well?", true, checkup_settings, ROWS);
const struct option_table checkup_settings_maintenance_options =
    TABLE("maintenance", "A time in which failures of checks are expected.", true,
          checkup_settings_maintenance, MAINTENANCE_ROWS);
const struct option_table checkup_settings_page_options = TABLE(
    "status_page", "The public page about the checks.", false, checkup_settings_page, PAGE_ROWS);
