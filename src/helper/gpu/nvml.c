#include "helper/gpu/nvml.h"

#include <dlfcn.h>
#include <stdbool.h>

#include "base/mem.h"

enum {
    CARDS_MAX = 64,
    PROCESSES_MAX = 256,
    SESSIONS_MAX = 128,
    TEXT_MAX = 96,
    GOOD = 0,  /* NVML_SUCCESS */
    LOST = 15, /* NVML_ERROR_GPU_IS_LOST */
    TEMPERATURE_GPU = 0,
    ECC_CORRECTED = 0,
    ECC_UNCORRECTED = 1,
    ECC_VOLATILE = 0,
    ECC_AGGREGATE = 1,
};

/* nvmlUtilization_t, nvmlMemory_t, nvmlPciInfo_t, nvmlEncoderSessionInfo_t, nvmlProcessInfo_t (of
 * the _v3 calls) */
struct utilization {
    unsigned gpu, memory; /* percent */
};

struct memory {
    unsigned long long total, free, used; /* bytes */
};

struct pci {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

struct session {
    unsigned id, pid, vgpu;
    int codec; /* 0: H.264, 1: HEVC, 2: AV1 */
    unsigned width, height, fps, latency_us;
};

struct process {
    unsigned pid;
    unsigned long long memory;
    unsigned gpu_instance, compute_instance;
};

typedef void *card; /* nvmlDevice_t */

/* The calls: CALL(name as we say it, symbol, parameters). */
#define CALLS                                                                                      \
    CALL(init, "nvmlInit_v2", (void))                                                              \
    CALL(shutdown, "nvmlShutdown", (void))                                                         \
    CALL(count, "nvmlDeviceGetCount_v2", (unsigned *))                                             \
    CALL(card, "nvmlDeviceGetHandleByIndex_v2", (unsigned, card *))                                \
    CALL(driver, "nvmlSystemGetDriverVersion", (char *, unsigned))                                 \
    CALL(name, "nvmlDeviceGetName", (card, char *, unsigned))                                      \
    CALL(uuid, "nvmlDeviceGetUUID", (card, char *, unsigned))                                      \
    CALL(pci, "nvmlDeviceGetPciInfo_v3", (card, struct pci *))                                     \
    CALL(utilization, "nvmlDeviceGetUtilizationRates", (card, struct utilization *))               \
    CALL(memory, "nvmlDeviceGetMemoryInfo", (card, struct memory *))                               \
    CALL(temperature, "nvmlDeviceGetTemperature", (card, int, unsigned *))                         \
    CALL(power, "nvmlDeviceGetPowerUsage", (card, unsigned *))                                     \
    CALL(power_limit, "nvmlDeviceGetEnforcedPowerLimit", (card, unsigned *))                       \
    CALL(energy, "nvmlDeviceGetTotalEnergyConsumption", (card, unsigned long long *))              \
    CALL(fan, "nvmlDeviceGetFanSpeed", (card, unsigned *))                                         \
    CALL(clock, "nvmlDeviceGetClockInfo", (card, int, unsigned *))                                 \
    CALL(clock_max, "nvmlDeviceGetMaxClockInfo", (card, int, unsigned *))                          \
    CALL(state, "nvmlDeviceGetPerformanceState", (card, int *))                                    \
    CALL(throttling, "nvmlDeviceGetCurrentClocksThrottleReasons", (card, unsigned long long *))    \
    CALL(ecc, "nvmlDeviceGetTotalEccErrors", (card, int, int, unsigned long long *))               \
    CALL(encoder, "nvmlDeviceGetEncoderUtilization", (card, unsigned *, unsigned *))               \
    CALL(decoder, "nvmlDeviceGetDecoderUtilization", (card, unsigned *, unsigned *))               \
    CALL(encoder_stats, "nvmlDeviceGetEncoderStats", (card, unsigned *, unsigned *, unsigned *))   \
    CALL(sessions, "nvmlDeviceGetEncoderSessions", (card, unsigned *, struct session *))           \
    CALL(compute, "nvmlDeviceGetComputeRunningProcesses_v3", (card, unsigned *, struct process *)) \
    CALL(graphics, "nvmlDeviceGetGraphicsRunningProcesses_v3", (card, unsigned *, struct process *))

struct nvml {
    void *library;
    char driver_version[TEXT_MAX];
    bool lost;
#define CALL(name, symbol, parameters) int(*name) parameters;
    CALLS
#undef CALL
};

/* Whether a call is there and answered well. */
#define ASK(n, name, ...) ((n)->name != NULL && heard((n), (n)->name(__VA_ARGS__)))

static bool heard(struct nvml *n, int answer)
{
    n->lost = n->lost || answer == LOST;
    return answer == GOOD;
}

int nvml_open(const char *library, struct nvml **ret, struct why *why)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return why_set(why, ERR_NOENT, "%s", dlerror());
    struct nvml *n = mem_new(sizeof *n);
    n->library = handle;
#define CALL(name, symbol, parameters) *(void **)(void *)&n->name = dlsym(handle, symbol);
    CALLS
#undef CALL
    int answer = n->init == NULL || n->count == NULL || n->card == NULL ? -1 : n->init();
    if (answer != GOOD) {
        dlclose(handle);
        mem_free(n);
        return why_set(why, ERR_STATE, "%s answers %d to nvmlInit: is the driver loaded?", library,
                       answer);
    }
    if (!ASK(n, driver, n->driver_version, sizeof n->driver_version))
        n->driver_version[0] = '\0';
    *ret = n;
    return 0;
}

