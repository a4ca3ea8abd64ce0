/* InfiniBand devices and their ports, from /sys/class/infiniband. */
#include "collect/collector.h"

#include "collect/folder.h"

enum { LANES = 4 }; /* data is counted in words of 4 bytes */

#define PORT(file, unit, name, type, help)                                                         \
    {                                                                                              \
        file, unit,                                                                                \
        {                                                                                          \
            "node_infiniband_" name, type, help,                                                   \
            {                                                                                      \
                "device", "port"                                                                   \
            }                                                                                      \
        }                                                                                          \
    }
#define COUNT(file, name, help) PORT("counters/" file, 1, name "_total", METRIC_COUNTER, help)
#define DATA(file, name, help)  PORT(file, LANES, name "_bytes_total", METRIC_COUNTER, help)
#define OLD(file, name, help)                                                                      \
    PORT("counters_ext/" file, 1, "legacy_" name "_total", METRIC_COUNTER, help)

static const struct family INFO = {"node_infiniband_info",
                                   METRIC_GAUGE,
                                   "The adapter; always 1.",
                                   {"device", "board_id", "firmware_version", "hca_type"}};
static const char *const TEXTS[] = {"board_id", "fw_ver", "hca_type"};

static const struct folder_row PORTS[] = {
    OLD("port_multicast_rcv_packets", "multicast_packets_received", "Multicast received."),
    OLD("port_multicast_xmit_packets", "multicast_packets_transmitted", "Multicast sent."),
    DATA("counters_ext/port_rcv_data_64", "legacy_data_received", "Bytes received."),
    OLD("port_rcv_packets_64", "packets_received", "Packets received."),
    OLD("port_unicast_rcv_packets", "unicast_packets_received", "Unicast received."),
    OLD("port_unicast_xmit_packets", "unicast_packets_transmitted", "Unicast sent."),
    DATA("counters_ext/port_xmit_data_64", "legacy_data_transmitted", "Bytes sent."),
    OLD("port_xmit_packets_64", "packets_transmitted", "Packets sent."),
    COUNT("excessive_buffer_overrun_errors", "excessive_buffer_overrun_errors",
          "Overruns of buffers."),
    COUNT("link_downed", "link_downed", "Times that the link went down."),
    COUNT("link_error_recovery", "link_error_recovery", "Times that the link recovered."),
    COUNT("local_link_integrity_errors", "local_link_integrity_errors", "Errors of the link."),
    COUNT("multicast_rcv_packets", "multicast_packets_received", "Multicast received."),
    COUNT("multicast_xmit_packets", "multicast_packets_transmitted", "Multicast sent."),
    COUNT("port_rcv_constraint_errors", "port_constraint_errors_received",
          "Packets refused by a rule of the switch."),
    COUNT("port_xmit_constraint_errors", "port_constraint_errors_transmitted",
          "Packets not sent by a rule of the switch."),
    DATA("counters/port_rcv_data", "port_data_received", "Bytes received."),
    DATA("counters/port_xmit_data", "port_data_transmitted", "Bytes sent."),
    COUNT("port_rcv_discards", "port_discards_received", "Packets dropped on the way in."),
    COUNT("port_xmit_discards", "port_discards_transmitted", "Packets dropped on the way out."),
    COUNT("port_rcv_errors", "port_errors_received", "Packets with errors."),
    COUNT("port_rcv_packets", "port_packets_received", "Packets received."),
    COUNT("port_xmit_packets", "port_packets_transmitted", "Packets sent."),
    COUNT("port_xmit_wait", "port_transmit_wait", "Ticks that data waited without being sent."),
    COUNT("port_rcv_remote_physical_errors", "port_receive_remote_physical_errors",
          "Packets marked bad by the sender."),
    COUNT("port_rcv_switch_relay_errors", "port_receive_switch_relay_errors",
          "Packets that could not be passed on."),
    COUNT("symbol_error", "symbol_error", "Errors of symbols."),
    COUNT("unicast_rcv_packets", "unicast_packets_received", "Unicast received."),
    COUNT("unicast_xmit_packets", "unicast_packets_transmitted", "Unicast sent."),
    COUNT("VL15_dropped", "vl15_dropped", "Management packets dropped."),
};
/* The number before the colon: "4: ACTIVE". */
static const struct folder_row STATES[] = {
    PORT("state", 1, "state_id", METRIC_GAUGE, "State of the port; 4 is active."),
    PORT("phys_state", 1, "physical_state_id", METRIC_GAUGE, "Physical state; 5 is up."),
};
static const struct family RATE = {"node_infiniband_rate_bytes_per_second",
                                   METRIC_GAUGE,
                                   "Speed of the port.",
                                   {"device", "port"}};

static void give_port(struct emit *e, const char *dir, struct str device, struct str port)
{
    const struct str values[] = {device, port};
    char room[PSEUDO_SMALL];
    struct str text, word;
    double v;
    for (size_t i = 0; i < COUNTOF(STATES); i++)
        if (folder_text(dir, STATES[i].file, room, &text) && str_split(&text, ':', &word) &&
            pseudo_parse(word, &v))
            emit_value(e, &STATES[i].family, v, values, 2);
    if (folder_text(dir, "rate", room, &text) && pseudo_number(&text, &v))
        emit_value(e, &RATE, v * 1e9 / 8, values, 2);            /* "40 Gb/sec (4X QDR)" */
    (void)folder_give(e, dir, PORTS, COUNTOF(PORTS), values, 2); /* what is there */
}

static void give_device(struct emit *e, const char *dir, const char *name)
{
    char path[FOLDER_PATH], port[FOLDER_PATH], bytes[COUNTOF(TEXTS) * EMIT_VALUE_MAX];
    struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
    struct str values[1 + COUNTOF(TEXTS)] = {str_c(name)};
    struct folder ports;
    (void)folder_texts(dir, TEXTS, COUNTOF(TEXTS), &room, values + 1); /* missing ones are "" */
    emit_value(e, &INFO, 1, values, COUNTOF(values));
    folder_path(path, "%s/ports", dir);
    if (folder_list(path, "", &ports))
        return;
    for (size_t i = 0; i < ports.n; i++) {
        folder_path(port, "%s/%s", path, ports.v[i]);
        give_port(e, port, str_c(name), str_c(ports.v[i]));
    }
    folder_done(&ports);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH], dir[FOLDER_PATH];
    struct folder devices;
    folder_path(path, "%s/class/infiniband", host->sys);
    if (folder_list(path, "", &devices))
        return why_set(why, ERR_NOENT, "there is no InfiniBand");
    for (size_t i = 0; i < devices.n; i++) {
        folder_path(dir, "%s/%s", path, devices.v[i]);
        give_device(e, dir, devices.v[i]);
    }
    folder_done(&devices);
    return 0;
}

const struct collector_ops infiniband_collector = {.run = run};
