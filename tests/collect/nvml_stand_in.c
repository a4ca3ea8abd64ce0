/* A library that answers as NVIDIA's management library does, with two made-up cards: one that
 * knows every call and one that knows few. For tests of helper/gpu. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { OK = 0, NOT_SUPPORTED = 3, LOST = 15 };

struct pci {
    char legacy[16];
    unsigned domain, bus, device, id, subsystem;
    char bus_id[32];
};

struct session {
    unsigned id, pid, vgpu;
    int codec;
    unsigned width, height, fps, latency_us;
};

struct process {
    unsigned pid;
    unsigned long long memory;
    unsigned gpu_instance, compute_instance;
};

static int cards[2]; /* what handles point to */
static int reads;

/* The first card knows all; NVML_LOST_AFTER=N makes both fall off the bus. */
static int knows(const void *card)
{
    const char *limit = getenv("NVML_LOST_AFTER");
    if (limit != NULL && reads > atoi(limit))
        return LOST;
    return card == &cards[0] ? OK : NOT_SUPPORTED;
}

#define CALL(name, parameters, ...)                                                                \
    EXPORT int name parameters;                                                                    \
    EXPORT int name parameters                                                                     \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define OF_CARD(name, parameters, ...)                                                             \
    CALL(                                                                                          \
        name, parameters, int known = knows(card); if (known == OK) { __VA_ARGS__ } return known;)

CALL(nvmlInit_v2, (void), return getenv("NVML_NO_DRIVER") == NULL ? OK : 9;)
CALL(nvmlShutdown, (void), return OK;)
CALL(nvmlDeviceGetCount_v2, (unsigned *n), reads++; *n = 2; return OK;)
CALL(nvmlDeviceGetHandleByIndex_v2, (unsigned i, void **card), *card = &cards[i]; return OK;)
CALL(nvmlSystemGetDriverVersion, (char *text, unsigned n), snprintf(text, n, "550.54"); return OK;)
CALL(nvmlDeviceGetName, (void *card, char *text, unsigned n),
     snprintf(text, n, "Made Up %d", card == &cards[0] ? 1 : 2);
     return OK;)
OF_CARD(nvmlDeviceGetUUID, (void *card, char *text, unsigned n), snprintf(text, n, "GPU-1234");)
OF_CARD(nvmlDeviceGetPciInfo_v3, (void *card, struct pci *pci), memset(pci, 0, sizeof *pci);
        snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:0B:00.0");)
OF_CARD(nvmlDeviceGetUtilizationRates, (void *card, unsigned *two), two[0] = 25; two[1] = 50;)
CALL(nvmlDeviceGetMemoryInfo, (void *card, unsigned long long *three), (void)card;
     three[0] = 8000000000; three[1] = 5000000000; three[2] = 3000000000; return OK;)
OF_CARD(nvmlDeviceGetTemperature, (void *card, int sensor, unsigned *v), *v = sensor == 0 ? 61 : 0;)
OF_CARD(nvmlDeviceGetPowerUsage, (void *card, unsigned *v), *v = 215500;)
OF_CARD(nvmlDeviceGetEnforcedPowerLimit, (void *card, unsigned *v), *v = 300000;)
OF_CARD(nvmlDeviceGetTotalEnergyConsumption, (void *card, unsigned long long *v), *v = 1234500;)
OF_CARD(nvmlDeviceGetFanSpeed, (void *card, unsigned *v), *v = 75;)
OF_CARD(nvmlDeviceGetClockInfo, (void *card, int kind, unsigned *v),
        *v = 1000 + 100 * (unsigned)kind;)
OF_CARD(nvmlDeviceGetMaxClockInfo, (void *card, int kind, unsigned *v),
        *v = 2000 + 100 * (unsigned)kind;)
OF_CARD(nvmlDeviceGetPerformanceState, (void *card, int *v), *v = 2;)
OF_CARD(nvmlDeviceGetCurrentClocksThrottleReasons, (void *card, unsigned long long *v), *v = 0x44;)
OF_CARD(nvmlDeviceGetTotalEccErrors, (void *card, int error, int counter, unsigned long long *v),
        *v = 1 + (unsigned)error * 10 + (unsigned)counter * 100;)
OF_CARD(nvmlDeviceGetEncoderUtilization, (void *card, unsigned *v, unsigned *us), *v = 50;
        *us = 1000;)
OF_CARD(nvmlDeviceGetDecoderUtilization, (void *card, unsigned *v, unsigned *us), *v = 25;
        *us = 1000;)
OF_CARD(nvmlDeviceGetEncoderStats, (void *card, unsigned *n, unsigned *fps, unsigned *us), *n = 2;
        *fps = 60; *us = 31250;)
OF_CARD(nvmlDeviceGetEncoderSessions, (void *card, unsigned *n, struct session *v),
        v[0] = (struct session){7, 4711, 0, 1, 1920, 1080, 30, 15625};
        *n = 1;)
OF_CARD(nvmlDeviceGetComputeRunningProcesses_v3, (void *card, unsigned *n, struct process *v),
        v[0] = (struct process){(unsigned)atoi(getenv("NVML_PID") ? getenv("NVML_PID") : "1"),
                                1048576, 0, 0};
        v[1] = (struct process){2, ~0ULL, 0, 0}; *n = 2;)
OF_CARD(nvmlDeviceGetGraphicsRunningProcesses_v3, (void *card, unsigned *n, struct process *v),
        (void)v;
        *n = 0;)