void nvml_close(struct nvml *n)
{
    if (n == NULL)
        return;
    if (n->shutdown != NULL)
        n->shutdown();
    dlclose(n->library);
    mem_free(n);
}

/* ---- lines */

/* One card, and where its lines go. */
struct reading {
    struct nvml *n;
    card card;
    unsigned index;
    struct buf *out;
};

static void put(struct reading *r, const char *field, const char *argument, double value)
{
    buf_printf(r->out, "%s\tnvidia%u\t%s\t%.17g\n", field, r->index, argument, value);
}

/* Text without what separates fields. */
static void put_text(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_put_c(out, (unsigned char)*text < ' ' ? ' ' : *text);
}

static void read_identity(struct reading *r)
{
    char name[TEXT_MAX] = "", uuid[TEXT_MAX] = "";
    struct pci pci = {.bus_id = ""};
    (void)ASK(r->n, name, r->card, name, sizeof name);
    (void)ASK(r->n, uuid, r->card, uuid, sizeof uuid);
    (void)ASK(r->n, pci, r->card, &pci);
    buf_printf(r->out, "info\tnvidia%u\t", r->index);
    put_text(r->out, name);
    buf_put_c(r->out, '\t');
    put_text(r->out, uuid);
    buf_put_c(r->out, '\t');
    put_text(r->out, pci.bus_id);
    buf_put_c(r->out, '\t');
    put_text(r->out, r->n->driver_version);
    buf_put_c(r->out, '\n');
}

static void read_load(struct reading *r)
{
    struct utilization u;
    struct memory m;
    unsigned percent, period;
    if (ASK(r->n, utilization, r->card, &u)) {
        put(r, "utilization", "", u.gpu / 100.0);
        put(r, "memory_utilization", "", u.memory / 100.0);
    }
    if (ASK(r->n, memory, r->card, &m)) {
        put(r, "memory_used", "", (double)m.used);
        put(r, "memory_total", "", (double)m.total);
    }
    if (ASK(r->n, encoder, r->card, &percent, &period))
        put(r, "encoder_utilization", "", percent / 100.0);
    if (ASK(r->n, decoder, r->card, &percent, &period))
        put(r, "decoder_utilization", "", percent / 100.0);
}

static void read_heat(struct reading *r)
{
    static const char *const CLOCKS[] = {"graphics", "sm", "memory", "video"};
    unsigned v;
    unsigned long long mj;
    int state;
    if (ASK(r->n, temperature, r->card, TEMPERATURE_GPU, &v))
        put(r, "temperature", "gpu", v);
    if (ASK(r->n, power, r->card, &v))
        put(r, "power", "", v / 1e3);
    if (ASK(r->n, power_limit, r->card, &v))
        put(r, "power_limit", "", v / 1e3);
    if (ASK(r->n, energy, r->card, &mj))
        put(r, "energy", "", (double)mj / 1e3);
    if (ASK(r->n, fan, r->card, &v))
        put(r, "fan", "", v / 100.0);
    if (ASK(r->n, state, r->card, &state))
        put(r, "performance_state", "", state);
    for (int i = 0; i < (int)COUNTOF(CLOCKS); i++) {
        if (ASK(r->n, clock, r->card, i, &v))
            put(r, "clock", CLOCKS[i], v * 1e6);
        if (ASK(r->n, clock_max, r->card, i, &v))
            put(r, "clock_max", CLOCKS[i], v * 1e6);
    }
}

