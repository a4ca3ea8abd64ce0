/* Fibre Channel adapters, from /sys/class/fc_host. Numbers are hexadecimal. */
#include "collect/collector.h"

#include "collect/folder.h"

#define COUNT(file, name, help)                                                                    \
    {                                                                                              \
        "statistics/" file, 1,                                                                     \
        {                                                                                          \
            "node_fibrechannel_" name "_total", METRIC_COUNTER, help,                              \
            {                                                                                      \
                "fc_host"                                                                          \
            }                                                                                      \
        }                                                                                          \
    }

static const struct folder_row COUNTS[] = {
    COUNT("dumped_frames", "dumped_frames", "Frames dumped."),
    COUNT("error_frames", "error_frames", "Frames with errors."),
    COUNT("invalid_crc_count", "invalid_crc", "Wrong checksums."),
    COUNT("rx_frames", "rx_frames", "Frames received."),
    COUNT("rx_words", "rx_words", "Words received."),
    COUNT("tx_frames", "tx_frames", "Frames sent."),
    COUNT("tx_words", "tx_words", "Words sent."),
    COUNT("seconds_since_last_reset", "seconds_since_last_reset", "Time since the reset."),
    COUNT("invalid_tx_word_count", "invalid_tx_words", "Invalid words."),
    COUNT("link_failure_count", "link_failure", "Failures of the link."),
    COUNT("loss_of_sync_count", "loss_of_sync", "Losses of synchronisation."),
    COUNT("loss_of_signal_count", "loss_of_signal", "Losses of the signal."),
    COUNT("nos_count", "nos", "Not-operational sequences."),
    COUNT("fcp_packet_aborts", "fcp_packet_aborts", "Packets aborted."),
};
static const struct family INFO = {"node_fibrechannel_info",
                                   METRIC_GAUGE,
                                   "The adapter; always 1.",
                                   {"fc_host", "speed", "port_state", "port_type", "port_id",
                                    "port_name", "fabric_name", "symbolic_name",
                                    "supported_classes", "supported_speeds", "dev_loss_tmo"}};
static const char *const TEXTS[] = {
    "speed",       "port_state",    "port_type",         "port_id",          "port_name",
    "fabric_name", "symbolic_name", "supported_classes", "supported_speeds", "dev_loss_tmo"};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH], dir[FOLDER_PATH], bytes[COUNTOF(TEXTS) * EMIT_VALUE_MAX];
    struct folder hosts;
    folder_path(path, "%s/class/fc_host", host->sys);
    if (folder_list(path, "", &hosts))
        return why_set(why, ERR_NOENT, "there is no Fibre Channel");
    for (size_t i = 0; i < hosts.n; i++) {
        struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
        struct str values[1 + COUNTOF(TEXTS)] = {str_c(hosts.v[i])};
        folder_path(dir, "%s/%s", path, hosts.v[i]);
        (void)folder_texts(dir, TEXTS, COUNTOF(TEXTS), &room, values + 1); /* missing are "" */
        for (size_t k = 1; k < COUNTOF(values); k++)
            if (str_starts(values[k], STR("0x")))
                values[k] = str_sub(values[k], 2, values[k].n);
        emit_value(e, &INFO, 1, values, COUNTOF(values));
        (void)folder_give(e, dir, COUNTS, COUNTOF(COUNTS), values, 1); /* what is there */
    }
    folder_done(&hosts);
    return 0;
}

const struct collector_ops fibrechannel_collector = {.run = run};