static void read_faults(struct reading *r)
{
    static const struct {
        unsigned long long bit;
        const char *name;
    } REASONS[] = {
        {0x2, "application_clocks"}, {0x4, "software_power"},    {0x8, "hardware"},
        {0x10, "sync_boost"},        {0x20, "software_thermal"}, {0x40, "hardware_thermal"},
        {0x80, "power_brake"},       {0x100, "display_clocks"},
    };
    static const struct {
        int error, counter;
        const char *name;
    } ECC[] = {
        {ECC_CORRECTED, ECC_VOLATILE, "corrected_volatile"},
        {ECC_UNCORRECTED, ECC_VOLATILE, "uncorrected_volatile"},
        {ECC_CORRECTED, ECC_AGGREGATE, "corrected_aggregate"},
        {ECC_UNCORRECTED, ECC_AGGREGATE, "uncorrected_aggregate"},
    };
    unsigned long long v;
    if (ASK(r->n, throttling, r->card, &v))
        for (size_t i = 0; i < COUNTOF(REASONS); i++)
            put(r, "throttled", REASONS[i].name, (v & REASONS[i].bit) != 0);
    for (size_t i = 0; i < COUNTOF(ECC); i++)
        if (ASK(r->n, ecc, r->card, ECC[i].error, ECC[i].counter, &v))
            put(r, "ecc_errors", ECC[i].name, (double)v);
}

static void read_encoder(struct reading *r)
{
    static const char *const CODECS[] = {"h264", "hevc", "av1"};
    struct session v[SESSIONS_MAX];
    unsigned n, fps, latency_us;
    if (ASK(r->n, encoder_stats, r->card, &n, &fps, &latency_us)) {
        put(r, "encoder_sessions", "", n);
        put(r, "encoder_fps", "", fps);
        put(r, "encoder_latency", "", latency_us / 1e6);
        /* Little's law: what is in the encoder is what comes in a second times how long it stays */
        put(r, "encoder_queue", "", n * (double)fps * latency_us / 1e6);
    }
    n = SESSIONS_MAX;
    if (!ASK(r->n, sessions, r->card, &n, v))
        return;
    for (unsigned i = 0; i < MIN(n, (unsigned)SESSIONS_MAX); i++) {
        const char *codec =
            v[i].codec >= 0 && v[i].codec < (int)COUNTOF(CODECS) ? CODECS[v[i].codec] : "other";
        buf_printf(r->out, "session\tnvidia%u\t%u\t%u\t%s\t%ux%u\t%u\t%.9g\n", r->index, v[i].id,
                   v[i].pid, codec, v[i].width, v[i].height, v[i].fps, v[i].latency_us / 1e6);
    }
}

static void read_processes(struct reading *r)
{
    struct process v[PROCESSES_MAX];
    unsigned n = PROCESSES_MAX, all = 0;
    bool known = false;
    for (int graphics = 0; graphics < 2; graphics++) {
        n = PROCESSES_MAX;
        bool got =
            graphics ? ASK(r->n, graphics, r->card, &n, v) : ASK(r->n, compute, r->card, &n, v);
        known = known || got;
        for (unsigned i = 0; got && i < MIN(n, (unsigned)PROCESSES_MAX); i++) {
            all++;
            if (v[i].memory != ~0ULL) /* not known: under MIG, or in a container */
                buf_printf(r->out, "process\tnvidia%u\t%u\t%s\t%llu\n", r->index, v[i].pid,
                           graphics ? "graphics" : "compute", v[i].memory);
        }
    }
    if (known)
        put(r, "processes", "", all);
}

int nvml_read(struct nvml *n, struct buf *out)
{
    unsigned cards = 0;
    n->lost = false;
    if (!ASK(n, count, &cards))
        return -ERR_STATE;
    for (unsigned i = 0; i < MIN(cards, (unsigned)CARDS_MAX); i++) {
        struct reading r = {.n = n, .index = i, .out = out};
        if (!ASK(n, card, i, &r.card))
            continue;
        read_identity(&r);
        read_load(&r);
        read_heat(&r);
        read_faults(&r);
        read_encoder(&r);
        read_processes(&r);
    }
    return n->lost ? -ERR_STATE : 0;
}
